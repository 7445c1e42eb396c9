"""Verdicts as files: ``verdict.json`` for programs and people, JUnit for a pipeline."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from matxai.errors import MatxaiError
from matxai.report import sentences
from matxai.report.export import write_bytes

if TYPE_CHECKING:
    import os

    from matxai.checks.verdict import Verdict

FORMAT = "matxai-verdict"
VERSION = 1

WORST_FIRST = (
    "leak",
    "broken",
    "suspicious",
    "cannot tell",
    "inconclusive",
    "not seen",
    "holds",
    "unreachable",
    "reported",
)
"""The answer of several findings is the first of these that one of them gave."""


@dataclass(frozen=True)
class Finding:
    """A verdict with the name that it has in its run, its kind of question, and the tests behind it.

    Parameters
    ----------
    name
        Unique in its run.
    kind
        ``info_bar``, ``factor``, ``expectation``.
    verdict
        The answer.
    detail
        Further records for programs: tests, what the data could have shown.
    """

    name: str
    kind: str
    verdict: Verdict
    detail: Mapping[str, Any] = field(default_factory=dict)


def overall(findings: Sequence[Finding]) -> str:
    """Return the answer of all findings together.

    Raises
    ------
    MatxaiError
        If there are none: nothing was asked, so nothing can be answered.
    """
    answers = {f.verdict.answer for f in findings}
    found = next((a for a in WORST_FIRST if a in answers), None)
    if found is None:
        msg = "A verdict needs at least one finding; none was given."
        raise MatxaiError(msg)
    return found


def verdict_json(
    findings: Sequence[Finding],
    path: str | os.PathLike[str],
    *,
    command: str,
    seed: int,
    versions: Mapping[str, str],
    hashes: Mapping[str, str] | None = None,
    answer: str | None = None,
    about: Mapping[str, Any] | None = None,
) -> Path:
    """Write ``verdict.json``: the answer, each finding with its numbers, and what is needed to repeat it.

    Parameters
    ----------
    findings
        At least one, unless the answer is given.
    path
        The file.
    command, seed, versions
        How to repeat it.
    hashes
        SHA-256 of the model and the data, by name.
    answer
        The answer of the run; by default the worst of the findings.
    about
        What else the run tells: its sentence, what was looked for, how many signals; keys beside ``answer``.

    Raises
    ------
    FileError
        If the file cannot be written.
    MatxaiError
        If there is no finding and no answer.
    """
    record = {
        "format": FORMAT,
        "version": VERSION,
        "answer": answer or overall(findings),
        **(about or {}),
        "findings": [
            {"name": f.name, "kind": f.kind, **f.verdict.to_dict(), **({"detail": f.detail} if f.detail else {})}
            for f in findings
        ],
        "repeat": {"command": command, "seed": seed, "versions": dict(versions), "hashes": dict(hashes or {})},
    }
    target = Path(path)
    text = json.dumps(_plain(record), indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes(target, f"{text}\n".encode())
    return target


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: NumPy numbers as numbers, NaN and Inf as null, everything else as text."""
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Sequence | set | frozenset):
        return [_plain(v) for v in value]
    return str(value)


def verdict_junit(findings: Sequence[Finding], path: str | os.PathLike[str], *, suite: str = "matxai") -> Path:
    """Write the findings as JUnit XML: leaks and broken expectations fail, undecided ones are skipped.

    Raises
    ------
    FileError
        If the file cannot be written.
    """
    kinds = [sentences.FINDINGS.get(f.verdict.answer, "") for f in findings]
    root = ET.Element("testsuites")
    one = ET.SubElement(root, "testsuite", name=_legal(suite), tests=str(len(findings)), errors="0")
    one.set("failures", str(kinds.count("fails")))
    one.set("skipped", str(kinds.count("is undecided")))
    for finding, kind in zip(findings, kinds, strict=True):
        case = ET.SubElement(one, "testcase", name=_legal(finding.name), classname=_legal(finding.kind))
        verdict = finding.verdict
        if kind == "fails":
            ET.SubElement(case, "failure", message=_legal(verdict.answer)).text = _legal(verdict.sentence)
        elif kind == "is undecided":
            ET.SubElement(case, "skipped", message=_legal(verdict.sentence))
        else:
            ET.SubElement(case, "system-out").text = _legal(f"{verdict.answer}: {verdict.sentence}")
    ET.indent(root)
    target = Path(path)
    write_bytes(target, ET.tostring(root, encoding="utf-8", xml_declaration=True))
    return target


def _legal(text: str) -> str:
    """Return text without the characters that XML cannot hold."""
    return "".join(
        c if c in "\t\n\r" or 0x20 <= ord(c) < 0xD800 or 0xE000 <= ord(c) < 0xFFFE or ord(c) > 0xFFFF else "�"
        for c in text
    )
