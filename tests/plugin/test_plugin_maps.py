"""Where maps lie and how they look, on napari's viewer model: numbers against the closed form, no window."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("napari", reason="the plugin's tests need napari")
import dask.array
import torch
from napari.components import ViewerModel
from napari_matxai.layers.frame import Frame
from napari_matxai.layers.images import image_layer
from napari_matxai.layers.key import Key, key_of
from napari_matxai.layers.maps import TOGETHER, map_layers
from napari_matxai.presenter import Presenter
from napari_matxai.session.explaining import Explained
from torch import nn

import matxai
from matxai.errors import ExplanationError
from matxai.signals import labelled


class Net(nn.Module):
    """Two strided layers: cells of 2 and of 8 pixels."""

    def __init__(self, channels: int = 1, ndim: int = 2) -> None:
        super().__init__()
        conv = {2: nn.Conv2d, 3: nn.Conv3d}[ndim]
        self.first = conv(channels, 4, 3, 2, 1)
        self.second = conv(4, 6, 5, 4, 2)
        self.head = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.second(torch.relu(self.first(x))))
        return self.head(x.flatten(2).mean(2))


class Binned(nn.Module):
    """Cells of 4 pixels that divide the image: the first is centred on pixel 1.5."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 4, 4)
        self.head = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.conv(x)).mean((2, 3)))


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def signal(shape=(48, 64), dims=("y", "x"), step=0.5, unit="um", origin=3.0):
    generator = np.random.default_rng(0)
    spatial = [d for d in dims if d != "c"]
    return labelled(
        generator.random(shape, np.float32),
        dims,
        spacing=dict.fromkeys(spatial, step),
        units=dict.fromkeys(spatial, unit),
        origin=dict.fromkeys(spatial, origin),
    )


def ask(viewer, layer, *, net=None, kind="2d", classes=("a", "b", "c"), presenter=None, **how):
    """Ask as the dock does, and show the answer."""
    presenter = presenter or Presenter(viewer)
    found, step = presenter.view(layer).signal(kind)
    channels = found.sizes.get("c", 1)
    model = matxai.load_model(
        net or Net(channels, len(found.dims) - ("c" in found.dims)), kind=kind, classes=list(classes), channels=channels
    )
    result = matxai.explain(model, found, **how)
    return presenter.show(Explained(presenter.source(layer), step, found, model, None, result, 0.0))


def world(layer, *index):
    return np.asarray(layer.data_to_world(index))


def add(viewer, sig, name="image"):
    return Presenter(viewer).add(image_layer(sig, name))


def test_a_coarse_map_lies_where_its_cells_look() -> None:
    """Cells of 8 pixels, the first centred on pixel 0: padding 1, 2 and kernels 3, 5 put it there."""
    viewer = ViewerModel()
    image = add(viewer, signal())
    (coarse,) = ask(viewer, image, methods=["grad_cam"], layers=["second"], upsample=False, target=0)
    assert coarse.data.shape == (6, 8)
    np.testing.assert_allclose(coarse.scale, np.asarray(image.scale) * 8)
    for cell in ((0, 0), (2, 3), (5, 7)):
        np.testing.assert_allclose(world(coarse, *cell), world(image, *(8 * c for c in cell)), atol=1e-9)
    (fine,) = ask(viewer, image, methods=["grad_cam"], layers=["second"], target=0, net=Net())
    np.testing.assert_allclose(fine.extent.world, image.extent.world)


def test_cells_that_divide_the_image_cover_it_to_its_edges() -> None:
    """The closed form of binning by f: scale s f, translate t + (s f - s) / 2; augmented extents coincide."""
    viewer = ViewerModel()
    image = add(viewer, signal())

    (coarse,) = ask(viewer, image, net=Binned(), methods=["grad_cam"], layers=["conv"], upsample=False, target=0)
    np.testing.assert_allclose(coarse.scale, [2.0, 2.0])
    np.testing.assert_allclose(coarse.translate, 3.0 + (2.0 - 0.5) / 2)
    np.testing.assert_allclose(
        coarse._extent_data_augmented @ np.diag(coarse.scale) + coarse.translate,
        image._extent_data_augmented @ np.diag(image.scale) + image.translate,
    )


