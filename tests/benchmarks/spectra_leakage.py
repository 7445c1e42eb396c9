"""Verdicts of ``matxai leakage`` on the models for spectra and waveforms that come along: twins and sound networks.

For each pair, a set is generated in which a leak follows the class, specimens being the groups, and written to a
folder; the whole check reads it as the command does. A twin is judged right if what was planted is called a ``leak`` by
its name; a sound network if nothing is a ``leak``, and what was planted is not even ``suspicious``. It asserts nothing.

    python tests/benchmarks/spectra_leakage.py
    python tests/benchmarks/spectra_leakage.py --models states states_normalisation --spectra 60 --json
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Pair:
    """A model, the set that it is asked on, and what the planted leak is called by the check."""

    model: str
    generator: str
    leak: str
    called: tuple[str, ...]
    twin: bool = False
    least: int = 0
    """Spectra that it takes at least; where a leak changes another factor as well, not all of a set can show that."""


PAIRS = (
    Pair("phases_holder", "powder_phases", "holder", ("foreign_peak",), twin=True),
    Pair("phases_padding", "powder_phases", "padding", ("padding",), twin=True),
    Pair("phases_scan_range", "powder_phases", "scan_range", ("scan_range",), twin=True),
    Pair("states_normalisation", "xps_molybdenum", "normalisation", ("scale",), twin=True),
    Pair("events_gain", "acoustic_events", "gain", ("scale",), twin=True),
    Pair("phases", "powder_phases", "holder", ("foreign_peak",)),
    Pair("phases", "powder_phases", "padding", ("padding",)),
    Pair("phases", "powder_phases", "scan_range", ("scan_range",), least=120),
    Pair("phases_stride32", "powder_phases", "holder", ("foreign_peak",)),
    Pair("phases_stride32", "powder_phases", "padding", ("padding",)),
    Pair("phases_stride32", "powder_phases", "scan_range", ("scan_range",), least=120),
    Pair("states", "xps_molybdenum", "normalisation", ("scale",)),
    Pair("events", "acoustic_events", "gain", ("scale",)),
)


@dataclass(frozen=True)
class Row:
    """One finding of one pair; of artefacts and factors that neither move nor were planted there is none."""

    model: str
    planted: str
    finding: str
    kind: str
    answer: str
    effect: float | None
    interval: tuple[float, float] | None
    p: float | None
    n: int | None


@dataclass(frozen=True)
class Outcome:
    """What came of one pair."""

    model: str
    planted: str
    twin: bool
    answer: str
    right: bool
    accuracy: float
    seconds: float
    rows: tuple[Row, ...]


def judged(pair: Pair, spectra: int, seed: int, **options: Any) -> Outcome:
    """Write the set of a pair, run the check on it, and compare its answers with what was planted.

    ``options`` are those of `matxai.leakage`.
    """
    from matxai_datasets.spectra import write_spectra
    from matxai_models import shipped

    import matxai

    with tempfile.TemporaryDirectory() as folder:
        leak: dict[str, Any] = {"leak": pair.leak, "strength": 100.0}
        data = write_spectra(Path(folder) / "set", spectra, seed, of=pair.generator, per_specimen=2, **leak)
        begun = time.perf_counter()
        found = matxai.leakage(
            str(shipped()[pair.model]), data, group="group", split="all", out=Path(folder) / "out", **options
        )
        seconds = time.perf_counter() - begun
    about = [f for f in found.findings if f.kind in pair.called or f.name in pair.called]
    answers = [f.verdict.answer for f in about]
    if pair.twin:
        right = found.answer == "leak" and "leak" in answers
    else:
        right = found.answer != "leak" and "suspicious" not in answers
    shown = [f for f in found.findings if f in about or f.verdict.answer in {"leak", "suspicious"}]
    rows = tuple(
        Row(
            pair.model, pair.leak, f.name, f.kind, f.verdict.answer, f.verdict.effect, f.verdict.interval,
            f.verdict.p, f.verdict.n,
        )
        for f in shown
    )  # fmt: skip
    return Outcome(pair.model, pair.leak, pair.twin, found.answer, right, found.accuracy[0], seconds, rows)


def table(outcomes: Sequence[Outcome]) -> str:
    """Return Markdown: one line for each finding that matters, then one for each pair."""
    lines = [
        "| model | planted | artefact or factor | answer | effect | interval | p | n |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in (r for one in outcomes for r in one.rows):
        interval = "" if row.interval is None else f"{row.interval[0]:.3f} to {row.interval[1]:.3f}"
        effect, p = (("" if v is None else f"{v:.4f}") for v in (row.effect, row.p))
        lines.append(
            f"| {row.model} | {row.planted} | {row.finding} | {row.answer} | {effect} | {interval} | {p} "
            f"| {'' if row.n is None else row.n} |"
        )
    lines += [
        "",
        "| model | planted | is | answer | as it should be | accuracy | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {o.model} | {o.planted} | {'a twin' if o.twin else 'sound'} | {o.answer} | {'yes' if o.right else 'NO'} "
        f"| {o.accuracy:.3f} | {o.seconds:.0f} |"
        for o in outcomes
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Judge all pairs, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spectra", type=int, default=75, help="in each set, at least; two of each specimen")
    parser.add_argument("--seed", type=int, default=11, help="of the sets")
    parser.add_argument("--models", nargs="+", choices=sorted({p.model for p in PAIRS}), help="by default all")
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    chosen = parser.parse_args(arguments)
    import torch

    torch.set_num_threads(1)
    outcomes = []
    for pair in PAIRS:
        if chosen.models and pair.model not in chosen.models:
            continue
        outcomes.append(judged(pair, max(chosen.spectra, pair.least), chosen.seed))
        if not chosen.json:
            print(table(outcomes[-1:]), end="\n\n", flush=True)
    print(json.dumps([asdict(o) for o in outcomes], indent=1) if chosen.json else table(outcomes))


if __name__ == "__main__":
    main()
