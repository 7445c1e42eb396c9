"""A U-Net that finds cracks, trained on generated images; pores, inclusions and writing are what it must leave out."""

from __future__ import annotations

import numpy as np

from matxai_models.recipe import RECIPES, Recipe, Settings, Trained

IMAGES, EPOCHS, UNSEEN, CROP = 1600, 10, 200, 112


def _train(settings: Settings) -> Trained:
    import torch
    from matxai_datasets.generator import micrographs

    from matxai_models import fitting, measures
    from matxai_models.architectures import matxai_architecture

    mixture = ("crack", "crack", "crack", "inclusion", "pore")
    seen = list(micrographs(settings.images or IMAGES, 4000 + settings.seed, classes=mixture))
    images = np.stack([m.pixels for m in seen])
    truth = np.stack([m.masks["crack"] for m in seen]).astype(np.uint8)
    scaling = fitting.Scaling.of(images)
    torch.manual_seed(settings.seed)
    module = matxai_architecture("unet", classes=2, channels=1)
    fitting.fit(
        module,
        images,
        truth,
        scaling,
        fitting.cross_entropy_and_dice,
        epochs=settings.epochs or EPOCHS,
        seed=settings.seed,
        batch=16,
        crop=CROP,
        mirror=(-1, -2),
        progress=settings.progress,
    )
    unseen = list(micrographs(UNSEEN, 5000 + settings.seed, classes=mixture))
    pooled, each = measures.overlap(lambda pixels: fitting.predict(module, pixels, scaling, batch=16), unseen, "crack")
    summary = (
        f"Trained on {len(seen)} generated micrographs. On {len(unseen)} unseen ones, {len(each)} of them with cracks, "
        f"the intersection over union is {pooled:.3f} over all pixels, and {each.mean():.3f} in the mean of the images "
        "with cracks."
    )
    return Trained(
        module=module,
        card={
            "name": "cracks",
            "task": "segmentation",
            "classes": ["background", "crack"],
            "architecture": "matxai:unet",
            "input": {
                "kind": "2d",
                "channels": 1,
                "size": [int(n) for n in images.shape[1:]],
                "scale": "dtype",
                "mean": list(scaling.mean),
                "std": list(scaling.std),
            },
            "layers": ["bottleneck"],
        },
        example=unseen[0].pixels,
        measured={
            **measures.overlap_figures(pooled, each, len(unseen)),
            "training_images": len(seen),
        },
        summary=summary,
    )


RECIPES.add("cracks", Recipe("cracks", "where the cracks are, pixel by pixel", _train))
