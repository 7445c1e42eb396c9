"""Targets as values: how they combine, what they stand for, and that every pass takes all of them."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from matxai.engine import GRADIENT, Backward, Needs, composite, merge, run, targets
from matxai.engine.copies import Copies
from matxai.engine.scoring import Sources
from matxai.engine.targets import fixed, repeated, resolve, with_names
from matxai.errors import LayerError, OperationError, TargetError

GENERATOR = torch.Generator().manual_seed(0)
LOGITS = torch.randn(3, 5, generator=GENERATOR, dtype=torch.float64)
BINARY = torch.randn(3, 1, generator=GENERATOR, dtype=torch.float64)
DENSE = torch.randn(3, 4, 6, 5, generator=GENERATOR, dtype=torch.float64)
TOKENS = torch.randn(3, 6, 7, generator=GENERATOR, dtype=torch.float64)
MASK = torch.rand(6, 5, generator=GENERATOR) > 0.5


def scores(target: Any, out: Any) -> Tensor:
    (t,) = resolve(target, out)
    return t.score(out)


def test_targets_add_up() -> None:
    a, b = targets.score(3), targets.score([0, 1, 2])
    assert torch.equal(scores(a - b, LOGITS), LOGITS[:, 3] - LOGITS[range(3), range(3)])
    assert torch.allclose(scores(a + b + a, LOGITS), 2 * LOGITS[:, 3] + LOGITS[range(3), range(3)])
    assert torch.allclose(scores(2 * a - b / 4, LOGITS), 2 * LOGITS[:, 3] - LOGITS[range(3), range(3)] / 4)
    assert torch.equal(scores(-(a * 3), LOGITS), -3 * LOGITS[:, 3])
    assert a - b == targets.contrast(3, [0, 1, 2])
    assert a + b == targets.sum(3, [0, 1, 2])
    assert (a - 2 * (a + b)).describe() == "class 3 against 2 x (class 3 + classes 0, 1, 2)"
    assert (-a).describe() == "-class 3"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda t: t + 1, r"'\+' joins targets, not 1; write targets.score\(1\)"),
        (lambda t: t - "crack", r"not 'crack'; write targets.score\('crack'\)"),
        (lambda t: t * t, "multiplied by a number, not by a Index"),
        (lambda t: t / 0, "other than 0, not by 0"),
        (lambda t: targets.topk(0), "1 or more; it cannot be 0"),
        (lambda t: targets.probability(t, 0), "above 0; it cannot be 0"),
        (lambda t: targets.probability(targets.token(1)), "no probability of 'top token at position 1'"),
        (lambda t: targets.probability(targets.probability(t)), "does not read one score for each class"),
        (lambda t: targets.log_probability(targets.neuron("a", 1)), "it does not read one score for each class"),
        (lambda t: targets.answer([]), "An answer is a list of token indices"),
        (lambda t: targets.answer([[1, 2], [3]]), "one such list for each sample, not"),
        (lambda t: targets.similarity(LOGITS, measure="cosin"), "Did you mean 'cosine'"),
        (lambda t: targets.border(MASK, width=0), "1 or more; it cannot be 0"),
        (lambda t: targets.score(None), "leave target out for the top one"),
    ],
)
def test_combinations_that_mean_nothing(make: Any, says: str) -> None:
    with pytest.raises(TargetError, match=says):
        make(targets.score(0))


def test_probabilities() -> None:
    soft = LOGITS.softmax(1)
    assert torch.allclose(scores(targets.probability(2), LOGITS), soft[:, 2])
    assert torch.allclose(scores(targets.log_probability([0, 1, 2]), LOGITS), soft[range(3), range(3)].log())
    assert torch.allclose(scores(targets.temperature(2, 3.0), LOGITS), (LOGITS / 3).log_softmax(1)[:, 2])
    assert torch.allclose(scores(targets.probability(targets.contrast(1, 2), 2.0), LOGITS),
                          (LOGITS / 2).softmax(1)[:, 1] - (LOGITS / 2).softmax(1)[:, 2])  # fmt: skip
    for out in (BINARY, BINARY[:, 0]):
        assert torch.allclose(scores(targets.probability(1), out), BINARY[:, 0].sigmoid())
        assert torch.allclose(scores(targets.log_probability(0, 2.0), out), (1 - (BINARY[:, 0] / 2).sigmoid()).log())
    soft = DENSE.softmax(1)
    assert torch.allclose(scores(targets.probability(targets.mean(MASK, 2)), DENSE), soft[:, 2][:, MASK].mean(1))
    top = DENSE.argmax(1) == 1
    assert torch.allclose(scores(targets.probability(1), DENSE), (soft[:, 1] * top).flatten(1).sum(1))
    far = torch.tensor([[1000.0, 0.0]])
    assert scores(targets.log_probability(1), far).item() == -1000
    assert targets.temperature(2, 3.0).describe() == "log-probability of class 2 at temperature 3"


def test_tops_actions_and_numbers() -> None:
    assert torch.allclose(scores(targets.topk(2), LOGITS), LOGITS.sort(1).values[:, -2:].sum(1))
    assert torch.equal(scores(targets.action(), LOGITS), LOGITS.amax(1))
    assert torch.equal(scores(targets.action(2), LOGITS), LOGITS[:, 2])
    assert torch.equal(scores(targets.action([4, 0, -1]), LOGITS), LOGITS[range(3), [4, 0, 4]])
    assert torch.equal(scores(targets.output(3), LOGITS), LOGITS[:, 3])
    assert targets.action().describe() == "the best action"


def test_tokens_and_answers() -> None:
    assert torch.equal(scores(targets.token(2, 5), TOKENS), TOKENS[:, 2, 5])
    assert torch.equal(scores(targets.token(-1, [0, 1, 2]), TOKENS), TOKENS[range(3), -1, range(3)])
    assert torch.equal(scores(targets.token(0), TOKENS), TOKENS[:, 0].amax(1))
    assert torch.equal(scores(targets.token((1, 2), 3), DENSE), DENSE[:, 1, 2, 3])  # (B, H, W, K)
    logs = TOKENS.log_softmax(2)
    assert torch.allclose(scores(targets.answer([4, 1]), TOKENS), logs[:, 4, 4] + logs[:, 5, 1])
    assert torch.allclose(scores(targets.answer([[4, 1], [0, 0], [2, 3]], 1), TOKENS),
                          torch.stack([logs[i, 1, a] + logs[i, 2, b] for i, (a, b) in enumerate([(4, 1), (0, 0), (2, 3)])]))  # fmt: skip  # noqa: E501
    assert torch.allclose(scores(targets.answer([4, 1], -6, logits=True), TOKENS), TOKENS[:, 0, 4] + TOKENS[:, 1, 1])
    assert not targets.answer([1]).linear
    assert targets.answer([1], logits=True).linear
    assert targets.token(2, 5).describe() == "token 5 at position 2"


@pytest.mark.parametrize(
    ("target", "out", "says"),
    [
        (targets.token(2, 5), LOGITS, r"token 5 at position 2 needs an output \(B, N, K\); this one is \(3, 5\)"),
        (targets.token(6, 5), TOKENS, "6 positions, 0 to 5; there is no position 6"),
        (targets.token(0, 7), TOKENS, "7 tokens, 0 to 6; there is no token 7"),
        (targets.token(0, [1, 2]), TOKENS, "2 tokens for 3 samples"),
        (targets.token(0, "crack"), TOKENS, "is a name, but the model comes without class names"),
        (targets.answer([1] * 7), TOKENS, "7 tokens at the end does not fit into an output of 6"),
        (targets.answer([1, 2], 5), TOKENS, "2 tokens at position 5 does not fit"),
        (targets.answer([[1], [2]]), TOKENS, "2 answers for 3 samples"),
        (targets.answer([9]), TOKENS, "no token 9"),
        (targets.topk(6), LOGITS, "5 classes; there are no top 6"),
        (targets.topk(2), DENSE, r"need an output \(B, K\)"),
        (targets.topk(1), BINARY, "K of 2 or more"),
        (targets.action(5), LOGITS, "5 actions, 0 to 4; there is no action 5"),
        (targets.action([0, 1]), LOGITS, "2 targets for 3 samples"),
        (targets.action(), DENSE, r"needs an output \(B, actions\)"),
        (targets.output(9), LOGITS, "5 numbers, 0 to 4; there is no number 9"),
        (targets.score(3) - targets.score(9), LOGITS, "no class 9"),
        (targets.mean(torch.ones(3, 2, 2, 2)), DENSE, r"has a mask \(3, 2, 2, 2\)"),
        (targets.mean(torch.ones(2, 6, 5)), DENSE, "with or without one for the samples"),
        (targets.border(torch.zeros(6, 5)), DENSE, "covers no position"),
        (targets.detected(), LOGITS, "needs an output with boxes, labels, scores for each sample"),
        (targets.similarity(torch.ones(4)), LOGITS, r"reference of a similarity is \(4\); the features are \(3, 5\)"),
    ],
)
def test_targets_that_an_output_does_not_have(target: Any, out: Tensor, says: str) -> None:
    with pytest.raises(TargetError, match=says):
        target.score(out)


def boxes(*rows: tuple[float, ...]) -> dict[str, Tensor]:
    t = torch.tensor(rows, dtype=torch.float64).view(-1, 6)
    return {"boxes": t[:, :4], "labels": t[:, 4].long(), "scores": t[:, 5]}


def test_a_detected_object_is_followed_by_its_box() -> None:
    clean = [boxes((0, 0, 4, 4, 1, 0.9), (4, 4, 8, 8, 2, 0.5)), boxes((0, 0, 2, 2, 1, 0.7))]
    target = targets.detected([1, 0])
    assert target.score(clean).tolist() == [0.5, 0.7]
    same = fixed(target, clean)
    assert same.score(clean).tolist() == [0.5, 0.7]
    moved = [boxes((4, 4, 8, 6, 2, 0.4), (4, 4, 8, 8, 1, 0.9), (0, 0, 4, 4, 2, 0.8)), boxes()]
    assert same.score(moved).tolist() == [0.5 * 0.4, 0.0]  # half of the box; the right label; none at all
    assert repeated(same, 2).score(clean + moved).tolist() == [0.5, 0.7, 0.2, 0.0]
    with pytest.raises(TargetError, match=r"Sample 1 has 1 detected box\(es\), so there is no box 1"):
        targets.detected(1).score(clean)
    with pytest.raises(TargetError, match="3 boxes for 2 samples"):
        targets.detected([0, 1, 2]).score(clean)


NAMES = ["crack", "pore", "grain", "none", "else"]
EVERY: list[tuple[Any, Tensor]] = [
    (targets.score(3), LOGITS), (targets.score([0, 1, 2]), LOGITS), (targets.topk(2), LOGITS),
    (targets.action(), LOGITS), (targets.action([1, 2, 3]), LOGITS), (targets.output(1), LOGITS),
    (targets.contrast([0, 1, 2], 3) * 2 + targets.topk(3), LOGITS), (targets.probability([0, 1, 2], 2.0), LOGITS),
    (targets.similarity(LOGITS.flip(0)), LOGITS), (targets.similarity(LOGITS[0], measure="dot"), LOGITS),
    (targets.score([1, 0, 1]), BINARY), (targets.log_probability([1, 0, 1]), BINARY),
    (targets.top(DENSE), DENSE), (targets.probability(1), DENSE), (targets.mean(MASK, 1), DENSE),
    (targets.border(torch.stack([MASK, ~MASK, MASK]), 2), DENSE), (targets.point(2, 2, index=1), DENSE),
    (targets.box((0, 3), (1, 4)), DENSE), (targets.score(1) - targets.region(MASK, 2) / 3, DENSE),
    (targets.token(2), TOKENS), (targets.token(1, [4, 5, 6]), TOKENS),
    (targets.answer([[1, 2], [3, 4], [5, 6]]), TOKENS),
]  # fmt: skip


@pytest.mark.parametrize(("target", "out"), EVERY, ids=lambda v: v.describe() if hasattr(v, "describe") else "")
def test_a_chunk_of_copies_gives_what_each_copy_gives(target: Any, out: Tensor) -> None:
    still = fixed(target, out)
    assert torch.allclose(still.score(out), target.score(out))
    copies = [out, out * 0.5 + 1, -out]
    singly = torch.cat([still.score(c) for c in copies])
    assert torch.allclose(repeated(still, 3).score(torch.cat(copies)), singly)
    assert torch.allclose(repeated(repeated(still, 3), 2).score(torch.cat(copies * 2)), singly.repeat(2))
    leaf = out.clone().requires_grad_()
    (g,) = torch.autograd.grad(target.score(leaf).sum(), leaf)
    assert g.abs().sum() > 0


def test_tops_stay_what_they_were() -> None:
    for target, out in ((targets.topk(2), LOGITS), (targets.action(), LOGITS), (targets.token(2), TOKENS)):
        still = fixed(target, out)
        rows = out if out is LOGITS else out[:, 2]
        top = rows.topk(2 if target == targets.topk(2) else 1).indices
        assert torch.allclose(still.score(-out), -rows.gather(1, top).sum(1))


def test_names_in_every_combination() -> None:
    out = LOGITS
    named = 2 * targets.score("pore") - targets.probability("grain") / 4 + targets.score(["crack", "pore", "none"])
    known = with_names(named, NAMES)
    by_index = 2 * targets.score(1) - targets.probability(2) / 4 + targets.score([0, 1, 3])
    assert known == by_index
    assert torch.equal(known.score(out), by_index.score(out))
    assert with_names(targets.token(0, "grain"), NAMES) == targets.token(0, 2)
    assert with_names(targets.each("pore", named, ["crack", 1]), NAMES).targets == (1, by_index, [0, 1])
    with pytest.raises(TargetError, match=r"no class 'grian'. Did you mean 'grain'"):
        with_names(2 * targets.score("grian"), NAMES)
    with pytest.raises(TargetError, match="comes without class names"):
        fixed(targets.probability("grain"), out)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(2, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.act = nn.ReLU(inplace=True)
        self.head = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.act(self.norm(self.conv(x))).mean((2, 3)))


@pytest.fixture
def net() -> nn.Module:
    return Net().double().eval()


@pytest.fixture
def image() -> Tensor:
    return torch.randn(2, 2, 6, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def reference(net: Net, x: Tensor, score: Any) -> Tensor:
    leaf = x.clone().requires_grad_()
    conv = net.norm(net.conv(leaf))
    out = net.head(torch.relu(conv).mean((2, 3)))
    (g,) = torch.autograd.grad(score(conv, out).sum(), leaf)
    return g


REFERENCE = torch.randn(2, 4, 6, 6, generator=GENERATOR, dtype=torch.float64)
INSIDE: list[tuple[Any, Any]] = [
    (targets.topk(2), lambda c, out: out.topk(2).values.sum(1)),
    (targets.log_probability(1, 2.0), lambda c, out: (out / 2).log_softmax(1)[:, 1]),
    (targets.neuron("norm", 2, (1, 4)), lambda c, out: c[:, 2, 1, 4]),
    (targets.neuron("act", 2), lambda c, out: c[:, 2].relu().mean((1, 2))),
    (targets.neuron("norm", 1) - 2 * targets.score(3), lambda c, out: c[:, 1].mean((1, 2)) - 2 * out[:, 3]),
    (targets.similarity(REFERENCE, "norm"), lambda c, out: torch.cosine_similarity(c.flatten(1), REFERENCE.flatten(1))),
    (targets.similarity(REFERENCE[0], "norm", "dot"), lambda c, out: (c * REFERENCE[0]).sum((1, 2, 3))),
    (lambda out: out[:, 1] * out[:, 2], lambda c, out: out[:, 1] * out[:, 2]),
]


@pytest.mark.parametrize(("target", "score"), INSIDE)
def test_gradients_of_targets_equal_autograd(
    target: Any, score: Any, net: Any, image: Tensor, plan_of: Any, untouched: Any
) -> None:
    with untouched(net):
        got = run(net, image, plan_of(GRADIENT), target=target)
    assert torch.allclose(got.gradient(GRADIENT, "input"), reference(net, image, score), rtol=1e-9, atol=1e-12)
    again = run(net, image, plan_of(GRADIENT), target=targets.each(*got.fixed))
    assert torch.allclose(again.gradient(GRADIENT, "input")[0], got.gradient(GRADIENT, "input"), rtol=1e-12)


def test_several_kinds_of_targets_from_one_forward(net: Any, image: Tensor, plan_of: Any) -> None:
    both = run(net, image, plan_of(GRADIENT), target=targets.each(*(t for t, _ in INSIDE), 3))
    assert (both.forwards, both.backwards) == (1, len(INSIDE) + 1)
    for i, (target, _) in enumerate(INSIDE):
        alone = run(net, image, plan_of(GRADIENT), target=target)
        assert torch.allclose(both.gradient(GRADIENT, "input")[i], alone.gradient(GRADIENT, "input"), rtol=1e-12)
        assert both.target[i] == alone.target[0]


def test_copies_of_targets_that_read_layers(net: Any, image: Tensor, plan_of: Any) -> None:
    asked = targets.each(*(t for t, _ in INSIDE))
    clean = run(net, image, plan_of(GRADIENT), target=asked)
    changed = torch.stack([image, image + 0.1, image * 2])
    copies = Copies(net, clean)
    found, gradients = copies.gradient(changed)
    copies._chunk = {True: 1, False: 1}
    for n, one in enumerate(changed):
        scores_, g = copies.gradient(one[None])
        assert torch.allclose(found[:, n], scores_[:, 0])
        assert torch.allclose(gradients[:, n], g[:, 0], atol=1e-12)
        for i, (t, score) in enumerate(INSIDE):
            if not isinstance(t, targets.TopK):
                assert torch.allclose(g[i, 0], reference(net, one, score), rtol=1e-9, atol=1e-12)


def test_relevance_of_layers_and_of_scores_that_are_no_sums(net: Any, image: Tensor, plan_of: Any) -> None:
    rule = composite("epsilon", epsilon=0)
    for parameter in (net.conv.bias, net.norm.bias, net.head.bias):
        nn.init.zeros_(parameter)
    for target in (targets.neuron("act", 2), targets.neuron("norm", 1, (2, 2)) + targets.score(3), targets.topk(2)):
        got = run(net, image, plan_of(rule), target=target)
        assert torch.allclose(got.relevance(rule, "input").sum((1, 2, 3)), got.scores)
        assert got.notes == []
    got = run(net, image, plan_of(rule, GRADIENT), target=targets.probability(1))
    assert torch.allclose(got.relevance(rule, "input"), image * got.gradient(GRADIENT, "input"))
    assert "its relevance begins as logit times gradient" in got.notes[0]


def test_layers_of_targets_that_are_not_there(net: Any, image: Tensor, plan_of: Any, untouched: Any) -> None:
    cam = merge([Needs(True, (Backward(GRADIENT, at_layers=True),))])
    for target, plan, layers, error, says in (
        (targets.neuron("nrom", 1), plan_of(GRADIENT), (), LayerError, "Did you mean 'norm'"),
        (targets.neuron("norm", 4), plan_of(GRADIENT), (), TargetError, "4 channels in layer 'norm', 0 to 3"),
        (targets.neuron("norm", 1, (1, 6)), plan_of(GRADIENT), (), TargetError, "6 positions along axis 1"),
        (targets.neuron("norm", 1, 2), plan_of(GRADIENT), (), TargetError, "has 1 spatial axes, layer 'norm' has 2"),
        (targets.neuron("conv", 1), cam, ("act",), LayerError, "does not depend on layer .act.: the forward does"),
        (lambda out: out.sum(), plan_of(GRADIENT), (), TargetError, r"gives \(\); it must give one score a sample"),
        (lambda out: out[:, 0] * math.nan, plan_of(GRADIENT), (), TargetError, "is NaN or infinite"),
    ):  # fmt: skip
        with untouched(net), pytest.raises(error, match=says):
            run(net, image, plan, target=target, layers=layers)


def test_the_parts_of_a_target_each_read_their_own(image: Tensor) -> None:
    layer, logits = REFERENCE, LOGITS[:2]
    read = Sources({"out": logits}, logits, {"norm": layer}, 2)
    target = targets.neuron("norm", 1) + targets.score(2) - targets.score(lambda out: out["out"][:, 0])
    expected = layer[:, 1].mean((1, 2)) + logits[:, 2] - logits[:, 0]
    assert torch.allclose(read.score(target), expected)
    assert torch.allclose(read.score(read.fixed(target)), expected)


@pytest.fixture(scope="module")
def detector() -> nn.Module:
    detection = pytest.importorskip("torchvision").models.detection
    torch.manual_seed(0)
    return detection.fasterrcnn_mobilenet_v3_large_320_fpn(
        weights=None, weights_backbone=None, num_classes=3, min_size=64, max_size=64, box_score_thresh=0.0,
        box_detections_per_img=5, rpn_pre_nms_top_n_test=20, rpn_post_nms_top_n_test=20,
    ).eval()  # fmt: skip


def test_a_detectors_box_has_a_gradient_and_is_followed(detector: Any, untouched: Any) -> None:
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    plan = merge([Needs(True, (Backward(GRADIENT, at_input=True, at_layers=True),))])
    with untouched(detector):
        got = run(detector, x, plan, target=targets.detected(1), layers=["backbone.body.0.0"])
    leaf = x.clone().requires_grad_()
    score = detector(list(leaf))[0]["scores"][1]
    (expected,) = torch.autograd.grad(score, leaf)
    assert torch.allclose(got.scores, score.detach()[None])
    assert torch.allclose(got.gradient(GRADIENT, "input"), expected, rtol=1e-3, atol=1e-4 * expected.abs().max())
    assert got.gradient(GRADIENT, "backbone.body.0.0").abs().sum() > 0
    copies = Copies(detector, got)
    assert torch.allclose(copies.score(torch.stack([x, x]))[0], got.scores.expand(2, 1), rtol=1e-5)
    with untouched(detector), pytest.raises(TargetError, match="there is no box 99"):
        run(detector, x, plan, target=targets.detected(99), layers=["backbone.body.0.0"])
    with untouched(detector), pytest.raises(OperationError, match="LRP cannot pass"):
        run(detector, x, merge([Needs(backwards=(Backward(composite("epsilon"), at_input=True),))]),
            target=targets.detected())  # fmt: skip
    with pytest.raises(TargetError, match=r"target= as matxai.targets.detected\(0\) for its best box"):
        run(detector, x, plan, target=0, layers=["backbone.body.0.0"])
