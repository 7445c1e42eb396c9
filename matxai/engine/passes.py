"""Runs a plan: one forward under capture, then its backwards, and hands out what was asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from matxai.engine import devices, memory
from matxai.engine.attempting import attempt
from matxai.engine.capture import Capture
from matxai.engine.captured import Captured, Place
from matxai.engine.composites import Composite
from matxai.engine.contrast import contrasted
from matxai.engine.differences import refuse_what_has_no_difference
from matxai.engine.embedded import embedded, is_tokens
from matxai.engine.failing import BrokenBackward, NotFiniteError, backward_failure, breaking, no_memory
from matxai.engine.inputs import checked, of_input
from matxai.engine.inspection import Seen, compare, forward, known, look, not_finite, same_randomness
from matxai.engine.ledger import Book, balance
from matxai.engine.nested import mapped, tensors_in
from matxai.engine.nodes import Switch
from matxai.engine.plan import Backward, Plan, rule_name
from matxai.engine.predicting import predicted
from matxai.engine.relevance import defects, flow_of, prepared
from matxai.engine.scoring import Sources, layers_read, nonlinear, reads_scores, sources
from matxai.engine.state import untouched
from matxai.engine.targets import AnyTarget, Each, Target, resolve
from matxai.engine.together import edge_at, pull_together, read_by, unreached, without_gradient
from matxai.engine.values import Keep, Spot
from matxai.engine.wrapped import COMPILED, original
from matxai.errors import Cancelled, LayerError, ModelError
from matxai.opaque import BlackBox

Progress = Callable[[int, int, str], None]


class Cancel(Protocol):
    """Anything that can be asked whether to stop, such as ``threading.Event``."""

    def is_set(self) -> bool:
        """Whether to stop."""


def run(
    module: nn.Module,
    x: Tensor,
    plan: Plan,
    *,
    target: AnyTarget | Each = None,
    layers: Sequence[str | int | None] = (),
    output: str | None = None,
    exact: bool = False,
    device: str | torch.device | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
    leave_out: bool = False,
    dry: bool = False,
    reduce: Callable[[int, Tensor], Tensor] | None = None,
) -> Captured:
    """Run a plan on one batch.

    Parameters
    ----------
    module
        Any module; it is left as it was. On its first call one forward more compares its own output with the captured.
    x
        The batch (B, C, *spatial).
    plan
        From :func:`matxai.engine.merge`.
    target
        What is explained, see :mod:`matxai.engine.targets`; ``None``: each sample's top class.
    layers
        Where layers are read: names, ``name@call``, negative indices, or ``None`` for the default layer.
    output
        Which entry of a dictionary holds the scores.
    exact
        Plain autograd wherever no rule is needed, and no prepared plan: gradients equal autograd's bit for bit. Else
        they agree to 1e-5 of the largest value in float32, 1e-12 in float64 (:mod:`matxai.engine.prepared`).
    device
        Where the model must be; it is not moved.
    progress
        Called with (done, total, label) between passes.
    cancel
        Asked between passes, and at every layer of the forward.
    leave_out
        Leave out backwards that this network does not allow (an operation without a rule) instead of raising; who reads
        them gets the sentence then.
    dry
        Make everything ready for the backwards, and run none.
    reduce
        What is kept of the input's relevance for each target: ``reduce(number of the target, relevance)``.

    Raises
    ------
    Cancelled
        If ``cancel`` was set; nothing is left behind.
    LayerError, TargetError, ModelError, OperationError
        In one sentence each.
    """
    notes: list[str] = []
    if original(module) is not module:
        module = original(module)
        notes.append(COMPILED)
    with torch.inference_mode(mode=False), torch.enable_grad():
        x = checked(x, devices.of(module, device))
        with untouched(module) as decided:
            notes += decided
            if isinstance(module, BlackBox):
                if cancel is not None and cancel.is_set():
                    raise Cancelled("Cancelled.")
                return predicted(module, x, plan, target, output)
            this = Run(module, x, plan, output, exact, progress, cancel, list(notes))
            while True:
                this.leave_out, this.dry, this.reduce = leave_out, dry, reduce
                shielded, unprepared = this.shielded, this.unprepared
                try:
                    return this.all(target, layers)
                except BrokenBackward as error:
                    if this.shielded:
                        raise ModelError(backward_failure(error)) from error.__cause__
                    shielded = True
                except NotFiniteError:
                    raise not_finite(module, x) from None
                except (RuntimeError, MemoryError, ModelError) as error:
                    if not this.lets_go(error):
                        if isinstance(error, ModelError) or not memory.exhausted(error):
                            raise
                        raise ModelError(no_memory(x)) from error
                    unprepared = True
                again = Run(module, x, plan, output, exact, progress, cancel, list(notes))
                again.shielded, again.unprepared = shielded, unprepared
                again.counts(this)
                this = again


def inspected(module: nn.Module, x: Tensor) -> Seen:
    """Return what one forward shows of a module for inputs like ``x``; from memory where it was seen before."""
    module = original(module)
    if isinstance(module, BlackBox):
        raise LayerError(f"{module.title} gives predictions only; it has no layers to list.")
    if is_tokens(module, x):
        module, x = embedded(module, x)
    with torch.inference_mode(mode=False), torch.no_grad():
        x = checked(x, devices.of(module))
        with untouched(module):
            seen = known(module, tuple(x.shape))
            if seen is None:
                with same_randomness(x.device):
                    seen, _ = look(module, x, None)
            return seen


class Run:
    """One call of :func:`run`: what its steps share."""

    def __init__(
        self, module: nn.Module, x: Tensor, plan: Plan, output: str | None, exact: bool,
        progress: Progress | None, cancel: Cancel | None, notes: list[str],
    ) -> None:  # fmt: skip
        self.module, self.x, self.plan, self.output = module, x, plan, output
        self.progress, self.cancel, self.notes = progress, cancel, notes
        live_softmax = any(c.softmax != "constant" for c in plan.composites)
        self.keep = Keep(
            bool(plan.passes), plan.at_input, bool(plan.composites), plan.rectified, exact, live_softmax,
            plan.difference,
            sums=any(c.residual != "contribution" for c in plan.composites),
            unknown=any(c.unknown == "gradient" for c in plan.composites),
            biases=plan.at_biases,
        )  # fmt: skip
        self.switch = Switch()
        self.capture = Capture(module, self.keep, self.switch)
        self.total = 1 + len(plan.passes) * plan.targets
        self.done = 0
        self.leave_out = self.dry = self.shielded = self.unprepared = False
        self.look_seconds = float("inf")
        self.start: int | None = None
        self.reduce: Callable[[int, Tensor], Tensor] | None = None
        self.size: Tensor | None = None
        self.forwards = self.lost = 0
        self.captured: Captured | None = None
        self.of_targets: dict[str, str] = {}  # layers that targets read, as the trace calls them: as targets do
        self.tensors: dict[str, Tensor] = {}

    def all(self, target: AnyTarget | Each, layers: Sequence[str | int | None]) -> Captured:
        """Forward, targets, backwards."""
        self.step("forward")
        began = time.monotonic()
        seen, own = self.first_look(scored=reads_scores(target))
        if own is not None:
            self.look_seconds = time.monotonic() - began
        self.shielded = self.capture.shielded = seen.shielded = seen.shielded or self.shielded
        names = tuple(seen.layers.place(name) for name in layers) if layers else ()
        if self.plan.at_layers and not names:
            raise LayerError("The plan reads layers, but none was named; layers=(None,) is the default layer.")
        self.of_targets = {seen.layers.place(name): name for name in layers_read(target)}
        spots: dict[str, Spot] = {}
        began = time.monotonic()
        with same_randomness(self.x.device) if own is not None else torch.enable_grad():
            result = attempt(self, seen, names, spots, own)
        self.forwards += 1
        if own is not None and self.capture.ready is None:
            note = compare(self.module, self.x, own, tensors_in(result), self.keep)
            self.notes += [note] if note else []
        seen.compared.add(self.keep)
        for name in (*names, *self.of_targets):
            if name not in spots and self.of_targets.get(name) not in self.tensors:
                raise LayerError(f"The forward did not reach layer '{name}' with a tensor; name one that it runs.")
        spots["input"] = self.input
        spots.update(self.capture.further)
        with devices.full_precision(self.x.device.type):
            return self.read(result, target, names, spots, began)

    def read(
        self, result: Any, target: AnyTarget | Each, names: tuple[str, ...], spots: dict[str, Spot], began: float
    ) -> Captured:
        """Take the scores out of what the forward gave, and run the backwards."""
        found, note = sources(self.capture, result, target, self.output, self.tensors, len(self.x))
        self.notes += [note] if note else []
        logits, chosen = found.logits, resolve(target, result if found.logits is None else found.logits)
        self.notes += nonlinear(self.plan, chosen)
        captured = Captured(
            input=self.x, output=result, logits=logits.detach() if isinstance(logits, Tensor) else None,
            target=[t.describe() for t in chosen], targets=len(chosen) if isinstance(target, Each) else None,
            layers=names, trace=self.capture.trace, notes=self.notes, forwards=self.forwards, backwards=self.lost,
        )  # fmt: skip
        self.captured = captured
        for name, spot in spots.items():
            captured.places[name] = Place(spot.value, spot.cell.tensor)
        captured.fixed = tuple(found.fixed(t) for t in chosen)
        captured.seconds["forward"] = min(time.monotonic() - began, self.look_seconds)
        self.backwards(captured, chosen, found, spots)
        captured.output = mapped(result, Tensor.detach)
        return captured

    def first_look(self, *, scored: bool) -> tuple[Seen, list[Tensor] | None]:
        """Look at a module that was not seen before, or not yet for this output or with what this plan keeps."""
        seen = known(self.module)
        if seen is not None and self.keep in seen.compared and seen.output == self.output:
            return seen, None
        with torch.no_grad(), same_randomness(self.x.device):
            return look(self.module, self.x, self.output, required=scored)

    def counts(self, before: Run) -> None:
        """Count the passes of an attempt that was given up along with this one's: they ran."""
        self.forwards = before.forwards
        self.lost = before.lost if before.captured is None else before.captured.backwards

    def new_capture(self) -> Capture:
        """Return a capture for a forward that runs again."""
        self.tensors.clear()
        made = Capture(self.module, self.keep, self.switch)
        made.shielded = self.shielded
        return made

    def lets_go(self, error: BaseException) -> bool:
        """Whether memory did not suffice and there were prepared copies to let go, which is done."""
        seen = known(self.module) if memory.exhausted(error) else None
        if seen is None or seen.plan is None or self.capture.ready is None:
            return False
        seen.plan.drop()
        return True

    def forward(self, names: Sequence[str], spots: dict[str, Spot]) -> Any:
        """Run the module once, and keep the outputs of the layers asked for, and of those that targets read."""
        wanted = set(names)

        def on_output(name: str, call: int, type_: str, result: Any) -> None:
            if isinstance(result, Tensor) and self.capture.value(result) is None and result.requires_grad:
                self.capture.unseen(result, type_)
            for key in (name, f"{name}@{call}"):
                if key in wanted:
                    if not isinstance(result, Tensor):
                        raise LayerError(f"Layer '{name}' gives a {type(result).__name__}; a map needs one tensor.")
                    spots[key] = self.capture.keep_output(key, result)
                if key in self.of_targets and isinstance(result, Tensor):
                    self.tensors[self.of_targets[key]] = result.clone()  # as it is now, whatever is written there later

        ready = self.capture.ready
        only = ready.followed(relevance=self.keep.relevance) if ready is not None else None
        if ready is None or only is None:
            return forward(self.module, self.x, self.capture, on_output, self.ask)
        self.capture.ask = None if self.cancel is None else self.ask
        result = forward(self.module, self.x, self.capture, on_output, None, only)
        ready.name(self.capture.trace)
        return result

    @property
    def input(self) -> Spot:
        """Where the input is read."""
        return cast("Spot", self.capture.input)

    def backwards(self, captured: Captured, chosen: tuple[Target, ...], found: Sources, spots: dict[str, Spot]) -> None:
        """Run every backward for every target."""
        passes = self.plan.passes
        if self.keep.difference:
            refuse_what_has_no_difference(self.capture.trace, self.capture.stuck, found.start(self.capture, chosen))
        if self.keep.relevance:
            self.start = found.start(self.capture, chosen)
            stop = [s.value for n, s in spots.items() if not of_input(n)]
            passes = prepared(self.plan, captured, self.capture, self.start, stop, leave_out=self.leave_out)
        if self.dry:
            passes = ()
        scores = []
        self.total = 1 + len(passes) * len(chosen)
        self.done = 1
        for target in chosen:
            scores.append(score := found.score(target))
            if passes and not score.requires_grad:
                raise without_gradient(target, () if self.plan.at_input else spots)
        if len(chosen) > 1 and not self.keep.exact:  # exact gradients are those of one target by itself
            passes = tuple(b for b in passes if not pull_together(self, captured, b, scores, spots))
        for number, score in enumerate(scores):
            for i, backward in enumerate(passes):
                self.step(rule_name(backward.rule))
                last = number == len(chosen) - 1 and i == len(passes) - 1
                began = time.monotonic()
                against = backward.rule.against if isinstance(backward.rule, Composite) else None
                self.size = score.detach()
                start = score if against is None else contrasted(score, chosen[number], found.logits, against)
                self.backward(captured, backward, start, spots, retain=not last)
                captured.seconds[rule_name(backward.rule)] = time.monotonic() - began
        captured.score_list = [score.detach() for score in scores]
        captured.kept_bytes = self.capture.store.nbytes()
        self.tell("done")

    def backward(
        self, captured: Captured, backward: Backward, score: Tensor, spots: dict[str, Spot], *, retain: bool
    ) -> None:
        """Run one backward and put its results where they belong."""
        rule = backward.rule
        names = read_by(backward, spots)
        relevance = isinstance(rule, Composite)
        edges = [edge_at(spots[n], n, fused=relevance) for n in names]
        self.switch.rule, self.switch.book, self.switch.deposits = rule, Book(len(self.x)), {}
        self.switch.rules = captured.assignments[rule].rules if relevance else {}
        self.switch.biases = [] if backward.at_biases else None
        again = retain or bool(self.capture.entries)
        with breaking():
            found: Sequence[Tensor | None] = torch.autograd.grad(
                score, edges, torch.ones_like(score), retain_graph=again, allow_unused=True
            )
        captured.backwards += 1
        if self.switch.biases is not None:
            captured.biases.append(self.switch.biases)
        direct: Sequence[Tensor | None] = self.pass_on(edges) if self.switch.deposits else [None] * len(names)
        got = {n for n, g, laid in zip(names, found, direct, strict=True) if g is not None or laid is not None}
        for name, g, laid in zip(names, found, direct, strict=True):
            if name not in got and not (of_input(name) and any(map(of_input, got))):
                raise unreached(name)
            spot = spots[name]
            kept = spot.fused if relevance and spot.fused is not None else spot.cell
            captured.add(rule, name, kept.tensor, g, laid)
        if relevance and backward.at_input:
            total = torch.cat([captured.latest_relevance(rule, n).flatten(1) for n in names if of_input(n)], 1)
            flow = flow_of(self.capture, cast("int", self.start), score.detach())
            captured.balances.setdefault(rule, []).append(
                balance(score.detach(), total, self.switch.book, flow, self.size)
            )
            self.notes += [note for note in defects(self.capture, score.detach()) if note not in self.notes]
            if self.reduce is not None:
                captured.boil_down(rule, self.reduce)
        self.switch.book, self.switch.deposits = Book(), {}

    def pass_on(self, edges: Sequence[Any]) -> list[Tensor | None]:
        """Bring relevance that first-layer rules laid down from their operations' inputs to the input."""
        laid = list(self.switch.deposits.items())
        self.switch.passing = True
        try:
            taps = [self.capture.entries[i] for i, _ in laid]
            return list(torch.autograd.grad(taps, edges, [r for _, r in laid], retain_graph=True, allow_unused=True))
        finally:
            self.switch.passing = False

    def ask(self) -> None:
        """Raise if the caller wants to stop."""
        if self.cancel is not None and self.cancel.is_set():
            raise Cancelled("Cancelled.")

    def step(self, label: str) -> None:
        """Tell the caller that a pass begins."""
        self.ask()
        self.tell(label)
        self.done += label != "forward"

    def tell(self, label: str) -> None:
        """Report progress."""
        if self.progress is not None:
            self.progress(min(self.done, self.total), self.total, label)
