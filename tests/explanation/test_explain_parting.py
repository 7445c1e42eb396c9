"""Several classes explained at once, taken apart, equal each by itself."""

from __future__ import annotations

import numpy as np
import pytest

import matxai
from matxai.explanation import by_class, load, provenance, save

METHODS = ["grad_cam", "lrp:epsilon", "saliency", "input_x_gradient"]


def test_each_class_is_as_if_it_had_been_asked_for_alone(make_model, micrograph, tmp_path):
    model = make_model()
    several = matxai.explain(model, micrograph, METHODS, target=["crack", "pore", "sound"])
    parts = by_class(several)
    assert list(parts) == ["crack", "pore", "sound"]
    for name, part in parts.items():
        alone = matxai.explain(model, micrograph, METHODS, target=name)
        assert list(part.data_vars) == list(alone.data_vars)
        for key, variable in alone.data_vars.items():
            assert part[key].dims == variable.dims
            np.testing.assert_allclose(part[key].values, variable.values, rtol=1e-4, atol=1e-7)
            assert part[key].attrs["class"] == name
            for fact in ("sum", "min", "max"):
                assert part[key].attrs[fact] == pytest.approx(variable.attrs[fact], rel=1e-3, abs=1e-5)
        assert provenance(part)["target"]["class"] == name
        assert provenance(part)["ledger"].keys() == provenance(alone)["ledger"].keys()
        assert load(save(part, tmp_path / f"{name}.nc")).identical(part)


def test_a_single_class_stays_as_it_is(make_model, micrograph):
    one = matxai.explain(make_model(), micrograph, ["grad_cam"], target="pore")
    assert by_class(one)["pore"].identical(one)
