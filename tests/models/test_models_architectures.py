"""Architectures by name: numbers of classes and channels as asked, in one to three dimensions, errors as sentences."""

from __future__ import annotations

import sys

import pytest
import torch
from matxai_models import matxai_architecture, timm_architecture, torchvision_architecture
from torch import nn

import matxai
from matxai.errors import MissingDependencyError, ModelError


@pytest.mark.parametrize("kind", ["1d", "2d", "3d"])
@pytest.mark.parametrize("channels", [1, 3])
def test_own_networks_take_every_dimension(kind: str, channels: int) -> None:
    axes = int(kind[0])
    x = torch.randn(2, channels, *[24] * axes)
    classifier = matxai_architecture("defect_resnet", classes=5, channels=channels, kind=kind, widths="4,8,12").eval()
    unet = matxai_architecture("unet", classes=3, channels=channels, kind=kind, widths=(4, 6, 8)).eval()
    assert classifier(x).shape == (2, 5)
    assert unet(x).shape == (2, 3, *[24] * axes)


def test_the_last_map_of_the_classifier_has_cells_of_eight_pixels() -> None:
    module = matxai_architecture("defect_resnet", classes=3, channels=1).eval()
    seen: list[torch.Size] = []
    module.stages.register_forward_hook(lambda _m, _i, output: seen.append(output.shape))
    module(torch.zeros(1, 1, 160, 160))
    assert seen == [torch.Size([1, 56, 20, 20])]
    norms = sum(isinstance(child, nn.BatchNorm2d) for child in module.modules())
    assert norms == 1 + 3 * 2 + 3, "stem, two in each block, one in each strided or widened skip"


def test_the_networks_are_small() -> None:
    for name in ("defect_resnet", "unet"):
        module = matxai_architecture(name, classes=3, channels=1)
        assert sum(p.numel() for p in module.parameters()) < 150_000


@pytest.mark.parametrize(
    ("name", "size"),
    [("resnet18", 64), ("densenet121", 64), ("mobilenet_v3_small", 64), ("squeezenet1_1", 64)],
)
def test_torchvision_classifiers_get_classes_and_channels(name: str, size: int) -> None:
    module = torchvision_architecture(name, classes=4, channels=1).eval()
    with torch.inference_mode():
        assert module(torch.zeros(1, 1, size, size)).shape == (1, 4)


def test_three_channels_leave_the_network_as_torchvision_makes_it() -> None:
    import torchvision

    ours = torchvision_architecture("resnet18", classes=1000, channels=3).state_dict()
    theirs = torchvision.models.resnet18(weights=None).state_dict()
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}


def test_segmentation_networks_give_a_score_for_each_class_and_position() -> None:
    module = torchvision_architecture("lraspp_mobilenet_v3_large", classes=2, channels=1).eval()
    with torch.inference_mode():
        assert module(torch.zeros(1, 1, 64, 64))["out"].shape == (1, 2, 64, 64)


def test_video_networks_are_the_three_dimensional_ones() -> None:
    module = torchvision_architecture("r3d_18", classes=2, channels=1, kind="3d").eval()
    with torch.inference_mode():
        assert module(torch.zeros(1, 1, 8, 32, 32)).shape == (1, 2)


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: matxai_architecture("unett", classes=2, channels=1), "'matxai:unett'. Did you mean 'unet'"),
        (lambda: matxai_architecture("unet", classes=0, channels=1), "number of classes of 1 or more.*given 0"),
        (lambda: matxai_architecture("unet", classes=2, channels=1, kind="4d"), "no kind '4d'"),
        (lambda: matxai_architecture("unet", classes=2, channels=1, width=3), "cannot be built with {'width': 3}"),
        (lambda: torchvision_architecture("resnet19", classes=2, channels=1), "Did you mean 'resnet1"),
        (lambda: torchvision_architecture("quantized_resnet18", classes=2, channels=1), "There is no architecture"),
        (lambda: torchvision_architecture("resnet18", classes=2, channels=1, kind="3d"), "takes 2d input"),
        (lambda: torchvision_architecture("r3d_18", classes=2, channels=1), "takes 3d input"),
        (lambda: torchvision_architecture("raft_small", classes=2, channels=1), "compares two images"),
        (lambda: torchvision_architecture("resnet18", classes=2, channels=1, depth=3), "cannot be built with"),
    ],
)
def test_what_cannot_be_built_is_one_sentence(call: object, word: str) -> None:
    with pytest.raises(ModelError, match=word):
        call()  # type: ignore[operator]


