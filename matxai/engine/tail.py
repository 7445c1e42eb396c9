"""The network's tail: what follows one layer, run by itself from activations that are handed in.

The model's own Python forward runs, so that statements that depend on the batch stay right, but only what depends on
the layer's output is computed (:mod:`matxai.engine.skipping`). Where that cannot be done the whole forward runs on
copies of the input, and the notes and counts say so.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from matxai.engine import memory
from matxai.engine.capture import Capture
from matxai.engine.failing import failure
from matxai.engine.inspection import known, same_randomness
from matxai.engine.naming import Naming
from matxai.engine.nested import mapped
from matxai.engine.nodes import Switch
from matxai.engine.scoring import layers_read, sources
from matxai.engine.skipping import Recording, Skipping, Unsuitable, substitute
from matxai.engine.state import untouched
from matxai.engine.targets import Each, repeated
from matxai.engine.values import Keep, Spot
from matxai.engine.wrapped import original
from matxai.errors import Cancelled, LayerError, MatxaiError, ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matxai.engine.copies import Copies
    from matxai.engine.skipping import Crossing

_AGREES = {torch.float64: 1e-9, torch.float32: 1e-5, torch.bfloat16: 2e-2, torch.float16: 2e-3}
_CHECKED = 2
"""Copies of the clean activations that the first use of a tail runs, to be held against the clean scores."""
_MORE = 8
"""A tail is that much lighter than a forward: so many times more samples go into one chunk on a CPU."""


class Tail:
    """Runs what follows one layer; made by :meth:`matxai.engine.copies.Copies.tail`.

    Its first use runs two copies of the clean activations and holds their scores against the clean ones (1e-5 of the
    largest in float32). If they differ, or the model's code asks in front of the layer for values and not for shapes
    alone, whole forwards are run instead, and a note says why.

    What it runs counts in copies of the whole batch: :attr:`Copies.tails` and :attr:`Copies.tail_backwards` are runs of
    the tail, the check's two among them. A tail that reads values from in front of the layer (a skip connection) needs
    one forward more, which counts as one. Where whole forwards are run, they count as forwards and backwards.

    Attributes
    ----------
    layer
        The name of a layer that the call's run has read: as in ``module.named_modules()``, or ``name@call``.
    whole
        Whether whole forwards are run.
    """

    def __init__(self, copies: Copies, layer: str) -> None:
        if layer not in copies.clean.places or layer == "input":
            read = ", ".join(f"'{n}'" for n in copies.clean.layers) or "none"
            raise LayerError(f"There is no tail behind '{layer}': the run read these layers: {read}.")
        self.layer = layer
        self.whole = False
        self._copies = copies
        self._module = original(copies.module)
        self._at = self._which()
        seen = known(self._module)
        self._of_targets = {} if seen is None else {
            seen.layers.resolve(name): name for name in layers_read(Each(copies.targets))}  # fmt: skip
        self._crossings: list[Crossing] | None = None
        self._checked = False
        self._crosses = False
        self._chunk: dict[bool, int] = {}

    @property
    def clean(self) -> Tensor:
        """The layer's output for the unperturbed input, (B, K, *spatial), in its own type."""
        return self._copies.clean.places[self.layer].tensor

    def blocks(self, total: int, label: str, *, gradients: bool = False, pause: int | None = None) -> Iterator[range]:
        """Yield ranges of copy numbers, as many at once as memory has room for, as :meth:`Copies.blocks` does."""
        self._check()
        fits = None if self.whole else (lambda: self._size(gradients=gradients))
        return self._copies.blocks(total, label, gradients=gradients, pause=pause, fits=fits)

    def scores(self, activations: Tensor) -> Tensor:
        """Return the scores (T, n, B) that activations (n, B, K, *spatial) at the layer lead to."""
        self._check()
        return self._in_halves(activations, gradients=False)[0]

    def gradients(self, activations: Tensor) -> tuple[Tensor, Tensor]:
        """Return the scores (T, n, B) of activations (n, B, K, *spatial), and their gradients at the layer.

        The gradients are (T, n, B, K, *spatial), in float32 for half precision.
        """
        self._check()
        scores, gradients = self._in_halves(activations, gradients=True)
        assert gradients is not None  # noqa: S101 - asked for: says so to the type checker
        return scores, gradients

    # -- how it is run -----------------------------------------------------------------------------------------------

    def _which(self) -> tuple[str, int]:
        """Return the layer's name without the call, and which call of it is meant."""
        base, _, call = self.layer.partition("@")
        if call:
            return base, int(call)
        seen = known(self._module)
        rows = seen.layers.rows if seen is not None else ()
        return base, next((r.calls for r in rows if r.name == base), 1)

    def _check(self) -> None:
        """On first use: record what crosses where something does, and hold the tail against the clean scores."""
        if self._checked:
            return
        activations = self.clean.expand(_CHECKED, *self.clean.shape)
        try:
            try:
                scores = self._in_halves(activations, gradients=False)[0]
            except Unsuitable:
                if self._crossings is not None or not self._crosses:
                    raise
                self._record()
                scores = self._in_halves(activations, gradients=False)[0]
            clean = self._copies.scores[:, None]
            scale = clean.abs().amax().clamp(min=torch.finfo(clean.dtype).tiny)
            if bool((scores - clean).abs().amax() > _AGREES.get(self._copies.x.dtype, 1e-5) * scale):
                raise Unsuitable("it gave other scores than the whole model")
        except Unsuitable as reason:
            self.whole = True
            note = f"what follows layer '{self.layer}' cannot be run by itself ({reason}): whole forwards are run"
            self._copies.clean.notes.append(note)
        self._checked = True

    def _in_halves(self, activations: Tensor, *, gradients: bool) -> tuple[Tensor, Tensor | None]:
        """Run copies as one batch, or in halves where memory does not suffice."""
        count = len(activations)
        try:
            found = self._run(activations, gradients=gradients)
        except (torch.OutOfMemoryError, MemoryError) as error:
            if count == 1:
                msg = f"Memory does not suffice for one run of what follows layer '{self.layer}'; give fewer samples."
                raise ModelError(msg) from error
        else:
            self._count(count, gradients=gradients)
            return found
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self._chunk[gradients] = max(1, count // 2)
        parts = [
            self._in_halves(a, gradients=gradients) for a in (activations[: count // 2], activations[count // 2 :])
        ]
        backs = [g for _, g in parts if g is not None]
        return torch.cat([s for s, _ in parts], 1), torch.cat(backs, 1) if backs else None

    def _count(self, count: int, *, gradients: bool) -> None:
        copies = self._copies
        backs = count * len(copies.targets) if gradients else 0
        if self.whole:
            copies.forwards += count
            copies.backwards += backs
        else:
            copies.tails += count
            copies.tail_backwards += backs

    def _run(self, activations: Tensor, *, gradients: bool) -> tuple[Tensor, Tensor | None]:
        """Run activations (n, B, K, *spatial) as one batch."""
        copies, count = self._copies, len(activations)
        capture = Capture(self._module, Keep(graph=gradients, exact=copies.exact), Switch())
        seen = known(self._module)
        capture.shielded = seen is not None and seen.shielded
        with self._ready(graph=gradients):
            result, spot, layers = self._forward(capture, activations.flatten(0, 1), count)
            targets = [repeated(t, count) for t in copies.targets]
            asked: Any = targets[0] if copies.clean.targets is None else Each(tuple(targets))
            read, _ = sources(capture, result, asked, copies.output, layers, count * len(copies.x))
            scores, backs = [], []
            for number, target in enumerate(targets):
                score = read.score(target)
                scores.append(score.detach().view(count, -1))
                if gradients:
                    backs.append(_gradient(score, spot, retain=number < len(targets) - 1))
        scored = torch.stack(scores)
        return scored, torch.stack(backs).view(len(targets), *activations.shape) if backs else None

    @contextmanager
    def _ready(self, *, graph: bool) -> Iterator[None]:
        """Hold the module as every run does."""
        grad = torch.enable_grad() if graph else torch.no_grad()
        with torch.inference_mode(mode=False), grad, untouched(self._module), same_randomness(self._copies.x.device):
            yield

    def _forward(self, capture: Capture, batch: Tensor, count: int) -> tuple[Any, Spot, dict[str, Tensor]]:
        """Run the model's own code with ``batch`` at the layer.

        Returns what it gave, where the layer is read, and the outputs of layers that targets read.
        """
        module, x = self._module, self._copies.x
        spots: list[Spot] = []
        layers: dict[str, Tensor] = {}

        def on_output(name: str, call: int, _type: str, result: Any) -> Any:
            for key in {name, f"{name}@{call}"} & self._of_targets.keys():
                if skipping is not None and (name, call) != self._at and not skipping.computed(result):
                    raise Unsuitable(f"the target reads layer '{key}', which does not follow it")
                layers[self._of_targets[key]] = result.clone()
            if (name, call) != self._at:
                return None
            given = substitute(result, batch)
            if skipping is not None:
                skipping.set(given, follows=True)
            spots.append(capture.keep_output(self.layer, given))
            layers.update({self._of_targets[k]: given.clone() for k in {name, self.layer} & self._of_targets.keys()})
            return given

        skipping = None
        shape = (count * len(x), *x.shape[1:])
        if self.whole:
            given = x.detach().repeat(count, *(1,) * (x.ndim - 1))
        else:
            skipping = Skipping(self._crossings, (*module.parameters(), *module.buffers()))
            given = skipping.stand_in(torch.empty(shape, dtype=x.dtype, device="meta"), x.device)
        naming = Naming(module, on_output, self._ask)
        capture.naming = naming
        try:
            with ExitStack() as modes:
                modes.enter_context(self._copies.precision.context())
                modes.enter_context(capture)
                if skipping is not None:
                    modes.enter_context(skipping)
                result = naming.call(given)
                result = mapped(result, capture.straight) if capture.recomputed else result
        except (MatxaiError, torch.OutOfMemoryError, MemoryError):
            raise
        except Unsuitable as reason:
            if skipping is None:
                raise ModelError(f"Layer '{self.layer}' cannot be given other values: {reason}.") from reason
            self._crosses = skipping.missing
            raise
        except Exception as error:
            if skipping is not None:
                self._crosses = False
                raise Unsuitable(f"'{_first_line(error)}' in layer '{naming.current}'") from error
            raise ModelError(failure(module, x, naming.current, error)) from error
        finally:
            capture.restore()
            capture.naming = None
        if not spots:
            raise LayerError(f"The forward did not reach layer '{self.layer}' with a tensor; name one that it runs.")
        return result, spots[0], layers

    def _record(self) -> None:
        """Run the whole forward once on the clean input, and keep what crosses."""
        module, x = self._module, self._copies.x
        recording = Recording()
        capture = Capture(module, Keep(), Switch())  # undoes what the forward writes into the module

        def on_output(name: str, call: int, _type: str, result: Any) -> None:
            if (name, call) == self._at:
                recording.set(result, follows=True)

        naming = Naming(module, on_output, self._ask)
        with self._ready(graph=False):
            given = x.detach().clone()
            recording.set(given, follows=False)
            try:
                with self._copies.precision.context(), capture, recording:
                    naming.call(given)
            finally:
                capture.restore()
        self._copies.forwards += 1
        self._crossings = recording.crossings

    def _ask(self) -> None:
        cancel = self._copies.cancel
        if cancel is not None and cancel.is_set():
            raise Cancelled("Cancelled.")

    def _size(self, *, gradients: bool) -> int:
        if gradients not in self._chunk:
            copies = self._copies
            behind = copies.clean.trace.following(copies.clean.value(self.layer))
            each = memory.bytes_of(behind, self.clean.element_size(), graph=gradients)
            each += self.clean.numel() * self.clean.element_size() * (4 if gradients else 2)
            fits = memory.fitting(copies.x.device, each)
            most = memory.LARGEST.get(copies.x.device.type)
            self._chunk[gradients] = fits if most is None else min(fits, max(1, most * _MORE // len(copies.x)))
        return self._chunk[gradients]


def _gradient(score: Tensor, spot: Spot, *, retain: bool) -> Tensor:
    """Return the score's gradient at the layer, zeros where it does not depend on it."""
    tensor = spot.cell.tensor
    found = None
    if score.requires_grad and spot.edge is not None:
        (found,) = torch.autograd.grad(
            score, [spot.edge], torch.ones_like(score), retain_graph=retain, allow_unused=True
        )
    found = torch.zeros_like(tensor) if found is None else found
    return found.float() if found.dtype in (torch.float16, torch.bfloat16) else found


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".;: ") if lines else type(error).__name__
