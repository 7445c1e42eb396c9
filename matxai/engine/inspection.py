"""The first look at a model: one forward without a graph that lists its layers and gives its own output to compare.

What was seen is cached with the model (weakly) for as long as its layers are the same objects.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from matxai.engine.capture import Capture
from matxai.engine.failing import NotFiniteError, failure
from matxai.engine.forgetting import cache_on_models
from matxai.engine.inputs import WithInputs, user_module
from matxai.engine.layers import Layer, Layers, table
from matxai.engine.naming import Naming
from matxai.engine.nested import mapped, tensors_in
from matxai.engine.nodes import Switch
from matxai.engine.output import explained, scores_of
from matxai.engine.prepared import LAST, Prepared, prepared
from matxai.engine.state import begin_forward
from matxai.engine.values import Keep
from matxai.errors import MatxaiError, ModelError, OperationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from matxai.engine.trace import Operation

_TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 2e-2, torch.float16: 2e-3}


@dataclass
class Seen:
    """What is known of one model: its layers for the last shape of input, and whether its output was compared.

    ``output`` is the entry of the model's output that the default layer belongs to, ``shielded`` says that its forward
    overwrites or recomputes what PyTorch's own backward needs (see :class:`~matxai.engine.capture.Capture`), ``apart``
    that several targets cannot be pulled back at once.
    """

    signature: int
    shape: tuple[int, ...]
    layers: Layers
    output: str | None = None
    compared: set[Keep] = field(default_factory=set)
    shielded: bool = False
    plan: Prepared | None = None
    apart: bool = False


_seen = cache_on_models()


def signature(module: nn.Module) -> int:
    """Return a number that changes when a layer of the module is exchanged."""
    beside = module.shapes if isinstance(module, WithInputs) else ()
    return hash((beside, *((name, id(m)) for name, m in module.named_modules())))


def known(module: nn.Module, shape: tuple[int, ...] | None = None) -> Seen | None:
    """Return what was seen of this module (with an input of this shape), if it is still the same."""
    seen: Seen | None = _seen.get(user_module(module))
    if seen is None or seen.signature != signature(module) or (shape is not None and seen.shape != shape):
        return None
    return seen


def look(module: nn.Module, x: Tensor, output: str | None, *, required: bool = False) -> tuple[Seen, list[Tensor]]:
    """Run the module once without a graph; return what was seen, and the tensors of its own output.

    Raises
    ------
    TargetError
        If the scores are ``required`` and the output does not say which tensor holds them.
    """
    capture = Capture(module, Keep(), Switch())
    noted = capture.noted = {}
    result, calls = recorded(module, x, capture)
    out = scores_of(result, output, required=required)
    logits, value, _ = explained(capture, out) if out is not None else (None, None, "")
    layers = table(module, x, capture.trace, calls, logits, value)
    old = _seen.get(user_module(module))
    new = Seen(signature(module), tuple(x.shape), layers, output)
    outputs = tensors_in(result)
    if old is not None and old.signature == new.signature:
        new.compared, new.shielded, new.plan, new.apart = old.compared, old.shielded, old.plan, old.apart
    else:
        ends = {v.id for t in outputs if (v := capture.value(t)) is not None}
        new.plan = prepared(user_module(module), capture.trace, noted, calls, ends)
    _seen[user_module(module)] = new
    return new, outputs


def recorded(module: nn.Module, x: Tensor, capture: Capture) -> tuple[Any, list[Layer]]:
    """Run the module once under a capture; return its own output, and each call of a layer that gave one tensor."""
    calls: list[Layer] = []

    def on_output(name: str, call: int, type_: str, result: Any) -> None:
        if isinstance(result, Tensor):
            value = capture.value(result)
            if value is None and result.is_floating_point():
                capture.unseen(result, type_)
                value = capture.value(result)
            if value is not None:
                calls.append(Layer(name, type_, tuple(result.shape), call, value.id))

    return forward(module, x, capture, on_output, None), calls


def forward(
    module: nn.Module, x: Tensor, capture: Capture, on_output: Any, on_enter: Callable[[], None] | None,
    only: frozenset[str] | None = None,
) -> Any:  # fmt: skip
    """Run the module under a capture; what it wrote into its own buffers is undone.

    Attributes that it rebinds are put back before the next forward, and at the end of the call.
    """
    begin_forward(module)
    naming = Naming(module, on_output, on_enter, only)
    capture.naming = naming
    last = capture.ready is not None and capture.ready.last
    inner = x.detach().clone(memory_format=LAST[x.ndim] if last else torch.preserve_format)
    capture.begin(inner)
    further = capture.begin_further(module.further(len(x))) if isinstance(module, WithInputs) else None
    try:
        # exact: parameters keep their requires_grad, which is no reason to keep a graph that nobody goes back through
        with capture, torch.no_grad() if capture.keep.exact and not capture.keep.graph else nullcontext():
            result = naming.call(inner) if further is None else naming.call(inner, further)
        return mapped(result, capture.straight) if capture.recomputed else result
    except MatxaiError:
        raise
    except Exception as error:
        raise ModelError(failure(module, x, naming.current, error)) from error
    finally:
        capture.restore()
        capture.naming = None


@contextmanager
def same_randomness(device: torch.device) -> Iterator[None]:
    """Let what runs inside draw random numbers without using up the caller's."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield


def randomness(device: torch.device) -> Callable[[], None]:
    """Return a function that puts the generators back to where they are now."""
    state = torch.get_rng_state()
    of_device = torch.cuda.get_rng_state(device) if device.type == "cuda" else None

    def put_back() -> None:
        torch.set_rng_state(state)
        if of_device is not None:
            torch.cuda.set_rng_state(of_device, device)

    return put_back


def compare(module: nn.Module, x: Tensor, own: list[Tensor], captured: list[Tensor], keep: Keep) -> str:
    """Hold the output under capture against the module's own.

    Returns
    -------
    str
        A note where the module's own output changes from call to call; else empty.

    Raises
    ------
    OperationError
        Naming the first operation whose result differs.
    """
    if agree(own, captured):
        return ""
    plain = _fingerprints(module, x, Keep())
    again = _fingerprints(module, x, Keep())
    if plain != again:
        return "the model's own output changes from call to call: maps belong to one of its outputs"
    for (where, a), (_, b) in zip(plain, _fingerprints(module, x, keep), strict=False):
        if abs(a - b) > 1e-5 * max(abs(a), abs(b), 1e-30):
            msg = (
                f"The operation {where} gives another result under capture than by itself; the model is not explained."
            )
            raise OperationError(msg)
    msg = "The model's output under capture differs from its own, in code that runs outside of PyTorch's functions."
    raise OperationError(msg)


def agree(own: list[Tensor], captured: list[Tensor]) -> bool:
    """Whether two outputs are the same to the last digits of their largest value."""
    if len(own) != len(captured):
        return False
    for a, b in zip(own, captured, strict=True):
        if a.shape != b.shape:
            return False
        if a.is_floating_point() and a.numel():
            largest = a.abs().max()
            if not bool(torch.isfinite(largest)):
                raise NotFiniteError
            if bool((a - b).abs().max() > _TOLERANCE.get(a.dtype, 1e-5) * largest):
                return False
    return True


def not_finite(module: nn.Module, x: Tensor) -> NotFiniteError:
    """Run the module once more, and return the error that names the first operation with NaN or infinite values."""
    capture = Capture(module, Keep(), Switch())
    found: list[NotFiniteError] = []

    def watch(op: Operation, tensor: Tensor) -> None:
        if not found and tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            found.append(NotFiniteError(op.where(), tensor.dtype in (torch.float16, torch.bfloat16)))

    capture.watch = watch
    with torch.no_grad(), same_randomness(x.device):
        forward(module, x, capture, lambda *_: None, None)
    return found[0] if found else NotFiniteError()


def _fingerprints(module: nn.Module, x: Tensor, keep: Keep) -> list[tuple[str, float]]:
    """Return (operation, its output's sum of absolutes) for each operation of one forward."""
    capture = Capture(module, keep, Switch())
    found: list[tuple[str, float]] = []
    capture.watch = lambda op, t: found.append((op.where(), float(t.detach().double().abs().sum())))
    with same_randomness(x.device):
        forward(module, x, capture, lambda *_: None, None)
    return found