@pytest.mark.parametrize(
    "turn",
    [
        {"rotate": 30.0},
        {"shear": [0.3]},
        {"affine": np.array([[0.0, -1.0, 7.0], [1.0, 0.0, 2.0], [0.0, 0.0, 1.0]])},
        {"rotate": 30.0, "shear": [0.3], "affine": np.diag([2.0, 0.5, 1.0])},
        {"scale": (-0.5, 0.25)},
    ],
    ids=lambda turn: "+".join(turn),
)
@pytest.mark.parametrize("upsample", [True, False])
def test_turned_sheared_and_mirrored_layers_keep_their_maps(turn, upsample) -> None:
    viewer = ViewerModel()
    place = {"scale": (0.5, 0.25), "translate": (3.0, -2.0), "units": ("um", "um"), **turn}
    image = viewer.add_image(signal().values, **place)
    (layer,) = ask(viewer, image, net=Binned(), methods=["grad_cam"], layers=["conv"], target=0, upsample=upsample)
    first, step = (0, 1) if upsample else (1.5, 4)
    mirrored = place["scale"][0] < 0  # the signal ascends: its first row is the layer's last
    for cell in ((0, 0), (2, 3), (5, 7)):
        index = [first + step * c for c in cell]
        expected = (47 - index[0], index[1]) if mirrored else index
        np.testing.assert_allclose(world(layer, *cell), world(image, *expected), atol=1e-6)


@pytest.mark.parametrize("dims", [("z", "y", "x"), ("t", "y", "x"), ("t", "z", "y", "x")])
@pytest.mark.parametrize("lazy", [False, True])
def test_the_map_of_a_slice_lies_in_its_slice(dims, lazy) -> None:
    viewer = ViewerModel()
    shape = (3, 5, 48, 64)[-len(dims) :]
    units = {"t": "s", "z": "nm", "y": "nm", "x": "nm"}
    stack = signal(shape, dims)
    stack = (
        labelled(
            dask.array.from_array(stack.values, chunks=(1,) * (len(dims) - 2) + (48, 64)) if lazy else stack.values,
            dims,
            spacing={"t": 10.0, "z": 4.0, "y": 0.5, "x": 0.5},
            units={d: units[d] for d in dims},
            origin={"z": -8.0},
        )
        if len(dims) == 4
        else labelled(
            dask.array.from_array(stack.values, chunks=(1, 48, 64)) if lazy else stack.values,
            dims,
            spacing={dims[0]: 4.0, "y": 0.5, "x": 0.5},
            units={d: units[d] for d in dims},
            origin={dims[0]: -8.0},
        )
    )
    image = add(viewer, stack)
    at = (1, 3)[-(len(dims) - 2) :]
    viewer.dims.set_point(range(len(at)), [float(stack[d][i]) for d, i in zip(dims, at, strict=False)])
    (layer,) = ask(viewer, image, methods=["grad_cam"], target=0)
    assert layer.data.shape == (1,) * len(at) + (48, 64)
    np.testing.assert_allclose(world(layer, *(0,) * len(dims)), world(image, *at, 0, 0))
    assert layer.units == image.units
    assert tuple(layer.axis_labels) == dims
    assert viewer.layers.units == image.units
    expected = matxai.explain(
        matxai.load_model(_same_net(), kind="2d", classes=["a", "b", "c"]), stack[at].compute(), target=0
    )
    np.testing.assert_allclose(layer.data.squeeze(), expected["grad_cam"].values, rtol=1e-4, atol=1e-6)


def _same_net() -> nn.Module:
    torch.manual_seed(0)
    return Net()


def test_a_volume_of_a_3d_model_lies_on_the_volume() -> None:
    viewer = ViewerModel()
    image = add(viewer, signal((16, 24, 32), ("z", "y", "x")))
    coarse, *_ = ask(viewer, image, kind="3d", methods=["grad_cam"], layers=["second"], upsample=False, target=0)
    assert coarse.data.shape == (2, 3, 4)
    np.testing.assert_allclose(world(coarse, 1, 2, 3), world(image, 8, 16, 24))


def test_colour_and_multiscale_layers_get_maps_of_their_finest_level() -> None:
    viewer = ViewerModel()
    colour = add(viewer, signal((48, 64, 3), ("y", "x", "c")))
    (layer,) = ask(viewer, colour, methods=["grad_cam"], target=0)
    assert layer.data.shape == (48, 64)
    np.testing.assert_allclose(layer.extent.world, colour.extent.world)
    fine = signal().values
    levels = viewer.add_image([fine, fine[::2, ::2]], multiscale=True, scale=(0.5, 0.5), units=("um", "um"))
    (layer,) = ask(viewer, levels, methods=["grad_cam"], target=0)
    assert layer.data.shape == (48, 64)
    np.testing.assert_allclose(layer.extent.world, levels.extent.world)


