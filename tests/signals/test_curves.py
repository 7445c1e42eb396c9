"""Curves from columns: direction, rows without a place, sets on one axis, columns beside."""

from __future__ import annotations

import numpy as np
import pytest

from matxai.errors import FileError, SignalError
from matxai.signals.spectra.axes import axis_kind
from matxai.signals.spectra.curve import Curve, items_of

AXIS = np.array([3.0, 2.0, 1.0])
VALUES = np.array([30.0, 20.0, 10.0])


def test_a_descending_axis_is_turned_round_with_values_and_columns() -> None:
    signal = Curve("a", AXIS, VALUES, "binding_energy", beside={"i0": np.array([3, 2, 1])}).signal()
    assert signal.dims == ("binding_energy",)
    np.testing.assert_array_equal(signal.binding_energy, [1, 2, 3])
    np.testing.assert_array_equal(signal, [10, 20, 30])
    np.testing.assert_array_equal(signal.i0, [1, 2, 3])
    assert signal.binding_energy.attrs["units"] == "eV"


def test_rows_without_a_place_are_left_out_and_counted() -> None:
    signal = Curve("a", np.array([1.0, np.nan, 3.0]), VALUES, beside={"i0": VALUES}).signal()
    np.testing.assert_array_equal(signal.axis, [1, 3])
    np.testing.assert_array_equal(signal, [30, 10])
    assert signal.attrs["left_out"] == 1
    assert signal.attrs["notes"] == ["1 row without a place on the axis was left out"]
    assert "units" not in signal.axis.attrs


def test_curves_on_one_axis_are_a_set_and_on_others_items() -> None:
    curves = [Curve("a", AXIS, VALUES), Curve("b", AXIS, 2 * VALUES), Curve("c", AXIS + 1, VALUES)]
    items = items_of(curves, "f.txt")
    assert [(i.name, i.shape) for i in items] == [("a ... b", (2, 3)), ("c", (3,))]
    both = items[0].load()
    assert both.dims == ("sample", "axis")
    assert list(both.coords["sample"].values) == ["a", "b"]
    np.testing.assert_array_equal(both, [[10, 20, 30], [20, 40, 60]])


def test_columns_that_differ_within_a_set_carry_the_sample() -> None:
    curves = [Curve("a", AXIS, VALUES, beside={"i0": VALUES}), Curve("b", AXIS, VALUES, beside={"i0": -VALUES})]
    signal = items_of(curves, "f.txt")[0].load()
    assert signal.coords["i0"].dims == ("sample", "axis")
    np.testing.assert_array_equal(signal.coords["i0"], [[10, 20, 30], [-10, -20, -30]])


def test_a_set_keeps_what_its_curves_say_each_and_units_beside() -> None:
    curves = [
        Curve(
            "a", AXIS, VALUES, beside={"ke": VALUES}, beside_units={"ke": "eV"}, attrs={"metadata": {"t": 1, "n": 5}}
        ),
        Curve("b", AXIS, VALUES, beside={"ke": VALUES}, attrs={"metadata": {"t": 2, "n": 5}, "notes": ["said"]}),
    ]
    signal = items_of(curves, "f.txt")[0].load()
    assert signal.attrs["metadata"] == {"t": [1, 2], "n": 5}
    assert signal.attrs["notes"] == ["said"]
    assert signal.ke.attrs == {"units": "eV"}


@pytest.mark.parametrize(
    ("curve", "said"),
    [
        (Curve("a", np.array([1.0, 2.0, 1.5]), VALUES), "turns round"),
        (Curve("a", np.array([np.nan, np.nan, 1.5]), VALUES), "1 rows with a place"),
        (Curve("a", AXIS, VALUES[:2]), "differ in length"),
    ],
)
def test_what_is_no_curve_is_refused(curve: Curve, said: str) -> None:
    with pytest.raises(SignalError, match=said):
        curve.signal()
    with pytest.raises(FileError, match=r"f\.txt"):
        items_of([curve], "f.txt")[0].load()


def test_a_file_without_curves_and_an_unknown_axis_are_refused() -> None:
    with pytest.raises(FileError, match="no curve"):
        items_of([], "f.txt")
    with pytest.raises(SignalError, match="two_theta"):
        axis_kind("two_thta")


def test_facts_on_which_the_spectra_of_a_set_differ_are_coordinates_of_its_samples() -> None:
    said = [{"e0": 7112.0, "edge": "Fe K", "photon_energy": 1253.6}, {"edge": "Fe K", "photon_energy": 1486.6}]
    signal = items_of([Curve(n, AXIS, VALUES, attrs=a) for n, a in zip("ab", said, strict=True)], "f.prj")[0].load()
    assert signal.attrs["edge"] == "Fe K" and not {"e0", "photon_energy"} & set(signal.attrs)
    np.testing.assert_array_equal(signal.e0, [7112, np.nan])
    np.testing.assert_array_equal(signal.photon_energy, [1253.6, 1486.6])
