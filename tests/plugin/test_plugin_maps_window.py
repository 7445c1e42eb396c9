"""Maps on a real canvas: where the pixels of a screenshot change is where the cells look."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("napari", reason="the plugin's tests need napari")
pytest.importorskip("qtpy", reason="the plugin's tests need a Qt binding")

import torch
from napari_matxai.layers.key import Key
from napari_matxai.presenter import Presenter
from napari_matxai.session.explaining import Explained
from torch import nn

import matxai

pytestmark = pytest.mark.window

SIZE = 96
FRAME = {"scale": (0.5, 0.25), "translate": (3.0, -2.0), "units": ("um", "um")}


class Net(nn.Module):
    """Cells of 8 pixels, the first centred on pixel 0."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, 2, 1)
        self.second = nn.Conv2d(4, 6, 5, 4, 2)
        self.head = nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.second(torch.relu(self.first(x)))).mean((2, 3)))


def picture(viewer) -> np.ndarray:
    from qtpy.QtWidgets import QApplication

    for _ in range(10):
        QApplication.processEvents()
    return viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)


def on_screen(viewer, layer, index, shape) -> np.ndarray:
    """Return the pixel of a screenshot that shows an index of a layer."""
    camera = viewer.scene.camera
    world = np.asarray(layer.data_to_world(index))[-2:]
    return np.asarray(shape[:2]) / 2 - 0.5 + (world - np.asarray(camera.center)[-2:]) * camera.zoom


def centre(changed: np.ndarray) -> np.ndarray:
    rows, columns = np.indices(changed.shape)
    return np.array([(rows * changed).sum(), (columns * changed).sum()]) / changed.sum()


def test_a_cell_is_drawn_where_it_looks_and_what_was_never_seen_is_hatched(make_napari_viewer) -> None:
    torch.manual_seed(0)
    viewer = make_napari_viewer(show=True)
    presenter = Presenter(viewer)
    image = viewer.add_image(np.full((SIZE, SIZE), 0.5, np.float32), contrast_limits=(0, 1), **FRAME)
    model = matxai.load_model(Net(), kind="2d", classes=["a", "b"], steps=[{"crop_rows": {"bottom": 16}}])
    signal, step = presenter.view(image).signal("2d")
    result = matxai.explain(model, signal, layers=["second"], target=0, upsample=False)

    def show(cell):
        result["grad_cam"][:] = 0.0
        result["grad_cam"][cell] = 1.0
        result["grad_cam"].attrs.update(min=0.0, max=1.0)
        (layer,) = presenter.show(Explained(presenter.source(image), step, signal, model, None, result, 0.0), live=True)
        layer.colorbar.visible = False
        return layer

    for cell in ((2, 3), (8, 9)):  # the second is written into the layer of the first
        layer = show(cell)
        hatch = presenter.find(Key(presenter.source(image).identity, "unseen"))
        hatch.visible = layer.visible = viewer.canvas.overlays.scale_bar.visible = False
        bare = picture(viewer)
        layer.visible = True
        changed = np.abs(picture(viewer) - bare).sum(2) > 30
        expected = on_screen(viewer, image, tuple(8 * c for c in cell), bare.shape)
        size = np.asarray(layer.scale) * viewer.scene.camera.zoom
        np.testing.assert_allclose(centre(changed), expected, atol=1.0)
        assert changed.sum() == pytest.approx(size.prod(), rel=0.1)

    layer.visible, hatch.visible = False, True
    changed = np.abs(picture(viewer) - bare).sum(2) > 30
    edge = on_screen(viewer, image, (SIZE - 16.5, -0.5), bare.shape)
    end = on_screen(viewer, image, (SIZE - 0.5, SIZE - 0.5), bare.shape)
    first, last = np.flatnonzero(changed.any(1))[[0, -1]]
    assert first == pytest.approx(edge[0], abs=2)
    assert last == pytest.approx(end[0], abs=2)
    inside = changed[first:last, round(edge[1]) + 2 : round(end[1]) - 2]
    assert 0.1 < inside.mean() < 0.6  # lines, and the image between them


def test_a_viewer_that_was_closed_is_left_alone(make_napari_viewer) -> None:
    viewer = make_napari_viewer()
    presenter = Presenter(viewer)
    image = viewer.add_image(np.zeros((SIZE, SIZE), np.float32))
    model = matxai.load_model(Net(), kind="2d", classes=["a", "b"])
    signal, step = presenter.view(image).signal("2d")
    result = matxai.explain(model, signal, target=0)
    answer = Explained(presenter.source(image), step, signal, model, None, result, 0.0)
    viewer.close()
    assert presenter.show(answer) == []