def test_a_range_of_a_stack_is_placed_by_its_coordinates() -> None:
    viewer = ViewerModel()
    stack = signal((9, 48, 64), ("z", "y", "x"), step=2.0, origin=10.0)
    image = add(viewer, stack)
    model = matxai.load_model(Net(), kind="2d", classes=["a", "b", "c"])
    whole = matxai.explanation.explain_stack(model, stack[3:7], target=0)
    tops = whole["grad_cam"].max(("y", "x")).values
    whole = whole.chunk({"z": 1})
    presenter = Presenter(viewer)
    source = presenter.source(image)
    (layer,) = presenter.show(Explained(source, None, stack, model, None, whole, 0.0))
    assert layer.data.shape == (4, 48, 64)
    assert not isinstance(layer.data, np.ndarray)
    for at in range(4):
        np.testing.assert_allclose(world(layer, at, 5, 7), world(image, 3 + at, 5, 7))
    assert layer.contrast_limits == [0.0, pytest.approx(tops.max())]
    assert tops.min() < tops.max()


def test_a_map_without_a_place_on_the_stack_is_refused_in_a_sentence() -> None:
    frame = Frame((1.0,) * 3, (0.0,) * 3, ("nm",) * 3, ("z", "y", "x"))
    model = matxai.load_model(Net(), kind="2d", classes=["a", "b", "c"])
    with pytest.raises(ExplanationError, match="The map 'grad_cam' has no axis z, and nothing says where along z"):
        map_layers(matxai.explain(model, signal(), target=0), "image", frame, None)


@pytest.mark.parametrize("ndim", [2, 3])
def test_multilayer_grad_cam_is_one_layer_with_a_depth_axis_and_units_stay(ndim) -> None:
    viewer = ViewerModel()
    dims, shape = ("z", "y", "x")[-ndim:], (5, 48, 64)[-ndim:]
    image = add(viewer, signal(shape, dims))
    (layer,) = ask(viewer, image, methods=["multilayer_grad_cam"], layers=["first", "second"], target=0)
    assert layer.data.shape == (3, *(1,) * (ndim - 2), 48, 64)
    assert [str(u) for u in layer.units] == ["dimensionless"] + ["micrometer"] * ndim
    assert tuple(layer.axis_labels) == ("depth", *dims)
    assert layer.metadata["matxai"]["axes"] == {"depth": [TOGETHER, "first", "second"]}
    assert viewer.layers.units is not None
    np.testing.assert_allclose(layer.extent.world[:, -2:], image.extent.world[:, -2:])
    about = layer.metadata["matxai"]
    assert about["variables"] == {"multilayer_grad_cam": None, "multilayer_grad_cam_layers": [1, 3]}
    result = about["result"]
    np.testing.assert_array_equal(layer.data[0].squeeze(), result.multilayer_grad_cam)
    np.testing.assert_array_equal(layer.data[1:].squeeze(), result.multilayer_grad_cam_layers)


def test_several_classes_and_layers_are_axes_of_one_layer() -> None:
    viewer = ViewerModel()
    image = add(viewer, signal())
    (layer,) = ask(viewer, image, methods=["grad_cam"], layers=["first", "second"], target=["a", "c"])
    assert layer.data.shape == (2, 2, 48, 64)
    assert layer.metadata["matxai"]["axes"] == {"class": ["a", "c"], "depth": ["first", "second"]}
    assert layer.name == "grad_cam · a, c · 2 layers · image"


def test_a_second_run_updates_and_leaves_what_the_user_set() -> None:
    viewer = ViewerModel()
    image = add(viewer, signal((4, 48, 64), ("z", "y", "x")))
    (layer,) = ask(viewer, image, methods=["saliency"], target=0)
    layer.opacity, layer.visible, layer.name = 0.3, False, "mine"
    layer.colormap, layer.contrast_limits = "viridis", (0.0, 1e-4)
    viewer.layers.selection.active = image
    viewer.dims.set_point(0, image.translate[0] + 2 * image.scale[0])
    (again,) = ask(viewer, image, methods=["saliency"], target=1)
    assert again is layer
    assert (layer.opacity, layer.visible, layer.name, layer.colormap.name) == (0.3, False, "mine", "viridis")
    assert layer.contrast_limits == [0.0, 1e-4]
    assert viewer.layers.selection.active is image
    np.testing.assert_allclose(layer.translate[0], image.translate[0] + 2 * image.scale[0])
    # made anew, because the stack is another shape: the same holds
    (wider,) = ask(viewer, image, methods=["saliency"], target=["a", "b"])
    assert wider is not layer
    assert (wider.opacity, wider.visible, wider.name, wider.colormap.name) == (0.3, False, "mine", "viridis")
    assert len(viewer.layers) == 2


