"""Baselines of a signal: made in its own values, before any normalisation, and brought to the network like the signal.

What "black" is, only the image knows: zeros of a normalised tensor are the mean colour of somebody's training set. So a
baseline is an image of the same size and type, and goes through the whole preprocessing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import ModelError, SignalError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    import xarray as xr

    from matxai.modelcard import Model
    from matxai.modelcard.preprocessing import Prepared, Preprocessing

#: What a model is shown with where no image is at hand: along each axis, for a card without a size.
USUAL = 64
#: Baselines that are one value everywhere: what the network sees of them depends on an 8-bit image's range alone.
FLAT = ("black", "white", "constant")


def span(signal: xr.DataArray) -> tuple[float, float]:
    """Return what black and white are in a signal, in its own values.

    Of 8-bit images the ends of their type. Wider integers are seldom filled (a 12-bit camera writes into 16 bits), so
    their white is the image's largest value; their black is 0 where the type has no sign. All else goes by its own
    smallest and largest value.
    """
    values = np.asarray(signal.values)
    if values.dtype.kind in "iu" and values.dtype.itemsize == 1:
        info = np.iinfo(values.dtype)
        return float(info.min), float(info.max)
    low = 0.0 if values.dtype.kind == "u" else float(values.min())
    return low, float(values.max())


@dataclass(eq=False)
class SignalBaselines:
    """Makes the baselines of one signal, as ``attribute(..., baseline=)`` takes them.

    Attributes
    ----------
    preprocessing
        The model's.
    prepared
        What the network received of the signal.
    references
        What it receives of other signals, (N, C, *spatial): ``mean`` is their mean.
    seed
        Of ``noise``.
    seen
        For each baseline that was asked for: the mean of each channel, as the network sees it.
    """

    preprocessing: Preprocessing
    prepared: Prepared
    references: torch.Tensor | None = None
    seed: int = 0
    seen: dict[str, list[float]] = field(default_factory=dict)

    def __call__(self, name: str, /, *, value: float | None = None, draw: int = 0) -> torch.Tensor:
        """Return what the network sees of a baseline, (1, C, *spatial); ``value`` is in the signal's own units."""
        if name == "mean" and self.references is not None:
            made = self.references.double().mean(0, keepdim=True).to(self.references)
        else:
            made = self.preprocessing.apply(self.signal(name, value=value, draw=draw)[None], self.prepared.signal)
        key = name if value is None else f"{name} {value:g}"
        self.seen.setdefault(key, made[0].double().flatten(1).mean(1).tolist())
        return made

    def signal(self, name: str, *, value: float | None = None, draw: int = 0) -> np.ndarray[Any, Any]:
        """Return a baseline in the signal's own values and type, of the signal's shape."""
        import torch

        from matxai.methods.baselines import Baselines

        signal = self.prepared.signal
        values = np.asarray(signal.values)
        coloured = "c" in signal.dims  # the last dim, as prepared
        planes = np.moveaxis(values, -1, 0) if coloured else values[None]
        low, high = span(signal)
        x = torch.from_numpy(np.array(planes[None], dtype=np.float64))
        made = Baselines(x, low, high, seed=self.seed)(name, value=value, draw=draw)[0].numpy()
        made = np.moveaxis(made, 0, -1) if coloured else made[0]
        if values.dtype.kind in "iu":
            info = np.iinfo(values.dtype)
            made = np.clip(np.rint(made), info.min, info.max)
        return np.asarray(made.astype(values.dtype))


def prepared_references(model: Model, references: Sequence[xr.DataArray] | xr.DataArray | None) -> torch.Tensor | None:
    """Return what the network receives of other signals, (N, C, *spatial); None without any.

    Raises
    ------
    SignalError
        If they are no signals, or reach the network with different sizes.
    """
    import torch
    import xarray as xr

    if references is None:
        return None
    several: list[object] = [references] if isinstance(references, xr.DataArray) else list(references)
    signals = [r for r in several if isinstance(r, xr.DataArray)]
    if not signals or len(signals) < len(several):
        msg = "references= takes signals, as matxai.read returns them: a list with at least one."
        raise SignalError(msg)
    found = [model.preprocessing.prepare(r).tensor for r in signals]
    shapes = {tuple(t.shape[1:]) for t in found}
    if len(shapes) > 1:
        msg = f"The references reach the network with {len(shapes)} sizes; give signals of one size, or a card's size."
        raise SignalError(msg)
    return torch.cat(found)


def baselines_seen(model: Model, signal: xr.DataArray | None = None) -> dict[str, list[float] | None]:
    """Return for each baseline the mean of every channel, as the network sees it.

    Parameters
    ----------
    model
        With its preprocessing.
    signal
        Whose baselines; without one, those of an 8-bit image: what blur, noise and mean are then hangs on the image,
        and they are None, as are all of them for spectra, which have no such range.
    """
    from matxai.methods.baselines import baselines

    if signal is None:
        signal = _trial(model)
        names: tuple[str, ...] = FLAT if signal is not None else ()
    else:
        names = tuple(baselines)
    found: dict[str, list[float] | None] = dict.fromkeys(baselines)
    if signal is None:
        return found
    try:
        made = SignalBaselines(model.preprocessing, model.preprocessing.prepare(signal))
        found.update(
            {name: [round(v, 6) for v in made(name)[0].double().flatten(1).mean(1).tolist()] for name in names}
        )
    except (ModelError, SignalError):  # a preprocessing that wants more of an image than values, such as its axis
        if names is not FLAT:
            raise
    return found


def _trial(model: Model) -> xr.DataArray | None:
    """Return an 8-bit image of the model's size, half black and half white; None for models of spectra."""
    import xarray as xr

    axes = int(model.kind[0])
    if axes == 1:
        return None
    size = tuple(model.card.input.size or (USUAL,) * axes)
    colours = (model.channels,) if model.channels > 1 else ()
    values = np.zeros((*size, *colours), dtype=np.uint8)
    values[: max(size[0] // 2, 1)] = 255
    return xr.DataArray(values, dims=(*("z", "y", "x")[-axes:], *("c",)[: len(colours)]))
