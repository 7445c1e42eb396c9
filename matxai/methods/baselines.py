"""Baselines: what stands for "nothing here" in methods that compare the input with something.

The default is the input's own blur. Zeros of a normalised tensor are not black but the mean colour of somebody's
training set, and with true black every black pore and crack of a micrograph gets exactly nothing: a method that
compares is 0 wherever the input equals its baseline. A blur keeps brightness and takes the structure away, which is
what a microscopist asks about.

Each baseline is one function here; images before normalisation go through the same functions
(:mod:`matxai.explanation.baselines`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from matxai.errors import MethodError
from matxai.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

    Bound: TypeAlias = float | Sequence[float] | Tensor | None

DEFAULT = "blur"
WIDTH = 0.05
"""Standard deviation of the blur, as a share of the longest axis."""
NEAR = 0.05
"""Share of the input's range within which it counts as equal to its baseline."""
NOTICEABLE = 0.01
"""Share of the pixels above which a connected region near its baseline is worth a warning."""


class Provider(Protocol):
    """What makes baselines in the caller's place, such as images before their normalisation.

    Called with the name alone, and with ``value`` (of a constant) and ``draw`` (the number of a random draw) where they
    are not their defaults; returns (B, C, *spatial) or (1, C, *spatial).
    """

    def __call__(self, name: str, /, **options: Any) -> Tensor:
        """Return what the network sees in the input's place."""


@dataclass(frozen=True, eq=False)
class Baselines:
    """The baselines of one call by name; ``baselines("blur")`` is a tensor like the input.

    Attributes
    ----------
    x
        The input (B, C, *spatial).
    low, high
        What black and white are in it: a number, or one for each channel.
    references
        Other inputs of the kind that the model knows, (N, C, *spatial): ``mean`` is theirs, and gradient SHAP draws
        from them.
    provider
        Makes them instead.
    seed
        Of ``noise``.
    """

    x: Tensor
    low: Bound = None
    high: Bound = None
    references: Tensor | None = None
    provider: Provider | Callable[[str], Tensor] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.references is None:
            return
        shape, asked = tuple(getattr(self.references, "shape", ())), tuple(self.x.shape[1:])
        if len(shape) != self.x.ndim or shape[1:] != asked or not shape[0]:
            msg = f"The references are {shape}; they must be inputs of the model, (N, {', '.join(map(str, asked))})."
            raise MethodError(msg)

    def __call__(self, name: str, *, value: float | None = None, draw: int = 0) -> Tensor:
        """Return a baseline (B, C, *spatial), of the input's type and device.

        Parameters
        ----------
        name
            ``black``, ``white``, ``constant``, ``blur``, ``noise`` or ``mean``.
        value
            Of ``constant``; ``None``: halfway between the input's lowest and highest value.
        draw
            The number of a random draw.

        Raises
        ------
        MethodError
            If there is no such baseline, or it cannot be made from what is known.
        """
        import torch

        make = baselines[name]
        if value is not None and name != "constant":
            msg = f"A value belongs to the baseline 'constant', not to '{name}'."
            raise MethodError(msg)
        if self.provider is not None:
            options: dict[str, Any] = {} if value is None else {"value": value}
            made = self.provider(name, **options, **({"draw": draw} if draw else {}))
        else:
            made = make(self, value, draw)
        if not isinstance(made, torch.Tensor) or made.shape[1:] != self.x.shape[1:] or len(made) not in (
            1, len(self.x),
        ):  # fmt: skip
            got = tuple(made.shape) if isinstance(made, torch.Tensor) else type(made).__name__
            msg = f"The baseline '{name}' is {got}; it must be like the input, {tuple(self.x.shape)}."
            raise MethodError(msg)
        made = made.detach().to(self.x.device, self.x.dtype).expand_as(self.x)
        if not bool(torch.isfinite(made).all()):
            msg = f"The baseline '{name}' holds NaN or infinite values."
            raise MethodError(msg)
        return made


Maker: TypeAlias = Callable[[Baselines, float | None, int], "Tensor"]
baselines: Registry[Maker] = Registry("baseline", error=MethodError)


@baselines.register("black")
def _black(known: Baselines, _value: float | None, _draw: int) -> Tensor:
    return _bound(known, known.low, "black", "low")


@baselines.register("white")
def _white(known: Baselines, _value: float | None, _draw: int) -> Tensor:
    return _bound(known, known.high, "white", "high")


@baselines.register("constant")
def _constant(known: Baselines, value: float | None, _draw: int) -> Tensor:
    import torch

    if value is not None:
        return torch.full_like(known.x, value)
    low, high = extremes(known.x)
    return ((low + high) / 2).expand_as(known.x)


@baselines.register("blur")
def _blur(known: Baselines, _value: float | None, _draw: int) -> Tensor:
    return blurred(known.x, max(1.0, WIDTH * max(known.x.shape[2:], default=1)))


