"""Leaky nets mended, and judged before and after: trained again on the cleaned set; or by what is there.

The second fits the head anew on some training images, and where that is no remedy the whole network on all of them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from leak_cases import Case
from leak_judging import artefacts_of
from leak_nets import fit, model_of, module_of, predicted, tensors
from leak_worlds import Planted, World, draw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matxai import Model

PER_CLASS = 60
"""Training images of each class that a head is fitted on: as many of each, as where it is judged."""


def remedied(case: Case, world: World, model: Model) -> Iterator[dict[str, Any]]:
    """Yield a row for each recipe.

    The first artefact is the one that is dealt with, at its true places. Effects are those of the exchange on the
    case's own 60 images with their artefacts; accuracy without the artefact is that on the pool's pictures, which no
    net was trained on.
    """
    first = Case(case.about, case.net, case.plantings[:1], case.number)
    data = _of_first(case.data(world))
    made = _of_first(draw(world, world.train, case.net.plantings, 101 + case.net.seed))
    before, _ = _effect(first, world, model, data)
    clean = _right(model, world)
    for recipe, mend in (("trained again", _again), ("head, else network", _fitted)):
        mended, way = mend(first, world, model, made)
        after, answer = _effect(first, world, mended, data)
        yield {
            "case": case.key,
            "world": case.net.world,
            "architecture": case.net.architecture,
            "kind": case.plantings[0].kind,
            "strength": case.plantings[0].strength,
            "recipe": recipe,
            "way": way,
            "before": before,
            "after": after,
            "fall": 1 - max(after, 0.0) / max(before, 1e-9),
            "clean_before": clean,
            "clean_after": _right(mended, world),
            "answer": answer,
        }


def _of_first(data: Planted) -> Planted:
    """Images as they are, of whose artefacts the first alone is known."""
    return replace(data, contents=data.contents[:1], masks=data.masks[:1])


def _effect(case: Case, world: World, model: Model, data: Planted) -> tuple[float, str]:
    """Effect and answer of the exchange; 0 where nothing of the artefact reaches the net."""
    from matxai.checks.leak import examine

    told = artefacts_of(case, data)
    found = examine(model, data.labelled(world.classes), artefacts=told, supporting=False, factors=False).findings[0]
    return 0.0 if found.test is None else found.test.effect, found.verdict.answer


def _right(model: Model, world: World) -> float:
    pool = world.pool
    return float((predicted(model, world.pictures[pool]) == world.labels[pool]).mean())


def _again(case: Case, world: World, model: Model, made: Planted) -> tuple[Model, str]:
    """Train the net from scratch on what ``--retrain recipe`` learns from: cleaned, and with others' artefacts."""
    from matxai.checks.leak.remedy import plan_remedy
    from matxai.checks.leak.retrained import lessons_of

    data = made.labelled(world.classes)
    plan = plan_remedy(data, artefacts_of(case, made))
    cut = plan.margins[0][1] if plan.margins else 0
    lessons, _ = lessons_of(data, replace(plan, margins=()), made.groups, 0)  # the new net crops by itself
    images = np.stack([np.asarray(lessons.read(k).values) for k in range(len(lessons))])
    torch.manual_seed(case.net.seed)
    module = module_of(case.net.architecture, world.channels, len(world.classes))
    again = model_of(replace(case.net, cropped=cut), world, module)
    fit(module, tensors(again, images), lessons.labels, seed=case.net.seed)
    return again, "recipe"


def _fitted(case: Case, world: World, model: Model, made: Planted) -> tuple[Model, str]:
    """Fit the head, or where that does not suffice the whole network, as ``--retrain auto`` does; and say which."""
    from matxai.checks.leak import examine
    from matxai.checks.leak.anew import falls_short, groups_of
    from matxai.checks.leak.refitting import refitted
    from matxai.checks.leak.remedy import plan_remedy
    from matxai.checks.leak.retrained import lessons_of
    from matxai.checks.leak.tuning import VERSIONS, fitted_on
    from matxai.modelcard.prepared import Prepared

    order = np.random.default_rng(51).permutation(len(made.images))
    some = made.only(np.concatenate([order[made.labels[order] == c][:PER_CLASS] for c in np.unique(made.labels)]))
    data, told = some.labelled(world.classes), artefacts_of(case, some)
    before = examine(model, data, artefacts=told, supporting=False, factors=False)
    head = refitted(model, data, told, before)
    if head.model is not None and not falls_short(before, head):
        return head.model, "head"
    # as ``tuned`` does on all signals; the networks that it has judge them are left out, the case's images judge here
    data, told = made.labelled(world.classes), artefacts_of(case, made)
    plan = plan_remedy(data, told, how="inpaint")
    lessons, _ = lessons_of(data, plan, groups_of(data, told), 0, VERSIONS)
    return fitted_on(model, Prepared(model, lessons), lessons.labels, np.arange(len(lessons))), "network"
