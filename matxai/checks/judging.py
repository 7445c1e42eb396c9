"""Many versions of one signal, asked about in one batched pass: the reading is fixed once, chunks are all alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.checks.asking import chunk_size, evaluating, run_batch, stop_if_set
from matxai.checks.readings import Perturbed, Reading, reading_of

if TYPE_CHECKING:
    import xarray as xr

    from matxai.checks.familiar import Reference
    from matxai.modelcard import Model

Progress = Callable[[int, int, str], None]
Write = Callable[[npt.NDArray[Any]], None]
"""Changes a copy of the signal's values in place."""


@dataclass(eq=False)
class Judge:
    """Asks a model about versions of one signal.

    Parameters
    ----------
    model
        As loaded from its card; its whole preprocessing runs on every version, in batches.
    signal
        What they are versions of.
    target
        Class, or number of the box; see :func:`~matxai.checks.readings.reading_of`.
    reference
        What real signals look like to the model; without it nothing is marked.
    progress, cancel
        Told and asked between chunks.
    """

    model: Model
    signal: xr.DataArray
    target: str | int | None = None
    reference: Reference | None = None
    progress: Progress | None = None
    cancel: Any = None
    _before: Perturbed | None = field(default=None, init=False)
    _reading: Reading | None = field(default=None, init=False)

    @property
    def values(self) -> npt.NDArray[Any]:
        """The signal's values in the file's own type."""
        return np.asarray(self.signal.values)

    @property
    def reading(self) -> Reading:
        """What is read of the output."""
        self._look()
        assert self._reading is not None  # noqa: S101 - the look has set it
        return self._reading

    @property
    def before(self) -> Perturbed:
        """What the model says of the untouched signal: one row, asked once."""
        self._look()
        assert self._before is not None  # noqa: S101 - the look has set it
        return self._before

    def _look(self) -> None:
        if self._before is not None:
            return
        import torch

        stop_if_set(self.cancel)
        with evaluating(self.model.module), torch.inference_mode():
            batch = self.model.preprocessing.apply(self.values[None], self.signal)
            output = run_batch(self.model, batch)
            self._reading = reading_of(self.model, output, self.target)
            self._before = self._reading(self.model, output)

    def versions(self, writes: Iterable[Write], total: int, label: str = "changed signals") -> Perturbed:
        """Return what the model says of copies of the signal, each changed by one of ``writes``.

        Parameters
        ----------
        writes
            Each is handed a copy of the signal's values, in the file's type, and changes it in place.
        total
            How many there are, for the progress.
        label
            What they are, for the progress.

        Raises
        ------
        Cancelled
            If ``cancel`` is set; it is asked before every chunk.
        """
        import torch

        reading, own = self.reading, self.values
        parts: list[Perturbed] = []
        done = 0
        with evaluating(self.model.module), torch.inference_mode():
            for chunk in _chunks(writes, chunk_size(self.model, own.size)):
                stop_if_set(self.cancel)
                copies = np.repeat(own[None], len(chunk), axis=0)
                for copy, write in zip(copies, chunk, strict=True):
                    write(copy)
                batch = self.model.preprocessing.apply(copies, self.signal)
                if self.reference is None:
                    parts.append(reading(self.model, run_batch(self.model, batch)))
                else:
                    output, outside = self.reference.run(self.model, batch)
                    said = reading(self.model, output)
                    parts.append(Perturbed(said.scores, said.top, said.probabilities, said.iou, outside))
                done += len(chunk)
                if self.progress is not None:
                    self.progress(done, total, label)
        return Perturbed.joined(parts) if parts else self.before[:0]


def _chunks(items: Iterable[Write], size: int) -> Iterator[list[Write]]:
    chunk: list[Write] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
