"""Models that only predict: one call for each batch, every kind of answer, and what is said when it is none."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

import matxai
from matxai import black_box
from matxai.engine import Needs, merge, run
from matxai.engine.copies import Copies
from matxai.errors import Cancelled, LayerError, MethodError, ModelError, TargetError
from matxai.methods import attribute, attribution, methods

X = torch.rand(3, 2, 6, 5, generator=torch.Generator().manual_seed(0))


def means(batch: np.ndarray) -> np.ndarray:
    return batch.mean((2, 3))


class Counting:
    """Remembers the sizes of the batches that it is given."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, batch):
        self.batches.append(len(batch))
        return batch.mean((2, 3))


def test_it_is_asked_once_for_each_copy_and_never_beforehand():
    seen = Counting()
    done = attribution(black_box(seen), X, ["rise", "occlusion"], 0, budget=10)
    assert sum(seen.batches) == 3 * done.forwards
    assert seen.batches[0] == 3
    assert len(seen.batches) == 1 + 2  # the clean batch, and one block for each method
    assert done.backwards == 0


def test_a_batch_is_kept():
    seen = Counting()
    done = attribution(black_box(seen, batch=4), X, "rise", 0, budget=10)
    assert max(seen.batches) <= 4
    assert torch.allclose(done.maps["rise"], attribute(black_box(means), X, "rise", 0, budget=10)["rise"])
    large = Counting()
    attribution(black_box(large, batch=60), X, "rise", 0, budget=20)
    assert large.batches == [3, 60]  # what the caller says fits is used


@pytest.mark.parametrize(
    "answer",
    [
        lambda a: a.mean((2, 3)),
        lambda a: a.mean((2, 3)).tolist(),
        lambda a: torch.from_numpy(a).mean((2, 3)),
        lambda a: {"logits": a.mean((2, 3)), "other": a.sum((2, 3))},
        lambda a: a.mean((2, 3)).astype(np.float64),
    ],
)
def test_arrays_lists_tensors_and_dictionaries_are_answers(answer):
    want = attribute(black_box(means), X, "occlusion", 1)["occlusion"]
    got = attribute(black_box(answer), X, "occlusion", 1)["occlusion"]
    assert got.dtype == torch.float32
    assert torch.allclose(got, want, atol=1e-6)


def test_tensors_are_handed_over_without_a_graph_where_asked_for():
    seen = []
    net = torch.nn.Conv2d(2, 3, 3)

    def predict(x):
        out = net(x)
        seen.append((type(x), out.requires_grad))
        return out.mean((2, 3))

    attribute(black_box(predict, tensors=True), X, "rise", 0, budget=2)
    assert set(seen) == {(torch.Tensor, False)}


def test_every_target_and_several_at_once():
    box = black_box(lambda a: a)  # dense: a score for each pixel
    maps = attribute(box, X, "occlusion", matxai.targets.each(0, matxai.targets.box((0, 3), (0, 3), index=1)), budget=9)
    assert maps["occlusion"].shape == (2, *X.shape)
    top = attribution(black_box(means), X, "rise", budget=2)
    assert torch.allclose(top.scores, X.mean((2, 3)).amax(1))


