"""Peak memory of one call above the loaded model, each candidate in a process of its own."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import torch
from candidates import Row, candidates, tried
from subjects import Subject
from works import WORKS

MIB = 2**20
SMALL = 64


def weights(names: Sequence[str], batches: Iterable[int], again: Sequence[str]) -> Iterator[Row]:
    """Give the peak of every candidate for every work and batch.

    Parameters
    ----------
    names, batches
        What is weighed.
    again
        The options with which this command is to be called for one candidate.
    """
    for batch in batches:
        for work in (WORKS[n] for n in names):
            found = {c.who: _weighed(work.name, c.who, batch, again) for c in candidates(work)}
            yield {"work": work.name, "title": work.title, "batch": batch, "candidates": found}


def _weighed(work: str, who: str, batch: int, again: Sequence[str]) -> Row:
    command = [sys.executable, sys.argv[0], "--weigh", f"{work}/{who}", "--batch", str(batch), *again]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]
        return {"failed": last[:140]}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def weigh(subject: Subject, which: str, batch: int) -> Row:
    """Return one candidate's peak in MiB above the loaded model; meant for a fresh process."""
    name, who = which.split("/", maxsplit=1)
    candidate = next(c for c in candidates(WORKS[name]) if c.who == who)

    def peak() -> Row:
        call = candidate.prepare(subject.network(), subject)
        x = subject.images(batch)
        # imports and first-call checks are not the method's; of so small an image next to nothing is kept
        call(x[:1, :, :SMALL, :SMALL])
        before = _reset(subject)
        call(x)
        return {"value": (_peak(subject) - before) / MIB}

    return tried(peak)


def _reset(subject: Subject) -> int:
    """Forget the peak so far; return the bytes in use now."""
    subject.synchronise()
    if subject.device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    clear, pages = Path("/proc/self/clear_refs"), Path("/proc/self/statm")
    if not pages.exists():
        return _peak(subject)
    clear.write_text("5")  # sets the high-water mark back to what is resident now
    return int(pages.read_text().split()[1]) * resource.getpagesize()


def _peak(subject: Subject) -> int:
    subject.synchronise()
    if subject.device.startswith("cuda"):
        return torch.cuda.max_memory_allocated()
    status = Path("/proc/self/status")
    if status.exists():
        mark = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(mark.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
