"""Plots of spectra: the curve in the colours of its map, strips, sticks with labels, other axes, stacks of curves."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import xarray as xr

from matxai.errors import ExplanationError
from matxai.reference import ReferenceLine, ReferenceLines
from matxai.report import CurveStyle, curve_figure, plot, stacked_figure
from matxai.report.curves.sticks import readable
from matxai.report.curves.strips import edges_of, pooled

CU, MO = 1.54056, 0.70930
PEAKS = {"1 1 1": (28.44, 100.0), "2 2 0": (47.30, 60.0), "3 1 1": (56.12, 35.0), "4 0 0": (69.13, 8.0)}
RUN = {"scores": [{"class": "Si", "logit": 4.2, "probability": 0.97}], "target": {"class": "Si"}}


def explained(dim: str = "two_theta", units: str = "degree", *, channels: int = 1, **facts: object) -> xr.Dataset:
    angle = np.linspace(10, 80, 1401)
    counts = 40 + sum(9 * h * np.exp(-(((angle - p) / 0.2) ** 2)) for p, h in PEAKS.values())
    relevance = 0.8 * np.exp(-(((angle - 28.44) / 0.3) ** 2)) - 0.3 * np.exp(-(((angle - 56.12) / 0.3) ** 2))
    relevance[:10] = np.nan
    attrs = {"wavelength": CU, "value_name": "intensity", "value_unit": "counts", **facts}
    signal = (dim, counts, attrs) if channels == 1 else (("c", dim), np.stack([counts] * channels), attrs)
    return xr.Dataset(
        {
            "lrp_epsilon": (dim, relevance, {"method": "lrp:epsilon", "units": "logit", "signed": 1}),
            "grad_cam": (dim, np.exp(-(((angle - 30) / 4) ** 2)), {"method": "grad_cam", "signed": 0}),
        },
        coords={dim: (dim, angle, {"units": units}), "signal": signal},
        attrs={"matxai": json.dumps(RUN), "source": "measured/si.xy"},
    )


def silicon(wavelength: float = CU) -> ReferenceLines:
    spacing = {k: CU / 2 / np.sin(np.radians(p / 2)) for k, (p, _) in PEAKS.items()}
    lines = tuple(
        ReferenceLine(float(np.degrees(2 * np.arcsin(wavelength / 2 / d))), k, PEAKS[k][1]) for k, d in spacing.items()
    )
    return ReferenceLines("Si", "two_theta", "degree", lines, "a table", {"wavelength": wavelength})


def axes_of(figure, label):
    (found,) = [a for a in figure.axes if a.get_label() == label]
    return found


def sticks_in(figure, name="Si"):
    sticks = [c for c in axes_of(figure, f"sticks {name}").collections if str(c.get_gid()).startswith("stick ")]
    return {c.get_gid().split(" ", 2)[2]: float(c.get_segments()[0][0, 0]) for c in sticks}


def test_the_curve_has_the_colours_of_its_first_map_and_each_map_is_a_strip():
    ds = explained()
    figure = curve_figure(ds)
    main = axes_of(figure, "panel curve")
    (coloured,) = [c for c in main.collections if c.get_gid() == "map lrp_epsilon"]
    assert coloured.get_clim() == pytest.approx((-np.nanmax(ds["lrp_epsilon"]), np.nanmax(ds["lrp_epsilon"])))
    values = ds["lrp_epsilon"].values
    np.testing.assert_allclose(np.ma.filled(coloured.get_array(), np.nan), (values[1:] + values[:-1]) / 2)
    for name in ("lrp_epsilon", "grad_cam"):
        (strip,) = [c for c in axes_of(figure, f"panel {name}").collections if c.get_gid() == f"strip {name}"]
        shown = np.ma.filled(strip.get_array(), np.nan).ravel()  # of 1401 points, two to a cell
        np.testing.assert_allclose(np.nanmax(shown), ds[name].max())
        np.testing.assert_allclose(np.nanmin(shown), ds[name].min(), atol=1e-12)
        assert np.isnan(shown).sum() == np.isnan(ds[name].values).sum() / 2
        assert axes_of(figure, f"panel {name}").get_xlim() == main.get_xlim()
    assert figure.get_figwidth() * 25.4 == pytest.approx(180.0)
    assert main.get_ylabel() == "intensity (counts)"
    assert figure.texts[0].get_text() == "si.xy · Si (score 4.2, p = 0.970)"
    assert "never seen" in {p.get_gid() for p in axes_of(figure, "panel lrp_epsilon").patches}


def test_plot_draws_spectra_this_way():
    labels = [a.get_label() for a in plot(explained(), "grad_cam", style=CurveStyle(reference=[silicon()])).axes]
    assert labels == ["panel curve", "colour bar grad_cam", "panel grad_cam", "sticks Si"]


def test_sticks_stand_where_the_lines_are_and_labels_do_not_touch():
    crowd = [ReferenceLine(20 + 0.15 * i, f"{i} 0 0", 100.0 - i) for i in range(60)]
    beyond = [ReferenceLine(95.0, "9 9 9", 50.0)]
    lines = ReferenceLines("many", "two_theta", "degree", tuple(crowd + beyond), "made", {"wavelength": CU})
    figure = curve_figure(explained(), style=CurveStyle(reference=[silicon(), lines]))
    assert sticks_in(figure) == pytest.approx({k: p for k, (p, _) in PEAKS.items()})
    assert "9 9 9" not in sticks_in(figure, "many")
    figure.canvas.draw()
    boxes = [t.get_window_extent() for t in axes_of(figure, "sticks many").texts if t.get_gid() == "stick label"]
    assert 4 < len(boxes) < 40
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


def test_the_strongest_labels_are_written():
    places, strength = np.array([1.0, 1.2, 3.0, 3.1]), np.array([10.0, 20.0, np.nan, 99.0])
    assert list(readable(places, strength, 0.5)) == [1, 2]
    assert list(readable(places, strength, 0.05)) == [0, 1, 2, 3]


def test_lines_of_another_wavelength_are_moved_through_their_spacings():
    figure = curve_figure(explained(), style=CurveStyle(reference=[silicon(MO)]))
    assert sticks_in(figure) == pytest.approx({k: p for k, (p, _) in PEAKS.items()}, abs=1e-9)


def test_a_plot_along_q_follows_bragg_and_so_do_the_sticks():
    figure = curve_figure(explained(), style=CurveStyle(axis="q", reference=[silicon()]))
    expected = {k: 4 * np.pi * np.sin(np.radians(p / 2)) / CU for k, (p, _) in PEAKS.items()}
    assert sticks_in(figure) == pytest.approx(expected, abs=1e-9)
    drawn = axes_of(figure, "panel curve").lines[0]
    assert drawn.get_xdata()[np.argmax(drawn.get_ydata())] == pytest.approx(expected["1 1 1"], abs=0.005)
    assert axes_of(figure, "sticks Si").get_xlabel() == "q (Å⁻¹)"


def test_a_second_axis_has_round_numbers_at_their_true_places():
    figure = curve_figure(explained(), style=CurveStyle(second_axis="d_spacing"))
    (upper,) = [a for a in figure.axes if a.get_xlabel() == "d (Å)"]
    ticks = [float(t.get_text()) for t in upper.get_xticklabels()]
    assert len(ticks) >= 4
    np.testing.assert_allclose(upper.get_xticks(), [np.degrees(2 * np.arcsin(CU / 2 / d)) for d in ticks], atol=0.05)
    assert upper.get_xlim() == axes_of(figure, "panel curve").get_xlim()


def test_an_axis_without_its_wavelength_cannot_be_turned_into_spacings():
    ds = explained()
    del ds["signal"].attrs["wavelength"]
    with pytest.raises(ExplanationError, match="wavelength"):
        curve_figure(ds, style=CurveStyle(axis="d_spacing"))


def test_binding_energy_runs_from_high_to_low_in_every_panel():
    figure = curve_figure(explained("binding_energy", "eV"))
    for label in ("panel curve", "panel lrp_epsilon"):
        assert axes_of(figure, label).get_xlim() == (80.0, 10.0)
    assert figure.axes[-1].get_xlabel() == "binding energy (eV)"


def test_intensity_scales():
    root = axes_of(curve_figure(explained(), style=CurveStyle(intensity="sqrt")), "panel curve")
    there = root.transScale.transform([(10.0, 400.0), (10.0, 100.0)])
    assert there[0, 1] / there[1, 1] == pytest.approx(2.0)
    assert axes_of(curve_figure(explained(), style=CurveStyle(intensity="log")), "panel curve").get_yscale() == "log"
    below = explained()
    below["signal"].values[:] = -1.0
    with pytest.raises(ExplanationError, match="above zero"):
        curve_figure(below, style=CurveStyle(intensity="log"))


def test_what_the_network_got_is_drawn_on_the_measured_axis():
    grid = np.linspace(20, 60, 64)
    got = xr.DataArray(
        np.sin(grid), dims=("two_theta",), coords={"two_theta": ("two_theta", grid, {"units": "degree"})}
    )
    figure = curve_figure(explained(), received=got)
    panel = axes_of(figure, "panel received")
    np.testing.assert_allclose(panel.lines[0].get_xdata(), grid)
    np.testing.assert_allclose(panel.lines[0].get_ydata(), np.sin(grid))
    assert panel.get_xlim() == axes_of(figure, "panel curve").get_xlim()


def test_channels_are_curves_of_one_panel():
    main = axes_of(curve_figure(explained("time", "s", channels=2)), "panel curve")
    assert len([c for c in main.collections if c.get_gid() == "map lrp_epsilon"]) == 2


def test_long_strips_keep_their_strongest_value():
    places, values = np.arange(100_000.0), np.zeros(100_000)
    values[77_777] = -3.0
    borders, kept = pooled(places, values)
    assert kept.min() == -3.0
    cell = int(np.argmin(kept))
    assert borders[cell] <= 77_777 <= borders[cell + 1]
    np.testing.assert_allclose(edges_of(np.array([1.0, 2.0, 4.0])), [0.5, 1.5, 3.0, 5.0])


def test_stacked_curves_share_height_colours_and_axis():
    sets = [explained(), explained()]
    sets[1]["signal"] = sets[1]["signal"] * 50.0
    sets[1]["lrp_epsilon"] = sets[1]["lrp_epsilon"] * 2.0
    figure = stacked_figure(sets, "lrp_epsilon", style=CurveStyle(offset=0.5, reference=[silicon()]))
    main = axes_of(figure, "panel stack")
    low, high = main.lines
    np.testing.assert_allclose(high.get_ydata() - low.get_ydata(), 0.5, atol=1e-12)
    assert (low.get_ydata().min(), low.get_ydata().max()) == pytest.approx((0.0, 1.0))
    limits = {c.get_clim() for c in main.collections if c.get_gid() == "map lrp_epsilon"}
    assert limits == {(-float(sets[1]["lrp_epsilon"].max()), float(sets[1]["lrp_epsilon"].max()))}
    assert [t.get_text() for t in main.texts][:2] == ["si · Si", "si · Si"]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: CurveStyle(intensity="logarithmic"), "sqrt, log"),
        (lambda: CurveStyle(offset=-1.0), "0 or more"),
        (lambda: CurveStyle(span=(40.0, 20.0)), "begin below its end"),
        (lambda: curve_figure(explained(), style=CurveStyle(span=(81.0, 90.0))), "none of the 1401 points"),
        (lambda: curve_figure(explained(), width_mm=60.0), "73 mm"),
        (lambda: curve_figure(explained(), "lrp"), "lrp_epsilon"),
        (lambda: curve_figure(explained(), style=CurveStyle(axis="raman_shift")), "cannot be drawn"),
        (lambda: stacked_figure([], "grad_cam"), "and not 0"),
        (lambda: stacked_figure([explained(), explained("time", "s")], "grad_cam"), "one kind of axis"),
        (lambda: stacked_figure([explained()], "grad_cam", names=["a", "b"]), "2 names"),
    ],
)
def test_what_cannot_be_drawn_is_said(make, said):
    with pytest.raises(ExplanationError, match=said):
        make()


def test_images_have_other_figures(ds):
    with pytest.raises(ExplanationError, match="of an image"):
        curve_figure(ds)
    with pytest.raises(ExplanationError, match="for spectra"):
        plot(ds, style=CurveStyle())
    with pytest.raises(ExplanationError, match="of an image"):
        stacked_figure([ds], "grad_cam")


def wave(*, frames: bool) -> xr.Dataset:
    time = np.arange(512) * 1e-6
    signal = 3.0 * np.sin(2 * np.pi * 16 * np.arange(512) / 512)
    frequency = np.arange(257) / 512e-6 if not frames else np.linspace(1e4, 4.9e5, 32)
    sizes = (257,) if not frames else (32, 17)
    values = np.random.default_rng(0).normal(size=sizes)
    coords = {
        "frequency": ("frequency", frequency, {"units": "Hz"}),
        "time": ("time", time, {"units": "s"}),
        "signal": ("time", signal, {"value_unit": "V"}),
    }
    if frames:
        coords["frame"] = ("frame", np.linspace(0, 511e-6, 17), {"units": "s"})
    dims = ("frequency", "frame") if frames else ("frequency",)
    return xr.Dataset({"lrp": (dims, values, {"method": "lrp", "signed": 1})}, coords=coords, attrs={"matxai": "{}"})


def test_maps_by_time_and_frequency_are_planes_below_the_wave():
    ds = wave(frames=True)
    figure = plot(ds)
    (mesh,) = [c for c in axes_of(figure, "plane lrp").collections if c.get_gid() == "plane lrp"]
    np.testing.assert_allclose(np.asarray(mesh.get_array()).reshape(32, 17), ds["lrp"])
    assert mesh.get_clim()[1] == pytest.approx(float(np.abs(ds["lrp"]).max()))
    assert axes_of(figure, "plane lrp").get_xlim() == axes_of(figure, "panel curve").get_xlim()


def test_maps_by_frequency_lie_on_the_amplitude_spectrum():
    main = axes_of(plot(wave(frames=False)), "panel curve")
    line = main.lines[0]
    top = int(np.argmax(line.get_ydata()))
    assert line.get_xdata()[top] == pytest.approx(16 / 512e-6)
    assert line.get_ydata()[top] == pytest.approx(3.0)
    assert main.get_ylabel() == "amplitude (V)"
    cut = wave(frames=False).isel(frequency=slice(0, 100))
    with pytest.raises(ExplanationError, match="resampled"):
        plot(cut)