@baselines.register("noise")
def _noise(known: Baselines, _value: float | None, draw: int) -> Tensor:
    """Normal noise with the mean and spread of each channel; one field for all samples, so batches do not count."""
    import torch

    from matxai.engine.copies import generator

    x = known.x.float() if known.x.dtype in (torch.float16, torch.bfloat16) else known.x
    axes = tuple(range(2, x.ndim))
    if not axes:
        mean, spread = x.mean(1, keepdim=True), x.std(1, correction=0, keepdim=True)
    else:
        mean, spread = x.mean(axes, keepdim=True), x.std(axes, correction=0, keepdim=True)
    field = torch.randn(x.shape[1:], generator=generator(known.seed, "baseline", draw))
    low, high = extremes(x)
    return (mean + spread * field.to(x)).clamp(low, high)


@baselines.register("mean")
def _mean(known: Baselines, _value: float | None, _draw: int) -> Tensor:
    """The mean of the references, pixel by pixel; without them the mean of each channel of the input."""
    x = known.x
    if known.references is not None:
        return known.references.mean(0, keepdim=True)
    return (x.mean(tuple(range(2, x.ndim)), keepdim=True) if x.ndim > 2 else x.mean(1, keepdim=True)).expand_as(x)


def _bound(known: Baselines, bound: Bound, name: str, option: str) -> Tensor:
    import torch

    if bound is None:
        msg = (
            f"What '{name}' is in this tensor is not known: it depends on the normalisation. Give {option}=, one number"
            " or one for each channel, or explain an image with its model's card."
        )
        raise MethodError(msg)
    values = torch.as_tensor(bound, dtype=known.x.dtype, device=known.x.device)
    if values.ndim:
        if values.numel() not in (1, known.x.shape[1]):
            msg = f"{option}= has {values.numel()} numbers for {known.x.shape[1]} channels; give 1, or one for each."
            raise MethodError(msg)
        values = values.view(1, -1, *(1,) * (known.x.ndim - 2))
    return values.expand_as(known.x)


def extremes(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the lowest and highest value of each sample, (B, 1, ...)."""
    flat, shape = x.flatten(1), (-1, *(1,) * (x.ndim - 1))
    return flat.amin(1).view(shape), flat.amax(1).view(shape)


def blurred(x: Tensor, sigma: float) -> Tensor:
    """Return a Gaussian blur of (B, C, *spatial) along every spatial axis; beyond the border nothing counts."""
    import torch
    from torch.nn import functional

    wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    for axis in range(2, x.ndim):
        n = x.shape[axis]
        radius = min(n - 1, int(4 * sigma + 0.5))
        at = torch.arange(-radius, radius + 1, dtype=wide.dtype, device=x.device)
        kernel = torch.exp(-0.5 * (at / sigma) ** 2).view(1, 1, -1)
        rows = wide.movedim(axis, -1)
        weight = functional.conv1d(torch.ones_like(rows[:1, :1].reshape(-1, 1, n)[:1]), kernel, padding=radius)
        carried = functional.conv1d(rows.reshape(-1, 1, n), kernel, padding=radius) / weight
        wide = carried.view(rows.shape).movedim(-1, axis)
    return wide.to(x.dtype)


def near(x: Tensor, several: Sequence[Tensor]) -> list[float]:
    """Return for each sample which share of its pixels the largest connected region near all its baselines has.

    Near is within 5 % of the sample's range in every channel: what a method that compares shows there is close to 0,
    whatever the network sees.
    """
    import numpy as np
    from scipy import ndimage

    low, high = extremes(x)
    where = None
    for baseline in several:
        close = ((x - baseline).abs() <= NEAR * (high - low)).all(1)
        where = close if where is None else where & close
    if where is None or x.ndim < 3:
        return [0.0] * len(x)
    found = []
    for one in where.cpu().numpy():
        pieces, n = ndimage.label(one)
        found.append(float(np.bincount(pieces.ravel())[1:].max() / one.size) if n else 0.0)
    return found


def warning(key: str, x: Tensor, named: str | Sequence[str], several: Sequence[Tensor]) -> str | None:
    """Return a sentence where a noticeable region of the input is close to what it is compared with, else None.

    ``named`` are the baselines' names, or words for all of them, such as ``"every reference"``.
    """
    shares = near(x, several)
    worst = max(shares, default=0.0)
    if worst <= NOTICEABLE:
        return None
    which = f"sample {shares.index(worst)}" if len(shares) > 1 else "the input"
    words = named if isinstance(named, str) else f"the baseline {' and '.join(repr(n) for n in named)}"
    return (
        f"{key}: a region of {100 * worst:.0f} % of {which} lies within {100 * NEAR:.0f} % of its range from"
        f" {words}; there the map is close to 0 by construction, whatever the network sees. Compare with"
        " another baseline."
    )
