"""Verdicts on leakage beside the truth: small nets that read planted artefacts, or do not. It asserts nothing.

Nets are trained on two data sets (generated micrographs; X-SDD where MATXAI_TEST_DATA has it) with artefacts whose look
follows the class in all of the images, in some, or in none. The truth of a net is what it does when its artefacts are
drawn anew; the verdict is that of ``matxai.checks.leak.examine`` on 60 images in 10 groups, finders included. Beside
it, what simpler rules say of the same nets, how often innocents are significant, and what a remedy mends. Trained nets
are kept in ``--cache``.

    python tests/benchmarks/leak_truth.py --cache nets --json truth.json --markdown truth.md --out figures
    python tests/benchmarks/leak_truth.py --nets small --only verdicts --worlds micrographs
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # the modules beside it, also where PYTHONSAFEPATH is set

import leak_chance
import leak_judging
import leak_written
import numpy as np
import torch
from leak_cases import WEAK, Case, cases
from leak_nets import Net, Truth, trained, truth
from leak_worlds import TRAINED, World, worlds

PARTS = ("verdicts", "chance", "remedy")
Row = dict[str, Any]


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options."""

    def several(text: str) -> list[str]:
        return [t for t in text.split(",") if t]

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add("--nets", choices=["small", "full"], default="full", help="how many cases")
    add("--only", type=several, default=list(PARTS), help=f"parts, of {','.join(PARTS)}")
    add("--about", type=several, help="cases for these alone: matrix, two, cropped, chance, ...")
    add("--kinds", type=several, help="cases with these artefacts alone")
    add("--worlds", type=several, help="data sets: micrographs,steel")
    add("--leave-out", type=several, default=[], help="of the check: factors,supporting")
    add("--drawn", action="store_true", help="tell the check where the artefacts are, in the place of its finders")
    add("--donors", type=int, help="how many images give their artefacts to the others; as many as the check takes")
    add("--sets", type=int, default=8, help="sets of images for each innocent net of the part chance")
    add("--images", type=int, default=TRAINED, help="generated micrographs to train on")
    add("--cache", type=Path, help="where trained nets are kept; a temporary folder without it")
    add("--out", type=Path, help="folder for the figure of the part chance")
    add("--json", type=Path, help="where to write all figures")
    add("--markdown", type=Path, help="where to write the tables; printed if neither is given")
    options = parser.parse_args(arguments)
    for name in options.only:
        if name not in PARTS:
            parser.error(f"there is no part {name!r}; there are {', '.join(PARTS)}")
    return options


class Run:
    """The nets, data and truths of a run; each net is trained once and each truth found once."""

    def __init__(self, options: argparse.Namespace, cache: Path) -> None:
        folder = os.environ.get("MATXAI_TEST_DATA")
        known = worlds(Path(folder) if folder else None, cache, images=options.images, names=options.worlds)
        self.options, self.cache = options, cache
        self.worlds: dict[str, World] = known
        found = cases(tuple(self.worlds), options.nets)
        if options.about:
            found = [c for c in found if c.about in options.about]
        if options.kinds:
            found = [c for c in found if c.plantings[0].kind in options.kinds]
        self.cases: list[Case] = found

    def model(self, net: Net) -> Any:
        """Return a trained net."""
        return trained(net, self.worlds[net.world], self.cache)

    def truth(self, case: Case, number: int) -> Truth:
        """Return the truth of a case's net about one of its artefacts, from the cache where it was found before."""
        file = self.cache / "truths" / f"{case.net.key}_{'_'.join(map(str, case.plantings))}_{number}.json"
        if file.exists():
            found = Truth(**json.loads(file.read_text()))
        else:
            found = truth(self.model(case.net), self.worlds[case.net.world], case.plantings, number)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(asdict(found)))
        strength = case.plantings[number].strength
        return replace(found, follows=1.0 if strength is None else strength / 100)

    def verdicts(self) -> Iterator[Row]:
        """Judge every case."""
        for case in self.cases:
            world, model = self.worlds[case.net.world], self.model(case.net)
            asked = {"drawn": self.options.drawn, "leave_out": self.options.leave_out, "donors": self.options.donors}
            rows, _ = leak_judging.judge(case, world, model, case.data(world), **asked)
            for number, row in enumerate(rows):
                true = self.truth(case, number)
                yield row | {"truth": asdict(true) | {"says": true.says}}

    def chance(self) -> Iterator[Row]:
        """Test every innocent whose artefact varies on several sets of images."""
        for case in self.cases:
            if case.about not in ("matrix", "sound on confounded") or case.plantings[0].strength is None:
                continue
            if self.truth(case, 0).says == "innocent":
                yield from leak_chance.p_values(
                    case, self.worlds[case.net.world], self.model(case.net), self.options.sets
                )

    def remedy(self) -> Iterator[Row]:
        """Clean the data of every leaky net, train again, and judge again."""
        import leak_remedied

        for case in self.cases:
            if case.about in WEAK or case.about == "sound on confounded" or self.truth(case, 0).says != "leaky":
                continue
            yield from leak_remedied.remedied(case, self.worlds[case.net.world], self.model(case.net))


def main() -> None:
    """Measure, and write or print the tables."""
    options = parse()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        run = Run(options, options.cache or Path(temporary))
        start = time.perf_counter()
        shown = ("nets", "only", "worlds", "about", "kinds", "drawn", "leave_out", "donors", "sets", "images")
        report: Row = {
            "format": "matxai-leak-truth", "version": 1, "environment": environment(run),
            "options": {k: getattr(options, k) for k in shown}, "parts": {}, "summary": [],
        }  # fmt: skip
        for part in PARTS:
            if part not in options.only:
                continue
            report["parts"][part] = done = []
            for row in getattr(run, part)():
                done.append(row)
                print(part, *_told(row), file=sys.stderr, flush=True)
                report["summary"] = leak_written.summary(*(report["parts"].get(p, []) for p in PARTS))
                report["environment"]["seconds"] = round(time.perf_counter() - start)
                save(report, options)  # whatever ends this, nothing already measured is lost
        if options.out and report["parts"].get("chance"):
            options.out.mkdir(parents=True, exist_ok=True)
            leak_chance.plot(report["parts"]["chance"], options.out / "leak_chance.png")
    if not (options.json or options.markdown):
        print(leak_written.markdown(report))


def _told(row: Row) -> Iterator[str]:
    for key in ("case", "set", "recipe", "kind", "answer", "in_all", "found_as", "elsewhere", "p", "effect", "interval",
                "support", "fall", "after"):  # fmt: skip
        if key in row:
            yield f"{key}={row[key]:.3f}" if isinstance(row[key], float) else f"{key}={row[key]}"
    if "truth" in row:
        yield f"truth={row['truth']['effect']:.2f} {row['truth']['says']}"


def environment(run: Run) -> dict[str, Any]:
    """Return what the figures depend on."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "cases": len(run.cases),
        "nets": len({c.net for c in run.cases}),
    }


def save(report: Row, options: argparse.Namespace) -> None:
    """Write the report where it was asked for."""
    if options.json:
        options.json.write_text(json.dumps(report, indent=1, default=str) + "\n", encoding="utf-8")
    if options.markdown:
        options.markdown.write_text(leak_written.markdown(report), encoding="utf-8")


if __name__ == "__main__":
    main()
