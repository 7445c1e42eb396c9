"""The recipe that trains a model's own architecture again: it learns, it is repeatable, it says why where it cannot."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from matxai_models.retraining import RATE, RATE_WITHOUT_NORM, epochs_for, rate_for, retrain

import matxai
from matxai.checks import LabelledSet
from matxai.errors import Cancelled, ModelError
from matxai.modelcard.card import Card
from matxai.modelcard.prepared import Prepared
from matxai.modelcard.recipes import recipes, trained_again, untrained
from matxai.signals import labelled

SIZE, N = 24, 24


def _data(n: int = N, size: Any = lambda i: SIZE) -> LabelledSet:
    """Dark and bright noise."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 2
    images = [rng.normal(80 + 80 * y, 20, (size(i), SIZE)).clip(0, 255).astype(np.uint8) for i, y in enumerate(labels)]
    names = tuple(f"image {i}" for i in range(n))
    return LabelledSet(names, labels, ("dark", "bright"), lambda i: labelled(images[i], ("y", "x")), np.arange(n) % 6)


def _model(architecture: str | None = "matxai:defect_resnet?widths=4,6", **more: Any) -> Any:
    module = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(1, 2))
    fields: dict[str, Any] = {
        "task": "classification", "classes": ["dark", "bright"], "kind": "2d", "channels": 1, "scale": "dtype",
        "mean": [0.5], "std": [0.2], "name": "tones",
    }  # fmt: skip
    model = matxai.load_model(module, **{**fields, **more})
    card = Card.model_validate({**model.card.model_dump(), "architecture": architecture})
    return replace(model, card=card)


def test_the_recipe_is_announced_and_learns_from_random_weights() -> None:
    assert "matxai" in recipes, "install the package again: it has a new entry point"
    model, data = _model(), _data()
    before = [p.clone() for p in model.module.parameters()]
    state = torch.random.get_rng_state()
    seen: list[tuple[int, int, str]] = []
    new = trained_again(model, data, progress=lambda *s: seen.append(s))
    assert not isinstance(new, str)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(p, q) for p, q in zip(before, model.module.parameters(), strict=True))
    assert type(new.module).__name__ == "DefectResNet"
    assert not any(part.training for part in new.module.modules())
    assert new.preprocessing is model.preprocessing
    x = Prepared(new, data)[np.arange(N)]
    with torch.no_grad():
        assert (new.module(x).argmax(1).numpy() == data.labels).all()
    assert seen[-1] == (40, 40, "training")
    again = retrain(model, data)
    assert all(torch.equal(p, q) for p, q in zip(new.module.parameters(), again.module.parameters(), strict=True))


def test_what_is_trained_is_sized_by_the_data() -> None:
    assert [epochs_for(n) for n in (1, 128, 320, 640, 10**6)] == [40, 40, 16, 8, 8]
    assert rate_for(untrained(_model())) == RATE
    assert rate_for(torch.nn.Linear(2, 2)) == RATE_WITHOUT_NORM
    kept = Prepared(_model(), _data(), limit=3 * SIZE * SIZE * 4)
    kept[np.arange(8)]
    assert len(kept._kept) == 3


@pytest.mark.parametrize(("model", "data", "words"), [
    (_model(None), _data(), "'tones' has no card that says how its network is built"),
    (_model("net.py:build"), _data(), "is built by code of its own, net.py:build; recipes build those of a family"),
    (_model("matxai:resnt"), _data(), "There is no architecture 'matxai:resnt'"),
    (replace(_model(), task="segmentation"), _data(), "is for classifiers, and 'tones' is for segmentation"),
    (replace(_model(), activation="softmax"), _data(), "gives scores behind a softmax"),
    (_model(), _data().only([0, 2, 4]), "3 signals of one class teach nothing"),
    (_model(), _data(size=lambda i: SIZE + 8 * (i > 4)), "receives signals of 24 x 24 and 32 x 24"),
    (_model("matxai:unet?widths=4,6"), _data(), "gives no score for each of the 2 classes"),
])  # fmt: skip
def test_it_says_why_it_cannot(model: Any, data: LabelledSet, words: str) -> None:
    said = trained_again(model, data)
    assert isinstance(said, str)
    assert said.startswith("It was not trained again: ")
    assert words in said


def test_it_can_be_cancelled_and_nobody_else_is_needed(monkeypatch) -> None:
    class Set:
        def is_set(self) -> bool:
            return True

    with pytest.raises(Cancelled):
        retrain(_model(), _data(), cancel=Set())
    monkeypatch.setattr(recipes, "_members", {})
    assert "no installed package announces a recipe" in str(trained_again(_model(), _data()))
    with pytest.raises(ModelError, match="has no card"):
        untrained(_model(None))
