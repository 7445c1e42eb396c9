"""Fills that lie outside of what real signals look like to the model are marked and not counted."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn

import matxai
from matxai.checks import Reference, perturb
from matxai.errors import SignalError
from matxai.signals import labelled

RNG = np.random.default_rng


def loaded(module: nn.Module, **options):
    given = {"kind": "2d", "channels": 1, "scale": "none", "classes": ["no", "yes"], **options}
    return matxai.load_model(module, **given)


def mask_of(rows: slice, columns: slice, shape=(40, 50)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[rows, columns] = True
    return mask


OBJECT = mask_of(slice(10, 20), slice(30, 42))


def test_an_absurd_fill_is_marked_and_the_image_itself_is_not() -> None:
    rng = RNG(3)
    net = nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
                        nn.Flatten(), nn.Linear(8, 2))  # fmt: skip
    model = loaded(net)
    real = [labelled((100 + 8 * rng.standard_normal((40, 50))).astype(np.float32), ("y", "x")) for _ in range(30)]
    reference = Reference.of(model, real)
    assert len(reference) == 30
    assert reference.limit == pytest.approx(np.percentile(reference.distances, 99))
    absurd = real[0].copy(data=np.full((40, 50), 1e4, np.float32))
    change = perturb(
        model, real[0], OBJECT, fills=["noisy_linear", "donor"], donors=[real[0], absurd], reference=reference,
        controls=6,
    )[0]  # fmt: skip
    assert change.fills == ("noisy_linear", "donor", "donor 2")
    assert change.after.outside.tolist() == [False, False, True]
    assert change.counted.tolist() == [True, True, False]
    assert change.effect == pytest.approx(change.effects[:2].mean())
    assert "1 fill out of distribution is not counted" in change.sentence
    assert "not checked" not in change.sentence
    assert change.control_effect.size <= 6
    none = perturb(model, real[0], OBJECT, fills=["donor"], donors=[absurd], reference=reference, controls=2)[0]
    assert np.isnan(none.effect)
    assert none.rank is None
    assert "cannot be judged" in none.sentence
    assert not net[2]._forward_hooks


def test_the_distances_are_those_of_brute_force_and_black_boxes_have_statistics() -> None:
    rng = RNG(4)
    real = [labelled(rng.normal(50, 5, (12, 14)).astype(np.float32), ("y", "x")) for _ in range(11)]
    box = matxai.black_box(lambda x: np.stack([x.mean((1, 2, 3)), x.std((1, 2, 3))], axis=1))
    model = loaded(box)
    reference = Reference.of(model, real)
    assert reference.layer == "statistics of the input"
    f = reference.features
    brute = [min(np.linalg.norm(f[i] - f[j]) for j in range(11) if j != i) for i in range(11)]
    np.testing.assert_allclose(reference.distances, brute)
    mask = mask_of(slice(3, 8), slice(3, 8), (12, 14))
    hot = real[0].copy(data=np.full((12, 14), 900, np.float32))
    change = perturb(model, real[0], mask, fills=["donor"], donors=[real[0], hot], reference=reference, controls=0)[0]
    assert change.after.outside.tolist() == [False, True]
    with pytest.raises(SignalError, match="at least 10"):
        Reference.of(model, real[:4])


def test_real_signals_that_are_all_the_same_are_no_reference() -> None:
    model = loaded(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2)))
    signal = labelled(RNG(0).integers(60, 160, (40, 50)).astype(np.uint8), ("y", "x"))
    with pytest.raises(SignalError, match="all the same to"):
        Reference.of(model, [signal] * 12)
