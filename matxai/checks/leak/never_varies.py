"""Pixels whose value is the same in every signal of a set, beyond what was found in the signals one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from matxai.checks.leak.records import Artefact
from matxai.regions import Boxed

LEAST_SIGNALS = 5
"""Fewer signals of one size agree in a pixel by chance."""

LEAST_PIXELS = 6
"""Smaller groups of neighbouring pixels are dead pixels at most, and no mark."""


@dataclass(eq=False)
class _Size:
    first: npt.NDArray[Any]
    same: npt.NDArray[np.bool_]
    covered: npt.NDArray[np.int64]
    numbers: list[int]


class Unvaried:
    """Gathers, size by size, where signals agree with the first of their size.

    Parameters
    ----------
    total
        How many signals the set has.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._sizes: dict[tuple[Any, ...], _Size] = {}

    def add(self, number: int, values: npt.NDArray[Any], covered: npt.NDArray[np.bool_]) -> None:
        """Take signal ``number`` into account.

        Parameters
        ----------
        number
            Below the set's length.
        values
            ``(*spatial)`` or with channels behind.
        covered
            What artefacts cover that were found in it, ``(*spatial)``.
        """
        key = (values.shape, covered.shape, values.dtype.str)
        if key not in self._sizes:
            self._sizes[key] = _Size(values.copy(), np.ones(covered.shape, bool), np.zeros(covered.shape, np.int64), [])
        size = self._sizes[key]
        same = (values == size.first) | ((values != values) & (size.first != size.first))
        size.same &= same.reshape(*covered.shape, -1).all(axis=-1)
        size.covered += covered
        size.numbers.append(number)

    def artefact(self) -> Artefact | None:
        """Return what never varies as one artefact, None where everything does.

        Signals that are all the same have nothing that varies less than the rest, and give none.
        """
        from scipy.ndimage import binary_dilation, label

        regions: list[Boxed | None] = [None] * self._total
        evidence: dict[str, Any] = {}
        for size in self._sizes.values():
            if len(size.numbers) < LEAST_SIGNALS or size.same.all():
                continue
            often = size.covered >= 0.5 * len(size.numbers)
            left = size.same & ~(binary_dilation(often) if often.any() else often)
            labels, _ = label(left, np.ones((3,) * left.ndim))
            large = np.bincount(labels.ravel()) >= LEAST_PIXELS
            large[0] = False
            left = large[labels]
            if not left.any() or left.all():
                continue
            boxed = Boxed.of(left)
            for number in size.numbers:
                regions[number] = boxed
            evidence["x".join(str(n) for n in left.shape)] = {"pixels": boxed.area, "signals": len(size.numbers)}
        present = sum(r is not None for r in regions)
        if not present:
            return None
        constant = present == self._total and len(evidence) == 1
        return Artefact("never_varies", "never_varies", tuple(regions), "folder", 1.0, constant, evidence)
