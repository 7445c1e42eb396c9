"""CAMs that try channels out, Eigen-CAM and deconvnet: against grad-cam, captum, closed forms, and exact counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import matxai
from matxai.errors import MethodError
from matxai.methods import AblationCAM, EigenCAM, ScoreCAM, attribution

LAYER = "5"


def scaled(cams: Tensor) -> Tensor:
    """As grad-cam returns maps: each rectified, shifted and scaled to [0, 1]."""
    positive = cams.clamp(min=0).flatten(1)
    positive = positive - positive.amin(1, keepdim=True)
    return (positive / (1e-7 + positive.amax(1, keepdim=True))).view_as(cams)


def flat_net() -> nn.Sequential:
    """A layer of the input's size, so that nothing depends on how masks are brought to it."""
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 7, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2),
        nn.Flatten(), nn.Linear(28, 3),
    ).eval()  # fmt: skip


@pytest.mark.parametrize(
    ("theirs", "ours"), [("ScoreCAM", "score_cam:input"), ("AblationCAM", "ablation_cam"), ("EigenCAM", "eigen_cam")]
)
def test_maps_equal_grad_cams(theirs: str, ours: str) -> None:
    peer = pytest.importorskip("pytorch_grad_cam")
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    net, x = flat_net(), 3 * torch.randn(2, 2, 10, 10, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        index = int(net(x).amin(0).argmax())  # a class with scores above 0, where both have one formula
        assert net(x)[:, index].amin() > 0
        signs = net[:4](x).mean(1)
    with getattr(peer, theirs)(net, [net[3]]) as made:
        expected = torch.as_tensor(made(x, [ClassifierOutputTarget(index)] * 2))
    got = matxai.attribute(net, x, [ours], target=index, layers=["3"], relu=ours != "eigen_cam")[ours][:, 0]
    if ours == "eigen_cam":  # theirs has the sign that the decomposition happens to give
        with getattr(peer, theirs)(net, [net[3]]) as made:
            raw = torch.as_tensor(made.get_cam_image(x, net[3], [], net[:4](x).detach().numpy(), None, False))  # type: ignore[arg-type]
        along = (raw * (signs - signs.mean((1, 2), keepdim=True))).sum((1, 2), keepdim=True).sign()
        torch.testing.assert_close(got, (raw * along).to(got), rtol=1e-4, atol=1e-5)
    else:
        torch.testing.assert_close(scaled(got), expected.to(got), rtol=1e-4, atol=1e-5)


def by_hand(net: nn.Sequential, x: Tensor, target: int, what: str) -> Tensor:
    """Both formulas with a loop over channels and samples, at the layer's own size, in float64."""
    after = net[int(LAYER) + 1 :]
    with torch.no_grad():
        maps = []
        for A in net[: int(LAYER) + 1](x):
            clean = after(A[None])[0, target]
            changed = []
            for k, channel in enumerate(A):
                if what == "score_cam":
                    low, high = channel.min(), channel.max()
                    other = A * (channel - low) / (high - low) if high > low else 0 * A
                else:
                    other = A.clone()
                    other[k] = 0
                changed.append(after(other[None])[0, target])
            y = torch.stack(changed)
            w = y.softmax(0) if what == "score_cam" else (clean - y) / clean.abs()
            maps.append((w.view(-1, *(1,) * (A.ndim - 1)) * A).sum(0))
    return torch.stack(maps)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("method", ["score_cam", "ablation_cam"])
def test_tails_give_the_formula_in_every_dimension_at_exact_counts(
    axes: int, method: str, make_gap_net: Callable[..., nn.Sequential], make_input: Callable[..., Tensor]
) -> None:
    net, x = make_gap_net(axes).double(), make_input(axes).double()
    targets = matxai.targets.each(0, 2)
    result = attribution(net, x, [method], target=targets, layers=[LAYER], relu=False, upsample=False)
    (got,) = result.maps[method]
    assert (result.forwards, result.backwards, result.tails, result.tail_backwards) == (1, 0, 2 + 8, 0)
    assert (result.plan.forwards, result.plan.tails) == (1, 4096)
    assert "at most 4096 runs of what follows a layer, and two that check each: no forwards" in result.plan.describe()
    for t, target in enumerate((0, 2)):
        torch.testing.assert_close(got[t], by_hand(net, x, target, method), rtol=1e-10, atol=1e-12)
    single = matxai.attribute(net, x[1:2], [method], target=2, layers=[LAYER], relu=False, upsample=False)[method][0]
    torch.testing.assert_close(single, got[1, 1:2], rtol=1e-10, atol=1e-12)


def test_masks_over_the_input_take_a_forward_each(
    make_gap_net: Callable[..., nn.Sequential], make_input: Callable[..., Tensor]
) -> None:
    net, x = make_gap_net(1), make_input(1)
    result = attribution(net, x, ["score_cam:input", "grad_cam"], target=1, layers=[LAYER])
    assert (result.forwards, result.backwards, result.tails) == (1 + 8, 1, 0)
    assert result.plan.forwards == 1 + 512
    assert result.maps["score_cam:input"].shape == (3, 1, 64)


@pytest.mark.parametrize("method", [ScoreCAM, AblationCAM])
def test_above_the_budget_the_most_active_channels_are_tried_and_it_is_said(
    method: Any, make_gap_net: Callable[..., nn.Sequential], make_input: Callable[..., Tensor]
) -> None:
    net, x = make_gap_net(2).double(), make_input(2).double()
    result = attribution(net, x, [method(budget=6)], target=1, layers=[LAYER, "2"], relu=False, upsample=False)
    key = method.kind
    assert result.tails == 2 + 2 + 3 + 3
    assert result.figures[key]["channels"] == 6
    assert f"{key} tried 3 of the 8 channels of layer '5' out" in " ".join(result.notes)
    with torch.no_grad():
        A = net[: int(LAYER) + 1](x)
    kept = A.mean((2, 3)).topk(3).indices  # behind a ReLU the mean is the mean magnitude
    w = torch.zeros(3, 8, dtype=x.dtype)
    for b in range(3):
        after = net[int(LAYER) + 1 :]
        scores = []
        for k in kept[b]:
            other = A[b].clone()
            if method is AblationCAM:
                other[k] = 0
            else:
                other = other * (other[k] - other[k].min()) / (other[k].max() - other[k].min())
            scores.append(after(other[None])[0, 1].detach())
        y, clean = torch.stack(scores), net(x)[b, 1].detach()
        w[b, kept[b]] = y.softmax(0) if method is ScoreCAM else (clean - y) / clean.abs()
    torch.testing.assert_close(result.maps[key][0], (w[..., None, None] * A).sum(1), rtol=1e-9, atol=1e-12)


def test_ablation_cam_is_cam_over_the_score_where_a_mean_and_a_linear_layer_follow(
    make_gap_net: Callable[..., nn.Sequential], make_input: Callable[..., Tensor]
) -> None:
    """There y - y_k = w_k mean(A_k): the weights are CAM's, times the channel's mean, over the score."""
    net, x = make_gap_net(2).double(), make_input(2).double()
    got = matxai.attribute(net, x, ["ablation_cam"], target=3, layers=[LAYER], relu=False, upsample=False)
    with torch.no_grad():
        A = net[: int(LAYER) + 1](x)
        w = net[8].weight[3] * A.mean((2, 3)) / net(x)[:, 3:4].abs()
    torch.testing.assert_close(got["ablation_cam"][0], (w[..., None, None] * A).sum(1), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shape", [(2, 5, 40), (2, 30, 4, 3), (2, 4, 3, 4, 5)])
def test_eigen_cam_is_the_first_component_of_a_singular_value_decomposition(shape: tuple[int, ...]) -> None:
    from matxai.methods import cam

    A = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).exp()
    got = cam.first_component(A)
    for one, map_ in zip(A, got, strict=True):
        X = one.flatten(1).T
        X = X - X.mean(0)
        U, S, _ = torch.linalg.svd(X)
        expected = U[:, 0] * S[0]
        expected = expected * torch.sign((expected * X.mean(1)).sum())
        torch.testing.assert_close(map_.flatten(), expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(cam.first_component(torch.ones(1, *shape[1:])), torch.zeros(1, *shape[2:]))


def test_eigen_cam_needs_no_backward_and_knows_no_target(
    make_gap_net: Callable[..., nn.Sequential], make_input: Callable[..., Tensor]
) -> None:
    net, x = make_gap_net(2), make_input(2)
    result = attribution(net, x, [EigenCAM(relu=False)], target=matxai.targets.each(0, 3), layers=[LAYER])
    assert (result.forwards, result.backwards) == (1, 0)
    assert torch.equal(result.maps["eigen_cam"][0], result.maps["eigen_cam"][1])


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_deconvnet_equals_captums(
    axes: int, make_gap_net: Callable[..., nn.Sequential], make_input: Callable[..., Tensor]
) -> None:
    captum = pytest.importorskip("captum.attr")
    net, x = make_gap_net(axes), make_input(axes)
    got = matxai.attribute(net, x, ["deconvnet"], target=1)["deconvnet"]
    expected = captum.Deconvolution(net).attribute(x.clone().requires_grad_(), target=1)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-6)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(MethodError, match="score_cam masks no 'output'"):
        ScoreCAM(mask="output")
    with pytest.raises(MethodError, match="The budget of ablation_cam is 0; it is the number of channels"):
        AblationCAM(budget=0)
