"""Tensors in, maps out: the methods of a call merged into one plan, run once, and reduced."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from matxai.errors import LayerError, MatxaiWarning, MethodError, nearest
from matxai.methods.layered import LayerMaps
from matxai.methods.lying import as_stretched, lying
from matxai.methods.method import Empty, Method, Setting, resolve
from matxai.methods.result import Attribution

if TYPE_CHECKING:
    from torch import Tensor, nn

    from matxai.engine import Captured, Plan

    Map: TypeAlias = Tensor | tuple[Tensor, ...]
    Bound: TypeAlias = float | Sequence[float] | Tensor | None
    Baseline: TypeAlias = Callable[[str], Tensor]

Methods: TypeAlias = str | Method | Sequence[str | Method]
Layers: TypeAlias = Sequence[str | int] | str | int | None
PLACEMENTS = ("receptive_field", "grid")
DEFAULT = ("grad_cam",)


def plan(
    methods: Methods = DEFAULT,
    *,
    low: Bound = None,
    high: Bound = None,
) -> Plan:
    """Return the passes that the methods need together; nothing is run.

    Parameters
    ----------
    methods
        Names, ``name:variant``, or objects of :mod:`matxai.methods`.
    low, high
        Bounds of the input, for the box rule.

    Returns
    -------
    Plan
        With ``forwards``, ``backwards`` and ``describe()``.

    Raises
    ------
    MethodError
        If a method is unknown, or needs what it was not given.

    Examples
    --------
    >>> import matxai
    >>> passes = matxai.plan(["grad_cam", "saliency", "guided_grad_cam", "lrp"])
    >>> passes.forwards, passes.backwards
    (1, 3)
    """
    from matxai.engine import merge

    return merge([_bounded(m, low, high).needs() for m in resolve(methods)])


def attribute(
    module: nn.Module,
    x: Tensor,
    methods: Methods = DEFAULT,
    target: Any = None,
    layers: Layers = None,
    *,
    relu: bool = True,
    placement: str = "receptive_field",
    upsample: bool = True,
    output: str | None = None,
    exact: bool = False,
    device: Any = None,
    progress: Any = None,
    cancel: Any = None,
    low: Bound = None,
    high: Bound = None,
    budget: int | None = None,
    tolerance: float | None = None,
    seed: int = 0,
    baseline: Baseline | None = None,
) -> dict[str, Tensor | tuple[Tensor, ...]]:
    """Return the maps of one or more methods, computed together: one forward, one backward for each rule.

    Parameters
    ----------
    module
        Any module; it is explained in evaluation mode and is afterwards as it was.
    x
        ``(B, C, L)``, ``(B, C, H, W)`` or ``(B, C, D, H, W)``.
    methods
        Names, ``name:variant``, or objects of :mod:`matxai.methods` with their options.
    target
        An index, a callable from output to one score per sample, an object of ``matxai.targets``, one of these for each
        sample, or ``None`` for the top class. Several for every sample are ``matxai.targets.each(3, 5)``.
    layers
        Names as in ``module.named_modules()``, or negative indices from the last convolution; for CAMs alone. By
        default the tensor in front of the pooling or flattening that ends the spatial part.
    relu
        Of CAMs: keep only evidence for the target; ``False`` gives the signed map.
    placement
        Of CAMs: ``"receptive_field"`` or ``"grid"`` (stretched, as other libraries do).
    upsample
        Of CAMs: ``False`` gives a tuple with one map ``(B, *own spatial)`` for each layer.
    output
        Which tensor of a model that returns several.
    exact
        Ask that the output under the engine equals the model's own bit for bit.
    device
        Where to compute; the module's own device by default.
    progress, cancel
        ``progress(done, total, label)`` is called between passes; ``cancel.is_set()`` is asked.
    low, high
        Smallest and largest value of the input, for the box rule of LRP: a number, or one for each channel.
    budget
        Of methods that sample: how many perturbed copies each may run; by default 64 with gradients, 512 without.
    tolerance
        Of methods that sample: stop once the standard error of the map is below this share of its largest value.
    seed
        Of all random draws.
    baseline
        Of methods that replace parts of the input: what the network sees in the place of an image that is ``"black"``,
        ``"blur"``, ...: a function from the name to a tensor (B, C, *spatial). By default it is made from ``x`` itself.

    Returns
    -------
    dict
        Keys are the methods as given, in their order. Input-level maps are ``(B, C, *spatial)``, CAMs
        ``(B, L, *spatial)``; several targets are a leading axis. Signed and at true scale, on the input's device and
        dtype (float32 for half precision), without a graph.

    Raises
    ------
    MatxaiError
        In one sentence: :class:`~matxai.errors.MethodError` for methods, others for layers, targets, operations.

    Warns
    -----
    MatxaiWarning
        If a CAM is zero everywhere: there is no positive evidence at its layer.
    """
    result = attribution(
        module, x, methods, target, layers, relu=relu, placement=placement, upsample=upsample, output=output,
        exact=exact, device=device, progress=progress, cancel=cancel, low=low, high=high,
        budget=budget, tolerance=tolerance, seed=seed, baseline=baseline,
    )  # fmt: skip
    for empty in result.empty:
        warnings.warn(empty.sentence, MatxaiWarning, stacklevel=2)
    return result.maps


def attribution(
    module: nn.Module,
    x: Tensor,
    methods: Methods = DEFAULT,
    target: Any = None,
    layers: Layers = None,
    *,
    relu: bool = True,
    placement: str = "receptive_field",
    upsample: bool = True,
    output: str | None = None,
    exact: bool = False,
    device: Any = None,
    progress: Any = None,
    cancel: Any = None,
    low: Bound = None,
    high: Bound = None,
    budget: int | None = None,
    tolerance: float | None = None,
    seed: int = 0,
    baseline: Baseline | None = None,
) -> Attribution:
    """Return what :func:`attribute` returns, and with it scores, layers, places, passes and what was decided.

    Takes the parameters of :func:`attribute` and raises its errors.

    Returns
    -------
    Attribution
        ``maps`` is the dictionary of :func:`attribute`; all-zero CAMs stand in ``empty`` and do not warn.
    """
    from matxai.engine import merge
    from matxai.engine.copies import Copies
    from matxai.engine.targets import Each

    wanted = [_bounded(m, low, high) for m in resolve(methods)]
    at_layers = [m for m in wanted if isinstance(m, LayerMaps)]
    grid = {m.key: _known_placement(m, placement) == "grid" for m in at_layers}
    specs = {m.key: _layers_of(m, layers) for m in at_layers}
    asked = list(dict.fromkeys(spec for several in specs.values() for spec in several))
    many = len(target.targets) if isinstance(target, Each) else 1
    passes = merge([m.needs() for m in wanted], targets=many)
    captured = _run(
        module, x, passes, at_layers,
        target=target, layers=asked, output=output, exact=exact, device=device, progress=progress, cancel=cancel,
    )  # fmt: skip
    names = dict(zip(asked, captured.layers, strict=True))
    layers_of = {key: tuple(names[spec] for spec in several) for key, several in specs.items()}
    _with_axes(module, x, captured, layers_of)
    where = lying(module, captured, probe=not all(grid.values()))
    copies = Copies(module, captured, output, exact, seed, progress, cancel)
    maps: dict[str, Map] = {}
    empty: tuple[Empty, ...] = ()
    method: Method
    for method in wanted:
        setting = Setting(
            layers=layers_of.get(method.key, ()), places=where.places, size=tuple(x.shape[2:]),
            copies=copies if method.samples else None, budget=budget, tolerance=tolerance, baseline=baseline,
        )  # fmt: skip
        if isinstance(method, LayerMaps):
            setting = _as_asked(method, setting, grid=grid[method.key], relu=relu, upsample=upsample)
        reduced = method.reduce(captured, setting)
        maps[method.key] = _at_home(reduced.map, x)
        maps.update({f"{method.key}:{suffix}": _at_home(m, x) for suffix, m in (reduced.beside or {}).items()})
        empty += reduced.empty
    return Attribution(
        maps=maps,
        methods={m.key: m for m in wanted},
        logits=captured.logits,
        target=captured.target,
        scores=captured.scores,
        layers=tuple(dict.fromkeys(captured.layers)),
        layers_of=layers_of,
        places=where.places,
        plan=passes,
        forwards=captured.forwards + where.forwards + copies.forwards,
        backwards=captured.backwards + where.backwards + copies.backwards,
        notes=(*captured.notes, *where.notes, *(e.sentence for e in empty)),
        ledger=captured.ledger,
        empty=empty,
    )


def _run(module: nn.Module, x: Tensor, passes: Plan, at_layers: list[LayerMaps], **options: Any) -> Captured:
    """Run the plan; a default layer that does not exist is the method's problem, and said so."""
    from matxai.engine import layers as engine_layers
    from matxai.engine import run

    try:
        return run(module, x, passes, **options)
    except LayerError as error:
        if None not in options["layers"]:
            raise
        table = engine_layers(module, x)
        if table.default or table.obstacle is not None or table.convolutions:
            raise
        msg = (
            f"{at_layers[0].key} needs a feature map, and this model has no convolution or other layer with spatial"
            " axes before its scores; use a method that reads the input, such as saliency or lrp."
        )
        raise MethodError(msg) from error


