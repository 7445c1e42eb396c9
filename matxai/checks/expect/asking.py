"""One sample before one model: its maps and scores, each computed once however many expectations ask for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.checks.controls import free_ground
from matxai.checks.dosage import DoseResponse, dose_response
from matxai.checks.expect.quantity import spatial_dims
from matxai.checks.perturbation import class_scores, dense_output, detected
from matxai.checks.perturbing import perturb
from matxai.errors import MethodError, TargetError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    import xarray as xr

    from matxai.checks.changes import Change
    from matxai.checks.expect.sample import Sample
    from matxai.checks.familiar import Reference
    from matxai.modelcard import Model
    from matxai.regions import Region

Scores = npt.NDArray[np.float64]


@dataclass(eq=False)
class Asked:
    """A model asked about one sample and one class.

    Parameters
    ----------
    model, sample
        Who is asked, and about what.
    target
        Index of the class.
    seed, cancel
        As everywhere.
    reference
        What real signals look like to the model; None where there are too few to tell.
    """

    model: Model
    sample: Sample
    target: int
    seed: int = 0
    cancel: Any = None
    reference: Reference | None = None
    _changes: dict[Any, Change] = field(default_factory=dict)
    _maps: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    _clean: Scores | None = None
    _where: list[torch.Tensor | None] = field(default_factory=list)

    def map(self, method: str) -> npt.NDArray[np.float64]:
        """Return the map of a method for the class, on the signal's grid ``(*spatial)``, NaN where nothing was seen.

        Raises
        ------
        MethodError
            If the method gives several maps or another grid, or does not apply to this model.
        """
        if method not in self._maps:
            from matxai.explanation import explain

            made = explain(
                self.model,
                self.sample.signal,
                methods=[method],
                target=self.target,
                seed=self.seed,
                cancel=self.cancel,
            )
            variable = next(iter(made.data_vars.values()))
            dims = spatial_dims(self.sample.signal)
            if tuple(variable.dims) != dims:
                msg = f"{method} gives a map over {variable.dims}; a measure needs one map over {dims}."
                raise MethodError(msg)
            self._maps[method] = np.asarray(variable.values, np.float64)
        return self._maps[method]

    @property
    def clean(self) -> Scores:
        """What the model says of the sample as it is: logits ``(1, K)``."""
        if self._clean is None:
            found = class_scores(self.model, [self.sample.signal], mask=self._object(), cancel=self.cancel).scores
            if not 0 <= self.target < found.shape[1]:
                msg = f"The model has {found.shape[1]} classes, numbered from 0; there is no class {self.target}."
                raise TargetError(msg)
            self._clean = found
        return self._clean

    def changed(self, region: Region, fills: Sequence[str] | None, controls: int) -> Change:
        """Return what replacing a region did, and the same for as many matched controls as there is room for."""
        fills = fills if fills is not None else fills_for(region)
        key = (region.mask.tobytes(), None if fills is None else tuple(fills), controls)
        if key not in self._changes:
            self._changes[key] = perturb(
                self.model,
                self.sample.signal,
                region,
                target=self._asked_target,
                fills=fills,
                controls=controls,
                allowed=self.free if controls else None,
                reference=self.reference,
                seed=self.seed,
                cancel=self.cancel,
            ).changes[0]
        return self._changes[key]

    def dosed(
        self, region: Region, change: str, steps: Sequence[float] | None, fills: Sequence[str], axis: int
    ) -> DoseResponse:
        """Return what the model says of a region that is changed in steps, what looks like nothing real marked."""
        return dose_response(
            self.model,
            self.sample.signal,
            region,
            change=change,
            steps=steps,
            axis=axis,
            target=self._asked_target,
            fills=fills,
            reference=self.reference,
            seed=self.seed,
            cancel=self.cancel,
        )

    @cached_property
    def free(self) -> npt.NDArray[np.bool_]:
        """Where controls may lie, ``(*spatial)``: on no artefact that is found."""
        return free_ground(self.sample.signal)

    @cached_property
    def _asked_target(self) -> int:
        """What perturbations ask about: the class, and of a detector the surest box of the class."""
        if self.model.task != "detection":
            return self.target
        return detected(self.model, self.sample.signal, self.target, self.sample.name)

    def said(self, values: Sequence[npt.NDArray[np.float64]]) -> Scores:
        """Return logits ``(n, K)`` for other values in the signal's place, in the signal's own type."""
        signals = [with_values(self.sample.signal, v) for v in values]
        return class_scores(self.model, signals, mask=self._object(), cancel=self.cancel).scores

    def _object(self) -> torch.Tensor | None:
        """Where a dense model predicts the class in the sample as it is; None for one score a class."""
        if not self._where:
            dense = dense_output(self.model, self.sample.signal)
            where = None if dense is None else dense == self.target
            if where is not None and not bool(where.any()):
                msg = f"The model predicts the class nowhere in {self.sample.name}: there is no object to ask about."
                raise TargetError(msg)
            self._where.append(where)
        return self._where[0]


def fills_for(region: Region) -> tuple[str, ...] | None:
    """Return the fills for a region that names none; None for the signal's usual ones.

    Over an edge no bridge is laid, as that takes the step away.
    """
    return ("edge_step",) if region.kind == "edge" else None


def with_values(signal: xr.DataArray, values: npt.NDArray[np.float64]) -> xr.DataArray:
    """Return a signal with other values, rounded and clipped to what its type can hold."""
    dtype = np.asarray(signal.values).dtype
    if np.issubdtype(dtype, np.integer):
        info = np.iinfo(dtype)
        values = np.clip(np.rint(values), info.min, info.max)
    return signal.copy(data=values.astype(dtype))
