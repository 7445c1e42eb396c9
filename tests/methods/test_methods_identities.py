"""What must hold on networks where the answer is known in closed form, in one, two and three dimensions."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from matxai.engine import targets
from matxai.methods import LRP, GradCAM, MultilayerGradCAM, attribute, attribution

LAST = "5"  # the ReLU in front of the global average pooling


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_grad_cam_is_cam_over_the_number_of_cells(make_gap_net, make_input, axes):
    net, x = make_gap_net(axes), make_input(axes)
    names = ["cam", "grad_cam", "hires_cam", "xgrad_cam"]
    own = attribute(net, x, names, 1, relu=False, upsample=False)
    (cam,) = own["cam"]
    activation = net[:6](x).detach()
    want = torch.einsum("k,bk...->b...", net[8].weight[1].detach(), activation)
    assert torch.allclose(cam, want, atol=1e-5 * want.abs().max())
    cells = activation[0, 0].numel()
    for name in names[1:]:
        assert torch.allclose(own[name][0], cam / cells, atol=1e-5 * cam.abs().max() / cells), name
    # rectified, each by itself: Grad-CAM is ReLU(CAM) / Z, and the evidence against the target is gone
    rectified = attribute(net, x, names, 1, upsample=False)
    assert cam.min() < 0 < cam.max()
    assert torch.equal(rectified["cam"][0], cam.clamp(min=0))
    for name in names[1:]:
        want = cam.clamp(min=0) / cells
        assert torch.allclose(rectified[name][0], want, atol=1e-5 * want.max()), name
        assert not rectified[name][0][cam < -1e-5 * cam.abs().max()].any(), name
    # the sum over the cells and the bias are the logit
    total = own["grad_cam"][0].flatten(1).sum(1) + net[8].bias[1]
    assert torch.allclose(total, net(x)[:, 1], atol=1e-5)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_grad_cam_pp_closed_form_on_gap_nets(make_gap_net, make_input, axes):
    """g_k is constant over space, so alpha = 1 / (2 + S_k g_k) and w_k = Z alpha ReLU(g_k)."""
    net, x = make_gap_net(axes), make_input(axes)
    (got,) = attribute(net, x, "grad_cam_pp", 1, upsample=False)["grad_cam_pp"]
    A = net[:6](x).detach()
    Z = A[0, 0].numel()
    g = net[8].weight[1].detach() / Z
    S = A.flatten(2).sum(-1)
    w = Z * g.clamp(min=0) / (2 + S * g)
    want = torch.einsum("bk,bk...->b...", w, A)
    assert torch.allclose(got, want, atol=1e-5 * want.max())


def test_flatten_head_weighs_with_the_means_of_its_weights():
    """Exactly: in double precision to the last digits of the sums."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 3)).double().eval()
    x = torch.randn(2, 1, 8, 8, dtype=torch.float64)
    A = net[:2](x).detach()
    alpha = net[3].weight[2].detach().reshape(4, 6, 6).mean((1, 2))
    want = torch.einsum("k,bkij->bij", alpha, A)
    (got,) = attribute(net, x, "grad_cam", 2, ["1"], relu=False, upsample=False)["grad_cam"]
    assert got.dtype == torch.float64
    assert (got - want).abs().max() <= 1e-12 * want.abs().max()


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_shapes_are_the_contract(make_gap_net, make_input, axes):
    net, x = make_gap_net(axes), make_input(axes)
    sp = tuple(x.shape[2:])
    names = ["saliency", "grad_cam", "guided_grad_cam", "multilayer_grad_cam", "lrp", "hires_cam"]
    maps = attribute(net, x, names, layers=["2", LAST])
    assert list(maps) == [*names[:4], "multilayer_grad_cam:layers", *names[4:]]
    assert maps["saliency"].shape == maps["lrp"].shape == (3, 2, *sp)
    assert maps["grad_cam"].shape == maps["hires_cam"].shape == maps["multilayer_grad_cam:layers"].shape == (3, 2, *sp)
    assert maps["multilayer_grad_cam"].shape == (3, 1, *sp)
    assert maps["guided_grad_cam"].shape == (3, 2, 2, *sp)
    assert attribute(net, x, "guided_grad_cam")["guided_grad_cam"].shape == (3, 2, *sp)
    several = attribute(net, x, names, targets.each(0, 3), layers=["2", LAST])
    assert several["saliency"].shape == (2, 3, 2, *sp)
    assert several["grad_cam"].shape == (2, 3, 2, *sp)
    assert several["multilayer_grad_cam"].shape == (2, 3, 1, *sp)
    assert several["guided_grad_cam"].shape == (2, 3, 2, 2, *sp)
    for i, c in enumerate((0, 3)):
        one = attribute(net, x, names, c, layers=["2", LAST])
        for key, m in one.items():
            assert torch.allclose(several[key][i], m, atol=1e-5 * m.abs().max().item() + 1e-9), (key, c)
    own = attribute(net, x, names, layers=["2", LAST], upsample=False)
    assert [tuple(m.shape[1:]) for m in own["grad_cam"]] == [tuple(net[:3](x).shape[2:]), tuple(net[:6](x).shape[2:])]
    assert own["multilayer_grad_cam"].shape == (3, 1, *sp)
    assert isinstance(own["multilayer_grad_cam:layers"], tuple)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_a_sample_does_not_depend_on_its_batch(make_gap_net, make_input, axes):
    net, x = make_gap_net(axes), make_input(axes)
    names = ["saliency", "input_x_gradient", "cam", "grad_cam", "grad_cam_pp", "hires_cam", "layer_cam", "xgrad_cam"]
    names += ["multilayer_grad_cam", "guided_backprop", "guided_grad_cam", "lrp"]
    whole = attribute(net, x, names, [0, 1, 2])
    for b in range(3):
        alone = attribute(net, x[b : b + 1], names, b)
        for key in names:
            scale = whole[key][b].abs().max().item()
            assert torch.allclose(whole[key][b : b + 1], alone[key], atol=1e-5 * scale + 1e-9), key


