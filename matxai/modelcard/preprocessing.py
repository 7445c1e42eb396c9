"""From a measured signal to the tensor that a network receives: the model's steps in their order, all of them visible.

The steps themselves are in :mod:`matxai.modelcard.steps`; the way back from the tensor to the signal is
:mod:`matxai.modelcard.placement`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from matxai.errors import CardError, SignalError
from matxai.modelcard.fitting import KINDS, arrange, coordinate, signal_name, spatial_dims, unit_of
from matxai.modelcard.placement import Effect, Mixed, Moved, Placement, Pointwise
from matxai.modelcard.step import About, Bounds, Step, make_step

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    import xarray as xr
    from numpy.typing import NDArray

# Up to this many values per signal double precision costs little; above (a CT stack) memory decides.
DOUBLE_UP_TO = 2**24


class AxisLike(Protocol):
    """The axis that a 1-D model was trained on, as a card has it."""

    name: str | None
    units: str | None
    start: float | None
    stop: float | None
    points: int | None
    wavelength: float | None
    convert: bool
    read: str
    outside: str


class InputLike(Protocol):
    """The section ``input`` of a card."""

    @property
    def kind(self) -> str: ...
    @property
    def channels(self) -> int | None: ...
    @property
    def size(self) -> Sequence[int] | None: ...
    @property
    def scale(self) -> str: ...
    @property
    def mean(self) -> Sequence[float] | None: ...
    @property
    def std(self) -> Sequence[float] | None: ...
    @property
    def steps(self) -> Sequence[Any]: ...
    @property
    def axis(self) -> Any: ...


class Stage(NamedTuple):
    """One step and the values, shape ``(C, *spatial)``, in front of it and behind it."""

    name: str
    text: str
    before: NDArray[Any]
    after: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Prepared:
    """What the network receives, and how it came about.

    Attributes
    ----------
    tensor
        Shape ``(1, C, *spatial)``, of the preprocessing's precision.
    placement
        Where each of its pixels lies in the signal.
    stages
        Every step with what it received and what it made.
    signal
        The signal with dims (spatial..., c), c only where it has channels; axes of length one are gone.
    notes
        What was decided for the user.
    """

    tensor: torch.Tensor
    placement: Placement
    stages: tuple[Stage, ...]
    signal: xr.DataArray
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Preprocessing:
    """A model's preprocessing: named steps in their order.

    Parameters
    ----------
    steps
        What is done, first to last.
    ndim
        Spatial axes that the model takes: 1, 2 or 3.
    channels
        Channels that the model takes; None takes them as they come.
    axis
        Name of the axis that a 1-D model was trained on, where it has one.
    precision
        Type of the tensors that it makes: ``float32`` or ``float64``.
    """

    steps: tuple[Step, ...] = ()
    ndim: int = 2
    channels: int | None = None
    axis: str | None = None
    _scaled_by_type: bool = field(default=False, repr=False)
    precision: str = "float32"

    @classmethod
    def from_card(cls, spec: InputLike) -> Preprocessing:
        """Return the steps that a card's ``input`` asks for: scale, axis, channels, ``steps``, size, mean and std.

        The axis comes first, so that all further steps see the points that the network was trained on; a bare
        ``resample`` among ``steps`` puts it there instead.

        Raises
        ------
        CardError
            For an unknown step or a wrong option, with its field.
        """
        ndim = int(str(spec.kind)[0])
        own = _own_steps(spec)
        names = {s.name for s in own}
        chain: list[Step] = []
        if spec.scale != "none":
            chain.append(make_step({"dtype": "scale_dtype", "image": "minmax"}[spec.scale], "input.scale"))
        axis = spec.axis
        if axis is not None and "resample" not in names:
            chain += _resample(axis, spec.size)
        if spec.channels is not None and not names & {"grey", "repeat_grey", "channels"}:
            chain.append(make_step({"channels": {"channels": spec.channels}}, "input.channels"))
        chain += own
        if spec.size is not None:
            chain.append(make_step({"resize": {"size": list(spec.size)}}, "input.size"))
        if spec.mean is not None or spec.std is not None:
            options = {k: v for k, v in (("mean", spec.mean), ("std", spec.std)) if v is not None}
            chain.append(make_step({"normalise": options}, "input.mean"))
        for step in chain:
            if ndim not in step.axes:
                takes = " or ".join(KINDS[n] for n in step.axes)
                raise CardError(f"input.steps: '{step.name}' is for {takes}, and the model takes {KINDS[ndim]}.")
        return cls(tuple(chain), ndim, spec.channels, getattr(axis, "name", None), spec.scale == "dtype")

    def describe(self) -> list[str]:
        """Return one line for each step, with the options that differ from their defaults."""
        return [str(step) for step in self.steps]

    def fits(self, signal: xr.DataArray) -> tuple[str, ...]:
        """Return the signal's spatial dims, in the order of the network's axes, or say why it does not fit.

        Raises
        ------
        ModelError
            With what would be right: a slice, one sample, one position.
        SignalError
            If it is empty or holds no real numbers.
        """
        return spatial_dims(signal, self.ndim, self.axis)

    def prepare(self, signal: xr.DataArray) -> Prepared:
        """Return what the network receives of ``signal``, with every stage on the way.

        Raises
        ------
        ModelError, SignalError
            If the signal does not fit, or NaN or Inf would reach the network (how many, and where the first is).
        """
        import torch

        dims = self.fits(signal)
        ordered = arrange(signal, dims)
        values = np.asarray(ordered.transpose(*(("c",) if "c" in ordered.dims else ()), *dims).values)
        values = values if "c" in ordered.dims else values[None]
        about = _about(ordered, dims)
        x = _tensor(values[None])
        effects: list[Effect] = []
        stages: list[Stage] = []
        before = x[0].numpy()
        for step in self.steps:
            x, effect, about = _run(step, x, about)
            after = x[0].detach().cpu().numpy()
            effects.append(effect)
            stages.append(Stage(step.name, str(step), before, after))
            before = after
        tensor = x.to(getattr(torch, self.precision))
        _finite(tensor, values[None], ordered, dims, stages)
        coords = tuple(coordinate(ordered, d) for d in dims)
        units = tuple(unit_of(ordered, d) for d in dims)
        placement = Placement(tuple(effects), values, dims, coords, units, tuple(tensor.shape[2:]))
        return Prepared(tensor, placement, tuple(stages), ordered, tuple(dict.fromkeys(about.notes)))

    def apply(self, values: NDArray[Any], like: xr.DataArray) -> torch.Tensor:
        """Return the tensors ``(B, C, *spatial)`` of many versions of one signal, as :meth:`prepare` makes them.

        Parameters
        ----------
        values
            Shape ``(B, *like.shape)``, in the file's values (of any floating or integer type).
        like
            The signal that they are versions of: its dims, coordinates and type of values count.
        """
        import torch
        import xarray as xr

        dims = self.fits(like)
        batch = xr.DataArray(values, dims=("_batch", *like.dims))
        gone = [d for d in like.dims if d not in (*dims, "c")]
        batch = batch.isel(dict.fromkeys(gone, 0))
        arranged = np.asarray(batch.transpose("_batch", *(("c",) if "c" in like.dims else ()), *dims).values)
        arranged = arranged if "c" in like.dims else arranged[:, None]
        ordered = arrange(like, dims)
        about = _about(ordered, dims)
        x = _tensor(arranged)
        for step in self.steps:
            x, _, about = _run(step, x, about)
        tensor = x.to(getattr(torch, self.precision))
        _finite(tensor, arranged, ordered, dims, ())
        return tensor

    def bounds(self, signal: xr.DataArray | None = None) -> Bounds | None:
        """Return the lowest and highest value of each channel that the network can receive, for the box rule of LRP.

        They follow from the range of the signal's type (0 to 1 after ``scale: dtype``), or from steps that clip. None
        where nothing says: z-scores, derivatives, floating-point values without a known range.
        """
        found: Bounds | None = None
        if signal is not None and signal.dtype.kind in "iu":
            info = np.iinfo(signal.dtype)
            found = ((float(info.min),), (float(info.max),))
        elif self._scaled_by_type:
            inside = signal is None or bool((signal.min() >= 0) & (signal.max() <= 1))
            found = ((0.0,), (1.0,)) if inside else None
        for step in self.steps:
            found = step.bounds(found)
        if found is not None and self.channels is not None and len(found[0]) == 1:
            found = found[0] * self.channels, found[1] * self.channels
        return found


def _resample(axis: AxisLike, size: Sequence[int] | None) -> list[Step]:
    """Return the step that a card's axis asks for: none where it has a name alone."""
    points = axis.points if axis.points is not None else (size[0] if size else None)
    given = {"start": axis.start, "stop": axis.stop, "points": points}
    if axis.start is None and axis.stop is None and axis.points is None:
        return []
    missing = [k for k, v in given.items() if v is None]
    if missing:
        raise CardError(
            f"input.axis: it needs {' and '.join(missing)} beside the others, or none of start, stop, points."
        )
    options = {
        **given,
        "axis": axis.name or "",
        "units": axis.units or "",
        "wavelength": axis.wavelength,
        **{k: getattr(axis, k) for k in ("convert", "read", "outside")},
    }
    return [make_step({"resample": options}, "input.axis")]


