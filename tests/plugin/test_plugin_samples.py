"""Sample data open as calibrated layers or in the Spectra dock, and the dock takes the model that suits them."""

from __future__ import annotations

import pytest

pytest.importorskip("napari", reason="the plugin's tests need napari")
import dask.array as da
import pint
from napari.components import ViewerModel
from napari_matxai import samples
from napari_matxai.session.sessions import session_of

from matxai.errors import FileError
from matxai.modelcard.finding import shipped_paths

npe2 = pytest.importorskip("npe2")
KEYS = ("info_bar", "defects", "swapped_bar", "cracks", "ct_crack", "powder_phases", "xps_molybdenum")


@pytest.fixture(autouse=True, scope="module")
def plugins():
    npe2.PluginManager.instance().discover()


def opened(key: str) -> ViewerModel:
    """Open a sample as File > Open Sample does."""
    viewer = ViewerModel()
    viewer.open_sample("matxai", key)
    return viewer


def test_every_sample_of_the_distribution_is_in_the_menu() -> None:
    said = npe2.PluginManifest.from_distribution("matxai").contributions.sample_data
    assert {s.key for s in said} == set(samples.all_samples()) == set(KEYS)


@pytest.mark.parametrize("key", KEYS)
def test_samples_are_calibrated_and_the_dock_takes_their_model(key) -> None:
    viewer = opened(key)
    layer = viewer.layers[-1]
    expected = samples.all_samples()[key].model
    assert expected in shipped_paths()
    assert [la.visible for la in viewer.layers] == [True] + [False] * (len(viewer.layers) - 1)
    assert all(la.metadata["matxai"]["model"] == expected for la in viewer.layers)
    session = session_of(viewer)
    session.choose_model("defects")
    session.choose_layer(layer)
    assert session.source == expected
    # a choice of the user's own is not undone by looking at the layer again
    session.choose_model("events")
    session.choose_layer(None)
    session.choose_layer(layer)
    assert session.source == "events"
    units = [pint.Unit(str(u)) for u in layer.units]
    if "signal" in layer.metadata["matxai"]:
        assert layer.axis_labels[0] == "sample"
        assert units[1] == pint.Unit({"powder_phases": "degree", "xps_molybdenum": "eV"}[key])
        assert session.curves.model == expected
    else:
        assert all(u.is_compatible_with("m") for u in units)


def test_the_stack_is_read_slice_by_slice() -> None:
    (layer,) = opened("ct_crack").layers
    assert isinstance(layer.data, da.Array)
    assert layer.data.chunks[0] == (1,) * 12
    assert layer.axis_labels == ("z", "y", "x")


def test_a_sample_that_nobody_knows_is_one_sentence() -> None:
    with pytest.raises(FileError, match=r"There is no sample 'crack'\. Did you mean"):
        samples.open_sample("crack")
