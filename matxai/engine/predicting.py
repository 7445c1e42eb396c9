"""A run on a black box: one call for its predictions, from which the scores follow; there is nothing else to read."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import torch

from matxai.engine.captured import Captured
from matxai.engine.nested import tensors_in
from matxai.engine.scoring import layers_read, sources
from matxai.engine.targets import Each, resolve
from matxai.engine.trace import Trace
from matxai.errors import MethodError, ModelError, TargetError

if TYPE_CHECKING:
    from torch import Tensor

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
    if not all(bool(torch.isfinite(t).all()) for t in tensors_in(result)):
        raise ModelError(f"{box.title} gave NaN or infinite values for this input; nothing to explain.")
    inside = layers_read(target)
    if inside:
        raise TargetError(f"{box.title} gives predictions only; there is no layer '{inside[0]}' for a target to read.")
    found, _ = sources(None, result, target, output, {}, len(x))
    logits, chosen = found.logits, resolve(target, result if found.logits is None else found.logits)
    captured = Captured(
        input=x, output=result, logits=logits, target=[t.describe() for t in chosen],
        targets=len(chosen) if isinstance(target, Each) else None, layers=(), trace=Trace(),
        notes=["the model is a black box: its output is explained as it is given"],
    )  # fmt: skip
    captured.fixed = tuple(found.fixed(t) for t in chosen)
    captured.score_list = [found.score(t).detach() for t in chosen]
    captured.seconds["forward"] = seconds
    return captured
