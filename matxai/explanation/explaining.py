"""`explain`: one signal, one model, any methods; the maps come back on the measured grid with all that made them."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import MethodError, SignalError
from matxai.explanation.baselines import SignalBaselines, prepared_references
from matxai.explanation.carrying import carry
from matxai.explanation.dataset import FORMAT, VERSION, Explanation, flat_attrs, identifier, jsonable
from matxai.explanation.frequencies import in_domain
from matxai.explanation.recording import about_input, about_maps, about_model, about_run, call_text, device_of, versions
from matxai.explanation.scores import class_names, resolve_names, target_records, top_scores

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr
    from torch import nn

    from matxai.explanation.carrying import Carried
    from matxai.methods import Method
    from matxai.modelcard import Model
    from matxai.modelcard.preprocessing import Prepared


def explain(
    model: Model | nn.Module,
    signal: xr.DataArray,
    methods: str | Method | Sequence[str | Method] = ("grad_cam",),
    target: Any = None,
    layers: Sequence[str | int] | str | int | None = None,
    *,
    relu: bool = True,
    placement: str = "receptive_field",
    upsample: bool = True,
    output: str | None = None,
    exact: bool = False,
    low: float | Sequence[float] | None = None,
    high: float | Sequence[float] | None = None,
    device: Any = None,
    memory: int | None = None,
    budget: int | None = None,
    tolerance: float | None = None,
    seed: int = 0,
    references: Sequence[xr.DataArray] | xr.DataArray | None = None,
    domain: str | None = None,
    frame: int | None = None,
    leave_out: bool = False,
    command: str | None = None,
    progress: Any = None,
    cancel: Any = None,
    **card: Any,
) -> Explanation:
    """Explain what a model says about one signal, with one or more methods at the cost of few passes.

    Parameters
    ----------
    model
        A :class:`matxai.Model`, or a module with the fields of a card as keyword arguments (``kind="1d"``).
    signal
        One image, stack or spectrum, as :func:`matxai.read` returns it.
    methods
        Names, ``name:variant``, or objects of :mod:`matxai.methods`.
    target
        A class's name or index, an object of ``matxai.targets``, or None for the top class. A list of several gives
        maps with a leading axis ``class``.
    layers
        For CAMs: names or negative indices. By default those of the model's card, else the engine's default.
    relu, placement, upsample
        For CAMs, as in :func:`matxai.attribute`. With ``upsample=False`` a map keeps its layer's cells, with axes of
        its own (``layer4_y``) that say where each cell lies.
    output, exact, device, progress, cancel
        As in :func:`matxai.attribute`.
    memory
        Bytes that are planned with at most, where less than what is free is to be taken: perturbed copies then run in
        smaller chunks. A single pass takes what it takes.
    low, high
        Smallest and largest value of the network's input, for the box rule; by default what the preprocessing says.
    budget, tolerance
        For methods that sample, as in :func:`matxai.attribute`.
    seed
        For methods that draw random numbers; the state of torch's generators is as before afterwards.
    references
        Signals of the kind that the model knows: gradient SHAP draws its baselines from them, and the baseline ``mean``
        is their mean. All baselines are made in the signal's own values and go through the model's preprocessing.
    domain
        Of waveforms: ``frequency`` or ``time_frequency`` gives relevance by waves instead of by points, through an
        invertible transform in front of the network (DFT, MDCT; ``time_frequency:stft``), with its sum kept; maps then
        have the axes ``frequency`` and ``frame``. For methods that go by the value of each point: ``input_x_gradient``,
        ``lrp`` without a flat or box rule.
    frame
        Of ``time_frequency``: points of the network's input from one frame to the next; by default about 32 frames.
    leave_out
        Leave out methods that this model or signal does not allow, instead of raising; the provenance says why.
    command
        What made this, to be written into the result.
    **card
        Fields of the card where ``model`` is a module.

    Returns
    -------
    Explanation
        Data variables are the maps, in the order asked for, with the signal's spatial dims and coordinates; ``layer``
        and ``class`` are further dims where there are several. What the network never saw is NaN; beside maps that all
        keep their layers' cells, the coordinate ``seen`` says so. Relevance is summed
        over the channels of an image, ``saliency`` is the largest magnitude over them; spectra and waveforms of
        several channels keep them as a dim ``c``. See :func:`provenance` for the rest.

    Raises
    ------
    ModelError, SignalError
        If the signal is none, does not fit the model, or NaN or Inf would reach it.
    TargetError, LayerError, MethodError
        If a class, layer or method does not exist; the nearest are offered.
    """
    from matxai.engine.memory import capped
    from matxai.methods import attribution, resolve
    from matxai.modelcard.precision import running
    from matxai.modelcard.preprocessing import signal_name

    known = _model(model, card)
    signal = _signal(signal)
    prepared = known.preprocessing.prepare(signal)
    known.check_fits(tuple(prepared.tensor.shape))
    assumptions = [*known.assumptions, *prepared.notes]
    wanted = resolve(methods)
    bounds = _bounds(known, signal, prepared, low, high, wanted, assumptions)
    chosen = layers if layers is not None else (list(known.layers) or None)
    asked = resolve_names(target, known.classes, known.name)
    others = prepared_references(known, references)
    baselines = SignalBaselines(known.preprocessing, prepared, others, seed)
    with _seeded(seed), class_names(known.classes, signal_name(signal)), running(known), capped(memory):
        result = attribution(
            known.module,
            prepared.tensor,
            methods=list(wanted),
            target=asked,
            layers=chosen,
            relu=relu,
            placement=placement,
            upsample=upsample,
            output=output,
            exact=exact,
            device=device,
            progress=progress,
            cancel=cancel,
            low=bounds[0],
            high=bounds[1],
            budget=budget,
            tolerance=tolerance,
            seed=seed,
            baseline=baselines,
            references=others,
            leave_out=leave_out,
        )
    targets = target_records(result, known.classes)
    left = dict(result.left_out)
    if domain is None:
        maps = carry(result, prepared, len(targets))
        ds = _dataset(maps, prepared, targets)
    else:
        ds, maps, refused = in_domain(result, prepared, targets, domain, frame)
        if refused and not leave_out:
            raise MethodError(next(iter(refused.values())))
        left |= refused
    known_by = command or call_text(known, prepared, wanted, target)
    record = {
        **about_model(known),
        "target": targets[0] if len(targets) == 1 else targets,
        "scores": top_scores(result.logits, known.classes, known.task, known.activation),
        **about_input(signal, prepared),
        **about_run(result, prepared),
        **about_maps(ds, maps, targets, prepared),
        "balance": {name: account.record() for name, account in result.ledger.items()},
        "left_out": left,
        "baselines": baselines.seen,
        "budget": budget,
        "tolerance": tolerance,
        "assumptions": list(dict.fromkeys(assumptions)),
        "versions": versions(),
        "seed": seed,
        "precision": known.precision,
        "device": str(device) if device is not None else device_of(known.module),
        "command": known_by,
    }
    ds.attrs = {
        "format": FORMAT,
        "version": VERSION,
        "source": record["input"]["name"],
        "model": known.name,
        "command": known_by,
        "matxai": json.dumps(jsonable(record), ensure_ascii=False),
    }
    return ds


def _model(model: Model | nn.Module, card: dict[str, Any]) -> Model:
    from matxai.modelcard import Model, load_model

    if isinstance(model, Model):
        if card:
            names = ", ".join(card)
            msg = f"explain() got {names}; fields of a card belong to a bare module, and {model.name} has its card."
            raise TypeError(msg)
        return model
    return load_model(model, **card)


def _signal(given: Any) -> xr.DataArray:
    """Refuse what is no signal: an array without named axes, a path, a dataset."""
    import xarray as xr

    if isinstance(given, xr.DataArray):
        return given
    if isinstance(given, str | os.PathLike):
        got, right = f"the path {os.fspath(given)!r}", f"matxai.read({os.fspath(given)!r}) makes one"
    else:
        shape = getattr(given, "shape", None)
        got = type(given).__name__ + (f" of shape {tuple(shape)}" if isinstance(shape, tuple) else "")
        right = "matxai.read makes one of a file, matxai.signals.labelled(values, ('y', 'x')) one of an array"
    msg = f"explain() takes a signal, an xarray.DataArray with named axes, and got {got}; {right}."
    raise SignalError(msg)


class _seeded:  # noqa: N801 - used as a statement, like the context managers of torch
    """Draw from a seed, and give torch's generators their state back."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __enter__(self) -> None:
        import torch

        devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
        self._fork = torch.random.fork_rng(devices=list(devices))
        self._fork.__enter__()
        torch.manual_seed(self.seed)

    def __exit__(self, *error: object) -> None:
        self._fork.__exit__(None, None, None)


