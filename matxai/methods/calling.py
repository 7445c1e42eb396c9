"""One call: its methods merged into one plan, run once, and reduced one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from matxai.errors import LayerError, MethodError, OperationError, nearest
from matxai.methods.finite import not_finite
from matxai.methods.layered import LayerMaps
from matxai.methods.lying import Lying, as_stretched, lying
from matxai.methods.method import Empty, Method, Setting
from matxai.methods.result import Attribution, said_once

if TYPE_CHECKING:
    from torch import Tensor, nn

    from matxai.engine import Captured, Needs, Plan
    from matxai.engine.copies import Copies
    from matxai.engine.layouts import Layout
    from matxai.engine.place import Place
    from matxai.methods.baselines import Baselines, Provider

    Map: TypeAlias = Tensor | tuple[Tensor, ...] | dict[str, Tensor]
    Bound: TypeAlias = float | Sequence[float] | Tensor | None
    Baseline: TypeAlias = Provider | Callable[[str], Tensor]

Layers: TypeAlias = Sequence[str | int] | str | int | None
PLACEMENTS = ("receptive_field", "grid")
_NOT_ALLOWED = (MethodError, LayerError, OperationError)
_UNEXPECTED = (RuntimeError, IndexError)
"""What tensor operations raise where a method meets shapes that it was not made for."""


@dataclass(frozen=True)
class Wish:
    """How a call wants its maps: the parameters of :func:`matxai.methods.attribution` beside model, input, methods."""

    target: Any = None
    layers: Layers = None
    relu: bool = True
    placement: str = "receptive_field"
    upsample: bool = True
    output: str | None = None
    exact: bool = False
    device: Any = None
    progress: Any = None
    cancel: Any = None
    low: Bound = None
    high: Bound = None
    budget: int | None = None
    tolerance: float | None = None
    seed: int = 0
    baseline: Baseline | None = None
    references: Tensor | None = None
    leave_out: bool = False


@dataclass
class Calling:
    """What the steps of one call share."""

    module: nn.Module
    x: Tensor
    methods: tuple[Method, ...]
    wish: Wish
    given: Any = None
    left_out: dict[str, str] = field(default_factory=dict)

    def result(self) -> Attribution:
        """Plan, run, reduce."""
        from matxai.engine.copies import Copies
        from matxai.engine.devices import full_precision
        from matxai.methods.baselines import Baselines

        wanted = self.planned()
        captured, passes, layers_of, where = self.captured(wanted)
        copies = Copies(
            self.module, captured, self.wish.output, self.wish.exact, self.wish.seed, self.wish.progress,
            self.wish.cancel,
        )  # fmt: skip
        baselines = Baselines(
            captured.input, self.wish.low, self.wish.high, self.wish.references, self.wish.baseline, self.wish.seed
        )
        maps: dict[str, Map] = {}
        empty: tuple[Empty, ...] = ()
        cells: dict[str, tuple[float, ...]] = {}
        figures: dict[str, Mapping[str, Any]] = {}
        warned: list[tuple[str, str]] = []
        noted: list[tuple[str, str]] = []
        for method in (m for m, _ in wanted if m.key not in self.left_out):
            try:
                setting = self.setting(method, layers_of.get(method.key, ()), where, copies, baselines)
                with full_precision(captured.input.device.type):
                    reduced = method.reduce(captured, setting)
                own = self.of_every_input(method, captured, setting, _at_home(reduced.map, self.x))
            except _NOT_ALLOWED as error:
                self.leave(method, error)
                continue
            except _UNEXPECTED as error:
                self.leave_unexpected(method, error)
                continue
            maps[method.key] = own
            maps.update({f"{method.key}:{suffix}": _at_home(m, self.x) for suffix, m in (reduced.beside or {}).items()})
            empty += reduced.empty
            warned += [(method.key, sentence) for sentence in reduced.warnings]
            noted += [(method.key, sentence) for sentence in reduced.notes]
            if reduced.cell is not None:
                cells[method.key] = reduced.cell
            if reduced.figures:
                figures[method.key] = reduced.figures
        warned += not_finite(maps)
        warnings, notes = said_once(warned), said_once(noted)
        done = {m.key: m for m, _ in wanted if m.key not in self.left_out}
        return Attribution(
            maps=maps,
            methods=done,
            logits=captured.logits,
            target=captured.target,
            scores=captured.scores,
            layers=tuple(dict.fromkeys(captured.layers)),
            layers_of={k: v for k, v in layers_of.items() if k in done},
            places=where.places,
            plan=replace(passes, layers=tuple(dict.fromkeys(captured.layers)), explains=tuple(captured.target)),
            forwards=captured.forwards + where.forwards + copies.forwards,
            backwards=captured.backwards + where.backwards + copies.backwards,
            notes=(*captured.notes, *where.notes, *(e.sentence for e in empty), *warnings, *notes),
            ledger=captured.ledger,
            empty=empty,
            cells=cells,
            figures=figures,
            warnings=warnings,
            left_out=self.left_out,
            tails=copies.tails,
            tail_backwards=copies.tail_backwards,
        )

    def of_every_input(self, method: Method, captured: Captured, setting: Setting, first: Map) -> Map:
        """Return the maps of all explained inputs, in the form in which they were given; CAMs lie on the first."""
        if not isinstance(self.given, tuple | list | dict) or isinstance(method, LayerMaps):
            return first
        names = [str(k) for k in (self.given if isinstance(self.given, dict) else range(len(self.given)))]
        found: list[Any] = [first]
        for name in names[1:]:
            seen = captured.seen_from(name)
            reduced = method.reduce(seen, replace(setting, size=tuple(seen.input.shape[2:])))
            found.append(_at_home(reduced.map, self.x))
        return dict(zip(names, found, strict=True)) if isinstance(self.given, dict) else tuple(found)

    def leave(self, method: Method, error: Exception) -> None:
        """Leave a method out, or raise if nothing may be left out."""
        if not self.wish.leave_out:
            raise error
        self.left_out[method.key] = str(error)

    def leave_unexpected(self, method: Method, error: Exception) -> None:
        """Leave a method out that broke down on its own: the other maps stand, and the sentence says what happened."""
        from matxai.engine import memory

        if not self.wish.leave_out or memory.exhausted(error):
            raise error
        first = (str(error).splitlines() or [""])[0]
        self.left_out[method.key] = f"{method.key} stopped with '{type(error).__name__}: {first}'; please report it."

    def refuse_several(self, method: Method) -> None:
        """Refuse a method that runs changed copies of one input where several are to be explained."""
        if method.samples and isinstance(self.given, tuple | list | dict) and len(self.given) > 1:
            msg = (
                f"{method.key} runs changed copies of one input, and {len(self.given)} are to be explained; give the"
                f" others with inputs=."
            )
            raise MethodError(msg)

    def planned(self) -> list[tuple[Method, Needs]]:
        """Return the methods with what they need."""
        found = []
        for given in self.methods:
            try:
                refuse_black_box(self.module, given)
                self.refuse_several(given)
                method = as_called(given, self.wish.low, self.wish.high, self.wish.budget)
                found.append((method, method.needs()))
            except MethodError as error:
                self.leave(given, error)
        return found

    def captured(self, wanted: list[tuple[Method, Needs]]) -> tuple[Captured, Plan, dict[str, tuple[str, ...]], Lying]:
        """Run the shared passes; methods of layers are left out where the model has no layer for them."""
        from matxai.engine import merge
        from matxai.engine.targets import Each

        chosen = [(m, n) for m, n in wanted if m.key not in self.left_out]
        at_layers = [m for m, _ in chosen if isinstance(m, LayerMaps)]
        grid = all(self.grid(m) for m in at_layers)
        specs = {m.key: _layers_of(m, self.wish.layers) for m in at_layers}
        asked = list(dict.fromkeys(spec for several in specs.values() for spec in several))
        many = len(self.wish.target.targets) if isinstance(self.wish.target, Each) else 1
        passes = merge([n for _, n in chosen], targets=many)
        try:
            captured = self.run(passes, at_layers, asked)
            names = dict(zip(asked, captured.layers, strict=True))
            layers_of = {key: tuple(names[spec] for spec in several) for key, several in specs.items()}
            self.with_axes(captured, layers_of)
        except (LayerError, MethodError) as error:
            if not at_layers or self.wish.layers is not None:
                raise
            for method in at_layers:
                self.leave(method, error)
            return self.captured(wanted)
        return captured, passes, layers_of, lying(self.module, captured, probe=not grid)

    def run(self, passes: Plan, at_layers: list[LayerMaps], asked: list[str | int | None]) -> Captured:
        """Run the plan; a default layer that does not exist is the method's problem, and said so."""
        from matxai.engine import layers as engine_layers
        from matxai.engine import run

        wish = self.wish
        try:
            return run(
                self.module, self.x, passes, target=wish.target, layers=asked, output=wish.output, exact=wish.exact,
                device=wish.device, progress=wish.progress, cancel=wish.cancel, leave_out=wish.leave_out,
            )  # fmt: skip
        except LayerError as error:
            if None not in asked:
                raise
            table = engine_layers(self.module, self.x)
            if table.default or table.obstacle is not None or table.convolutions:
                raise
            msg = (
                f"{at_layers[0].key} needs a feature map, and this model has no convolution or other layer with spatial"
                " axes before its scores; use a method that reads the input, such as saliency or lrp."
            )
            raise MethodError(msg) from error

    def with_axes(self, captured: Captured, layers_of: dict[str, tuple[str, ...]]) -> None:
        """Refuse layers whose output has no spatial axes, and offer those with some that ran next to them."""
        from matxai.engine import layers as engine_layers

        for key, names in layers_of.items():
            for name in names:
                shape = tuple(captured.activation(name).shape)
                if len(shape) > 2:
                    continue
                rows = list(engine_layers(self.module, self.x))
                at = next((i for i, r in enumerate(rows) if r.name == name.partition("@")[0]), len(rows))
                near = sorted((abs(i - at), r.name) for i, r in enumerate(rows) if len(r.shape) > 2)[:3]
                known = " or ".join(f"'{n}'" for _, n in near)
                msg = f"Layer '{name}' gives {shape}, without spatial axes, so {key} has no map of it; "
                raise LayerError(msg + (f"the nearest layers with some are {known}." if near else "no layer has some."))

    def setting(
        self, method: Method, layers: tuple[str, ...], where: Lying, copies: Copies, baselines: Baselines
    ) -> Setting:
        """Return what a reduction may depend on beside the captured tensors."""
        wish = self.wish
        setting = Setting(
            layers=layers, places=where.places, size=tuple(self.x.shape[2:]),
            copies=copies if method.samples else None, budget=wish.budget, tolerance=wish.tolerance,
            baseline=baselines,
        )  # fmt: skip
        if not isinstance(method, LayerMaps):
            return setting
        layouts, places = self.layouts(method, layers, where, copies.clean)
        if self.grid(method):
            places = {n: as_stretched(p, setting.size) for n, p in places.items()}
        return replace(
            setting,
            places=places,
            layouts=layouts,
            relu=wish.relu if method.relu is None else method.relu,
            upsample=wish.upsample if method.upsample is None else method.upsample,
        )

    def layouts(
        self, method: LayerMaps, layers: tuple[str, ...], where: Lying, captured: Captured
    ) -> tuple[dict[str, Layout], dict[str, Place]]:
        """Return how the method's layers lay out their cells and where they lie, as its object says or as found."""
        from matxai.engine.layouts import layout_of

        layouts, places = dict(where.layouts), dict(where.places)
        for name in layers:
            if method.layout is None and method.grid is None:
                if name in where.untold:
                    raise where.untold[name]
                continue
            shape = tuple(captured.activation(name).shape)
            layouts[name], place = layout_of(
                captured.trace, tuple(self.x.shape[2:]), name, captured.value(name), shape,
                layout=method.layout, grid=method.grid,
            )  # fmt: skip
            if place is not None:
                places[name] = place
                where.places.setdefault(name, place)
        return layouts, places

    def grid(self, method: LayerMaps) -> bool:
        """Whether a method's maps are stretched over the input."""
        placement = self.wish.placement if method.placement is None else method.placement
        if placement not in PLACEMENTS:
            msg = f"There is no placement '{placement}'. {nearest(str(placement), PLACEMENTS)}"
            raise MethodError(msg)
        return placement == "grid"


