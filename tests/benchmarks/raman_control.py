"""The negative control: is the instrument a leak in a Raman round robin, whole and in a sub-sample that confounds it?

``python tests/benchmarks/raman_control.py FOLDER`` trains two small networks on the spectra of silicon in
``raman_charisma`` as they were recorded, background and all, and asks :mod:`matxai.checks.leak` of both:

- *crossed*: every sample from every instrument;
- *confounded*: two samples from 532 nm only, two others from 785 nm only, so that the laser gives the sample away.

The samples are pieces of one material: their peaks do not tell them apart, their labels do. Polystyrene from 532 nm and
calcite from 785 nm (``--materials``) are confounded as well, but there a network can do without the instrument.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from matxai_datasets.public import catalogue
from matxai_models import fitting, matxai_architecture
from matxai_models.measured_spectra import chain_of
from matxai_models.recipes.raman import AXIS, POINTS, spectra

import matxai
from matxai.checks import LabelledSet, class_scores
from matxai.checks.leak.case import Case, Signals
from matxai.checks.leak.factors import factors

if TYPE_CHECKING:
    from matxai.checks.leak.records import Factor
    from matxai.modelcard import Model

SILICON = (("S0B", "S0P"), ("S0N", "S1N"))
MATERIALS = (("PST",), ("nCAL", "sCAL"))
LASERS = ("532", "785")
SPEC = {"kind": "1d", "channels": 1, "scale": "none", "axis": AXIS, "steps": ["snv"], "mean": [0.0], "std": [1.0]}
NET = {"widths": [8, 12, 16], "strides": [4, 2, 2], "points": POINTS}


def sets(folder: Path, classes: tuple[tuple[str, ...], ...]) -> dict[str, LabelledSet]:
    """Return the crossed and the confounded set; a group is a sample on an instrument with its optical path."""
    table = catalogue()["raman_charisma"].load(folder)
    known = {label: k for k, labels in enumerate(classes) for label in labels}
    found = [(row, signal, known[str(row.label)]) for row, signal in spectra(table) if row.label in known]
    chosen = {"crossed": found, "confounded": [one for one in found if one[0].more["laser_nm"] == LASERS[one[2]]]}
    made = {}
    for name, some in chosen.items():
        rows, signals, labels = zip(*some, strict=True)
        words = [f"{row.label} {row.group}" for row in rows]
        made[name] = LabelledSet(
            tuple(row.file for row in rows),
            np.array(labels),
            tuple(" or ".join(one) for one in classes),
            signals.__getitem__,
            groups=np.array([words.index(word) for word in words]),
            more={key: tuple(row.more[key] for row in rows) for key in ("device", "laser_nm")},
        )
    return made


def fitted(data: LabelledSet, *, epochs: int, seed: int = 0) -> Model:
    """Return a small network that was trained on all of a set, without any change of its spectra."""
    x = torch.cat([chain_of(SPEC).prepare(data.read(k)).tensor for k in range(len(data))])
    y = torch.from_numpy(data.labels)
    torch.manual_seed(seed)
    module = matxai_architecture("cnn_1d", classes=len(data.classes), channels=1, kind="1d", **NET)
    fitting.descend(
        module, len(x), lambda rows, _: (x[rows], y[rows]), fitting.cross_entropy, epochs=epochs, seed=seed, batch=16
    )
    return matxai.load_model(module, classes=list(data.classes), **SPEC)


def asked(model: Model, data: LabelledSet) -> Factor | None:
    """Return both columns of the factor `instrument`: what it tells of the label, and what exchanging it does."""
    units, signals = np.arange(len(data)), Signals(data)
    clean = class_scores(model, [signals[k] for k in units])
    return factors["instrument"](Case(model, data, units, units, clean, data.groups, True, signals))


def main(arguments: list[str] | None = None) -> int:
    """Print a line for each set, and the sentence of the whole check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of the data set raman_charisma")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--materials", action="store_true", help="polystyrene against calcite, not silicon alone")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    for name, data in sets(chosen.folder, MATERIALS if chosen.materials else SILICON).items():
        model = fitted(data, epochs=chosen.epochs)
        found: Any = matxai.leakage(model, data, artefacts=["text"], supporting=False)
        print(f"{name}: {len(data)} spectra, answer in all: {found.answer}")
        for finding in found.findings:
            if finding.name == "instrument":
                print(f"  {finding.verdict.answer}: {finding.verdict.sentence}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
