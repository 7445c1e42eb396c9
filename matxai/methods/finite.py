"""Whether maps are finite: a derivative may be infinite where the output is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def not_finite(maps: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (key, sentence) for each map that has values that are NaN or infinite.

    One sum of all maps is looked at; each by itself only where that sum is not finite.
    """
    import torch

    from matxai.engine.nested import tensors_in

    parts = {key: tensors_in(value) for key, value in maps.items()}
    sums = [t.sum(dtype=torch.float64).cpu() for several in parts.values() for t in several]
    if not sums or bool(torch.isfinite(torch.stack(sums).sum())):
        return []
    found = []
    for key, several in parts.items():
        wrong = sum(int((~torch.isfinite(t)).sum()) for t in several)
        if wrong:
            of = sum(t.numel() for t in several)
            sentence = (
                f"{key}: {wrong} of the map's {of} values are NaN or infinite although the model's output is finite;"
                " an operation has no finite derivative there, such as sqrt at 0, or a rule divides by 0."
            )
            found.append((key, sentence))
    return found
