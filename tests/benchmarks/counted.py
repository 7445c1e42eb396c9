"""Exact counts: floating-point operations in forward equivalents, and bytes kept for the backwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from candidates import Row, candidates, measured
from flops import Flops, Kept
from peers import BARE, TARGETS
from subjects import Subject
from torch import Tensor, nn
from works import BUNDLE, WORKS, Ours

MIB = 2**20


def counts(subject: Subject, names: Iterable[str]) -> Iterator[Row]:
    """Give forward equivalents of every candidate for every work; the last row completes earlier ones."""
    module, x = subject.network(), subject.images(1)
    with Flops() as forward:
        module(x)
    rows: dict[str, Row] = {}
    for work in (WORKS[n] for n in names):
        row: Row = {"work": work.name, "title": work.title, "others": work.others, "aim": work.flops}
        row["candidates"] = {
            c.who: measured(c, module, subject, lambda call, _: _flops(call, x) / forward.total)
            for c in candidates(work)
        }
        rows[work.name] = row
        _complete(rows)
        yield row


def _flops(call: Any, x: Tensor) -> int:
    if isinstance(call, Ours):
        call(x)  # the first call looks at the model
    with Flops() as count:
        call(x)
    return int(count.total)


def _complete(rows: dict[str, Row]) -> None:
    """Give the rows of several targets their aim, F + T B, and the bundle what its works cost one by one elsewhere."""
    for name, row in rows.items():
        single = rows.get(name.removeprefix("targets_"), row)["candidates"]["matxai"]
        if name.startswith("targets_") and "value" in single:
            row["aim"] = 1 + TARGETS * (single["value"] - 1)
    if "bundle" in rows and all(n in rows for n in BUNDLE):
        best = [
            [c["value"] for who, c in rows[n]["candidates"].items() if who not in ("matxai", BARE) and "value" in c]
            for n in BUNDLE
        ]
        if all(best):
            rows["bundle"]["candidates"]["sum of the cheapest peers"] = {"value": sum(map(min, best))}


def kept(subject: Subject, names: Iterable[str]) -> Iterator[Row]:
    """Give MiB kept for each image: distinct storages saved for the backwards, without parameters and the input."""
    module, x = subject.network(), subject.images(2)
    for work in (WORKS[n] for n in names):
        row: Row = {"work": work.name, "title": work.title, "others": work.others_kept, "aim": work.kept}
        row["candidates"] = {
            c.who: measured(c, module, subject, lambda call, own: _kept(call, own, x) / len(x) / MIB)
            for c in candidates(work)
        }
        yield row


def _kept(call: Any, module: nn.Module, x: Tensor) -> int:
    mine = isinstance(call, Ours)
    if mine:
        call(x)  # the first call looks at the model
    with Kept((*module.parameters(), *module.buffers(), x)) as bag:
        own = _held(call, module, x) if mine else 0
        if not mine:
            call(x)
    return bag.nbytes + own


def _held(call: Ours, module: nn.Module, x: Tensor) -> int:
    """Run the plan of a call; return the bytes that the engine's own nodes held."""
    from matxai.engine import run
    from matxai.methods import plan

    options = dict(call.options)
    target, layers = options.pop("target"), options.pop("layers", [])
    of_methods = [name for m in call.methods for name in getattr(m, "layers", None) or ()]
    return run(
        module, x, plan(call.methods, **options), target=target, layers=list(dict.fromkeys([*layers, *of_methods]))
    ).kept_bytes
