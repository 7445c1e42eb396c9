"""Attention, written out: projections, scale, masks, softmax and the products, each with its own rule.

Sequences go through with the batch in front, whatever the model's layout: stabilisers are per sample.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matxai.engine.standins.call import Call

_UNSUPPORTED = {"bias_k": None, "bias_v": None, "add_zero_attn": False, "static_k": None, "static_v": None}


def attention(call: Call) -> Any:
    """``scaled_dot_product_attention`` and its kernels, ``multi_head_attention_forward``."""
    given, base = call.read(), call.row.base
    if base.startswith(("_native", "_transformer")):
        return call.refuse("is a fused kernel, and has no rule; run the model's layers one by one")
    if base == "multi_head_attention_forward":
        for name, idle in _UNSUPPORTED.items():
            if given[name] is not None and given[name] is not idle:
                return call.refuse(f"is called with {name}, which has no rule")
        if given["training"] and given["dropout_p"] > 0:
            return call.refuse("drops attention weights at random, which has no rule")
        stepwise = call.ruled or (call.graph and call.run.keep.biases)  # its projections have biases
        return call.written_out(_multi_head, call.x, given) if stepwise else NotImplemented
    if given["dropout_p"] > 0:
        return call.refuse("drops attention weights at random, which has no rule")
    if not call.ruled:
        return NotImplemented
    mask = given.get("attn_mask", given.get("attn_bias"))
    options = {"causal": given["is_causal"], "scale": given["scale"], "grouped": given.get("enable_gqa", False)}
    if base == "scaled_dot_product_attention":
        return call.written_out(lambda: scaled_dot_product(call.x, given["key"], given["value"], mask, **options))
    rest = call.value()[1:]  # log-sum-exps and random states, which nothing reads
    return call.written_out(lambda: (scaled_dot_product(call.x, given["key"], given["value"], mask, **options), *rest))


def scaled_dot_product(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, *,
    causal: bool = False, scale: float | None = None, grouped: bool = False,
) -> Tensor:  # fmt: skip
    """Return softmax(Q K^T scale + mask) V for (..., L, E), (..., S, E) and (..., S, V)."""
    out, _ = weighted(query, key, value, mask, causal=causal, scale=scale, grouped=grouped)
    return out


def weighted(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, *,
    causal: bool = False, scale: float | None = None, grouped: bool = False,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Return what attention gives, and its weights (..., L, S).

    A boolean mask is true where a query may look; rows that may look nowhere give 0, as PyTorch's kernels do.
    """
    if grouped:
        heads = query.shape[-3]
        key = torch.repeat_interleave(key, heads // key.shape[-3], -3)
        value = torch.repeat_interleave(value, heads // value.shape[-3], -3)
    scores = torch.matmul(torch.mul(query, query.shape[-1] ** -0.5 if scale is None else scale), key.mT)
    blocked: Tensor | None = None
    if causal:
        allowed = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
        mask = allowed if mask is None else mask
    if mask is not None and mask.dtype == torch.bool:
        blocked = ~mask
        scores = scores.masked_fill(blocked, -math.inf)
    elif mask is not None:
        scores = torch.add(scores, mask)
        blocked = mask == -math.inf
    if blocked is None:
        weights = torch.softmax(scores, -1)
    else:
        nowhere = blocked.all(-1, keepdim=True)
        weights = torch.softmax(scores.masked_fill(nowhere, 0.0), -1).masked_fill(nowhere, 0.0)
    return torch.matmul(weights, value), weights


def _multi_head(query: Tensor, given: Mapping[str, Any]) -> tuple[Tensor, Tensor | None]:
    """Multi-head attention on (L, B, E) or (L, E), as ``F.multi_head_attention_forward`` has it."""
    key, value = given["key"], given["value"]
    single = query.ndim == 2
    if single:
        query, key, value = (t.unsqueeze(1) for t in (query, key, value))
    heads, embedded = given["num_heads"], query.shape[-1]
    if given["use_separate_proj_weight"]:
        weights = [given[f"{k}_proj_weight"] for k in "qkv"]
    else:
        weights = list(given["in_proj_weight"].split(embedded))
    biases = [None] * 3 if given["in_proj_bias"] is None else list(given["in_proj_bias"].split(embedded))
    q, k, v = (
        _by_head(F.linear(t.transpose(0, 1), w, b), heads)
        for t, w, b in zip((query, key, value), weights, biases, strict=True)
    )
    mask = _mask(given, q, k)
    out, attended = weighted(q, k, v, mask)
    out = out.transpose(1, 2).flatten(2)
    out = F.linear(out, given["out_proj_weight"], given["out_proj_bias"]).transpose(0, 1)
    if given["need_weights"]:
        attended = attended.mean(1) if given["average_attn_weights"] else attended
    if single:
        out, attended = out.squeeze(1), attended.squeeze(0)
    return out, attended if given["need_weights"] else None


def _by_head(x: Tensor, heads: int) -> Tensor:
    """Return (B, L, E) as (B, heads, L, E / heads)."""
    return x.view(*x.shape[:-1], heads, -1).transpose(1, 2)


def _mask(given: Mapping[str, Any], q: Tensor, k: Tensor) -> Tensor | None:
    """Return one mask to add: what may not be looked at is -inf."""
    total: Tensor | None = None
    for name, shape in (
        ("attn_mask", (-1, q.shape[1], q.shape[2], k.shape[2])), ("key_padding_mask", (-1, 1, 1, k.shape[2])),
    ):  # fmt: skip
        mask = given[name]
        if mask is None:
            continue
        if mask.dtype == torch.bool:
            mask = torch.zeros_like(mask, dtype=q.dtype).masked_fill(mask, -math.inf)
        mask = mask if name == "attn_mask" and mask.ndim == 2 else mask.reshape(shape)
        total = mask if total is None else torch.add(total, mask)
    return total
