"""In a notebook a result shows itself: picture, score, and no code from a file's name."""

from __future__ import annotations

import base64
import io
import json
import re

from PIL import Image

from matxai.explanation import Explanation
from matxai.report import to_html


def test_an_explanation_shows_its_picture_and_its_score(ds):
    text = Explanation(ds.data_vars, ds.coords, ds.attrs)._repr_html_()
    assert "crack" in text
    assert "4.21" in text
    content = re.search(r'src="data:image/(?:jpeg|png);base64,([^"]+)"', text).group(1)
    with Image.open(io.BytesIO(base64.b64decode(content))) as picture:
        assert picture.size[0] > 600
    assert 'alt="Grad-CAM at layer4 for crack, laid over steel.tif' in text
    assert "http" not in text
    assert len(text) < 600_000


def test_hostile_names_are_text(ds):
    ds.attrs["source"] = "<script>alert(1)</script>"
    record = json.loads(ds.attrs["matxai"])
    record["target"]["class"] = "</p><img src=x onerror=alert(1)>"
    ds.attrs["matxai"] = json.dumps(record)
    text = to_html(ds)
    assert "<script" not in text
    assert text.count("<img") == 1


def test_many_maps_are_named_and_not_all_drawn(ds):
    many = ds.assign({f"map_{i}": ds["lrp_epsilon_plus"] for i in range(9)})
    text = to_html(many)
    assert "Not drawn here: map_3" in text


def test_more_layers_than_a_figure_holds(ds):
    import xarray as xr

    cam = xr.concat([ds["grad_cam"].isel(layer=0, drop=True)] * 20, "layer").assign_coords(
        layer=[f"l{i}" for i in range(20)]
    )
    wide = ds.drop_vars(["grad_cam", "layer"]).assign(grad_cam=cam)
    assert "<img" in to_html(wide[["grad_cam"]])


def test_a_curve_shows_itself(spectrum):
    assert "data:image/png" in to_html(spectrum)
