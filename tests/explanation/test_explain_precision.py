"""In which precision a model runs, and with how much memory its passes are planned."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import matxai
from matxai.engine.memory import capped, free_bytes
from matxai.errors import ModelError
from matxai.explanation import explain, provenance
from matxai.modelcard import load_model

METHODS = ["grad_cam", "lrp:epsilon_plus", "input_x_gradient", "occlusion"]
CARD = {"task": "classification", "classes": ["crack", "pore", "sound"], "kind": "2d", "channels": 1}


def like(a, b) -> float:
    a, b = np.ravel(a).astype(float), np.ravel(b).astype(float)
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_double_precision_is_a_copy_and_the_users_module_stays_single(make_network, micrograph):
    module = make_network()
    single, double = load_model(module, **CARD), load_model(module, precision="float64", **CARD)
    assert (single.precision, double.precision) == ("float32", "float64")
    assert {p.dtype for p in double.module.parameters()} == {torch.float64}
    assert {p.dtype for p in module.parameters()} == {torch.float32}
    assert double.preprocessing.prepare(micrograph).tensor.dtype == torch.float64
    a, b = (explain(m, micrograph, METHODS, target="pore") for m in (single, double))
    for name in a.data_vars:
        np.testing.assert_allclose(a[name], b[name], rtol=1e-3, atol=1e-5 * float(np.abs(b[name]).max()))
    assert [provenance(r)["precision"] for r in (a, b)] == ["float32", "float64"]
    # the score of the network itself in double precision, to digits that single precision has not
    x = torch.from_numpy(micrograph.values)[None, None].double() / 255
    expected = double.module(x)[0, 1].item()
    assert provenance(b)["target"]["score"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_changes_digits_and_no_weights(make_network, micrograph, precision):
    module = make_network()
    single, half = load_model(module, **CARD), load_model(module, precision=precision, **CARD)
    seen = []
    hook = half.module[0].register_forward_hook(lambda _, __, out: seen.append(out.dtype))
    a, b = (explain(m, micrograph, METHODS, target="pore") for m in (single, half))
    hook.remove()
    assert getattr(torch, precision) in seen
    assert {p.dtype for p in module.parameters()} == {torch.float32}
    for name in a.data_vars:
        # occlusion is a difference of two scores, and bfloat16 has three digits
        assert (0.9 if name == "occlusion" else 0.99) < like(a[name], b[name]) < 1, name
        assert not np.array_equal(a[name], b[name])
    assert not torch.is_autocast_enabled("cpu")


def test_predictions_of_the_checks_run_in_the_models_precision(make_network, micrograph):
    from matxai.checks.asking import run_batch

    module = make_network()
    made = [load_model(module, precision=p, **CARD) for p in ("float32", "float64", "bfloat16")]
    outputs = [run_batch(m, m.preprocessing.prepare(micrograph).tensor) for m in made]
    assert [o.dtype for o in outputs] == [torch.float32, torch.float64, torch.bfloat16]
    for o in outputs[1:]:
        np.testing.assert_allclose(o.float().detach(), outputs[0].detach(), rtol=0.05, atol=0.02)


def test_what_has_no_such_precision_is_refused_in_a_sentence(make_network):
    with pytest.raises(ModelError, match=r"There is no precision 'float8'\. Did you mean"):
        load_model(make_network(), precision="float8", **CARD)
    box = matxai.black_box(lambda x: np.zeros((len(x), 3)))
    with pytest.raises(ModelError, match="is a black box and runs in a precision of its own; leave 'float64' out"):
        load_model(box, precision="float64", **CARD)
    wide = load_model(make_network(), precision="float64", **CARD)
    from matxai.modelcard.precision import in_precision

    with pytest.raises(ModelError, match="was converted to float64; load it again for 'float32'"):
        in_precision(wide, "float32")


def test_with_little_memory_copies_run_in_smaller_chunks_and_maps_stay(make_model, micrograph):
    model = make_model()
    sizes: list[int] = []
    hook = model.module[0].register_forward_hook(lambda _, __, out: sizes.append(len(out)))
    free = explain(model, micrograph, ["occlusion"], target="pore")
    most, count = max(sizes), len(sizes)
    sizes.clear()
    tight = explain(model, micrograph, ["occlusion"], target="pore", memory=200_000)
    hook.remove()
    assert max(sizes) < most
    assert len(sizes) > count
    np.testing.assert_allclose(tight.occlusion, free.occlusion, rtol=1e-4, atol=1e-6)


def test_a_cap_holds_within_its_block_and_no_longer():
    cpu = torch.device("cpu")
    with capped(1000):
        assert free_bytes(cpu) == 1000
        with capped(None):
            assert free_bytes(cpu) == 1000
        with capped(500):
            assert free_bytes(cpu) == 500
    assert free_bytes(cpu) > 1000
