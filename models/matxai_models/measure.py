"""``python -m matxai_models.measure NAME``: the figures of a card once more, on images that nobody has seen before.

The model is loaded from its card, as a user does, and every image goes through the card's own preprocessing.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import MatxaiError, ModelError, nearest
from matxai_models.listing import shipped

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from matxai.modelcard import Model
    from matxai_models.measures import Predict

log = logging.getLogger("matxai.models.measure")

MEASURED_ON = {"defects": "random", "defects_leaky": "by_class", "cracks": "random"}
MIXTURE = ("crack", "crack", "crack", "inclusion", "pore")


def scorer(model: Model) -> Callable[[NDArray[np.generic]], NDArray[np.float32]]:
    """Return a function from images ``(N, H, W)`` to the model's output, by the card's own preprocessing."""
    import torch
    import xarray as xr

    def scores(images: NDArray[np.generic]) -> NDArray[np.float32]:
        found = []
        with torch.inference_mode():
            for start in range(0, len(images), 32):
                part = [xr.DataArray(image, dims=("y", "x")) for image in images[start : start + 32]]
                batch = torch.cat([model.preprocessing.prepare(one).tensor for one in part])
                found.append(model.module(batch).numpy())
        return np.concatenate(found)

    return scores


def predictor(model: Model) -> Predict:
    """Return a function from images ``(N, H, W)`` to the model's top classes, or those of every pixel."""
    scores = scorer(model)
    return lambda images: np.asarray(scores(images).argmax(axis=1))


def measure(card: str | Path, *, images: int = 300, seed: int = 9000) -> dict[str, Any]:
    """Measure one of the models that come along.

    Parameters
    ----------
    card
        Its name, or the folder of a card that a recipe wrote, ``steel`` apart.
    images
        How many unseen images or spectra; those of other seeds than the recipes' own are unseen.
    seed
        Which.

    Returns
    -------
    dict
        Names to figures, as in ``measured.json``.

    Raises
    ------
    ModelError
        If there is no such model, or it is none of those that are measured on generated images.
    """
    from matxai_datasets.generator import CLEAN, micrographs

    from matxai.modelcard import load_model
    from matxai_models import measures
    from matxai_models.spectra import TASKS, figures

    known = shipped()
    if str(card) not in known and not Path(card).is_dir():
        msg = f"There is no model '{card}', and no folder of that name. {nearest(str(card), known)}"
        raise ModelError(msg)
    model = load_model(known.get(str(card), Path(card)))
    if model.name in TASKS:
        task = replace(TASKS[model.name], unseen=images, pointed=min(images, TASKS[model.name].pointed))
        return measures.rounded(figures(task, model, seed))
    if model.name not in MEASURED_ON:
        msg = f"The model '{model.name}' is none of those measured on generated images: {', '.join(MEASURED_ON)}."
        raise ModelError(msg)
    predict = predictor(model)
    if model.task == "segmentation":
        unseen = list(micrographs(images, seed, classes=MIXTURE))
        pooled, each = measures.overlap(predict, unseen, "crack")
        return measures.rounded(measures.overlap_figures(pooled, each, len(unseen)))
    bars = MEASURED_ON[model.name]
    unseen = list(micrographs(images, seed, bars=bars))
    clean = np.stack([image.pixels for image in micrographs(images // 2, seed + 1, classes=(CLEAN,), bars=bars)])
    figures = {
        "accuracy": measures.share(measures.accuracy(predict, unseen, model.classes)),
        "follows_exchanged_bar": measures.share(measures.follows_bar(predict, unseen, model.classes)),
        "false_alarms_on_clean_images": measures.share(scorer(model)(clean).max(axis=1) > 0),
    }
    return measures.rounded(figures)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, or 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m matxai_models.measure", description=__doc__)
    parser.add_argument("name", help=f"a model that comes along ({', '.join(shipped())}) or a card's folder")
    parser.add_argument("--images", type=int, default=300, help="how many unseen images")
    parser.add_argument("--seed", type=int, default=9000)
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        figures = measure(chosen.name, images=chosen.images, seed=chosen.seed)
    except MatxaiError as error:
        log.error("%s", error)
        return error.exit_code
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
