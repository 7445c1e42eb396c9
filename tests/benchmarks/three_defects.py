"""Which methods find all of three equal defects: recall on generated pictures, as a table. Asserts nothing.

Each picture holds three copies of one pore, at random places of a clean specimen. Maps are smoothed with the width of
the pore, so that pixel noise and blocks are read alike, and negative parts are set to 0. A pore counts as found where
the map reaches half of its own largest value inside of it. Beside it: how the weakest of the three stands to the
strongest, and how often as many spots elsewhere count as found. ``--head max`` puts a global maximum in the place of
the model's global mean: the same features, and a score that only the strongest places decide.

    python tests/benchmarks/three_defects.py --pictures 24 --json three.json --markdown three.md
    python tests/benchmarks/three_defects.py --pictures 24 --head max
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

if TYPE_CHECKING:
    from matxai import Model

SIZE, RADIUS, MARGIN, FOUND = 160, 8, 20, 0.5
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Picture:
    """A picture, and the mask of each of its three pores."""

    pixels: NDArray[np.uint8]
    masks: list[NDArray[np.bool_]]


def picture(seed: int) -> Picture:
    """Return a clean generated micrograph with three copies of one pore."""
    from matxai_datasets.generator import micrograph

    rng = np.random.default_rng(seed)
    pixels = micrograph(seed, "clean", size=(SIZE, SIZE), bar=None).pixels.astype(np.float64)
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float64)
    centres: list[tuple[float, float]] = []
    while len(centres) < 3:
        new = (float(rng.integers(MARGIN, SIZE - MARGIN)), float(rng.integers(MARGIN, SIZE - MARGIN)))
        if all(np.hypot(new[0] - a, new[1] - b) > 5 * RADIUS for a, b in centres):
            centres.append(new)
    masks = []
    ground = float(np.median(pixels))
    for a, b in centres:
        outside = np.hypot(y - a, x - b) - RADIUS
        hole = 1 / (1 + np.exp(2 * outside))
        pixels = pixels * (1 - hole) + 0.1 * 255 * hole + 0.18 * 255 * np.exp(-((outside / 1.3) ** 2)) * (outside > 0)
        near = hole > 0.02  # no copy may differ in the ground that shows through its rim
        pixels[near] = np.where(outside[near] > 0, np.maximum(pixels[near], ground), pixels[near])
        masks.append(outside <= 0)
    return Picture(np.clip(pixels, 0, 255).astype(np.uint8), masks)


def heights(values: Floats, masks: list[NDArray[np.bool_]]) -> list[float]:
    """Return how high the map is in each mask, in units of its largest value."""
    smooth = gaussian_filter(np.clip(np.nan_to_num(values), 0, None), RADIUS / 2)
    top = float(smooth.max())
    return [float(smooth[m].max()) / top if top > 0 else 0.0 for m in masks]


def with_head(model: Model, head: str) -> Model:
    """Return the model, its global mean exchanged for a global maximum where that is asked for."""
    from torch import nn

    if head == "max":
        means = [n for n, m in model.module.named_modules() if isinstance(m, nn.AdaptiveAvgPool2d)]
        for name in means:
            parent, _, last = name.rpartition(".")
            setattr(model.module.get_submodule(parent), last, nn.AdaptiveMaxPool2d(1))
        if not means:
            raise SystemExit(f"The model {model.name} has no global mean to exchange.")
    return model


def elsewhere(seed: int, pores: list[NDArray[np.bool_]]) -> list[NDArray[np.bool_]]:
    """Return three discs as large as the pores that touch none of them."""
    rng = np.random.default_rng([seed, 1])
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    free: list[NDArray[np.bool_]] = []
    while len(free) < 3:
        a, b = rng.integers(MARGIN, SIZE - MARGIN, 2)
        disc = np.hypot(y - a, x - b) <= RADIUS
        near = np.hypot(y - a, x - b) <= 3 * RADIUS
        if not any((near & m).any() for m in pores):
            free.append(np.asarray(disc))
    return free


def measure(options: argparse.Namespace) -> dict[str, object]:
    """Return recall, and the share of pictures with all three found, for every method that the model allows."""
    import matxai
    from matxai.explanation import provenance
    from matxai.methods.method import methods
    from matxai.signals import labelled

    model = with_head(matxai.load_model(options.model), options.head)
    asked = options.methods.split(",") if options.methods != "all" else list(methods)
    hits: dict[str, list[list[float]]] = {}
    misses: dict[str, list[list[float]]] = {}
    said, left_out = 0, {}
    for seed in range(options.seed, options.seed + options.pictures):
        one = picture(seed)
        result = matxai.explain(
            model, labelled(one.pixels, ("y", "x")), methods=asked, target="pore", budget=options.budget, leave_out=True
        )
        known = provenance(result)
        said += known["scores"][0]["class"] == "pore"
        left_out = known["left_out"]
        for variable in result.data_vars.values():
            if set(variable.dims) != {"y", "x"} or str(variable.attrs["method"]).count(":") > 1:
                continue
            name = str(variable.attrs["method"])
            if name not in asked:
                continue
            values = np.asarray(variable.values, dtype=np.float64)
            hits.setdefault(name, []).append(heights(values, one.masks))
            misses.setdefault(name, []).append(heights(values, elsewhere(seed, one.masks)))
    rows = [
        {
            "method": name,
            "recall": float(np.mean(np.array(hits[name]) >= FOUND)),
            "all_three": float(np.mean([min(h) >= FOUND for h in hits[name]])),
            "evenness": float(np.median([min(h) / max(h) if max(h) > 0 else 0.0 for h in hits[name]])),
            "elsewhere": float(np.mean(np.array(misses[name]) >= FOUND)),
        }
        for name in hits
    ]
    rows.sort(key=lambda r: (-float(str(r["recall"])), float(str(r["elsewhere"]))))
    return {"pictures": options.pictures, "called_pore": said, "left_out": left_out, "rows": rows}


def table(result: dict[str, object]) -> str:
    """Return the figures as Markdown."""
    rows: list[dict[str, float]] = result["rows"]  # type: ignore[assignment]
    head = "| method | pores found | all three found | weakest / strongest | other places |\n|---|---|---|---|---|\n"
    lines = [
        f"| {r['method']} | {100 * r['recall']:.0f} % | {100 * r['all_three']:.0f} % | {r['evenness']:.2f} "
        f"| {100 * r['elsewhere']:.0f} % |\n"
        for r in rows
    ]
    return head + "".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="defects")
    parser.add_argument("--head", choices=["mean", "max"], default="mean")
    parser.add_argument("--methods", default="all", help="names, separated by commas, or all")
    parser.add_argument("--pictures", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--budget", type=int, default=None)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    result = measure(options)
    print(f"{result['called_pore']} of {result['pictures']} pictures are called pore")
    print(table(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1), encoding="utf-8")
    if options.markdown:
        options.markdown.write_text(table(result), encoding="utf-8")


if __name__ == "__main__":
    main()
