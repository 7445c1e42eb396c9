"""What ``matxai leakage`` costs by part: 170 generated images of 128 x 128, a small network that comes along.

The whole command: files read, artefacts found, exchanged, supported, factors, report. First what it said of each
artefact and factor, and how often it asked; then time on the clock and of the processor, since other programs slow the
clock alone; importing is a part of its own. The aim is a minute on two cores.

    python tests/benchmarks/leakage_cost.py
    python tests/benchmarks/leakage_cost.py --images 60 --model defects --threads 2
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

AIM = 60.0


class Parts:
    """Seconds between calls of ``progress``, added up by what was under way."""

    def __init__(self) -> None:
        self.clock: dict[str, float] = {}
        self.processor: dict[str, float] = {}
        self.now = "imports"
        self._at = (time.perf_counter(), time.process_time())

    def __call__(self, done: int, total: int, label: str) -> None:
        self.turn(label)

    def turn(self, label: str) -> None:
        """Book what has passed since the last call, and begin another part."""
        at = time.perf_counter(), time.process_time()
        for spent, before, after in zip((self.clock, self.processor), self._at, at, strict=True):
            spent[self.now] = spent.get(self.now, 0.0) + after - before
        self.now, self._at = label, at


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the check once and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=170, help="how many images")
    parser.add_argument("--size", type=int, default=128, help="pixels along each side")
    parser.add_argument("--model", default="defects_leaky", help="a model's card, file or name")
    parser.add_argument("--threads", type=int, default=2, help="threads of the network")
    parser.add_argument("--artefacts", help="kinds to look for, separated by commas")
    chosen = parser.parse_args(arguments)
    parts = Parts()
    import torch
    from matxai_datasets.writing import write

    import matxai
    import matxai.checks.leak.examining
    import matxai.methods

    torch.set_num_threads(chosen.threads)
    model = matxai.load_model(chosen.model, device="cpu")
    kinds = chosen.artefacts.split(",") if chosen.artefacts else None
    with tempfile.TemporaryDirectory() as folder:
        parts.turn("drawing the images (not counted)")
        size = (chosen.size, chosen.size)
        data = write(Path(folder) / "set", chosen.images, seed=11, bars="by_class", per_specimen=5, size=size)
        parts.turn("first read")
        found = matxai.leakage(model, data, split="all", artefacts=kinds, out=Path(folder) / "out", progress=parts)
        parts.turn("end")
    print(f"{chosen.images} images of {size}, {chosen.model}, {chosen.threads} threads: {found.answer}")
    print(f"{'artefact or factor':<36}{'answer':>14}{'images':>8}{'donors':>8}")
    for one in found.findings:
        donors = one.test.donors if one.test else "-"
        print(f"{one.name:<36}{one.verdict.answer:>14}{one.verdict.n or '-':>8}{donors:>8}")
    print(f"{found.facts['passes']} predictions for the exchanges")
    print(f"{'part':<36}{'clock, s':>10}{'processor, s':>14}")
    for name, seconds in sorted(parts.clock.items(), key=lambda pair: -pair[1]):
        print(f"{name:<36}{seconds:>10.1f}{parts.processor[name]:>14.1f}")
    counted = [n for n in parts.clock if "not counted" not in n]
    clock, processor = (sum(spent[n] for n in counted) for spent in (parts.clock, parts.processor))
    reached = "reached" if clock <= AIM else "missed"
    print(f"{'in all':<36}{clock:>10.1f}{processor:>14.1f}   (aim: {AIM:.0f} s of two quiet cores: {reached})")


if __name__ == "__main__":
    main()
