"""Which material a Raman spectrum shows, trained on the round robin of calibration samples where the user has it.

Instruments are kept apart: each one's spectra are predicted by a network that never saw that instrument, and the
network that is written never saw the last one. Spectra of other samples (lamps, standards) are of no class.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError, MatxaiError
from matxai_models.recipe import RECIPES, Recipe, Settings, Trained

if TYPE_CHECKING:
    from collections.abc import Collection

    import torch
    import xarray as xr
    from matxai_datasets.card import Row, Table
    from torch import nn

log = logging.getLogger("matxai.models.raman")

POINTS = 801
AXIS = {
    "name": "raman_shift", "units": "1/cm", "start": 200.0, "stop": 1800.0, "points": POINTS, "read": "average",
}  # fmt: skip
SPEC: dict[str, Any] = {
    "kind": "1d", "channels": 1, "scale": "none", "axis": AXIS, "steps": ["arpls", "snv"], "mean": [0.0], "std": [1.0],
}  # fmt: skip
NET = {"widths": [12, 16, 24], "strides": [2, 2, 1], "points": POINTS}
CLASSES = ("polystyrene=PST", "calcite=nCAL+sCAL", "silicon=S0B+S0N+S0P+S1N+Sil+Sil_")
INSTRUMENT = ("provider", "device", "laser_nm")
EPOCHS = 240


def spectra(table: Table, labels: Collection[str] | None = None) -> list[tuple[Row, xr.DataArray]]:
    """Return the labelled spectra, or those of some labels, that cover the network's axis; others are named."""
    from matxai.signals import read

    found = []
    for row in (r for r in table if r.label and (labels is None or r.label in labels)):
        try:
            signal = read(table.path(row), axis="raman_shift")
        except MatxaiError as error:
            log.warning("%s is left out: %s", row.file, error)
            continue
        place = np.asarray(signal[signal.dims[0]].values)
        if place.min() > AXIS["start"] or place.max() < AXIS["stop"]:
            log.info("%s is left out: it goes from %.4g to %.4g 1/cm", row.file, place.min(), place.max())
            continue
        found.append((row, signal))
    return found


def fitted(x: torch.Tensor, y: torch.Tensor, classes: int, settings: Settings) -> nn.Module:
    """Return a network trained on prepared spectra ``(N, 1, L)`` of classes ``(N,)``; -1 is none."""
    from matxai_models.measured_spectra import trained

    return trained(
        x, y, classes, NET, epochs=settings.epochs or EPOCHS, seed=settings.seed, jitter=4, least=16,
        progress=settings.progress,
    )  # fmt: skip


def _train(settings: Settings) -> Trained:
    import torch
    from matxai_datasets.public import catalogue

    from matxai_models import measures
    from matxai_models.measured_spectra import as_spectrum, card_of, chain_of, chosen_classes, top

    if settings.data is None:
        msg = "The recipe 'raman' needs the folder of the data set raman_charisma."
        raise FileError(msg)
    table = catalogue()["raman_charisma"].load(settings.data)
    members = chosen_classes(settings.classes or CLASSES, table.classes)
    rows, signals = zip(*spectra(table), strict=True)
    names = list(members)
    classes = {label: names.index(name) for name, labels in members.items() for label in labels}
    y = torch.tensor([classes.get(str(row.label), -1) for row in rows])
    chain = chain_of(SPEC)
    x = torch.cat([chain.prepare(signal).tensor for signal in signals])
    where = np.array([" ".join(row.more[name] for name in INSTRUMENT) for row in rows])
    hits = np.zeros(len(rows), bool)
    instruments, judged = sorted(set(where)), (y >= 0).numpy()
    if len(instruments) < 2:
        msg = f"The recipe 'raman' leaves out one instrument at a time; the data have {len(instruments)}."
        raise FileError(msg)
    networks = {}
    for one in instruments:
        apart = where == one
        module = networks[one] = fitted(x[~apart], y[~apart], len(members), settings)
        hits[apart] = top(module, x[apart]) == y[apart].numpy()
        log.info("%s: %d of %d right", one, hits[apart & judged].sum(), (apart & judged).sum())
    last = np.flatnonzero((where == instruments[-1]) & judged)
    summary = (
        f"Trained on {int((where != instruments[-1]).sum())} spectra of {len(instruments) - 1} instruments. With each "
        f"of {len(instruments)} instruments left out in turn, {int(hits[judged].sum())} of all {int(judged.sum())} "
        f"spectra are named right; this network never saw {instruments[-1]}."
    )
    figures: dict[str, Any] = {
        "accuracy_on_instruments_left_out": measures.share(hits[judged]),
        "unseen_instrument": instruments[-1],
        "unseen_files": [rows[int(k)].file for k in last],
    }
    example = as_spectrum(signals[int(last[0])], str(rows[int(last[0])].label))
    return Trained(networks[instruments[-1]], card_of("raman", members, NET, SPEC), example, figures, summary)


RECIPES.add(
    "raman",
    Recipe(
        "raman", "the material of a Raman spectrum, on the CHARISMA round robin", _train, "raman_charisma", chooses=True
    ),
)
