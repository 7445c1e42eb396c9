"""Wall time, in interleaved rounds: every candidate meets the same machine, and ratios are taken within a round."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass

from candidates import Candidate, Prepared, Row, candidates, quiet, tried
from subjects import Subject
from torch import Tensor, nn
from works import BUNDLE, DEAR, SUM, SUM_BUT, WORKS, Work


@dataclass(frozen=True)
class Rounds:
    """How often candidates are called: at most ``count`` rounds, and none more after ``seconds`` on a row (0: all)."""

    count: int = 5
    seconds: float = 0.0


@dataclass
class Race:
    """One batch of one network, and the candidates that are ready to be called with it."""

    subject: Subject
    module: nn.Module
    x: Tensor
    rounds: Rounds

    def ready(self, candidate: Candidate, into: dict[str, list[Prepared]]) -> Row:
        """Prepare a candidate and call it once: kernels are chosen, the model is checked; or say why not."""

        def prepared() -> Row:
            call = candidate.prepare(deepcopy(self.module), self.subject)
            self.timed(call)
            into[candidate.who] = [call]
            missing = getattr(call, "missing", ())
            return {"without": list(missing)} if missing else {}

        return tried(prepared)

    def timed(self, call: Prepared) -> float:
        """Return the seconds of one call."""
        self.subject.synchronise()
        start = time.perf_counter()
        call(self.x)
        self.subject.synchronise()
        return time.perf_counter() - start

    def run(self, runners: dict[str, list[Prepared]]) -> dict[str, list[list[float]]]:
        """Return, for each runner and round, the seconds of its calls; the turn moves by one from round to round."""
        order, began = list(runners), time.monotonic()
        seconds: dict[str, list[list[float]]] = {who: [] for who in order}
        for i in range(self.rounds.count if order else 0):
            turn = i % len(order)
            for who in order[turn:] + order[:turn]:
                seconds[who].append([self.timed(call) for call in runners[who]])
            if self.rounds.seconds and time.monotonic() - began > self.rounds.seconds:
                break
        return seconds

    def work(self, work: Work) -> Row:
        """Return the figures of one work's candidates."""
        runners: dict[str, list[Prepared]] = {}
        found = {c.who: self.ready(c, runners) for c in candidates(work)}
        with quiet():
            seconds = {who: [sum(parts) for parts in many] for who, many in self.run(runners).items()}
        return figures(found, seconds, work)

    def bundle(self, work: Work) -> Row:
        """Return our one call beside the sum over its works of the peer that was fastest when each was called once."""
        runners: dict[str, list[Prepared]] = {}
        found = {"matxai": self.ready(candidates(work)[0], runners)}
        best = {name: self.fastest(WORKS[name]) for name in BUNDLE}
        calls = {name: call for name, (_, call) in best.items() if call is not None}
        lacking = [name for name in BUNDLE if name not in calls]
        runners[SUM] = list(calls.values())
        with quiet():
            parts = self.run(runners)
        seconds = {who: [sum(p) for p in many] for who, many in parts.items()}
        medians = map(statistics.median, zip(*parts[SUM], strict=True))
        found[SUM] = {"peers": {name: best[name][0] for name in calls}, "parts": dict(zip(calls, medians, strict=True))}
        if DEAR in calls:
            at = list(calls).index(DEAR)
            seconds[SUM_BUT] = [sum(p[:at] + p[at + 1 :]) for p in parts[SUM]]
        elif lacking == [DEAR]:
            seconds[SUM_BUT], found[SUM_BUT] = seconds.pop(SUM), found.pop(SUM)
        if lacking and SUM in seconds:
            del seconds[SUM]
            found[SUM] = {"absent": f"no peer here for {', '.join(lacking)}"}
        return figures(found, seconds, work)

    def fastest(self, work: Work) -> tuple[str, Prepared | None]:
        """Return the library that does a work fastest, and its call."""
        runners: dict[str, list[Prepared]] = {}
        for candidate in candidates(work):
            if candidate.library:
                self.ready(candidate, runners)
        if len(runners) > 1:
            with quiet():
                taken = {who: self.timed(call) for who, (call,) in runners.items()}
        else:
            taken = dict.fromkeys(runners, 0.0)
        who = min(taken, key=taken.__getitem__, default="")
        return who, runners[who][0] if who else None


def figures(found: dict[str, Row], seconds: dict[str, list[float]], work: Work) -> Row:
    """Return seconds of each candidate, and ours as a share of each other's."""
    for who, many in seconds.items():
        found[who] = {"value": statistics.median(many), "seconds": many} | found.get(who, {})
    ours = seconds.get("matxai", [])
    others = [who for who in seconds if who != "matxai"] if ours else []
    return {
        "candidates": found,
        "ratios": {who: ratio(ours, seconds[who]) | {"aim": work.time.get(who, 1.0)} for who in others},
    }


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Row:
    """Return the median of the ratios within rounds, with their spread."""
    all_ = sorted(a / b for a, b in zip(ours, theirs, strict=True))
    quarters = statistics.quantiles(all_, n=4, method="inclusive") if len(all_) > 1 else [all_[0]] * 3
    return {
        "median": statistics.median(all_),
        "quartiles": [quarters[0], quarters[2]],
        "range": [all_[0], all_[-1]],
        "rounds": len(all_),
    }


def race(subject: Subject, names: Sequence[str], batches: Iterable[int], rounds: Rounds) -> Iterator[Row]:
    """Give the seconds of each candidate, and ours as a share of theirs, for every work and batch."""
    module = subject.network()
    for batch in batches:
        here = Race(subject, module, subject.images(batch), rounds)
        for work in (WORKS[n] for n in names):
            made = here.bundle(work) if work.name == "bundle" else here.work(work)
            yield {"work": work.name, "title": work.title, "batch": batch, **made}