def _bounds(
    model: Model,
    signal: xr.DataArray,
    prepared: Prepared,
    low: float | Sequence[float] | None,
    high: float | Sequence[float] | None,
    wanted: Sequence[Method],
    assumptions: list[str],
) -> tuple[Any, Any]:
    """Return the box of the network's input: from the call, the preprocessing, or (said so) this very input."""
    if low is not None and high is not None:
        return low, high
    found = model.preprocessing.bounds(signal)
    if found is None:
        flat = prepared.tensor[0].flatten(1)
        found = tuple(flat.amin(1).tolist()), tuple(flat.amax(1).tolist())
        if any(m.bounded and getattr(m, "low", None) is None for m in wanted):
            assumptions.append(
                "The preprocessing does not say which values the network's input can take, so the box rule went by the "
                "smallest and largest value of this input; give low= and high=."
            )
    return (found[0] if low is None else low), (found[1] if high is None else high)


def _dataset(maps: Sequence[Carried], prepared: Prepared, targets: Sequence[dict[str, Any]]) -> Explanation:
    """Put the maps, the signal's axes and the signal itself into one dataset."""
    dims = prepared.placement.dims
    coords: dict[str, Any] = {}
    for name, c in prepared.signal.coords.items():
        if c.dtype.kind in "biufU" and set(c.dims) <= set(prepared.signal.dims):
            coords[str(name)] = (c.dims, np.asarray(c.values), flat_attrs(c.attrs))
    for d, centres in zip(dims, prepared.placement.coords, strict=True):
        coords.setdefault(d, (d, centres, {}))
    source = prepared.signal
    coords["signal"] = (source.dims, np.asarray(source.values), flat_attrs(source.attrs))
    if all(c.axes is not None for c in maps) and not prepared.placement.seen.all():
        coords["seen"] = (dims, np.asarray(prepared.placement.seen, bool))  # no map has the signal's pixels to say so
    if len(targets) > 1:
        coords["class"] = ("class", [t["class"] for t in targets])
    shared = next((c.layers for c in maps if len(c.layers) > 1 and c.axes is None), ())
    if shared:
        coords["layer"] = ("layer", list(shared))
    taken = {*coords, *map(str, source.dims)}
    variables: dict[str, Any] = {}
    for c in maps:
        name = identifier(c.key, {*taken, *variables})
        keeps = len(dims) == 1 and c.by_channel is not None and c.by_channel.shape[2] > 1
        values = (c.by_channel if keeps and c.by_channel is not None else c.values).astype(np.float32)
        lead = ["class"] if len(targets) > 1 else []
        values = values if lead else values[0]
        if len(c.layers) > 1 and c.axes is None:
            of = "layer" if c.layers == shared else f"layer_{name}"
            coords.setdefault(of, (of, list(c.layers)))
            lead.append(of)
        else:
            values = values.squeeze(len(lead))
        own = dims
        if c.axes is not None:
            own = tuple(f"{identifier(c.layers[0], (), prefix='layer')}_{d}" for d in dims)
            for o, d, at, unit in zip(own, dims, c.axes, prepared.placement.units, strict=True):
                coords[o] = (o, at, {"units": unit, "axis": d} if unit else {"axis": d})
        attrs = dict(c.attrs)
        if keeps:
            lead.append("c")
            attrs["reduction"] = "none, channels are kept"
        label = ", ".join(t["class"] for t in targets)
        variables[name] = ((*lead, *own), values, flat_attrs({**attrs, "class": label}))
    return Explanation(variables, coords)
