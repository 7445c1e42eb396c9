"""The tables of the truth of verdicts as Markdown, and the figures that they are summed up in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from leak_cases import WEAK
from leak_chance import INNOCENTS, significant
from leak_rules import RULES

Row = dict[str, Any]
REACHED, MISSED = "✓", "✗"


def summary(rows: Sequence[Row], chances: Sequence[Row] = (), remedies: Sequence[Row] = ()) -> list[dict[str, Any]]:
    """Return the aims, what was measured, and whether it is reached."""
    main = [r for r in rows if r["about"] not in WEAK]
    leaky = [r for r in main if r["truth"]["says"] == "leaky"]
    innocent = [r for r in main if r["truth"]["says"] == "innocent"]
    found = [
        _aim("leaky convicted, the right artefact named", [r["answer"] == "leak" for r in leaky], ">= 95 %", 0.95, 1),
        _aim("innocents convicted", [_convicted(r) for r in innocent], "none", 0, 0),
        _aim("leaky given 'not seen'", [_acquitted(r) for r in leaky], "none", 0, 0),
        _aim("scored left at 'cannot tell'", [_open(r) for r in leaky + innocent], "<= 10 %", 0, 0.1),
    ]
    for about in WEAK:
        answers = [r["in_all"] == "cannot tell" for r in rows if r["about"] == about]
        found.append(_aim(f"{about}: 'cannot tell'", answers, "all", 1, 1))
    for about, said in INNOCENTS.items():
        own = [c for c in chances if c["about"] == about]
        if own:
            hits, of, most = significant(np.array([c["p"] for c in own]))
            alone, *_ = significant(np.array([c["permuted"] for c in own]))
            text = f"{hits} of {of}, chance allows {most}; the permutations alone {alone}"
            found.append({"aim": f"innocents with p <= 0.05, {said}", "wanted": "<= 5 % within binomial error",
                          "found": text, "reached": hits <= most})  # fmt: skip
    for recipe in dict.fromkeys(r["recipe"] for r in remedies):
        own = [r for r in remedies if r["recipe"] == recipe]
        kept = [r["clean_after"] >= r["clean_before"] - 0.02 - 1e-9 for r in own]
        found.append(_aim(f"{recipe}: the effect falls by 80 %", [r["fall"] >= 0.8 for r in own], "all", 1, 1))
        found.append(_aim(f"{recipe}: accuracy without the artefact loses at most 2 points", kept, "all", 1, 1))
    return found


def _convicted(row: Row) -> bool:
    """An innocent is convicted by a leak of its artefact, or of anything else where nothing leaks."""
    return row["answer"] == "leak" or (row["in_all"] == "leak" and row["about"] != "two")


def _acquitted(row: Row) -> bool:
    return row["answer"] in ("not seen", "unreachable") or (row["answer"] is None and row["in_all"] == "not seen")


def _open(row: Row) -> bool:
    return row["answer"] == "cannot tell" or (row["answer"] is None and row["in_all"] == "cannot tell")


def _aim(aim: str, hits: Sequence[bool], wanted: str, low: float, high: float) -> dict[str, Any]:
    share = sum(hits) / len(hits) if hits else float("nan")
    text = f"{sum(hits)} of {len(hits)}" + (f" ({100 * share:.0f} %)" if hits else "")
    return {"aim": aim, "wanted": wanted, "found": text, "reached": bool(hits) and low <= share <= high}


def simpler(rows: Sequence[Row]) -> list[list[str]]:
    """Return for the check and for each simpler rule: leaky convicted, innocents convicted."""
    main = [r for r in rows if r["about"] not in WEAK]
    sides = [[r for r in main if r["truth"]["says"] == says] for says in ("leaky", "innocent")]

    def line(name: str, hits: Any) -> list[str]:
        return [name, *(f"{sum(map(hits, side))} of {len(side)}" for side in sides)]

    lines = [
        line("the verdict: leak", lambda r: r["answer"] == "leak"),
        line("the verdict: leak or suspicious", lambda r: r["answer"] in ("leak", "suspicious")),
        line("with supporting tests: leak or suspicious", lambda r: r["together"] in ("leak", "suspicious")),
    ]
    names = sorted({s for r in main for s in r["support"]})
    return [
        *lines,
        *(line(rule, lambda r, rule=rule: r["rules"][rule][1]) for rule in RULES),
        *(line(f"supporting: {name}", lambda r, name=name: name in r["support"]) for name in names),
    ]


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *lines]) + "\n"


def markdown(report: Row) -> str:
    """Return the whole report."""
    parts = report["parts"]
    rows = parts.get("verdicts", [])
    text = "# Verdicts on leakage beside the truth\n\n" + table(
        ["", ""], [[k, str(v)] for k, v in (report["environment"] | report["options"]).items()]
    )
    text += "\n## Summary\n\n" + table(
        ["what", "wanted", "found", ""],
        [[s["aim"], s["wanted"], s["found"], REACHED if s["reached"] else MISSED] for s in report["summary"]],
    )
    if rows:
        text += "\n## The same nets under simpler rules\n\n" + table(
            ["rule", "leaky convicted", "innocents convicted"], simpler(rows)
        )
        text += "\n## Net by net\n\n" + table(
            ["for", "data", "net", "artefact", "trained", "judged", "right", "truth", "", "verdict", "effect", "p",
             "in all", "beyond their null"],
            map(_line, rows),
        )  # fmt: skip
    if parts.get("remedy"):
        text += "\n## Remedy\n\n" + table(
            ["data", "net", "artefact", "recipe", "effect before", "after", "falls by", "right without it: before",
             "after", "verdict after"],
            map(_remedied, parts["remedy"]),
        )  # fmt: skip
    return text


def _percent(strength: Any) -> str:
    return {None: "constant", "none": "without"}.get(strength, f"{strength} %")


def _line(r: Row) -> list[str]:
    true = r["truth"]
    effect = "" if r["effect"] is None else f"{r['effect']:.2f} [{r['interval'][0]:.2f}, {r['interval'][1]:.2f}]"
    answer = r["answer"] or f"not found{' as such: ' + ', '.join(r['found_as']) if r['found_as'] else ''}"
    return [
        r["about"], r["world"], r["architecture"], r["kind"], _percent(r["trained"]), _percent(r["strength"]),
        f"{r['accuracy']:.2f}", f"{true['effect']:.2f} [{true['low']:.2f}, {true['high']:.2f}]", true["says"], answer,
        effect, "" if r["p"] is None else f"{r['p']:.4f}", r["in_all"], ", ".join(r["support"]),
    ]  # fmt: skip


def _remedied(r: Row) -> list[str]:
    recipe = f"{r['recipe']}: {r['way']}"
    return [
        r["world"], r["architecture"], r["kind"], recipe, f"{r['before']:.2f}", f"{r['after']:.2f}",
        f"{100 * r['fall']:.0f} %", f"{r['clean_before']:.2f}", f"{r['clean_after']:.2f}", str(r["answer"]),
    ]  # fmt: skip