def _own_steps(spec: InputLike) -> list[Step]:
    """Return the card's own steps; a bare ``resample`` among them is the card's axis, at that place in the chain."""
    own: list[Step] = []
    for number, entry in enumerate(spec.steps or ()):
        where = f"input.steps[{number}]"
        if entry == "resample":
            onto = _resample(spec.axis, spec.size) if spec.axis is not None else []
            if not onto:
                raise CardError(f"{where}: 'resample' alone goes onto the card's axis; give input.axis start and stop.")
            own += onto
        else:
            own.append(make_step(entry, where))
    return own


def _about(signal: xr.DataArray, dims: tuple[str, ...]) -> About:
    return About(
        name=signal_name(signal),
        dtype=signal.dtype,
        dims=dims,
        coords=tuple(coordinate(signal, d) for d in dims),
        units=tuple(unit_of(signal, d) for d in dims),
        attrs=signal.attrs,
    )


def _tensor(values: NDArray[Any]) -> torch.Tensor:
    """Return values of shape ``(B, C, *spatial)`` as a tensor of their own."""
    import torch

    double = values[0].size <= DOUBLE_UP_TO
    return torch.from_numpy(np.array(values, dtype=np.float64 if double else np.float32))


def _run(step: Step, x: torch.Tensor, about: About) -> tuple[torch.Tensor, Effect, About]:
    """Run one step and let the coordinates follow the pixels."""
    y, effect = step.run(x, about)
    if isinstance(effect, Moved) and effect.maps:
        coords, units = moved(about.coords, about.units, effect)
        about = replace(about, coords=tuple(coords), units=tuple(units), untouched=False)
    return y, effect, about