def test_what_it_is_given_is_its_own():
    def spoils(batch):
        batch *= 0
        return np.full((len(batch), 2), 0.5, np.float32)

    x = X.clone()
    attribute(black_box(spoils), x, "rise", 0, budget=2)
    assert torch.equal(x, X)
    held = np.zeros((96, 2), np.float32)

    def reuses(batch):
        held[: len(batch)] = batch.mean((2, 3))
        return held[: len(batch)]

    got = attribute(black_box(reuses), X, "occlusion", 0)["occlusion"]
    assert torch.equal(got, attribute(black_box(means), X, "occlusion", 0)["occlusion"])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda a: a.mean((2, 3))[:2], r"gave \(2, 2\) for \(3, 2, 6, 5\); it must give numbers with one row for each"),
        (lambda a: 3.0, r"gave \(\) for"),
        (lambda a: None, "gave a NoneType"),
        (lambda a: [[1.0], [1.0, 2.0], [1.0]], "gave a list"),
        (lambda a: ["crack"] * len(a), "gave a list"),
        (lambda a: a.mean((2, 3)).argmax(1), "numbers of type int64; labels hold no score"),
        (lambda a: 1 / 0, "failed for inputs of shape .*: ZeroDivisionError: division by zero"),
        (lambda a: np.full((len(a), 2), np.nan), "gave NaN or infinite values"),
    ],
)
def test_what_is_no_answer_is_said(answer, words):
    with pytest.raises(ModelError, match=words) as caught:
        attribute(black_box(answer, name="scorer"), X, "rise", 0)
    assert "The function 'scorer'" in str(caught.value)


def test_what_cannot_be_a_black_box_is_said():
    with pytest.raises(ModelError, match="a str is none"):
        black_box("predict")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="batch=0"):
        black_box(means, batch=0)


@pytest.mark.parametrize("name", sorted(n for n in methods if not methods[n].black_box))
def test_methods_that_need_more_say_so(name):
    words = f"'{name}' needs the (layers|gradients) of a PyTorch model; the function 'means' is a black box, which "
    with pytest.raises(MethodError, match=words + "kernel_shap, lime, occlusion and rise can explain"):
        attribute(black_box(means), X, name, 0)


def test_there_are_neither_layers_nor_gradients():
    with pytest.raises(LayerError, match="no layers to list"):
        matxai.layers(black_box(means), X)
    from matxai.engine import GRADIENT, Backward

    with pytest.raises(MethodError, match="predictions only, and the plan reads gradients"):
        run(black_box(means), X, merge([Needs(backwards=(Backward(GRADIENT, at_input=True),))]))
    with pytest.raises(TargetError, match="class"):
        attribute(black_box(means), X, "rise", 9)


def test_calls_from_several_threads_wait_for_each_other():
    inside, most = [], []

    def slow(batch):
        inside.append(1)
        most.append(len(inside))
        threading.Event().wait(0.002)
        inside.pop()
        return batch.mean((2, 3))

    box = black_box(slow)
    found = {}
    threads = [
        threading.Thread(target=lambda i=i: found.update({i: attribute(box, X, "rise", 0, budget=4)["rise"]}))
        for i in range(4)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert max(most) == 1
    assert all(torch.equal(found[i], found[0]) for i in range(4))


def test_it_can_be_cancelled():
    stop = threading.Event()
    seen = Counting()

    def progress(done, total, label):
        if done:
            stop.set()

    with pytest.raises(Cancelled):
        attribute(black_box(seen, batch=6), X, "rise", 0, budget=20, progress=progress, cancel=stop)
    assert seen.batches == [3, 6]


def test_the_time_is_predicted_before_and_after_the_first_block():

    def slow(batch):
        threading.Event().wait(0.02)
        return batch.mean((2, 3))

    told = []
    attribute(black_box(slow, batch=3), X, "rise", 0, budget=10, progress=lambda *a: told.append(a))
    assert [a[:2] for a in told] == [*((k, 10) for k in range(10)), (10, 10)]
    assert told[0][2].startswith("rise: 10 copies, about ")
    assert "left" not in told[0][2]
    assert all(a[2].endswith(" s left") for a in told[1:-1])
    assert told[-1][2] == "rise"


@pytest.mark.parametrize("seconds", [0.08, 3.0])
def test_the_first_prediction_goes_by_the_clean_forward(seconds):
    captured = run(black_box(means), X, merge([Needs(copies=100)]), target=0)
    captured.seconds["forward"] = seconds
    told = []
    copies = Copies(black_box(means), captured, progress=lambda *a: told.append(a))
    next(copies.blocks(100, "rise"))
    assert told == [(0, 100, f"rise: 100 copies, about {'8 s' if seconds < 1 else '5 min'}")]
