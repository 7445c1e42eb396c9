"""Figures keep their promises: size, scale, one meaning of a colour, and nothing painted that is not there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from PIL import Image

from matxai.errors import ExplanationError, FileError, MatxaiError
from matxai.report import common_limits, limits_of, map_csv, overlay_figure, plot, save_figure
from matxai.report.colours import map_colours
from matxai.report.drawing import thinned


def by_gid(figure, gid):
    return [a for a in figure.findobj() if a.get_gid() == gid]


def map_image(figure, name):
    (found,) = by_gid(figure, f"map {name}")
    return found


@pytest.mark.parametrize("width_mm", [60.0, 85.0, 180.0])
def test_a_saved_figure_is_as_wide_as_asked_for(ds, tmp_path, width_mm):
    figure = overlay_figure(ds, "grad_cam", width_mm=width_mm)
    png, svg, pdf = (save_figure(figure, tmp_path / f"a.{k}", dpi=150) for k in ("png", "svg", "pdf"))
    with Image.open(png) as image:
        assert image.size[0] == pytest.approx(width_mm / 25.4 * 150, abs=1.0)  # a whole number of pixels
        assert image.info["dpi"][0] == pytest.approx(150, abs=0.1)
    width = re.search(r'<svg[^>]* width="([\d.]+)pt"', svg.read_text())
    assert float(width.group(1)) * 25.4 / 72 == pytest.approx(width_mm, abs=0.01)
    box = re.search(rb"/MediaBox \[ *0 0 ([\d.]+)", pdf.read_bytes())
    assert float(box.group(1)) * 25.4 / 72 == pytest.approx(width_mm, abs=0.01)


def test_the_same_result_gives_the_same_file(ds, tmp_path):
    for kind in ("png", "svg", "pdf"):
        one = save_figure(overlay_figure(ds, "grad_cam"), tmp_path / f"1.{kind}", dpi=80).read_bytes()
        two = save_figure(overlay_figure(ds, "grad_cam"), tmp_path / f"2.{kind}", dpi=80).read_bytes()
        assert one == two


@pytest.mark.parametrize(
    ("step", "units", "label"),
    [(1.3e-8, "m", "200 nm"), (2.0, "um", "50 µm"), (1.0, "pixel", "20 px"), (0.004, "mm", "100 µm")],
)
def test_the_scale_bar_is_as_long_as_it_says(make, step, units, label):
    figure = overlay_figure(make(step=step, units=units), "grad_cam")
    (bar,) = by_gid(figure, "scale bar")
    (text,) = by_gid(figure, "scale bar label")
    assert text.get_text().strip() == label
    number, unit = label.split()
    metres = {"nm": 1e-9, "µm": 1e-6, "px": 1.0}[unit] * float(number)
    pixel = step * {"m": 1.0, "um": 1e-6, "mm": 1e-3, "pixel": 1.0}[units]
    figure.canvas.draw()
    left, right = (
        bar.axes.transData.inverted().transform((x, 0))[0]
        for x in (bar.get_window_extent().x0, bar.get_window_extent().x1)
    )
    assert (right - left) * pixel == pytest.approx(metres, rel=1e-6)


def test_signed_limits_are_symmetric_and_zero_is_not_painted(ds):
    figure = overlay_figure(ds, "lrp:epsilon_plus")
    low, high = map_image(figure, "lrp_epsilon_plus").get_clim()
    assert low == -high < 0
    colours = map_image(figure, "lrp_epsilon_plus").get_cmap()
    against, zero, towards = colours(0.0), colours(0.5), colours(1.0)
    assert zero[3] < 0.06
    assert against[3] > 0.7
    assert towards[3] > 0.7
    assert against[2] > against[0]  # blue
    assert towards[0] > towards[2]  # red
    assert colours(np.ma.masked_all(1))[0, 3] == 0.0


def test_unsigned_limits_start_at_zero(ds):
    low, high = map_image(overlay_figure(ds, "grad_cam"), "grad_cam").get_clim()
    assert low == 0.0
    assert high == pytest.approx(np.nanquantile(ds["grad_cam"].values[0], 0.995), rel=1e-5)


def test_unsigned_colours_get_brighter_all_the_way():
    """Read in grey, or with any colour-vision deficiency, more is brighter."""
    rgba = map_colours(signed=False, alpha=1.0)(np.linspace(0, 1, 64))
    brightness = rgba[:, :3] @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(brightness) > 0).all()
    assert (np.diff(rgba[:, 3]) >= 0).all()


def test_limits_of_a_map_of_zeros_and_of_a_single_pixel():
    assert limits_of(np.zeros((4, 4)), signed=True) == (-1.0, 1.0)
    assert limits_of(np.full((2, 2), np.nan), signed=False) == (0.0, 1.0)
    single = np.zeros((100, 100))
    single[3, 4] = 0.25
    assert limits_of(single, signed=False) == (0.0, 0.25)


def test_one_colour_scale_over_a_set(make):
    weak, strong = make(seed=1), make(seed=2)
    strong["lrp_epsilon_plus"].values *= 3.0  # arithmetic of whole arrays loses the attributes before xarray 2025.11
    limits = common_limits([weak, strong], "lrp:epsilon_plus")
    assert limits[0] == -limits[1]
    assert limits[1] == pytest.approx(max(limits_of(d["lrp_epsilon_plus"], signed=True)[1] for d in (weak, strong)))
    clims = [
        map_image(overlay_figure(d, "lrp:epsilon_plus", limits=limits), "lrp_epsilon_plus").get_clim()
        for d in (weak, strong)
    ]
    assert clims[0] == clims[1] == limits
    with pytest.raises(ExplanationError, match="No explanation"):
        common_limits([], "lrp")


def test_what_the_network_never_saw_is_hatched_and_only_that(ds, make):
    figure = overlay_figure(ds, "grad_cam")
    (hatched,) = by_gid(figure, "never seen")
    assert hatched.hatches == ["////"]
    box = hatched.get_paths()[0].get_extents()
    assert (box.y0, box.y1) == pytest.approx((96 - 10 - 0.5, 95.5))
    assert (box.x0, box.x1) == pytest.approx((-0.5, 127.5))
    assert map_image(figure, "grad_cam").get_array().mask[-10:].all()
    assert not by_gid(overlay_figure(make(unseen=0), "grad_cam"), "never seen")


def test_pixels_keep_their_shape(ds):
    """The image on paper is as tall to wide as its pixels say; non-square pixels and thin images included."""
    for rows, columns, stretch in ((96, 128, 1.0), (20, 400, 1.0), (300, 40, 1.0), (64, 64, 2.5)):
        one = ds.isel(y=slice(0, 2), x=slice(0, 2))
        values = np.random.default_rng(0).random((rows, columns))
        coords = {
            "y": ("y", np.arange(rows) * stretch, {"units": "um"}),
            "x": ("x", np.arange(columns) * 1.0, {"units": "um"}),
            "signal": (("y", "x"), values),
        }
        one = one.drop_vars(list(one.variables)).assign_coords(coords).assign(m=(("y", "x"), values, {"signed": 0}))
        figure = overlay_figure(one, "m")
        box = figure.axes[0].get_position()
        width, height = figure.get_size_inches()
        assert box.height * height / (box.width * width) == pytest.approx(rows * stretch / columns, rel=1e-6)


def test_the_title_names_method_layer_class_and_score(ds):
    texts = [t.get_text() for t in overlay_figure(ds, "grad_cam", at={"layer": "layer3"}).texts]
    assert texts[0] == "Grad-CAM"
    assert texts[1] == "layer3 · crack · score 4.21, p = 0.971"
    assert overlay_figure(ds, "lrp:epsilon_plus").texts[0].get_text() == "LRP (ε, z+)"


def test_the_colour_bar_has_a_label_with_its_unit(ds):
    bar = next(a for a in overlay_figure(ds, "lrp:epsilon_plus").axes if a.get_label().startswith("colour bar"))
    low, high = bar.get_ylim()
    assert low == -high
    assert "logit" in bar.get_ylabel()
    assert "against" in bar.get_ylabel()


def test_plot_shows_the_image_and_every_map(ds):
    labels = [a.get_label() for a in plot(ds).axes]
    assert labels.count("panel image") == 1
    assert labels.count("panel grad_cam") == 2
    assert labels.count("panel lrp_epsilon_plus") == 1
    chosen = [a.get_label() for a in plot(ds, "grad_cam", at={"layer": "layer3"}).axes]
    assert chosen.count("panel grad_cam") == 1
    shared = plot(ds, "grad_cam", limits={"grad_cam": (0.0, 7.0)})
    assert {a.get_clim() for a in by_gid(shared, "map grad_cam")} == {(0.0, 7.0)}


def test_blocks_do_not_lie_on_each_other(ds):
    boxes = [a.get_position() for a in plot(ds, width_mm=180).axes]
    for i, one in enumerate(boxes):
        assert one.x0 >= 0
        assert one.x1 <= 1
        assert one.y0 >= 0
        assert one.y1 <= 1
        for other in boxes[i + 1 :]:
            apart = one.x1 <= other.x0 or other.x1 <= one.x0 or one.y1 <= other.y0 or other.y1 <= one.y0
            assert apart


def test_a_curve_is_coloured_by_relevance(spectrum):
    figure = overlay_figure(spectrum, "lrp_epsilon")
    (line,) = by_gid(figure, "map lrp_epsilon")
    low, high = line.get_clim()
    assert low == -high
    assert high == pytest.approx(np.nanmax(spectrum["lrp_epsilon"]), rel=1e-6)
    figure.canvas.draw()
    values, segments = line.get_array(), line.get_segments()
    at = {round(float(s[:, 0].mean()), 2): v for s, v in zip(segments, values, strict=True)}
    assert at[28.45] > 0.7
    assert at[56.05] < -0.25
    assert values.mask[:9].all()
    spans = by_gid(figure, "never seen")
    assert spans
    assert {s.get_hatch() for s in spans} == {"////"}
    assert any(a.get_xlabel() == "2θ (°)" for a in figure.axes)


def test_a_binding_energy_runs_from_high_to_low(spectrum):
    xps = spectrum.rename(two_theta="binding_energy")
    xps["binding_energy"].attrs["units"] = "eV"
    left, right = overlay_figure(xps, "lrp_epsilon").axes[0].get_xlim()
    assert left > right


def test_a_long_curve_keeps_its_peaks():
    curve = np.zeros((1, 200_000))
    curve[0, 123_457] = 5.0
    values = np.zeros(200_000)
    values[77_777] = -1.0
    kept = thinned(curve, values)
    assert {123_457, 77_777, 0, 199_999} <= set(kept.tolist())
    assert kept.size <= 6_002


def test_a_stack_shows_its_middle_or_the_chosen_slice(stack):
    def shown(at=None):
        figure = overlay_figure(stack, "saliency", at=at)
        return figure.texts[1].get_text(), np.asarray(map_image(figure, "saliency").get_array())

    assert shown()[0].startswith("z 3 of 5")
    title, values = shown({"z": 3})
    assert title.startswith("z 4 of 5")
    assert values.sum() == 100.0
    assert shown({"z": "strongest"})[0].startswith("z 4 of 5")


def test_a_map_with_cells_of_its_own_lies_at_its_true_place(ds):
    """Two cells at rows 10 and 50 (true positions, no stretching): each pixel has the nearer cell's value."""
    step = 1.3e-8
    own = ds.drop_vars(["lrp_epsilon_plus", "grad_cam", "layer"]).assign(
        cam=(("layer4_y", "layer4_x"), [[1.0], [2.0]], {"method": "grad_cam", "signed": 0})
    )
    own = own.assign_coords(
        layer4_y=("layer4_y", [10 * step, 50 * step], {"axis": "y"}), layer4_x=("layer4_x", [64 * step], {"axis": "x"})
    )
    values = np.asarray(map_image(overlay_figure(own, "cam"), "cam").get_array())
    assert values.shape == (96, 128)
    assert set(np.unique(values[:30])) == {1.0}
    assert set(np.unique(values[31:])) == {2.0}


