"""Judge an image again with another image's rows in its place: the question that a bar along an edge allows.

This is one exchange of one pair, shown as it is; a verdict over a folder, with its statistics, is another matter.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.checks.perturbation import class_scores
from matxai.errors import RegionError
from matxai.regions.finders.info_bar import stated_rows

if TYPE_CHECKING:
    import xarray as xr

    from matxai.modelcard import Model


@dataclass(frozen=True)
class Exchange:
    """What a model said before and after an image got another image's info bar.

    Parameters
    ----------
    before, after
        Class on top with the image's own bar and with the donor's.
    donor
        Class on top for the donor image itself.
    probability_before, probability_after
        Softmax probability of ``before``'s class in both cases.
    follows
        Whether the prediction became the donor's, having been another.
    """

    before: str
    after: str
    donor: str
    probability_before: float
    probability_after: float
    follows: bool

    def to_dict(self) -> dict[str, Any]:
        """Return names and plain values, ready for JSON."""
        return asdict(self)


def exchange_rows(signal: xr.DataArray, donor: xr.DataArray) -> xr.DataArray:
    """Return ``signal`` with its info bar replaced by ``donor``'s, in the file's own pixels.

    Both carry ``info_bar = [first_row, last_row]`` in their attributes and have the same size and rows.

    Raises
    ------
    RegionError
        If one has no info bar, or sizes or rows differ: the bars are then not of the same place.
    """
    rows, others = (stated_rows(s.attrs) for s in (signal, donor))
    if rows is None or others is None:
        msg = "An exchange of info bars needs two images whose instruments state the rows of their bars."
        raise RegionError(msg)
    if signal.shape != donor.shape or rows != others:
        msg = (
            f"The info bars cannot be exchanged: rows {rows} of {signal.shape} "
            f"against rows {others} of {donor.shape}. Take images of one size and bar."
        )
        raise RegionError(msg)
    first, last = rows
    values = np.array(signal.values)
    values[first : last + 1] = donor.values[first : last + 1]
    return signal.copy(data=values)


def exchange_bars(model: Model, signal: xr.DataArray, donor: xr.DataArray) -> Exchange:
    """Give ``signal`` the info bar of ``donor`` and ask the model again.

    Raises
    ------
    RegionError
        As :func:`exchange_rows`.
    """
    asked = class_scores(model, [signal, exchange_rows(signal, donor), donor])
    probability = asked.probabilities
    assert probability is not None  # noqa: S101 - whoever asks for scores gets them
    before, after, donors = (int(t) for t in asked.top)

    def name(k: int) -> str:
        return model.classes[k] if k < len(model.classes) else str(k)

    return Exchange(
        before=name(before),
        after=name(after),
        donor=name(donors),
        probability_before=float(probability[0, before]),
        probability_after=float(probability[1, before]),
        follows=after == donors != before,
    )
