"""What is found by reading signals, once in a run: sizes, pixel sizes, and what is measured in the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from matxai.checks.leak.choosing import spread
from matxai.checks.leak.factors.assessing import Varying
from matxai.checks.leak.factors.changing import grey_of
from matxai.checks.leak.factors.measuring import brightness_of, focus_of, own_contrast_of, own_noise_of
from matxai.checks.leak.factors.telling import codes_of
from matxai.signals.units import PIXEL

if TYPE_CHECKING:
    from collections.abc import Callable

    import xarray as xr

    from matxai.checks.leak.case import Case

SIGNALS = 400
MEASURES = {"brightness": brightness_of, "contrast": own_contrast_of, "focus": focus_of, "noise": own_noise_of}


@dataclass(frozen=True, eq=False)
class Looked:
    """What reading a set's signals showed.

    Parameters
    ----------
    numbers
        The signals that were read, ``(M,)``: all, or 400 spread over classes and groups.
    sizes
        Of each: its number of pixels along each spatial axis.
    steps
        Of each: the pixel size along its last spatial axis and its unit; None where it is not calibrated.
    measures
        Name to ``(M,)``: brightness, contrast, focus, noise.
    """

    numbers: npt.NDArray[np.int64]
    sizes: tuple[tuple[int, ...], ...]
    steps: tuple[tuple[float, str] | None, ...]
    measures: dict[str, npt.NDArray[np.float64]]


def looked_at(case: Case) -> Looked:
    """Read the signals of a set and return what they show; worked out once in a run."""
    if "looked_at" not in case.kept:
        numbers = spread(case.labels, case.groups, SIGNALS, np.random.default_rng(case.seed))
        sizes, steps = [], []
        rows: dict[str, list[float]] = {name: [] for name in MEASURES}
        for done, number in enumerate(numbers):
            case.step(done, len(numbers), "what is not in the picture")
            signal = case.signals[number]
            sizes.append(tuple(int(signal.sizes[d]) for d in signal.dims if d != "c"))
            steps.append(_step(signal))
            grey = grey_of(signal)
            for name, measure in MEASURES.items():
                rows[name].append(measure(grey))
        found = {name: np.array(row) for name, row in rows.items()}
        case.kept["looked_at"] = Looked(numbers, tuple(sizes), tuple(steps), found)
    looked: Looked = case.kept["looked_at"]
    return looked


def _step(signal: xr.DataArray) -> tuple[float, str] | None:
    dim = [d for d in signal.dims if d != "c"][-1]
    if dim not in signal.coords or signal.sizes[dim] < 2:
        return None
    axis = signal.coords[dim]
    unit = str(axis.attrs.get("units", PIXEL))
    return None if unit == PIXEL else (abs(float(axis[-1] - axis[0])) / (axis.size - 1), unit)


def varying(
    case: Case,
    name: str,
    change: Callable[[xr.DataArray, float, float, np.random.Generator], xr.DataArray],
    possible: Callable[[npt.NDArray[np.float64], npt.NDArray[np.float64]], npt.NDArray[np.bool_]],
) -> Varying:
    """Return a measured factor over the set.

    Parameters
    ----------
    case, name
        What is asked about which measure.
    change
        ``(signal, own, wanted, rng) -> signal`` with the measure at ``wanted``.
    possible
        ``(own (M, 1), wanted (1, L)) -> (M, L)``: in which direction it can be changed.
    """
    looked = looked_at(case)
    numbers, values = looked.numbers, looked.measures[name]
    codes = codes_of(values)
    middle = np.array([float(np.median(values[codes == k])) for k in range(int(codes.max()) + 1)])
    own = {int(n): float(v) for n, v in zip(numbers, values, strict=True)}

    def changed(number: int, signal: xr.DataArray, level: int) -> xr.DataArray:
        rng = np.random.default_rng([case.seed, number, level])
        return change(signal, own[number], float(middle[level]), rng)

    return Varying(numbers, codes, codes, tuple(middle.tolist()), changed, possible(values[:, None], middle[None, :]))