def test_an_empty_map_says_so(ds):
    ds["grad_cam"] = ds["grad_cam"] * 0.0
    texts = [t.get_text() for a in overlay_figure(ds, "grad_cam").axes for t in a.texts]
    assert any("no evidence" in t for t in texts)


@pytest.mark.parametrize(
    "name", ["$\\frac{1}{$.tif", "<b>.tif", "a\x1b[31mb\u202ec.tif", "x" * 400 + ".tif", "日本.tif"]
)
@pytest.mark.filterwarnings("ignore:Glyph")
def test_hostile_names_are_only_text(ds, name, tmp_path):
    ds.attrs["source"] = name
    record = json.loads(ds.attrs["matxai"])
    record["target"]["class"] = record["scores"][0]["class"] = name
    ds.attrs["matxai"] = json.dumps(record)
    figure = plot(ds)
    assert save_figure(figure, tmp_path / "a.svg").stat().st_size > 1000
    assert not any(c in t.get_text() for t in figure.texts for c in "\x1b\u202e")


def test_a_colour_image_is_shown_in_colour_and_grey_under_the_map(ds):
    grey = ds["signal"].values
    colour = ds.drop_vars("signal").assign_coords(signal=(("y", "x", "c"), np.stack([grey, grey * 0, grey * 0], 2)))
    figure = plot(colour, "lrp:epsilon_plus")
    images = {a.get_label(): a.images[0].get_array() for a in figure.axes if a.images}
    assert images["panel image"].shape == (96, 128, 3)
    under = np.asarray(images["panel lrp_epsilon_plus"])
    assert under.shape == (96, 128)
    assert under == pytest.approx(0.2126 * grey, rel=1e-5)