def _with_axes(module: nn.Module, x: Tensor, captured: Captured, layers_of: dict[str, tuple[str, ...]]) -> None:
    """Refuse layers whose output has no spatial axes, and offer those with some that ran next to them."""
    from matxai.engine import layers as engine_layers

    for key, names in layers_of.items():
        for name in names:
            shape = tuple(captured.activation(name).shape)
            if len(shape) > 2:
                continue
            rows = list(engine_layers(module, x))
            at = next((i for i, r in enumerate(rows) if r.name == name.partition("@")[0]), len(rows))
            near = sorted((abs(i - at), r.name) for i, r in enumerate(rows) if len(r.shape) > 2)[:3]
            known = " or ".join(f"'{n}'" for _, n in near)
            msg = f"Layer '{name}' gives {shape}, without spatial axes, so {key} has no map of it; "
            raise LayerError(msg + (f"the nearest layers with some are {known}." if near else "no layer has some."))


def _as_asked(method: LayerMaps, setting: Setting, *, grid: bool, relu: bool, upsample: bool) -> Setting:
    """Return the setting with the call's options where the method's object leaves them open."""
    places = {n: as_stretched(p, setting.size) for n, p in setting.places.items()} if grid else setting.places
    return replace(
        setting,
        places=places,
        relu=relu if method.relu is None else method.relu,
        upsample=upsample if method.upsample is None else method.upsample,
    )


def _at_home(found: Map, x: Tensor) -> Map:
    """Return a map on the device of the caller's input, which need not be the model's."""
    return tuple(m.to(x.device) for m in found) if isinstance(found, tuple) else found.to(x.device)


def _bounded(method: Method, low: Bound, high: Bound) -> Method:
    """Return the method with the call's bounds of the input where they matter to it and are open."""
    if not method.bounded:
        return method
    given = {"low": low, "high": high}
    options: dict[str, Any] = {
        f.name: given[f.name] for f in fields(method) if f.name in given and getattr(method, f.name) is None
    }
    return replace(method, **options) if options else method


def _known_placement(method: LayerMaps, of_call: str) -> str:
    placement = of_call if method.placement is None else method.placement
    if placement not in PLACEMENTS:
        msg = f"There is no placement '{placement}'. {nearest(str(placement), PLACEMENTS)}"
        raise MethodError(msg)
    return placement


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
