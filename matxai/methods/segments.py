"""Segments of the input that are left in or taken out as a whole, and the scores of their coalitions.

A coalition is the set of segments that are left in; a segment that is out shows the baseline. Each sample of a batch
has its own segments and its own coalitions, which depend on their number and the seed alone, so that a sample's map
does not depend on the batch that it comes in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from matxai.errors import MethodError
from matxai.methods.masked import PAUSE, Masked, blended, close_to, filling, over_channels
from matxai.methods.statistics import accumulating

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from matxai.engine.copies import Copies
    from matxai.methods.method import Setting

    Labels = NDArray[np.int64]
    Rows = NDArray[np.bool_]
    Floats = NDArray[np.float64]

MOST_SEGMENTS = 50


def typical(labels: Sequence[Labels]) -> tuple[float, ...]:
    """Return the side of a cube as large as a segment of the first sample on average, along each axis."""
    one = labels[0]
    side = float(one.size / (int(one.max()) + 1)) ** (1 / one.ndim)
    return tuple(min(side, float(n)) for n in one.shape)


@dataclass(frozen=True, kw_only=True)
class Segmented(Masked):
    """A method of coalitions of segments.

    Attributes
    ----------
    segments
        How many segments (superpixels of an image or stack, zones of a spectrum), or whose they are: integer labels
        ``(*spatial)`` for all samples or ``(B, *spatial)``. By default an eighth of the budget, at most 50.
    compactness
        Of superpixels: how much nearness counts against likeness, on values from 0 to 1.
    borders
        Of zones: ``equal``, or ``minima`` to have their borders at the lowest points near by.
    """

    segments: Any = field(default=None, compare=False)
    compactness: float = 0.1
    borders: str = "equal"

    def labels(self, copies: Copies, budget: int) -> list[Labels]:
        """Return the segments of each sample, (*spatial) integers from 0.

        Raises
        ------
        MethodError
            If the labels given do not fit the input, or the number is none.
        """
        import numpy as np

        from matxai.regions.partitions import consecutive

        x = copies.x
        given = self.segments
        if given is None or (isinstance(given, int) and not isinstance(given, bool)):
            pixels = x[0, 0].numel()
            count = given if given is not None else min(pixels, max(2, min(MOST_SEGMENTS, budget // 8)))
            return [self._found(sample, count) for sample in x.detach().cpu().double().numpy()]
        array = np.asarray(given.detach().cpu() if hasattr(given, "detach") else given)
        shape, size = tuple(x.shape), tuple(x.shape[2:])
        if array.dtype.kind not in "iub" or array.shape not in {size, (len(x), *size)}:
            msg = (
                f"The segments of {self.key} are {array.dtype} {array.shape}; for the input {shape} they are a number,"
                f" or integer labels {size} or {(len(x), *size)}."
            )
            raise MethodError(msg)
        each = array if array.shape != size else np.broadcast_to(array, (len(x), *size))
        return [consecutive(one) for one in each]

    def _found(self, sample: Floats, count: int) -> Labels:
        import numpy as np

        from matxai.errors import RegionError
        from matxai.regions.partitions import superpixels, zones

        try:
            if sample.ndim == 2:
                return zones(sample, count, borders=self.borders)  # type: ignore[arg-type]  # checked there
            if sample.ndim in {3, 4}:
                return superpixels(sample, count, compactness=self.compactness)
        except RegionError as error:
            raise MethodError(f"{self.key}: {error}") from None
        return np.zeros(sample.shape[1:], np.int64)


def jackknifed(shifts: Floats, *, parameters: int) -> Floats:
    """Return the standard errors (T, M) of coefficients by what they shift where one draw is left out.

    It is sqrt((n - 1) / n sum (s - mean s)^2), Tukey's jackknife as in Miller, Biometrika 61 (1974) 1. Below twice as
    many draws as parameters it is infinite: so few say too little about the spread to stop by.

    Parameters
    ----------
    shifts
        (T, n, M): for each of n independent draws the coefficients without it, minus those with all.
    parameters
        How many are fitted.
    """
    import numpy as np

    n = shifts.shape[1]
    if n < 2 * parameters:
        return np.full_like(shifts[:, 0], np.inf)
    apart = shifts - shifts.mean(1, keepdims=True)
    return np.asarray(np.sqrt((apart**2).sum(1) * (n - 1) / n))


Solved = tuple["Floats", "Floats"]
"""Coefficients (T, M) of one sample's segments, and their standard errors."""


