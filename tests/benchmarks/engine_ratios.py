"""What the engine costs and whether it is right, beside its peers: every table in one command. It asserts nothing.

Exact counts (operations, bytes kept for the backwards), correctness (conservation without biases, epsilon maps beside
gradient x input), wall time in interleaved rounds, and peak memory, each candidate in a process of its own. Peers are
optional: ``pip install "matxai[bench]"`` has them all; who is absent is said so. Every candidate has the same frozen
network in evaluation mode, type, threads and batch.

    python tests/benchmarks/engine_ratios.py --json engine.json --markdown engine.md
    python tests/benchmarks/engine_ratios.py --only time --rows grad_cam,lrp_epsilon_plus --batch 1,16 --rounds 7
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # the modules beside it, also where PYTHONSAFEPATH is set

import correct
import counted
import raced
import torch
import weighed
import written
from candidates import Row
from peers import leave_out, versions
from subjects import DTYPES, Subject
from works import BUNDLE, COUNTED, KEPT, WEIGHED, WORKS

PARTS = ("counts", "kept", "conservation", "epsilon", "time", "memory")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options."""

    def several(text: str) -> list[str]:
        return [t for t in text.split(",") if t]

    def numbers(text: str) -> list[int]:
        return [int(t) for t in several(text)]

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add("--json", type=Path, help="where to write figures, raw samples and environment")
    add("--markdown", type=Path, help="where to write the tables; printed if neither is given")
    add("--only", type=several, default=list(PARTS), help=f"parts, of {','.join(PARTS)}")
    add("--rows", type=several, help=f"rows, of {','.join(WORKS)}; by default those of the part, without the slow ones")
    add("--leave-out", type=several, default=[], help="peers not to run, as library/row: grad-cam/full_grad")
    add("--nets", type=several, help="networks of conservation and epsilon, of tests/families.py")
    add("--arch", default="resnet50", help="network of counts, kept, time and memory")
    add("--size", type=int, default=224, help="pixels along each side of the image")
    add("--batch", type=numbers, default=[1, 16], help="batches of time and memory: 1,16")
    add("--rounds", type=int, default=5, help="rounds of time")
    add("--seconds", type=float, default=0.0, help="of time: no further round of a row after so many; 0: all rounds")
    add(
        "--samples", type=int, default=8, help="steps or copies of sampling methods; masked copies are 16 times as many"
    )
    add("--threads", type=int, default=0, help="threads of PyTorch on the CPU; 0 leaves them as they are")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    add("--dtype", choices=list(DTYPES), default="float32", help="of counts, kept, time and memory")
    add("--weigh", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    for given, known in ((options.only, PARTS), (options.rows or (), WORKS), (options.nets or (), _nets())):
        for name in given:
            if name not in known:
                parser.error(f"there is no {name!r}; there are {', '.join(known)}")
    try:
        leave_out(options.leave_out)
    except ValueError as error:
        parser.error(str(error))
    return options


def _nets() -> Sequence[str]:
    return list(correct.families().FAMILIES)


def parts(options: argparse.Namespace, subject: Subject) -> dict[str, Iterator[Row]]:
    """Return the rows of every part that was asked for; they are measured as they are taken."""

    def rows(default: Sequence[str]) -> Sequence[str]:
        return options.rows or default

    again = [
        "--arch", options.arch, "--size", str(options.size), "--device", options.device, "--dtype", options.dtype,
        "--threads", str(options.threads), "--samples", str(options.samples),
    ]  # fmt: skip
    rounds = raced.Rounds(options.rounds, options.seconds)
    known = {
        "counts": counted.counts(subject, rows(list(dict.fromkeys([*COUNTED, *BUNDLE])))),
        "kept": counted.kept(subject, rows(KEPT)),
        "conservation": correct.conservation(options.nets or _nets()),
        "epsilon": correct.epsilon(options.nets or correct.RANDOM),
        "time": raced.race(subject, rows([w.name for w in WORKS.values() if not w.slow]), options.batch, rounds),
        "memory": weighed.weights(rows(WEIGHED), options.batch, again),
    }
    return {part: known[part] for part in PARTS if part in options.only}


def environment(device: str) -> dict[str, Any]:
    """Return what the figures depend on."""
    info = Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line] if (
        info.exists()) else []  # fmt: skip
    return {
        "matxai": importlib.metadata.version("matxai"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": importlib.metadata.version("torchvision"),
        **versions(),
        "system": platform.platform(),
        "cpu": names[0] if names else platform.processor() or platform.machine(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if device.startswith("cuda") else "cpu",
        "load at the start": load(),
    }


def load() -> float | None:
    """Return the machine's load of the last minute, where it tells."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def main() -> None:
    """Measure, and write or print the tables."""
    options = parse()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)  # numbers of 1e-40 slow a CPU down by far, peers more than us
    subject = Subject(options.arch, options.size, options.device, DTYPES[options.dtype], samples=options.samples)
    if options.weigh:
        print(json.dumps(weighed.weigh(subject, options.weigh, options.batch[0])))
        return
    shown = ("arch", "size", "dtype", "batch", "rounds", "seconds", "samples", "leave_out")
    report: dict[str, Any] = {
        "format": "matxai-benchmark", "version": 2, "environment": environment(options.device),
        "options": {k: getattr(options, k) for k in shown}, "parts": {},
    }  # fmt: skip
    for part, rows in parts(options, subject).items():
        report["parts"][part] = done = []
        for row in rows:
            done.append(row)
            print(part, *(row.get(k, "") for k in ("title", "net", "batch", "composite", "dtype")), file=sys.stderr)
            report["environment"]["load at the end"] = load()
            save(report, options)  # whatever ends this, nothing already measured is lost
    if not (options.json or options.markdown):
        print(written.markdown(report))


def save(report: dict[str, Any], options: argparse.Namespace) -> None:
    """Write the report where it was asked for."""
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if options.markdown:
        options.markdown.write_text(written.markdown(report), encoding="utf-8")


if __name__ == "__main__":
    main()
