"""The exchange put to nets that have learnt nothing: what its number is when there is nothing to find."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from matxai.checks import sentences
from matxai.checks.leak.blocks import design_of
from matxai.checks.leak.choosing import spread
from matxai.checks.leak.exchange import exchanged
from matxai.checks.leak.knowing_nothing import can_be_randomised, weight_randomised
from matxai.checks.leak.records import Support
from matxai.checks.leak.statistics import effect
from matxai.checks.leak.supporting import supporting
from matxai.checks.perturbation import class_scores

if TYPE_CHECKING:
    from matxai.checks.leak.case import Case

NETS, UNITS, DONORS = 3, 16, 12


@supporting.register("randomised")
def randomised(case: Case) -> list[Support]:
    """Put the exchange to weight-randomised nets, on some of the units and donors.

    A number to read the model's own effect by, and no test: it is never beyond anything. Empty for models without
    weights, and where units and donors make no crossed design.
    """
    import torch

    if case.artefact is None or case.model.task != "classification":
        return []
    if case.model.black_box or not can_be_randomised(case.model.module):
        return []
    rng = case.rng("randomised")
    units = case.units[spread(case.unit_labels, case.unit_groups, UNITS, rng)]
    donors = case.donors[spread(case.donor_labels, case.donor_groups, DONORS, rng)]
    prepared = [case.model.preprocessing.prepare(case.signals[i]).tensor for i in units]
    alike = [p for p in prepared if p.shape == prepared[0].shape]
    found = []
    for seed in range(NETS):
        case.step(seed, NETS, "exchange with randomised nets")
        net = weight_randomised(case.model.module, torch.cat(alike), case.seed + seed)
        model = replace(case.model, module=net)
        clean = class_scores(model, (case.signals[i] for i in units), cancel=case.cancel)
        other = replace(case, model=model, units=units, donors=donors, clean=clean, progress=None)
        design = design_of(
            exchanged(other).top, other.unit_labels, other.donor_labels, other.unit_groups, other.donor_groups
        )
        found.append(effect(design))
    if np.isnan(found).any():
        return []
    value = float(np.mean(found))
    return [
        Support(
            name="randomised",
            value=value,
            limit=None,
            beyond=False,
            sentence=sentences.randomised(value, NETS, len(units)),
            detail={"n": len(units), "donors": len(donors), "nets": NETS, "each": tuple(found)},
        )
    ]