def test_timm_networks_get_classes_and_channels_and_never_fetch() -> None:
    timm = pytest.importorskip("timm", reason="the extra zoo is not installed")
    ours = timm_architecture("resnet10t", classes=4, channels=1)
    theirs = timm.create_model("resnet10t", num_classes=4, in_chans=1)
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in theirs.state_dict().items()}
    for name, options, said in (
        ("resnet10tt", {}, "Did you mean 'resnet10t'"),
        ("hf-hub:somebody/something", {}, "There is no architecture"),
        ("resnet10t", {"pretrained": True}, "built without weights"),
        ("resnet10t", {"checkpoint_path": "x.pth"}, "built without weights"),
        ("resnet10t", {"kind": "3d"}, "takes 2d input"),
        ("resnet10t", {"depth_of_nothing": 3}, "cannot be built with"),
    ):
        with pytest.raises(ModelError, match=said):
            timm_architecture(name, classes=2, channels=1, **options)


def test_timm_that_is_not_installed_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingDependencyError, match=r"pip install \"matxai\[zoo\]\""):
        timm_architecture("resnet10t", classes=2, channels=1)


@pytest.mark.filterwarnings("ignore:.*shows no positive evidence")
@pytest.mark.parametrize("name", ["cnn_1d", "resnet_1d", "inception_1d", "transformer_1d"])
def test_networks_for_spectra_are_explained_by_lrp_and_cams(name: str) -> None:
    torch.manual_seed(0)
    module = matxai_architecture(name, classes=3, channels=2, kind="1d").eval()
    x = torch.rand(2, 2, 512)
    assert module(x).shape == (2, 3)
    found = matxai.attribute(module, x, methods=["grad_cam", "lrp:epsilon", "input_x_gradient"], target=1)
    assert all(m.shape == (2, 1 if "cam" in k else 2, 512) and torch.isfinite(m).all() for k, m in found.items())
    assert float(found["lrp:epsilon"].abs().sum()) > 0
    with pytest.raises(ModelError, match=f"'matxai:{name}' cannot be built .* takes 1d input, and the card says 2d"):
        matxai_architecture(name, classes=3, channels=1, kind="2d")


def test_a_cell_of_the_coarse_network_has_32_points_and_its_cam_is_the_score() -> None:
    torch.manual_seed(0)
    module = matxai_architecture(
        "cnn_1d", classes=3, channels=1, kind="1d", strides="4,2,2,2,1", widths="4,5,6,7,8", points="640"
    ).eval()
    torch.nn.init.normal_(module.features[-1].weight)
    x = torch.rand(1, 1, 640)
    features = module.features(x)
    assert features.shape == (1, 8, 20), "32 points in each cell"
    cam = (features * module.head.weight[1][None, :, None]).sum(1)
    assert float(cam.mean() + module.head.bias[1]) == pytest.approx(float(module(x)[0, 1]), abs=1e-5)
    with pytest.raises(ValueError, match="takes spectra that leave 160 cells, and got 80"):
        module(torch.rand(1, 1, 320))


def test_options_of_networks_for_spectra_that_cannot_be_are_refused() -> None:
    for name, options, said in (
        ("cnn_1d", {"widths": "4,5", "strides": "2"}, "2 widths and 1 strides"),
        ("resnet_1d", {"kernel": "4"}, "kernels must be odd"),
        ("transformer_1d", {"patch": 6}, "multiple of 4 points"),
    ):
        with pytest.raises(ModelError, match=said):
            matxai_architecture(name, classes=2, channels=1, kind="1d", **options)