@dataclass
class Coalitions:
    """The coalitions of one call and what comes of their scores.

    What is held of them is one number for each copy, target and sample.

    Attributes
    ----------
    method, copies, setting
        Whose they are, what runs them, and how.
    labels
        The segments of each sample.
    rows
        For each sample, (n, M): which segments its coalitions leave in.
    """

    method: Segmented
    copies: Copies
    setting: Setting
    labels: list[Labels]
    rows: list[Rows]

    def solved(
        self,
        solve: Callable[[int, Floats, Floats | None], Solved | None],
        *,
        with_empty: bool,
        per_pixel: bool,
    ) -> list[Solved]:
        """Run the coalitions and return each sample's coefficients.

        Parameters
        ----------
        solve
            From the number of a sample, its coalitions' scores (T, n) so far and those of the empty coalition (T,) to
            its coefficients and their errors; ``None`` where n is not enough. With a tolerance it is asked after every
            so many copies, and a map that has settled stays: what else the batch holds does not change it.
        with_empty
            Whether the empty coalition is run, before all others.
        per_pixel
            Whether the map holds values spread over pixels, as in :meth:`map`: the tolerance is of the map.
        """
        import numpy as np

        copies, tolerance = self.copies, self.method.enough(self.setting)
        first = int(with_empty)
        total = first + max(len(r) for r in self.rows)
        shape = (len(copies.targets), len(copies.x))
        scores: Floats = np.zeros((shape[0], 0, shape[1]))
        settled = np.zeros(shape, bool)
        found: list[Solved | None] = [None] * shape[1]
        for block in copies.blocks(total, self.method.key, pause=None if tolerance is None else PAUSE):
            scores = np.concatenate([scores, self._run(block, first)], 1)
            last = block.stop == total
            if not last and (tolerance is None or block.stop % PAUSE):
                continue
            for b, rows in enumerate(self.rows):
                empty = scores[:, 0, b] if first else None
                now = solve(b, scores[:, first : first + len(rows), b], empty)
                if now is None:
                    continue
                old, stays = found[b] or now, settled[:, b, None]
                found[b] = np.where(stays, old[0], now[0]), np.where(stays, old[1], now[1])
                pixels = np.bincount(self.labels[b].reshape(-1)) if per_pixel else 1
                error, value = now[1] / pixels, np.abs(now[0]) / pixels
                settled[:, b] |= error.max(1) <= (tolerance or 0) * value.max(1)
            if settled.all():
                break
        return [one for one in found if one is not None]

    def warnings(self, found: list[Solved]) -> tuple[str, ...]:
        """Return warnings: more than a segment is close to what replaces it, or the errors are not known."""
        import numpy as np

        said = close_to(self.method, self.copies, self.fill, 1 / min(r.shape[1] for r in self.rows))
        many = max((r.shape[1] for r, (_, e) in zip(self.rows, found, strict=True) if np.isinf(e).any()), default=0)
        if many:
            key = self.method.key
            sentence = (
                f"{key} drew too few coalitions of {many} segments to know its standard error, which is given as"
                " infinite; give a larger budget, or fewer segments."
            )
            said = (*said, sentence)
        return said

    def _run(self, block: range, first: int) -> Floats:
        """Return the scores (T, n, B) of a block of copies."""
        import torch

        at = [torch.from_numpy(one).to(self.fill.device) for one in self.labels]
        kept = torch.stack([self._kept(b, block, first, labels) for b, labels in enumerate(at)], 1)
        return self.copies.score(blended(self.copies, self.fill, kept)).cpu().double().numpy()

    @cached_property
    def fill(self) -> Tensor:
        """What the network sees in the place of segments that are out."""
        return filling(self.method, self.setting)

    def _kept(self, b: int, block: range, first: int, labels: Tensor) -> Tensor:
        """Return what a block of copies leaves of one sample, (n, *spatial), as 0 and 1."""
        import numpy as np
        import torch

        rows = self.rows[b]
        wanted = np.ones((len(block), rows.shape[1]), bool)  # beyond its own coalitions a sample stays whole
        start, stop = max(block.start - first, 0), min(block.stop - first, len(rows))
        skipped = first if block.start == 0 else 0
        wanted[:skipped] = False
        if stop > start:
            wanted[skipped : skipped + stop - start] = rows[start:stop]
        return torch.from_numpy(wanted).to(labels.device)[:, labels]

    def map(self, values: list[Floats], *, per_pixel: bool) -> Tensor:
        """Return coefficients (T, M) of each sample as an attribution (..., B, C, *spatial).

        Parameters
        ----------
        values
            One for each sample.
        per_pixel
            Whether a segment's value is spread over its pixels, so that the map sums to the coefficients; else each of
            its pixels has the value.
        """
        import numpy as np
        import torch

        maps = []
        for coefficients, labels in zip(values, self.labels, strict=True):
            share = coefficients / np.bincount(labels.reshape(-1)) if per_pixel else coefficients
            maps.append(torch.from_numpy(np.ascontiguousarray(share[:, labels])))
        plain = torch.stack(maps, 1)
        x = self.copies.x
        return over_channels(plain.to(accumulating(x[:0]).dtype).to(x.device), self.copies)
