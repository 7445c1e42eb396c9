"""What is asked of a model: methods, layers, target, how much of a stack, and the options that matter."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from napari_matxai.session.targets import Target


@dataclass(frozen=True)
class Extent:
    """How much of a stack is explained by a model for single images.

    Parameters
    ----------
    what
        ``slice``: the one in view. ``range``: the slices ``first`` to ``last`` of the axis before the image's own.
        ``stack``: all.
    first, last
        Of a range, both ends included.
    """

    what: Literal["slice", "range", "stack"] = "slice"
    first: int = 0
    last: int = 0


@dataclass(frozen=True)
class Options:
    """What may be left as it is; the names are those of ``matxai.explain``.

    Parameters
    ----------
    budget
        Of methods that try changed copies: how many each may run; None is the method's own.
    tolerance
        Of these: stop once the map's standard error is below this share of its largest value.
    relu
        Of maps of layers: only what speaks for the class.
    placement
        Of maps of layers: ``receptive_field`` puts a cell where it looks, ``grid`` stretches as other tools do.
    upsample
        Of maps of layers: False keeps the layer's own cells.
    seed
        None is that of the settings.
    """

    budget: int | None = None
    tolerance: float | None = None
    relu: bool = True
    placement: str = "receptive_field"
    upsample: bool = True
    seed: int | None = None

    def told(self) -> dict[str, Any]:
        """Return the keywords of ``matxai.explain`` that differ from its defaults, without the seed."""
        usual = Options()
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "seed"}
        return {name: value for name, value in own.items() if value != getattr(usual, name)}


@dataclass(frozen=True)
class Choice:
    """One explanation's choices.

    Parameters
    ----------
    methods
        Names, in order.
    target
        A class's name, one of :mod:`napari_matxai.session.targets`, or None for the class on top.
    layers
        Names of the network's layers, for CAMs; None for the model's default.
    extent
        How much of a stack.
    options
        The rest.
    """

    methods: tuple[str, ...] = ("grad_cam",)
    target: Target = None
    layers: tuple[str, ...] | None = None
    extent: Extent = field(default_factory=Extent)
    options: Options = field(default_factory=Options)