def moved(
    coords: Sequence[NDArray[np.float64]], units: Sequence[str], effect: Effect
) -> tuple[list[NDArray[np.float64]], list[str]]:
    """Return coordinates and units of the spatial axes behind a step; those in front of it where nothing moved."""
    after, named = list(coords), list(units)
    if isinstance(effect, Moved):
        for k, m in effect.maps.items():
            after[k] = effect.coords[k] if k in effect.coords else _read(after[k], m.positions)
            named[k] = effect.units.get(k, named[k])
    return after, named


def _read(coord: NDArray[np.float64], positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the coordinate at fractional pixels, its last step going on beyond the ends."""
    if coord.size < 2:
        return np.asarray(coord[0] + positions)
    left = np.clip(np.floor(positions).astype(int), 0, coord.size - 2)
    return np.asarray(coord[left] + (positions - left) * (coord[left + 1] - coord[left]))


def _finite(
    tensor: torch.Tensor, values: NDArray[Any], signal: xr.DataArray, dims: tuple[str, ...], stages: Sequence[Stage]
) -> None:
    """Refuse a tensor that is not finite: say how many values of the signal are to blame, and where the first lies."""
    import torch

    reached = int((~torch.isfinite(tensor)).sum())
    if not reached:
        return
    name = signal_name(signal)
    wrong = np.argwhere(~np.isfinite(values)) if values.dtype.kind == "f" else np.empty((0, values.ndim), int)
    if wrong.size:
        first = ", ".join(f"{d}={i}" for d, i in zip(dims, wrong[0][2:], strict=True))
        raise SignalError(
            f"{name} has {len(wrong)} values that are NaN or Inf, the first at {first}, and {reached} of the "
            f"{tensor.numel()} values that the network would receive are spoilt; crop, mask or interpolate them first."
        )
    step = next((s.name for s in stages if not np.isfinite(s.after).all()), "the change to single precision")
    raise SignalError(f"{reached} values that the network would receive of {name} are NaN or Inf, made by {step}.")


__all__ = ["Effect", "Mixed", "Moved", "Placement", "Pointwise", "Prepared", "Preprocessing", "Stage", "signal_name"]