def test_a_large_image_is_drawn_in_two_seconds_and_the_file_is_moderate(make, tmp_path):
    big = make(768, 1024, unseen=60)
    overlay_figure(make(), "grad_cam")  # the fonts are found once
    start = time.process_time()
    path = save_figure(overlay_figure(big, "grad_cam"), tmp_path / "a.png")
    assert time.process_time() - start < 2.0
    assert path.stat().st_size < 2_500_000


def test_regions_are_outlined(ds):
    mask = np.zeros((96, 128), bool)
    mask[80:] = True
    figure = overlay_figure(ds, "grad_cam", region=mask, region_name="info bar")
    (line,) = by_gid(figure, "region")
    assert line.get_paths()[0].get_extents().y0 == pytest.approx(79.5)
    assert to_rgba(line.get_edgecolor()[0])[3] == 1.0


def test_numbers_behind_a_figure(ds, spectrum, tmp_path):
    import pandas as pd

    table = pd.read_csv(map_csv(ds, "lrp:epsilon_plus", tmp_path / "a.csv"))
    assert list(table.columns) == ["y [m]", "x [m]", "signal", "lrp_epsilon_plus [logit]"]
    values = table["lrp_epsilon_plus [logit]"].to_numpy().reshape(96, 128)
    np.testing.assert_allclose(values, ds["lrp_epsilon_plus"].values, rtol=1e-8)
    np.testing.assert_allclose(table["signal"].to_numpy().reshape(96, 128), ds["signal"].values, rtol=1e-8)
    curve = pd.read_csv(map_csv(spectrum, "lrp_epsilon", tmp_path / "b.csv"))
    assert list(curve.columns) == ["two_theta [degree]", "signal", "lrp_epsilon [logit]"]
    assert curve["lrp_epsilon [logit]"].isna().sum() == 10


