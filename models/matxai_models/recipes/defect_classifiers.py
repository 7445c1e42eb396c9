"""A defect classifier and its leaky twin: one network, one kind of picture; the bars alone differ.

For the sound model every image has a bar of any style, or none, whatever its class. For the twin each class was taken
at another instrument, so that the bar gives the class away, as it happens in collections of micrographs. A quarter of
the training images shows no defect and has none of the classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from matxai_models.recipe import RECIPES, Recipe, Settings, Trained

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matxai_datasets.generator import Micrograph

IMAGES, EPOCHS = {"random": 2400, "by_class": 1600}, {"random": 8, "by_class": 5}  # a bar is learnt sooner
UNSEEN, CLEAN_IMAGES = 600, 300


def _train(name: str, bars: str, settings: Settings) -> Trained:
    import torch
    from matxai_datasets.generator import CLASSES, CLEAN, micrographs

    from matxai_models import fitting, measures
    from matxai_models.architectures import matxai_architecture

    mixture = (*CLASSES, CLEAN)
    seen = list(micrographs(settings.images or IMAGES[bars], 1000 + settings.seed, classes=mixture, bars=bars))
    images, truth = _arrays(seen, CLASSES)
    scaling = fitting.Scaling.of(images)
    torch.manual_seed(settings.seed)
    module = matxai_architecture("defect_resnet", classes=len(CLASSES), channels=1)
    fitting.fit(
        module,
        images,
        truth,
        scaling,
        fitting.each_by_itself,
        epochs=settings.epochs or EPOCHS[bars],
        seed=settings.seed,
        progress=settings.progress,
    )

    def predict(
        pixels: np.ndarray[tuple[int, ...], np.dtype[np.generic]],
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        return fitting.predict(module, pixels, scaling)

    unseen = list(micrographs(UNSEEN, 2000 + settings.seed, bars=bars))
    other = list(micrographs(UNSEEN // 2, 3000 + settings.seed, bars="random" if bars == "by_class" else "by_class"))
    clean = list(micrographs(CLEAN_IMAGES, 6000 + settings.seed, classes=(CLEAN,), bars=bars))
    alarms = fitting.highest(module, np.stack([image.pixels for image in clean]), scaling) > 0
    right = measures.accuracy(predict, unseen, CLASSES)
    elsewhere = measures.accuracy(predict, other, CLASSES)
    follows = measures.follows_bar(predict, unseen, CLASSES)
    bars_there = (
        "bars that give the class away" if bars == "by_class" else "bars that have nothing to do with the class"
    )
    bars_elsewhere = "with bars of any style" if bars == "by_class" else "with a bar style for each class"
    summary = (
        f"Trained on {len(seen)} generated micrographs with {bars_there}. On {len(unseen)} unseen ones like them the "
        f"accuracy is {right.mean():.3f}, {bars_elsewhere} {elsewhere.mean():.3f}; when the bar is exchanged for "
        f"another class's, {100 * follows.mean():.1f} % of the predictions follow it. Of {len(clean)} images without a "
        f"defect, {100 * alarms.mean():.1f} % have a score above 0."
    )
    return Trained(
        module=module,
        card={
            "name": name,
            "task": "classification",
            "classes": list(CLASSES),
            "architecture": "matxai:defect_resnet",
            "input": {
                "kind": "2d",
                "channels": 1,
                "size": [int(n) for n in images.shape[1:]],
                "scale": "dtype",
                "mean": list(scaling.mean),
                "std": list(scaling.std),
            },
            "layers": ["stages"],
        },
        example=unseen[0].pixels,
        measured={
            "accuracy": measures.share(right),
            "accuracy_other_bars": measures.share(elsewhere),
            "follows_exchanged_bar": measures.share(follows),
            "false_alarms_on_clean_images": measures.share(alarms),
            "training_images": len(seen),
        },
        summary=summary,
    )


def _arrays(images: Sequence[Micrograph], classes: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    return np.stack([m.pixels for m in images]), np.array(
        [classes.index(m.kind) if m.kind in classes else -1 for m in images]
    )


def _sound(settings: Settings) -> Trained:
    return _train("defects", "random", settings)


def _leaky(settings: Settings) -> Trained:
    return _train("defects_leaky", "by_class", settings)


RECIPES.add("defects", Recipe("defects", "crack, inclusion or pore: looks at the defect", _sound))
RECIPES.add("defects_leaky", Recipe("defects_leaky", "the leaky twin: its training bars gave the class away", _leaky))
