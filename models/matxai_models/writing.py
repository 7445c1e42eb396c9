"""A trained network as a card's folder: ``matxai.yaml``, weights, a reference input and output, figures, a README."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.modelcard.card import Card, write_card
from matxai_models.measures import rounded

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from matxai_models.recipe import Recipe, Settings, Trained

WEIGHTS, INPUT, OUTPUT, MEASURED = "model.safetensors", "reference_input.tif", "reference_output.npy", "measured.json"
CURVE = "reference_input.xy"


def write_model(trained: Trained, folder: Path, recipe: Recipe, settings: Settings) -> Path:
    """Write a model's folder and return it.

    Parameters
    ----------
    trained
        What the recipe gave.
    folder
        Made if it is not there; files of an earlier run are replaced.
    recipe, settings
        How it can be trained again.
    """
    from safetensors.torch import save

    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.contiguous() for name, tensor in trained.module.state_dict().items()}
    (folder / WEIGHTS).write_bytes(save(weights))  # save_file would make a file that only its owner may read
    example = _write_example(trained, folder)
    np.save(folder / OUTPUT, _output(trained))
    command = f"python -m matxai_models.train {recipe.name} --out DIR --seed {settings.seed}"
    command += " --data FOLDER" if recipe.data_set or recipe.files else ""
    for option, number in (("images", settings.images), ("epochs", settings.epochs)):
        command += "" if number is None else f" --{option} {number}"
    command += f" --classes {','.join(settings.classes)}" if settings.classes else ""
    card = {
        "version": 1,
        "weights": WEIGHTS,
        "output": {"activation": "none"},
        "licence": _licence(recipe),
        "source": f"{command}. {trained.summary}",
        "reference": {"input": example, "output": OUTPUT, "tolerance": 1e-4},
    }
    write_card(Card.model_validate({**card, **trained.card}), folder)
    figures = {"format": "matxai-measured", "version": 1, "command": command, **rounded(trained.measured)}
    (folder / MEASURED).write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(_readme(trained, recipe, command), encoding="utf-8")
    return folder


def _licence(recipe: Recipe) -> str:
    if recipe.files:
        return f"that of the files it was trained on ({recipe.files})"
    return "BSD-3-Clause" if recipe.data_set is None else f"that of the data set {recipe.data_set}"


def _write_example(trained: Trained, folder: Path) -> str:
    """Write the reference input, an image or a spectrum with its axis, and return its name."""
    if isinstance(trained.example, np.ndarray):
        import tifffile

        tifffile.imwrite(folder / INPUT, trained.example, compression="zlib", software="matxai", metadata=None)
        return INPUT
    from matxai_datasets.spectra.files import FLAVOURS

    FLAVOURS["xy"][1](trained.example, folder / CURVE)
    return CURVE


def _output(trained: Trained) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Return what the network gives for the example, float32 ``(1, ...)``, prepared as the card says."""
    import torch

    if isinstance(trained.example, np.ndarray):
        from matxai_models.fitting import Scaling

        spec = trained.card["input"]
        scaling = Scaling(tuple(spec["mean"]), tuple(spec["std"]), float(np.iinfo(trained.example.dtype.name).max))
        x = scaling.tensor(trained.example[None])
    else:
        from matxai_models.spectra import loaded

        x = loaded(trained.module, trained.card).preprocessing.prepare(trained.example.signal()).tensor
    with torch.inference_mode():
        return np.asarray(trained.module(x).numpy(), dtype=np.float32)


def _readme(trained: Trained, recipe: Recipe, command: str) -> str:
    rows = []
    for name, figure in trained.measured.items():
        if isinstance(figure, dict) and "value" in figure:
            interval = figure.get("interval")
            spread = f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else ""
            rows.append(f"| {name.replace('_', ' ')} | {figure['value']:.3f} | {spread} | {figure['n']} |")
    classes, spec = ", ".join(trained.card["classes"]), trained.card["input"]
    things = "images" if isinstance(trained.example, np.ndarray) else "spectra"
    return "\n".join(
        [
            f"# {recipe.name}: {recipe.title}",
            "",
            trained.summary,
            "",
            "| measured | value | 95 % interval | n |",
            "|---|---|---|---|",
            *rows,
            "",
            f"Classes: {classes}. Input: {_input(spec)}.",
            f"Intervals take {things} as independent; {things} of one specimen are not quite.",
            "",
            f"Train it again: `{command}`",
            "",
        ]
    )


def _input(spec: Mapping[str, Any]) -> str:
    axis = spec.get("axis")
    if axis is None:
        return f"{spec['size']} pixels, {spec['channels']} channel(s)"
    return f"{axis['points']} points over {axis['start']:g} to {axis['stop']:g} {axis['units']} ({axis['name']})"
