"""What a method is: a frozen record of the passes that it needs and a pure reduction to a map; how one is named.

Each family is one file in ``matxai/methods/kinds``; nothing here or there imports torch before something is computed,
so that ``matxai methods`` and the plugin list them at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from matxai.errors import MethodError, nearest
from matxai.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from matxai.engine import Captured, Needs
    from matxai.engine.copies import Copies
    from matxai.engine.layouts import Layout
    from matxai.engine.place import Place
    from matxai.methods.baselines import Baselines

M = TypeVar("M", bound="Method")

methods: Registry[type[Method]] = Registry("method", package="matxai.methods.kinds", error=MethodError)


@dataclass(frozen=True)
class About:
    """What a user should know before choosing a method; short, for tables and the plugin.

    Attributes
    ----------
    question
        The question that the map answers.
    resolution
        How fine the map is.
    guarantee
        What is certain about it.
    misleads
        Where it leads astray.
    paper
        Authors, year and identifier.
    models
        On which models it works.
    cost
        What it costs, in F: the work of one forward; begins with the figure for a convolutional network.
    verified
        The independent references that its numbers are tested against.
    forms
        How it is had at a layer or for a unit, where it is more than a map of the input.
    tasks, inputs
        Where it applies: ``classification``, ``segmentation``, ``detection``, ``regression``; ``1d``, ``2d``, ``3d``.
    """

    question: str
    resolution: str
    guarantee: str
    misleads: str
    paper: str
    models: str = ""
    cost: str = ""
    verified: str = ""
    forms: str = ""
    tasks: tuple[str, ...] = ("classification", "segmentation", "detection", "regression")
    inputs: tuple[str, ...] = ("1d", "2d", "3d")


def help_of(name: str) -> dict[str, str]:
    """Return what a user should know of a method before choosing it: heading -> text, in the order of reading.

    Raises
    ------
    MethodError
        If there is no such method; the nearest are offered.

    Examples
    --------
    >>> help_of("grad_cam")["answers"]
    'Where does the layer see evidence for the target?'
    """
    about = methods[name].about
    inputs = ", ".join(i.upper().replace("D", "-D") for i in about.inputs)
    rows = {
        "answers": about.question,
        "works on": f"{about.models}; {inputs}; {', '.join(about.tasks)}",
        "resolution": about.resolution,
        "costs": about.cost,
        "certain": about.guarantee,
        "misleads": about.misleads,
        "variants": ", ".join(f"{name}:{v}" for v in methods[name].variants),
        "forms": about.forms,
        "verified": about.verified,
        "paper": about.paper,
    }
    return {heading: text for heading, text in rows.items() if text}


@dataclass(frozen=True)
class Setting:
    """How one call wants its maps: what a reduction may depend on besides the captured tensors.

    Attributes
    ----------
    layers
        The names of this method's layers, in order.
    places
        Where the cells of each layer lie on the input.
    size
        The input's pixels along each axis.
    relu, upsample
        As given to the call or to the method's object.
    copies
        For methods that sample: what runs perturbed copies of the input.
    budget, tolerance
        As given to the call: copies at most, and the standard error, relative to the map's largest value, at which
        enough were drawn. ``None``: the method's own.
    baseline
        For methods that replace parts of the input: name -> what the network sees in their place, (B, C, *spatial).
    layouts
        How each layer lays out its cells.
    """

    layers: tuple[str, ...]
    places: Mapping[str, Place]
    size: tuple[int, ...]
    relu: bool = True
    upsample: bool = True
    copies: Copies | None = None
    budget: int | None = None
    tolerance: float | None = None
    baseline: Baselines | None = None
    layouts: Mapping[str, Layout] = field(default_factory=dict)


@dataclass(frozen=True)
class Reduced:
    """What a reduction returns: the map, maps to be shown beside it, and layer maps without positive evidence.

    Attributes
    ----------
    map
        The method's map; a tuple of the layers' own maps where nothing was upsampled.
    beside
        Further maps, by the suffix of their key (``layers`` becomes ``NAME:layers``).
    empty
        One record for each all-zero layer map.
    cell
        What the map cannot look into, in input pixels along each axis: a window, a segment. ``None``: a pixel of the
        input, or a cell of the layer.
    figures
        Numbers that belong to the map, by name: tensors (B,) or (T, B), or plain numbers.
    warnings
        What the user should be warned about, in sentences.
    notes
        What should be read with the map, in sentences.
    """

    map: Tensor | tuple[Tensor, ...]
    beside: Mapping[str, Tensor | tuple[Tensor, ...]] | None = None
    empty: tuple[Empty, ...] = ()
    cell: tuple[float, ...] | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Empty:
    """An all-zero CAM is an answer: there is no positive evidence at this layer.

    Attributes
    ----------
    method, layer
        Whose map it is.
    sample, target
        Which sample of the batch and which of several targets (0 where there is one).
    minimum
        The smallest value of the map before the ReLU.
    gradient_norm
        The Euclidean norm of the score's gradient at the layer, for this sample; ``None`` for methods that do without.
    """

    method: str
    layer: str
    sample: int
    target: int
    minimum: float
    gradient_norm: float | None

    @property
    def sentence(self) -> str:
        """What the empty map says, for people."""
        if self.gradient_norm == 0:
            return (
                f"{self.method} is zero everywhere for sample {self.sample}: the score does not depend on layer"
                f" '{self.layer}' (its gradient is 0)."
            )
        gradient = "" if self.gradient_norm is None else f", the gradient's norm is {self.gradient_norm:.3g}"
        return (
            f"{self.method} shows no positive evidence at layer '{self.layer}' for sample {self.sample}: its smallest"
            f" value before the ReLU is {self.minimum:.3g}{gradient}."
        )


@dataclass(frozen=True, kw_only=True)
class Method(ABC):
    """A method with its options.

    Attributes
    ----------
    name
        The key of its map in results; by default as a string would give it.
    """

    name: str | None = None

    kind: ClassVar[str]
    about: ClassVar[About]
    #: The options that each variant stands for: ``name:variant`` is the class with these.
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    #: Other classes of this kind, by what follows the colon: :meth:`form` adds them.
    forms: ClassVar[dict[str, type[Method]]] = {}
    #: Whether the method reads the layers of the call.
    at_layers: ClassVar[bool] = False
    #: Whether the method runs perturbed copies of the input: its reduction needs ``setting.copies``.
    samples: ClassVar[bool] = False
    #: Whether the input is compared with a baseline: its map is 0 where they are equal, not where the input is 0.
    to_baseline: ClassVar[bool] = False
    #: Whether it needs nothing but predictions, so that a black box will do.
    black_box: ClassVar[bool] = False

    @property
    def key(self) -> str:
        """The name of this method's map in a result."""
        if self.name is not None:
            return self.name
        default = type(self)()
        options = {f.name for v in self.variants.values() for f in fields(self) if f.name in v}
        if all(getattr(self, o) == getattr(default, o) for o in options):
            return self.kind
        for variant, given in self.variants.items():
            if all(getattr(self, o) == given.get(o, getattr(default, o)) for o in options):
                return f"{self.kind}:{variant}"
        return self.kind

    @property
    def bounded(self) -> bool:
        """Whether the smallest and largest value of the input change its map: ``low`` and ``high`` of a call."""
        return False

    @classmethod
    def form(cls, name: str) -> Callable[[type[M]], type[M]]:
        """Return a decorator that makes a class the one that ``KIND:name`` stands for."""

        def add(other: type[M]) -> type[M]:
            cls.forms = {**cls.forms, name: other}
            return other

        return add

    @classmethod
    def of(cls, variant: str | None, *, name: str) -> Method:
        """Return the method of one variant or form (``None``: the default), named as the user wrote it.

        Raises
        ------
        MethodError
            If there is no such variant.
        """
        if variant is None:
            return cls(name=name)
        if variant in cls.forms:
            return cls.forms[variant](name=name)
        if variant not in cls.variants:
            known = nearest(variant, [*cls.variants, *cls.forms]) if cls.variants or cls.forms else "It has none."
            msg = f"The method '{cls.kind}' has no variant '{variant}'. {known}"
            raise MethodError(msg)
        return cls(**cls.variants[variant], name=name)

    @abstractmethod
    def needs(self) -> Needs:
        """Return the passes and tensors that the reduction reads."""

    @abstractmethod
    def reduce(self, captured: Captured, setting: Setting) -> Reduced:
        """Return the map from the captured tensors; passes happen here only through ``setting.copies``."""


def resolve(given: str | Method | Sequence[str | Method]) -> tuple[Method, ...]:
    """Return the methods of a call from names, ``name:variant`` and objects.

    Raises
    ------
    MethodError
        If a name or variant is unknown (the nearest are offered), or two have one key.
    """
    several: list[object] = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else [given]
    if not several:
        msg = f"No method is asked for. {nearest('', methods)}"
        raise MethodError(msg)
    found: list[Method] = []
    for one in several:
        if isinstance(one, Method):
            found.append(one)
        elif isinstance(one, str):
            kind, _, variant = one.partition(":")
            found.append(methods[kind].of(variant if ":" in one else None, name=one))
        else:
            msg = f"A method is a name or an object of matxai.methods; {one!r} is a {type(one).__name__}."
            raise MethodError(msg)
    keys = [m.key for m in found]
    for key in keys:
        if keys.count(key) > 1:
            msg = f"Two methods are called '{key}'; give one of them another name, with name=..."
            raise MethodError(msg)
    return tuple(found)
