"""Contrastive LRP: what speaks for a class rather than for others. By linearity one backward gives the difference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from matxai.engine.step import divided, margin
from matxai.engine.targets.classes import check, per_sample
from matxai.engine.targets.indexed import Index
from matxai.errors import MethodError

if TYPE_CHECKING:
    from matxai.engine.ruletable import Against


def contrasted(score: Tensor, target: Any, logits: Any, against: Against) -> Tensor:
    """Return the score less its dual: as much relevance, handed to other classes.

    Gu et al., Understanding Individual Decisions of CNNs via Contrastive Backpropagation, 2018 (arXiv:1812.02100),
    CLRP1: R(S at y_j) - R(S / (K - 1) at each y_i, i not j), S = y_j; its published map is the positive part. LRP is
    linear in where it starts, so one backward gives the difference.

    Parameters
    ----------
    score
        (B,), the target's own.
    target
        A class.
    logits
        (B, K).
    against
        ``"others"``, or the index of one class.

    Raises
    ------
    MethodError
        If the target is no class of an output (B, K), or the class that it is held against.
    """
    if not isinstance(target, Index) or not isinstance(logits, Tensor) or logits.ndim != 2 or logits.shape[1] < 2:
        what = tuple(logits.shape) if isinstance(logits, Tensor) else "no tensor of scores"
        msg = (
            f"Contrastive LRP holds a class against others of an output (B, K); here it is {target.describe()} of"
            f" {what}. For other differences give a target: matxai.targets.contrast(a, b)."
        )
        raise MethodError(msg)
    count = logits.shape[1]
    chosen = torch.tensor([k % count for k in per_sample(target.index, logits)], device=logits.device)
    others = torch.ones_like(logits, dtype=torch.bool).scatter_(1, chosen[:, None], value=False)
    if against != "others":
        check(against, count)
        if bool((chosen == against % count).any()):
            raise MethodError(f"Contrastive LRP holds class {against} against itself; name another class.")
        others = torch.zeros_like(others)
        others[:, against] = True
    y = logits.detach()
    share = score.detach()[:, None] / others.sum(1, keepdim=True) * others
    return score - (divided(share, y, margin(y)) * logits).sum(1)