def test_limits_grow_over_a_live_stack_and_never_shrink() -> None:
    viewer = ViewerModel()
    planes = np.stack([np.full((48, 64), v, np.float32) for v in (1.0, 4.0, 2.0)])
    planes *= np.random.default_rng(0).random((48, 64), np.float32)
    image = viewer.add_image(planes, units=("nm",) * 3)
    tops = []
    for at in range(3):
        viewer.dims.set_point(0, at)
        (layer,) = ask(viewer, image, net=_same_net(), methods=["input_x_gradient"], target=0)
        tops.append(layer.contrast_limits[1])
        assert layer.contrast_limits[0] == -layer.contrast_limits[1]
    assert tops[0] < tops[1] == tops[2]
    copy = SimpleNamespace(layer=layer)
    assert key_of(copy.layer) == Key(Presenter(viewer).source(image).identity, "map", key_of(layer).name)


def test_a_live_map_is_written_into_its_layer_and_any_other_gets_its_own_array() -> None:
    viewer = ViewerModel()
    image = add(viewer, signal((4, 48, 64), ("z", "y", "x")))
    presenter = Presenter(viewer)
    model = matxai.load_model(Net(), kind="2d", classes=["a", "b", "c"])
    answers = []
    for at in range(2):
        result = matxai.explain(model, signal((4, 48, 64), ("z", "y", "x"))[at], target=at)
        answers.append(Explained(presenter.source(image), (at,), signal(), model, None, result, 0.0))
    (layer,) = presenter.show(answers[0])
    held, first, second = layer.data, layer.data.copy(), answers[1].explanation["grad_cam"].values.copy()
    presenter.show(answers[1])
    np.testing.assert_array_equal(held, first)
    np.testing.assert_array_equal(layer.data[0], answers[1].explanation["grad_cam"])
    held = layer.data
    for answer in (answers[0], answers[1]):
        presenter.show(answer, live=True)
        assert layer.data is held
        np.testing.assert_array_equal(held[0], answer.explanation["grad_cam"])
        np.testing.assert_allclose(layer.translate[0], image.data_to_world((*answer.step, 0, 0))[0])
    np.testing.assert_array_equal(answers[0].explanation["grad_cam"], first[0])  # what is kept stays as it was
    np.testing.assert_array_equal(answers[1].explanation["grad_cam"], second)


def test_a_copy_of_a_map_is_the_users_and_stays_as_it_is() -> None:
    from napari.layers import Layer

    viewer = ViewerModel()
    image = add(viewer, signal())
    (layer,) = ask(viewer, image, methods=["grad_cam"], target=0)
    (again,) = ask(viewer, image, methods=["grad_cam"], target=0)
    copy = Layer.create(*layer.as_layer_data_tuple())
    viewer.layers.insert(0, copy)
    before = copy.data.copy()
    (again,) = ask(viewer, image, methods=["grad_cam"], target=1)
    assert again is layer
    np.testing.assert_array_equal(copy.data, before)
    assert Presenter(viewer).images() == [image]


def test_maps_lie_right_above_their_image_and_below_what_is_drawn() -> None:
    viewer = ViewerModel()
    image = add(viewer, signal())
    drawn = viewer.add_shapes(ndim=2)
    labels = viewer.add_labels(np.zeros((48, 64), int))
    maps = ask(viewer, image, methods=["grad_cam", "lrp"], target=0)
    assert list(viewer.layers) == [image, *maps, drawn, labels]
    assert [m.visible for m in maps] == [True, False]
    assert Presenter(viewer).annotations() == [drawn, labels]


def test_the_slice_in_view_is_known_beside_layers_in_another_unit() -> None:
    viewer = ViewerModel()
    add(viewer, signal((3, 8, 9), ("z", "y", "x"), unit="nm", origin=0.0))
    image = add(viewer, signal((6, 48, 64), ("z", "y", "x"), step=2.0, unit="um", origin=0.0))
    viewer.dims.set_point(0, 8000.0)  # the viewer counts nm
    assert Presenter(viewer).step(image) == (4,)


