"""The files of a remedy: cleaned images with their masks and tables, and the card's folder of a model fitted anew."""

from __future__ import annotations

import csv
import hashlib
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai._version import __version__
from matxai.errors import Cancelled
from matxai.jobs.inputs import legal_stem

if TYPE_CHECKING:
    from collections.abc import Callable

    import xarray as xr

    from matxai.checks.labelled import LabelledSet
    from matxai.checks.leak.anew import Anew
    from matxai.checks.leak.remedy import Plan
    from matxai.modelcard import Model

    Progress = Callable[[int, int, str], None]

LABELS, MANIFEST, WEIGHTS = "labels.csv", "manifest.csv", "model.safetensors"
NAMES = {"head": "_remedied", "network": "_fitted_on", "recipe": "_retrained"}
SOURCES = {
    "head": "The head of '{name}' fitted anew on a cleaned set",
    "network": "The network of '{name}' fitted on from its weights on a cleaned set",
    "recipe": "The architecture of '{name}' trained from random weights on a cleaned set",
}


def write_images(
    data: LabelledSet,
    plan: Plan | None,
    recoded: set[int],
    folder: Path,
    progress: Callable[[int, int, str], None] | None,
    cancel: Any,
) -> list[dict[str, Any]]:
    """Write every image with its mask, the table of labels and the manifest; return the manifest's rows.

    Parameters
    ----------
    data
        The set, its files as if written alike.
    plan
        What is done about its artefacts; None where nothing is.
    recoded
        Which of its files were compressed for that.
    folder
        Where ``images``, ``masks``, ``labels.csv`` and ``manifest.csv`` go.
    progress, cancel
        As everywhere.

    Raises
    ------
    Cancelled
        If ``cancel`` is set.
    """
    from matxai.checks.leak.remedy import cleaned

    names = _file_names(data)
    manifest: list[dict[str, Any]] = []
    table: list[dict[str, Any]] = []
    for i, name in enumerate(names):
        if cancel is not None and cancel.is_set():
            msg = "Cancelled while the cleaned set was written; nothing of it is left."
            raise Cancelled(msg)
        if progress is not None:
            progress(i, len(names), "cleaned images")
        signal, done = cleaned(plan, i, data.read) if plan is not None else (data.read(i), ())
        path = folder / "images" / name
        _write_image(path, signal)
        row = {"file": f"images/{name}", "class": data.classes[int(data.labels[i])]}
        mask = data.mask(i) if data.mask is not None else None
        if data.mask is not None:
            row["mask"] = "" if mask is None else f"masks/{name}"
        if mask is not None:
            _write_mask(folder / "masks" / name, mask, plan)
        if data.groups is not None and "group" not in data.more:
            row["group"] = str(int(data.groups[i]))
        table.append({**row, **{column: values[i] for column, values in data.more.items()}})
        donors = [data.names[d.donor] for d in done if d.donor is not None]
        manifest.append(
            {
                "file": row["file"],
                "source": str(data.files[i]) if data.files else data.names[i],
                "source_sha256": _sha256(data.files[i]) if data.files else "",
                "sha256": _sha256(path),
                "done": "; ".join(f"{d.artefact}: {d.how}" for d in done),
                "donors": "; ".join(donors),
                "reencoded": "yes" if i in recoded else "",
            }
        )
    _write_table(folder / LABELS, table)
    _write_table(folder / MANIFEST, manifest)
    return manifest


def _file_names(data: LabelledSet) -> list[str]:
    """A legal name for each image, under its class: ``CLASS/NAME.tif``."""
    taken: set[str] = set()
    names = []
    for i, name in enumerate(data.names):
        stem = Path(data.files[i].stem if data.files else name).name
        base = f"{legal_stem(data.classes[int(data.labels[i])])}/{legal_stem(stem)}"
        unique, k = base, 2
        while unique.casefold() in taken:
            unique, k = f"{base}_{k}", k + 1
        taken.add(unique.casefold())
        names.append(f"{unique}.tif")
    return names


def _write_image(path: Path, signal: xr.DataArray) -> None:
    from matxai.signals import write_tiff

    path.parent.mkdir(parents=True, exist_ok=True)
    write_tiff(path, signal, keep_type=True, info={"metadata": signal.attrs.get("metadata", {})})


def _write_mask(path: Path, mask: Any, plan: Plan | None) -> None:
    from matxai.signals import write_tiff

    margins = plan.margins if plan is not None else ()
    window = tuple(slice(low, n - high) for n, (low, high) in zip(mask.shape, margins, strict=True)) if margins else ()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tiff(path, mask[window].astype(np.uint8 if int(mask.max()) < 256 else np.uint16), keep_type=True)


def _write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_model(anew: Anew, old: Model, folder: Path, notes: list[str], seed: int) -> bool:
    """Write a card's folder with its verdict beside; False, and a note, where nothing says how the network is built."""
    from safetensors.torch import save

    from matxai.modelcard import write_card

    new = anew.model
    if new is None:
        return False
    built = old.card.architecture
    if built is None:
        notes.append("The new model was not written: no card says how its network is built (architecture).")
        return False
    folder.mkdir()
    file = built.rpartition(":")[0]
    if file.endswith(".py"):
        source = Path(file) if old.origin is None else old.origin / file
        if not source.is_file():
            notes.append(f"The new model was not written: its architecture, {built}, is not beside its card.")
            folder.rmdir()
            return False
        shutil.copy2(source, folder / source.name)
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in new.module.state_dict().items()}
    (folder / WEIGHTS).write_bytes(save(weights))
    card = new.card.model_copy(
        update={
            "name": f"{old.name}{NAMES[anew.way]}",
            "weights": WEIGHTS,
            "reference": None,
            "source": f"{SOURCES[anew.way].format(name=old.name)} by matxai {__version__}. {anew.sentence}",
        }
    )
    write_card(card, folder)
    if anew.leakage is not None:
        _write_verdict(anew, folder, seed)
    return True


def _write_verdict(anew: Anew, folder: Path, seed: int) -> None:
    """Write the new model's own verdict, of the exchange alone."""
    from matxai.jobs.leak_report import finding_of
    from matxai.jobs.reporting import versions
    from matxai.report import verdict_json

    found = anew.leakage
    assert found is not None  # noqa: S101 - the caller asked
    value, *interval = found.accuracy
    verdict_json(
        [finding_of(f) for f in found.findings],
        folder / "verdict.json",
        command="",
        seed=seed,
        versions=versions(),
        hashes={"model": _sha256(folder / WEIGHTS)},
        answer=found.answer,
        about={
            "question": "leakage of a model fitted anew, each image judged by one fitted without its group",
            "sentence": found.sentence,
            "remedy": anew.sentence,
            "accuracy": {"value": value, "interval": interval, "chance": found.chance},
            "beside_the_old_model": {name: asdict(a) for name, a in anew.accuracy.items()},
            "facts": found.facts,
        },
    )