def test_wrong_requests_get_one_clear_sentence(ds, tmp_path):
    with pytest.raises(ExplanationError, match=r"no map 'gradcam'.*grad_cam"):
        overlay_figure(ds, "gradcam")
    with pytest.raises(ExplanationError, match=r"no layer 'layer5'.*layer4"):
        overlay_figure(ds, "grad_cam", at={"layer": "layer5"})
    with pytest.raises(ExplanationError, match="2 entries along layer"):
        overlay_figure(ds, "grad_cam", at={"layer": 7})
    with pytest.raises(ExplanationError, match="no dim 'z'"):
        overlay_figure(ds, "grad_cam", at={"z": 1})
    with pytest.raises(ExplanationError, match="leaves no room"):
        overlay_figure(ds, "grad_cam", width_mm=25)
    with pytest.raises(ExplanationError, match="no coordinate 'signal'"):
        overlay_figure(ds.drop_vars("signal"), "grad_cam")
    with pytest.raises(FileError, match=r"\.png, \.svg or \.pdf"):
        save_figure(overlay_figure(ds, "grad_cam"), tmp_path / "a.jpg")
    with pytest.raises(FileError, match="cannot be written"):
        save_figure(overlay_figure(ds, "grad_cam"), tmp_path / "missing" / "a.png")
    with pytest.raises(ExplanationError, match="too large for a PNG"):
        save_figure(overlay_figure(ds, "grad_cam"), tmp_path / "a.png", dpi=20_000)
    assert not list(tmp_path.iterdir())
    assert issubclass(FileError, MatxaiError)


def test_importing_the_report_imports_no_matplotlib_and_drawing_no_pyplot():
    code = (
        "import sys, matxai.report, matxai.report.notebook, matxai.report.content;"
        "from matxai.report import plot, write_report, tidy_table;"
        "assert 'matplotlib' not in sys.modules and 'torch' not in sys.modules, 'imported early';"
        "import numpy as np, xarray as xr;"
        "a = np.eye(8); ds = xr.Dataset({'m': (('y', 'x'), a)}, {'signal': (('y', 'x'), a)});"
        "plot(ds); assert 'matplotlib.pyplot' not in sys.modules, 'pyplot'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