def test_planes_of_a_stack_that_were_not_reached_are_no_unseen_part() -> None:
    viewer = ViewerModel()
    stack = signal((4, 48, 64), ("z", "y", "x"))
    image = add(viewer, stack)
    model = matxai.load_model(Net(), kind="2d", classes=["a", "b", "c"])
    whole = matxai.explanation.explain_stack(model, stack, target=0)
    whole["grad_cam"][2:] = np.nan  # as after a cancel
    presenter = Presenter(viewer)
    presenter.show(Explained(presenter.source(image), None, stack, model, None, whole, 0.0))
    assert presenter.find(Key(presenter.source(image).identity, "unseen")) is None
    whole["grad_cam"][:, 44:] = np.nan
    presenter.show(Explained(presenter.source(image), None, stack, model, None, whole, 0.0))
    hatch = presenter.find(Key(presenter.source(image).identity, "unseen"))
    assert hatch.ndim == 2  # on every slice


def test_coarse_maps_alone_say_what_was_never_seen() -> None:
    viewer = ViewerModel()
    image = add(viewer, signal())
    model = matxai.load_model(Net(), kind="2d", classes=["a", "b", "c"], steps=[{"crop_rows": {"bottom": 8}}])
    presenter = Presenter(viewer)
    for upsample in (True, False):
        result = matxai.explain(model, signal(), layers=["second"], target=0, upsample=upsample)
        assert ("seen" in result.coords) is not upsample
        presenter.show(Explained(presenter.source(image), None, signal(), model, None, result, 0.0))
        hatch = presenter.find(Key(presenter.source(image).identity, "unseen"))
        ends = np.concatenate([hatch.data[:, 0], hatch.data[:, 0] + hatch.data[:, 1]])
        assert (ends[:, 0].min(), ends[:, 0].max()) == (pytest.approx(39.5, abs=0.2), pytest.approx(47.5, abs=0.2))
        presenter.remove(Key(presenter.source(image).identity, "unseen"))


def test_the_canvas_says_which_layer_and_limits_are_those_of_the_layer() -> None:
    viewer = ViewerModel()
    image = add(viewer, signal())
    presenter = Presenter(viewer)  # follows the sliders for as long as it lives
    how = {"methods": ["multilayer_grad_cam"], "layers": ["first", "second"], "target": ["a", "b"]}
    (layer,) = ask(viewer, image, presenter=presenter, **how)
    overlay = viewer.canvas.overlays.text
    viewer.dims.set_point((0, 1), (1, 2))
    assert overlay.text == "class: b  (2 of 2)\nlayer of the network: second  (3 of 3)"
    assert overlay.visible
    assert layer.contrast_limits[1] == pytest.approx(layer.data[:, 2].max())
    viewer.dims.set_point(1, 1)
    assert layer.contrast_limits[1] == pytest.approx(layer.data[:, 1].max())
    layer.contrast_limits = (0.0, 1e-5)
    viewer.dims.set_point(1, 2)
    assert layer.contrast_limits == [0.0, 1e-5]
    layer.visible = False
    assert not overlay.visible
    overlay.text, overlay.visible = "mine", True
    layer.visible = True
    assert overlay.text == "mine"


def test_what_the_network_never_saw_is_hatched_once() -> None:
    viewer = ViewerModel()
    image = add(viewer, signal())
    presenter = Presenter(viewer)
    model = matxai.load_model(Net(), kind="2d", classes=["a", "b", "c"])
    result = matxai.explain(model, signal(), target=0)
    result["grad_cam"][40:] = np.nan
    for _ in range(2):
        presenter.show(Explained(presenter.source(image), None, signal(), model, None, result, 0.0))
    (hatch,) = [la for la in viewer.layers if type(la).__name__ == "Vectors"]
    assert key_of(hatch).role == "unseen"
    ends = np.concatenate([hatch.data[:, 0], hatch.data[:, 0] + hatch.data[:, 1]])
    assert ends[:, 0].min() == pytest.approx(39.5, abs=0.2)
    assert ends[:, 0].max() == pytest.approx(47.5, abs=0.2)
    assert ends[:, 1].min() == pytest.approx(-0.5, abs=0.2)
    assert ends[:, 1].max() == pytest.approx(63.5, abs=0.2)
    np.testing.assert_allclose(world(hatch, 0, 0), world(image, 0, 0))
    assert presenter.images() == [image]
    assert hatch not in presenter.annotations()
    result["grad_cam"][40:] = 0.0
    presenter.show(Explained(presenter.source(image), None, signal(), model, None, result, 0.0))
    assert hatch not in viewer.layers
