"""The negative control: is the instrument a leak in a Raman round robin, whole and in a sub-sample that confounds it?

``python tests/benchmarks/raman_control.py FOLDER`` trains small networks on spectra of ``raman_charisma`` as they were
recorded, background and all, and asks :mod:`matxai.checks.leak` of each:

- *crossed*: every sample from every instrument, so that no instrument tells the sample;
- *confounded*: the first class from 532 nm only, the second from 785 nm only, so that the laser gives the class away.

Each class holds two pieces of silicon and one of calcite: their peaks hardly tell the classes apart, their labels do.
``--every`` does it for all twelve ways of sharing out four pieces of silicon and two of calcite. ``--materials`` asks
polystyrene against calcite, whose peaks differ: there a network can do without the instrument. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from matxai_datasets.public import catalogue
from matxai_models import fitting, matxai_architecture
from matxai_models.measured_spectra import chain_of
from matxai_models.recipes.raman import AXIS, POINTS, spectra

import matxai
from matxai.checks import LabelledSet
from matxai.errors import MatxaiError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matxai.modelcard import Model

Classes = tuple[tuple[str, ...], tuple[str, ...]]

SILICON, CALCITE = ("S0B", "S0P", "S0N", "S1N"), ("nCAL", "sCAL")
PIECES: Classes = (("S0B", "S0P", "nCAL"), ("S0N", "S1N", "sCAL"))
MATERIALS: Classes = (("PST",), CALCITE)
LASERS = ("532", "785")
SPEC = {"kind": "1d", "channels": 1, "scale": "none", "axis": AXIS, "steps": ["snv"], "mean": [0.0], "std": [1.0]}
NET = {"widths": [8, 12, 16], "strides": [4, 2, 2], "points": POINTS}


def ways() -> Iterator[Classes]:
    """Yield every way of sharing out four pieces of silicon and two of calcite among two classes, 532 nm's first."""
    for own in itertools.combinations(SILICON, 2):
        for k in (0, 1):
            others = tuple(one for one in SILICON if one not in own)
            yield (*own, CALCITE[k]), (*others, CALCITE[1 - k])


def sets(folder: Path, classes: Classes) -> dict[str, LabelledSet]:
    """Return the crossed and the confounded set; a group is a sample on an instrument with its optical path.

    Raises
    ------
    MatxaiError
        If the folder is not that of the data set.
    """
    table = catalogue()["raman_charisma"].load(folder)
    known = {label: k for k, labels in enumerate(classes) for label in labels}
    found = [(row, signal, known[str(row.label)]) for row, signal in spectra(table, known)]
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


def fitted(data: LabelledSet, *, epochs: int = 40, seed: int = 0) -> Model:
    """Return a small network that was trained on all of a set, without any change of its spectra."""
    x = torch.cat([chain_of(SPEC).prepare(data.read(k)).tensor for k in range(len(data))])
    y = torch.from_numpy(data.labels)
    torch.manual_seed(seed)
    module = matxai_architecture("cnn_1d", classes=len(data.classes), channels=1, kind="1d", **NET)
    fitting.descend(
        module, len(x), lambda rows, _: (x[rows], y[rows]), fitting.cross_entropy, epochs=epochs, seed=seed, batch=16
    )
    return matxai.load_model(module, classes=list(data.classes), **SPEC)


def asked(model: Model, data: LabelledSet) -> tuple[str, Any]:
    """Return the answer of the whole check, and its verdict on the instrument."""
    found: Any = matxai.leakage(model, data, artefacts=["text"], supporting=False)
    return found.answer, next(f.verdict for f in found.findings if f.name == "instrument")


def main(arguments: list[str] | None = None) -> int:
    """Print a row for each set, and the sentences of the first way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of the data set raman_charisma")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0, help="of the networks")
    parser.add_argument("--every", action="store_true", help="all twelve ways of sharing the pieces out; minutes")
    parser.add_argument("--materials", action="store_true", help="polystyrene against calcite")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    which = list(ways()) if chosen.every else [MATERIALS if chosen.materials else PIECES]
    said = []
    print("| set | classes | spectra | groups | instrument | effect | interval | in all | seconds |")
    print("|---|---|---|---|---|---|---|---|---|")
    try:
        for classes in which:
            for name, data in sets(chosen.folder, classes).items():
                model = fitted(data, epochs=chosen.epochs, seed=chosen.seed)
                begun = time.perf_counter()
                answer, verdict = asked(model, data)
                seconds = time.perf_counter() - begun
                effect = "" if verdict.effect is None else f"{verdict.effect:.3f}"
                interval = "" if verdict.interval is None else "{:.3f} to {:.3f}".format(*verdict.interval)
                words = " against ".join(" ".join(one) for one in classes)
                row = (
                    name, words, len(data), len(set(data.groups.tolist())), verdict.answer, effect, interval, answer,
                    f"{seconds:.0f}",
                )  # fmt: skip
                print(f"| {' | '.join(map(str, row))} |", flush=True)
                said.append(f"{name}: {verdict.sentence}")
    except MatxaiError as error:
        print(error, file=sys.stderr)
        return 2
    print("", *said[:2], sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