def test_one_dimension_is_two_with_one_row_and_three_with_one_slice(make_gap_net, make_input):
    one, x = make_gap_net(1), make_input(1)
    names = ["saliency", "grad_cam", "grad_cam_pp", "xgrad_cam", "layer_cam", "guided_grad_cam", "lrp"]
    maps = attribute(one, x, names, 2)
    for axes in (2, 3):
        net = make_gap_net(axes)
        extra = (1,) * (axes - 1)
        for i in (0, 4):
            kernel = torch.zeros_like(net[i].weight)
            middle = (slice(None), slice(None), *[1] * (axes - 1), slice(None))
            kernel[middle] = one[i].weight.detach()
            net[i].weight.data = kernel
            net[i].bias.data = one[i].bias.detach().clone()
        net[1].load_state_dict(one[1].state_dict())
        net[8].load_state_dict(one[8].state_dict())
        flat = x.reshape(3, 2, *extra, x.shape[-1])
        for key, m in attribute(net, flat, names, 2).items():
            assert torch.allclose(
                m.reshape(maps[key].shape), maps[key], atol=1e-5 * maps[key].abs().max().item() + 1e-9
            ), key


def test_guided_backprop_is_the_gradient_where_nothing_is_negative(make_gap_net, make_input):
    net, x = make_gap_net(2), make_input(2).abs()
    for p in net.parameters():
        p.data.abs_()
    net[1].running_mean.zero_()
    maps = attribute(net, x, ["saliency", "guided_backprop"], 0)
    assert torch.allclose(maps["saliency"], maps["guided_backprop"], atol=1e-6)


def test_lrp_sums_to_the_score_and_lrp_0_is_input_x_gradient(make_input):
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(2, 6, 3, stride=2, padding=1, bias=False),
        nn.ReLU(),
        nn.Conv2d(6, 6, 3, padding=1, bias=False),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 3, bias=False),
    ).eval()
    x = make_input(2)
    zero = LRP(composite="epsilon", epsilon=0, name="zero")
    result = attribution(net, x, ["input_x_gradient", zero, "lrp"], 1)
    assert torch.allclose(result.maps["zero"], result.maps["input_x_gradient"], atol=1e-6)
    for key in ("zero", "lrp"):
        assert torch.allclose(result.maps[key].flatten(1).sum(1), result.scores, rtol=1e-3, atol=1e-5)


def test_multilayer_fusions(make_gap_net, make_input):
    net, x = make_gap_net(2), make_input(2)
    layers = ["0", "2", LAST]
    weighted = MultilayerGradCAM(fuse="weighted_sum", weights=(1.0, 0.5, 2.0), name="weighted")
    even = MultilayerGradCAM(scale="max", name="even")
    names = [
        "multilayer_grad_cam:mean",
        "multilayer_grad_cam:max",
        "multilayer_grad_cam:product",
        weighted,
        even,
        "grad_cam",
    ]
    maps = attribute(net, x, names, 1, layers)
    own = maps["multilayer_grad_cam:mean:layers"]
    assert torch.equal(own, maps["grad_cam"])
    assert torch.allclose(maps["multilayer_grad_cam:mean"], own.mean(1, keepdim=True))
    assert torch.allclose(maps["multilayer_grad_cam:max"], own.amax(1, keepdim=True))
    assert torch.allclose(maps["multilayer_grad_cam:product"], own[:, :1] * own[:, 1:2] * own[:, 2:])
    assert torch.allclose(maps["weighted"], own[:, :1] + 0.5 * own[:, 1:2] + 2 * own[:, 2:])
    assert torch.allclose(maps["even"], (own / own.amax((2, 3), keepdim=True)).mean(1, keepdim=True))


def test_options_of_an_object_go_before_those_of_the_call(make_gap_net, make_input):
    net, x = make_gap_net(2), make_input(2)
    signed = GradCAM(relu=False, layers=["2"], upsample=False, name="signed")
    maps = attribute(net, x, ["grad_cam", signed], 1)
    assert maps["grad_cam"].min() == 0
    assert isinstance(maps["signed"], tuple)
    assert maps["signed"][0].min() < 0
    assert maps["signed"][0].shape[1:] == net[:3](x).shape[2:]


def test_half_precision_comes_back_in_float32(make_gap_net, make_input):
    net, x = make_gap_net(2).bfloat16(), make_input(2).bfloat16()
    maps = attribute(net, x, ["saliency", "grad_cam"], 1)
    assert {m.dtype for m in maps.values()} == {torch.float32}
    assert not any(m.requires_grad for m in maps.values())