def refuse_black_box(module: nn.Module, method: Method) -> None:
    """Raise a ``MethodError`` for a method that needs more than predictions of a model that gives nothing else."""
    from matxai.methods.method import methods
    from matxai.opaque import BlackBox

    if not isinstance(module, BlackBox) or method.black_box:
        return
    needed = "layers" if isinstance(method, LayerMaps) else "gradients"
    able = [name for name in methods if methods[name].black_box]
    msg = (
        f"'{method.key}' needs the {needed} of a PyTorch model; {module.title[0].lower()}{module.title[1:]} is a"
        f" black box, which {', '.join(able[:-1])} and {able[-1]} can explain."
    )
    raise MethodError(msg)


def as_called(method: Method, low: Bound, high: Bound, budget: int | None) -> Method:
    """Return the method with the call's budget and bounds of the input where they matter to it and are open."""
    given: dict[str, Any] = {"low": low, "high": high} if method.bounded else {}
    if hasattr(method, "budget"):
        given["budget"] = budget
    options: dict[str, Any] = {
        f.name: given[f.name] for f in fields(method) if f.name in given and getattr(method, f.name) is None
    }
    return replace(method, **options) if options else method


def _at_home(found: Tensor | tuple[Tensor, ...], x: Tensor) -> Tensor | tuple[Tensor, ...]:
    """Return a map on the device of the caller's input, which need not be the model's."""
    return tuple(m.to(x.device) for m in found) if isinstance(found, tuple) else found.to(x.device)


def _layers_of(method: LayerMaps, of_call: Layers) -> list[str | int | None]:
    """Return the layers that a method asks for, as the user wrote them; ``None`` stands for the default layer."""
    given = of_call if method.layers is None else method.layers
    if given is None:
        return [None]
    several = [given] if isinstance(given, str | int) else list(given)
    if not several:
        msg = f"{method.key} has an empty list of layers; leave layers out for the default one."
        raise MethodError(msg)
    return list(several)
