"""A run on a black box: one call for its predictions, from which the scores follow; there is nothing else to read."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from matxai.engine.captured import Captured
from matxai.engine.output import score_of, scores_of
from matxai.engine.targets import Each, Target, fixed, resolve
from matxai.engine.trace import Trace
from matxai.errors import MethodError, ModelError

if TYPE_CHECKING:
    from matxai.engine.plan import Plan
    from matxai.opaque import BlackBox


def predicted(box: BlackBox, x: Tensor, plan: Plan, target: Any, output: str | None) -> Captured:
    """Ask a black box once and return its scores as :func:`matxai.engine.run` would.

    Its output is explained as it is: whether it ends with a softmax cannot be seen.

    Raises
    ------
    MethodError
        If the plan reads gradients or layers.
    TargetError, ModelError
        As :func:`matxai.engine.run`.
    """
    if plan.passes or plan.activations:
        wanted = "gradients" if plan.passes else "layers"
        raise MethodError(f"{box.title} gives predictions only, and the plan reads {wanted}.")
    began = time.monotonic()
    result = box(x)
    seconds = time.monotonic() - began
    free = callable(target) and not isinstance(target, Target)
    found = scores_of(result, output, required=not free)
    logits = result if free else found
    if isinstance(logits, Tensor) and not bool(torch.isfinite(logits).all()):
        raise ModelError(f"{box.title} gave NaN or infinite values for this input; nothing to explain.")
    chosen = resolve(target, logits)
    captured = Captured(
        input=x, output=result, logits=None if free else found, target=[t.describe() for t in chosen],
        targets=len(chosen) if isinstance(target, Each) else None, layers=(), trace=Trace(),
        notes=["the model is a black box: its output is explained as it is given"],
    )  # fmt: skip
    captured.fixed = tuple(fixed(t, logits) for t in chosen)
    captured.score_list = [score_of(t, logits, len(x)).detach() for t in chosen]
    captured.seconds["forward"] = seconds
    return captured
