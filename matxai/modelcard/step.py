"""What a preprocessing step is, where steps are registered, and how a card's entry becomes one.

Each step is a frozen dataclass of its options in a file under :mod:`matxai.modelcard.steps`. It is a tensor function
that also says how it moves pixels. Torch is imported by those files, on the first look-up, and not here.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from matxai.errors import CardError, SignalError, nearest
from matxai.registry import Registry

if TYPE_CHECKING:
    import numpy as np
    import torch

    from matxai.modelcard.placement import Effect

steps: Registry[type[Step]] = Registry("preprocessing step", package="matxai.modelcard.steps", error=CardError)


@dataclass(frozen=True)
class About:
    """What a step may know of the signal beside its values.

    Attributes
    ----------
    name
        How messages call the signal.
    dtype
        Type of the values in the file.
    dims, coords, units
        Of the spatial axes as they reach the step; coordinates follow crops and resizes.
    attrs
        Metadata of the signal (``info_bar`` is asked for).
    untouched
        Whether the rows are still those of the file, so that metadata in rows of the file apply.
    notes
        What was decided for the user; steps append to it.
    """

    name: str
    dtype: np.dtype[Any]
    dims: tuple[str, ...]
    coords: tuple[np.ndarray[Any, np.dtype[np.float64]], ...]
    units: tuple[str, ...]
    attrs: Mapping[str, Any]
    untouched: bool = True
    notes: list[str] = field(default_factory=list)


Bounds = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True, kw_only=True)
class Step(ABC):
    """A named step with its options; sub-classes say what it does.

    Attributes
    ----------
    name
        Under which it stands in cards.
    short
        The option that a bare value sets, as in ``resize: 256``.
    axes
        Numbers of spatial axes that it takes.
    """

    name: ClassVar[str] = ""
    short: ClassVar[str | None] = None
    axes: ClassVar[tuple[int, ...]] = (1, 2, 3)

    @abstractmethod
    def run(self, x: torch.Tensor, about: About) -> tuple[torch.Tensor, Effect]:
        """Return the new values of ``x``, shape ``(B, C, *spatial)``, and what was done to them."""

    def bounds(self, bounds: Bounds | None) -> Bounds | None:
        """Return the lowest and highest value of each channel behind this step, where they are known."""
        return bounds

    def options(self) -> dict[str, Any]:
        """Return the options that differ from their defaults."""
        found = {}
        for f in dataclasses.fields(self):
            value = getattr(self, f.name)
            if f.default is dataclasses.MISSING or value != f.default:
                found[f.name] = list(value) if isinstance(value, tuple) else value
        return found

    def __str__(self) -> str:
        text = ", ".join(f"{k}={v}" for k, v in self.options().items())
        return f"{self.name}({text})" if text else self.name

    def refuse(self, what: str) -> CardError:
        """Return the error for an option that cannot be: *what is wrong* comes behind the step's name."""
        return CardError(f"The preprocessing step '{self.name}' {what}")

    def unfit(self, about: About, what: str) -> SignalError:
        """Return the error for a signal that this step cannot treat."""
        return SignalError(f"The preprocessing step '{self.name}' cannot treat {about.name}: {what}")

    def number(self, option: str, *, low: float = -math.inf, high: float = math.inf, whole: bool = False) -> None:
        """Refuse an option that is no finite number from ``low`` to ``high`` (``whole``: an integer)."""
        value = getattr(self, option)
        kind = int if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kind) or not math.isfinite(value):
            raise self.refuse(f"has {option}={value!r}; it must be {'a whole' if whole else 'a'} number.")
        if not low <= value <= high:
            limits = f"at least {low:g}" if math.isinf(high) else f"from {low:g} to {high:g}"
            raise self.refuse(f"has {option}={value!r}; it must be {limits}.")

    def choice(self, option: str, known: tuple[str, ...]) -> None:
        """Refuse an option that is none of the known words."""
        value = getattr(self, option)
        if value not in known:
            raise self.refuse(f"has {option}={value!r}. {nearest(str(value), known)}")

    def flag(self, option: str) -> None:
        """Refuse an option that is neither true nor false."""
        if not isinstance(getattr(self, option), bool):
            raise self.refuse(f"has {option}={getattr(self, option)!r}; it must be true or false.")

    def sizes(self, option: str) -> None:
        """Make a whole number or a list of them a tuple or integer; refuse anything else."""
        value = getattr(self, option)
        parts = tuple(value) if isinstance(value, list | tuple) else (value,)
        if not parts or any(isinstance(p, bool) or not isinstance(p, int) or p < 1 for p in parts):
            raise self.refuse(f"has {option}={value!r}; it must be a positive whole number, or a list of them.")
        object.__setattr__(self, option, parts if isinstance(value, list | tuple) else value)


def make_step(entry: object, where: str = "steps") -> Step:
    """Make a step of what stands in a card.

    Parameters
    ----------
    entry
        ``"invert"``, ``{"resize": 256}``, ``{"window": {"low": 0, "high": 400}}``,
        ``{"name": "window", "low": 0, "high": 400}``, or a :class:`Step`.
    where
        The field, as the error names it.

    Raises
    ------
    CardError
        For an unknown step or option, or a value that cannot be.
    """
    if isinstance(entry, Step):
        return entry
    name: object
    given: object = None
    if isinstance(entry, str):
        name = entry
    elif isinstance(entry, Mapping) and "name" in entry:
        name, given = entry["name"], {k: v for k, v in entry.items() if k != "name"}
    elif isinstance(entry, Mapping) and len(entry) == 1:
        name, given = next(iter(entry.items()))
    else:
        msg = f"{where}: {entry!r} is no preprocessing step; write a name, or 'name: option' as in 'resize: 256'."
        raise CardError(msg)
    try:
        kind = steps[str(name)]
    except CardError as error:
        raise CardError(f"{where}: {error}") from None
    if given is None:
        given = {}
    elif not isinstance(given, Mapping):
        if kind.short is None:
            raise CardError(f"{where}: '{name}' takes named options, not {given!r}. {_options(kind)}")
        given = {kind.short: given}
    known = [f.name for f in dataclasses.fields(kind)]
    for option in given:
        if option not in known:
            raise CardError(
                f"{where}: '{name}' has no option '{option}'. {nearest(str(option), known, label='Options')}"
            )
    needed = [f.name for f in dataclasses.fields(kind) if f.default is dataclasses.MISSING and f.name not in given]
    if needed:
        raise CardError(f"{where}: '{name}' needs {' and '.join(needed)}. {_options(kind)}")
    try:
        return kind(**dict(given))
    except CardError as error:
        raise CardError(f"{where}: {error}") from None


def _options(kind: type[Step]) -> str:
    names = [f.name for f in dataclasses.fields(kind)]
    return f"Its options: {', '.join(names)}." if names else "It has no options."
