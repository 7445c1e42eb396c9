"""Perturbed copies: counts, chunks, memory that does not suffice, fixed batches, cancelling, draws."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import Tensor, nn

from matxai.engine import Plan, run, targets
from matxai.engine.copies import Copies
from matxai.errors import Cancelled, ModelError, OperationError


def make(net: nn.Module, x: Tensor, target=0, **options) -> Copies:
    return Copies(net, run(net, x, Plan(), target=target), **options)


@pytest.fixture
def x() -> Tensor:
    return torch.randn(2, 2, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def seven(copies: Copies) -> Tensor:
    return copies.x + 0.1 * copies.normal(range(7))


def test_scores_and_gradients_are_those_of_the_copies_one_by_one(small_net, x, untouched):
    copies = make(small_net, x, targets.each(0, [1, 2]))
    given = seven(copies)
    with untouched(small_net):
        scores, gradients = copies.gradient(given)
    assert (copies.forwards, copies.backwards) == (7, 14)
    assert torch.equal(copies.score(given), scores)
    assert (copies.forwards, copies.backwards) == (14, 14)
    assert gradients.shape == (2, 7, *x.shape)
    for k in (0, 6):
        leaf = given[k].clone().requires_grad_()
        out = small_net(leaf)
        for t, chosen in enumerate((out[:, 0], out[[0, 1], [1, 2]])):
            torch.testing.assert_close(scores[t, k], chosen.detach(), rtol=1e-12, atol=1e-12)
            (want,) = torch.autograd.grad(chosen.sum(), leaf, retain_graph=True)
            torch.testing.assert_close(gradients[t, k], want, rtol=1e-10, atol=1e-13)
    assert torch.equal(copies.scores, torch.stack(copies.clean.score_list))
    assert copies.scores.shape == (2, 2)


@pytest.mark.parametrize("chunk", [1, 3, 7])
def test_blocks_go_by_the_chunk_and_pause_at_the_same_places(small_net, x, chunk):
    copies = make(small_net, x)
    copies._chunk = {True: chunk, False: 2}
    blocks = list(copies.blocks(10, "gradients", gradients=True))
    assert [i for b in blocks for i in b] == list(range(10))
    assert max(map(len, blocks)) == chunk
    pauses = {b.stop for b in copies.blocks(10, "gradients", gradients=True, pause=4)}
    assert {4, 8, 10} <= pauses
    assert max(map(len, copies.blocks(10, "scores"))) == 2


def test_chunks_follow_the_memory_that_is_free(small_net, x, monkeypatch):
    from matxai.engine import memory

    each = memory.bytes_of(make(small_net, x).clean.trace, 8, graph=True)
    monkeypatch.setattr(memory, "free_bytes", lambda _: int(3.5 * each / memory.SHARE))
    assert [len(b) for b in make(small_net, x).blocks(8, "", gradients=True)] == [3, 3, 2]
    monkeypatch.setattr(memory, "free_bytes", lambda _: 10)
    assert [len(b) for b in make(small_net, x).blocks(2, "", gradients=True)] == [1, 1]


class Full(nn.Module):
    """Runs out of memory with more than so many samples."""

    def __init__(self, inner: nn.Module, most: int) -> None:
        super().__init__()
        self.inner, self.most, self.seen = inner, most, []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(len(x))
        if len(x) > self.most:
            raise torch.OutOfMemoryError("out of memory")
        return self.inner(x)


def test_copies_are_halved_until_they_fit_and_stay_so(small_net, x):
    want = make(small_net, x).gradient(seven(make(small_net, x)))
    net = Full(small_net, 4).eval()
    copies = make(net, x)
    copies._chunk[True] = 7
    for block in copies.blocks(7, "", gradients=True):
        scores, gradients = copies.gradient(seven(copies)[block.start : block.stop])
    torch.testing.assert_close(scores, want[0], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradients, want[1], rtol=1e-10, atol=1e-13)
    assert (copies.forwards, copies.backwards) == (7, 7)
    net.seen.clear()
    sizes = [len(b) for b in copies.blocks(5, "", gradients=True)]
    assert max(sizes) == 1  # 7 copies of 2 samples, then 3 and 4 of them, then 1, 2 and 2: what the last halving left


def test_memory_that_does_not_suffice_for_one_copy_is_said(small_net, x):
    copies = make(small_net, x)
    copies.module = Full(small_net, 1).eval()
    with pytest.raises(ModelError, match=r"Memory does not suffice for one copy of the input \(2, 2, 8, 8\)"):
        copies.gradient(seven(copies))


class Fixed(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(2, 2, 64).sum(2)


def test_a_model_that_takes_no_other_batch_gets_its_copies_one_by_one(x):
    program = torch.export.export(Fixed(), (x,)).module()
    copies = make(program, x)
    given = seven(copies)
    scores, gradients = copies.gradient(given)
    torch.testing.assert_close(scores[0], given[:, :, 0].sum((2, 3)), rtol=1e-12, atol=1e-12)
    assert gradients[0, 0].unique().tolist() == [0.0, 1.0]
    assert copies.forwards == 7
    assert [len(b) for b in copies.blocks(2, "", gradients=True)] == [1, 1]


def test_cancelling_stops_between_blocks_and_early_leaving_is_timed(small_net, x):
    stop = threading.Event()
    said = []
    copies = make(small_net, x, cancel=stop, progress=lambda *a: said.append(a))
    copies._chunk[False] = 2
    blocks = copies.blocks(6, "masks")
    copies.score(seven(copies)[: len(next(blocks))])
    stop.set()
    with pytest.raises(Cancelled):
        next(blocks)
    assert copies.forwards == 2
    assert said == [(0, 6, "masks: 6 copies, about 1 s")]
    stop.clear()
    for _ in copies.blocks(6, "other"):
        break
    assert copies.clean.seconds["other"] >= 0


def test_draws_depend_on_seed_number_and_purpose_alone(small_net, x):
    copies = make(small_net, x)
    drawn = copies.normal(range(4))
    assert drawn.shape == (4, 1, 2, 8, 8)
    assert torch.equal(copies.normal(range(2, 4)), drawn[2:])
    assert torch.equal(make(small_net, x[:1]).normal(range(4)), drawn)
    assert not torch.equal(make(small_net, x, seed=1).normal(range(4)), drawn)
    assert not torch.equal(copies.normal(range(4), purpose="other"), drawn)
    assert abs(float(copies.normal(range(200)).std()) - 1) < 0.02


class ArgmaxMask(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 1, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


def test_areas_stay_where_they_were_in_the_unperturbed_input(x):
    """The sum over the positions where a class is on top keeps its positions when copies put another class on top."""
    torch.manual_seed(0)
    net = ArgmaxMask().eval()
    out = net(x).detach()
    where = out.argmax(1) == 1
    copies = make(net, x, 1)
    (scores,) = copies.score(seven(copies))
    want = torch.stack([(net(c).detach()[:, 1] * where).sum((1, 2)) for c in seven(copies)])
    torch.testing.assert_close(scores, want, rtol=1e-12, atol=1e-12)


def test_an_error_of_the_model_is_its_own(small_net, x):
    copies = make(small_net, x)
    with pytest.raises((ModelError, OperationError), match="channel"):
        copies.gradient(torch.zeros(3, 2, 5, 8, 8, dtype=torch.float64))
