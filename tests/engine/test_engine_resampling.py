"""Placing a coarse map: resampling is linear, edges are clamped, and stretching equals interpolate."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from matxai.engine.place import Place, resample, stretched

MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


@pytest.mark.parametrize(
    ("shape", "size"), [((5,), (37,)), ((4, 7), (64, 50)), ((2, 3, 4), (9, 16, 11)), ((9, 9), (5, 4))]
)
def test_stretching_is_interpolate(shape, size):
    torch.manual_seed(0)
    maps = torch.randn(2, 3, *shape)
    want = F.interpolate(maps, size=size, mode=MODES[len(shape)], align_corners=False)
    assert torch.allclose(resample(maps, stretched(shape, size), size), want, atol=1e-5)


def test_a_ramp_of_positions_comes_back_as_positions():
    """A map whose cells hold their own position is, between the outermost cells, the pixel's own position."""
    place = Place(origin=(-3.0, 2.5), step=(4.0, 8.0), shape=(9, 5), field=(11.0, 11.0))
    size = (30, 40)
    y = torch.tensor(place.positions(0))[:, None].expand(9, 5)
    x = torch.tensor(place.positions(1))[None].expand(9, 5)
    got_y, got_x = resample(torch.stack([y, x]), place, size)
    rows = torch.arange(30.0).clamp(-3, 29)[:, None].expand(30, 40)
    columns = torch.arange(40.0).clamp(2.5, 34.5)[None].expand(30, 40)
    assert torch.allclose(got_y, rows, atol=1e-5)
    assert torch.allclose(got_x, columns, atol=1e-5)


def test_one_cell_fills_the_input():
    assert torch.equal(resample(torch.full((1, 1, 1), 3.0), stretched((1,), (8,)), (8,)), torch.full((1, 1, 8), 3.0))


def test_a_map_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="do not end with"):
        resample(torch.zeros(1, 4), stretched((5,), (10,)), (10,))
