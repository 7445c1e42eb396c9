"""Perturbed copies of one call's input: run in chunks that fit the memory, and reduced as they come.

A sampling method asks for blocks of copy numbers, makes those copies and hands them in; what comes back is a score or a
gradient for each copy, and nothing of a block outlives it. Counts are in copies of the whole batch, so they depend on
no chunk; draws depend on the seed and the copy's number alone, so results do not either.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from matxai.engine import devices, memory
from matxai.engine.passes import run
from matxai.engine.plan import DIFFERENCE, GRADIENT, Backward, Plan
from matxai.engine.targets import Each, Target, repeated
from matxai.errors import Cancelled, ModelError
from matxai.opaque import BlackBox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from matxai.engine.captured import Captured
    from matxai.engine.passes import Cancel, Progress
    from matxai.engine.tail import Tail

_SCORES = Plan()
_GRADIENTS = Plan(passes=(Backward(GRADIENT, at_input=True),))
_DIFFERENCES = Plan(passes=(Backward(DIFFERENCE, at_input=True),))


@dataclass
class Copies:
    """Runs perturbed copies of the input of one call.

    Attributes
    ----------
    module, output, exact
        As in :func:`matxai.engine.run`.
    clean
        What the unperturbed input gave: its scores are reused, never asked for again.
    seed
        Of all draws.
    forwards, backwards
        What was run here: one forward for each copy of the batch, one backward for each copy and target.
    tails, tail_backwards
        Runs of what follows a layer alone, counted likewise: :meth:`tail`.
    """

    module: nn.Module
    clean: Captured
    output: str | None = None
    exact: bool = False
    seed: int = 0
    progress: Progress | None = None
    cancel: Cancel | None = None
    forwards: int = 0
    backwards: int = 0
    tails: int = 0
    tail_backwards: int = 0
    _chunk: dict[bool, int] = field(default_factory=dict)
    _tails: dict[str, Tail] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.precision = devices.precision(self.clean.input.device)

    @property
    def x(self) -> Tensor:
        """The unperturbed input (B, C, *spatial)."""
        return self.clean.input

    @property
    def targets(self) -> tuple[Target, ...]:
        """What is explained, fixed at the unperturbed input: classes by index, areas by position."""
        return self.clean.fixed

    @property
    def scores(self) -> Tensor:
        """The unperturbed scores (T, B); T is 1 for a single target."""
        return torch.stack(self.clean.score_list)

    def generator(self, number: int, *, purpose: str = "") -> torch.Generator:
        """Return a generator on the CPU for one copy: the same for every device, chunk and order of copies."""
        return generator(self.seed, purpose, number)

    def normal(self, numbers: range, *, purpose: str = "") -> Tensor:
        """Return a standard normal draw (n, 1, C, *spatial) for each copy, of the input's type and on its device.

        One draw serves the whole batch: what a sample gets depends on no other sample.
        """
        shape = self.x.shape[1:]
        drawn = [torch.randn(shape, generator=self.generator(k, purpose=purpose)) for k in numbers]
        return torch.stack(drawn).unsqueeze(1).to(self.x)

    def tail(self, layer: str) -> Tail:
        """Return what runs the part of the model behind one of the call's layers, from activations handed in.

        Raises
        ------
        LayerError
            If the call's run did not read this layer.
        """
        from matxai.engine.tail import Tail

        if layer not in self._tails:
            self._tails[layer] = Tail(self, layer)
        return self._tails[layer]

    def blocks(
        self,
        total: int,
        label: str,
        *,
        gradients: bool = False,
        pause: int | None = None,
        fits: Callable[[], int] | None = None,
    ) -> Iterator[range]:
        """Yield ranges of copy numbers, as many at once as memory has room for; reports and asks in between.

        What is reported says how long it will take: by the time of the clean passes, then by that of the copies so far.

        Parameters
        ----------
        total
            How many copies at most; whoever has enough leaves the loop.
        label
            Whose copies they are.
        gradients
            Whether each has a backward.
        pause
            No range goes beyond a multiple of this: whether to go on is decided there, the same for every chunk.
        fits
            Says how many are run at once, where they are no copies of the input.

        Raises
        ------
        Cancelled
            If the caller wants to stop.
        """
        done = 0
        started = time.monotonic()
        expected = self._expected(gradients=gradients)
        try:
            while done < total:
                if self.cancel is not None and self.cancel.is_set():
                    raise Cancelled("Cancelled.")
                if done:
                    expected = (time.monotonic() - started) / done
                if self.progress is not None:
                    left = f"about {duration(expected * (total - done))}{' left' if done else ''}"
                    self.progress(done, total, f"{label}: {total} copies, {left}")
                size = min(self._size(gradients=gradients) if fits is None else fits(), total - done)
                if pause is not None:
                    size = min(size, pause - done % pause)
                yield range(done, done + size)
                done += size
        finally:  # also where the caller had enough
            self.clean.seconds[label] = time.monotonic() - started
        if self.progress is not None:
            self.progress(total, total, label)

    def _expected(self, *, gradients: bool) -> float:
        """Return the seconds that one copy should take, by the clean forward; a backward counts as two forwards."""
        return self.clean.seconds.get("forward", 0.0) * (1 + 2 * len(self.targets) * gradients)

    def score(self, copies: Tensor) -> Tensor:
        """Return the scores (T, n, B) of copies (n, B, C, *spatial); no graph is made."""
        found = self._run(copies, _SCORES)
        self.forwards += len(copies)
        return torch.cat([self._scores_of(c, n) for c, n in found], 1)

    def gradient(self, copies: Tensor) -> tuple[Tensor, Tensor]:
        """Return the scores (T, n, B) of copies and their gradients (T, n, B, C, *spatial) at the input."""
        found = self._run(copies, _GRADIENTS)
        self.forwards += len(copies)
        self.backwards += len(copies) * len(self.targets)
        scores = torch.cat([self._scores_of(c, n) for c, n in found], 1)
        gradients = [c.gradient(GRADIENT, "input").view(len(self.targets), n, *copies.shape[1:]) for c, n in found]
        return scores, torch.cat(gradients, 1)

    def activation(self, copy: Tensor, layer: str) -> Tensor:
        """Return a layer's output (B, K, *spatial) for one copy (B, C, *spatial); counts as a forward."""
        with self.precision.context():
            found = run(
                self.module, copy, Plan(activations=True, targets=len(self.targets)), target=Each(self.targets),
                layers=[layer], output=self.output, exact=self.exact, cancel=self.cancel,
            )  # fmt: skip
        self.forwards += 1
        return found.places[layer].tensor

    def difference(self, baseline: Tensor) -> tuple[Tensor, Tensor]:
        """Return the scores' differences (T, B) to a baseline and the multipliers (T, B, C, *spatial) at the input.

        Input and baseline run in one batch, through a backward of differences: multipliers times input minus baseline
        sum to the difference of the scores. Counts as two copies.

        Raises
        ------
        OperationError
            If the scores come through an operation that has no rule for differences.
        """
        pair = torch.stack([self.x, baseline])
        ((captured, _),) = self._run(pair, _DIFFERENCES, together=True)
        self.forwards += 2
        self.backwards += 2 * len(self.targets)
        scores = torch.stack(captured.score_list).view(len(self.targets), 2, -1)
        found = captured.gradient(DIFFERENCE, "input").view(len(self.targets), 2, *self.x.shape)
        return scores[:, 0] - scores[:, 1], found[:, 0]

    def _scores_of(self, captured: Captured, count: int) -> Tensor:
        return torch.stack(captured.score_list).view(len(self.targets), count, -1)

    def _run(self, copies: Tensor, plan: Plan, *, together: bool = False) -> list[tuple[Captured, int]]:
        """Run copies as one batch, or in halves where memory does not suffice and they need not stay ``together``."""
        count = len(copies)
        target: Any = Each(tuple(repeated(t, count) for t in self.targets))
        plan = Plan(plan.activations, plan.passes, len(self.targets))
        try:
            batch = copies.flatten(0, 1)
            with self.precision.context():
                return [(run(self.module, batch, plan, target=target, output=self.output, exact=self.exact,
                             cancel=self.cancel), count)]  # fmt: skip
        except (torch.OutOfMemoryError, MemoryError, ModelError) as error:
            full = memory.exhausted(error)
            if full and (count == 1 or together):
                msg = (
                    f"Memory does not suffice for {'a pair with the baseline' if together else 'one copy'} of the input"
                    f" {tuple(self.x.shape)}; give fewer samples at once, or a smaller input."
                )
                raise ModelError(msg) from error
            if count == 1 or together:
                raise
        # outside of the handler: what the failed run held goes with its error. A model that fails for another reason
        # takes the clean batch and no other, as some exported programs do: then its copies go one by one.
        first = count // 2 if full else 1
        self._chunk[bool(plan.passes)] = first
        if full and torch.cuda.is_available():
            torch.cuda.empty_cache()
        return [f for part in torch.split(copies, first) for f in self._run(part, plan)]

    def _size(self, *, gradients: bool) -> int:
        if gradients not in self._chunk:
            each = memory.bytes_of(self.clean.trace, self.x.element_size(), graph=gradients)
            fits = memory.fitting(self.x.device, max(each, 4 * self.x.numel() * self.x.element_size()))
            most = memory.LARGEST.get(self.x.device.type)
            if isinstance(self.module, BlackBox) and self.module.batch is not None and not self.module.fixed:
                most = self.module.batch
            self._chunk[gradients] = fits if most is None else min(fits, max(1, most // len(self.x)))
        return self._chunk[gradients]


def generator(seed: int, purpose: str, number: int) -> torch.Generator:
    """Return a generator on the CPU that depends on the seed, the purpose and a number alone."""
    made = torch.Generator()
    digest = hashlib.blake2b(f"{seed}:{purpose}:{number}".encode(), digest_size=7).digest()
    made.manual_seed(int.from_bytes(digest, "big"))
    return made


def duration(seconds: float) -> str:
    """Return a length of time for people, in the unit that fits it.

    Examples
    --------
    >>> duration(0.2), duration(40.4), duration(400), duration(9000)
    ('1 s', '40 s', '7 min', '2.5 h')
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
