"""The tables as Markdown: what was measured beside what is to be reached, a mark, and under each table what failed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from candidates import Row

REACHED, MISSED = "✓", "✗"
Cell = Callable[[Row], str]


def number(value: float) -> str:
    """Return three digits that matter."""
    if not math.isfinite(value):
        return str(value)
    if value == 0 or 0.01 <= abs(value) < 1e4:
        return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
    return f"{value:.1e}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(c.replace("|", "\\|") for c in line) + " |" for line in lines) + "\n"


def who(rows: Iterable[Row]) -> list[str]:
    """Return everyone in the rows, in the order of their first row."""
    return list(dict.fromkeys(name for row in rows for name in row["candidates"]))


def cell(row: Row, name: str, shown: Cell) -> str:
    """Return a candidate's cell."""
    found = row["candidates"].get(name)
    if found is None:
        return ""
    return next((k for k in ("absent", "failed") if k in found), "") or shown(found)


def reasons(rows: Iterable[Row], label: Callable[[Row], str]) -> str:
    """Return one line for each candidate without a figure, or with a part of the work alone."""
    lines: dict[str, list[str]] = {}
    for row in rows:
        for name, found in row["candidates"].items():
            for kind in ("absent", "failed"):
                if kind in found:
                    lines.setdefault(f"{name} {kind}: {found[kind]}", []).append(label(row))
            if found.get("without"):
                lines.setdefault(f"{name} without {', '.join(found['without'])}", []).append(label(row))
    return "".join(f"- {text} ({', '.join(dict.fromkeys(where))})\n" for text, where in lines.items())


def mark(found: Row, reached: bool) -> str:
    """Return the mark of a figure; none for a part of the work."""
    return "" if found.get("without") else f" {REACHED if reached else MISSED}"


def counts(rows: Sequence[Row], unit: str) -> str:
    """Return the table of forward equivalents or of MiB kept."""

    def line(row: Row) -> list[str]:
        ours, aim = row["candidates"]["matxai"], row["aim"]
        figure = cell(row, "matxai", lambda f: number(f["value"]))
        if aim is not None and "value" in ours:
            figure += mark(ours, ours["value"] <= aim * (1 + 1e-6))
        rest = [cell(row, name, lambda f: number(f["value"])) for name in names if name != "matxai"]
        return [row["title"], row["others"], "" if aim is None else f"<= {number(aim)}", figure, *rest]

    names = who(rows)
    head = [unit, "others, as the aim was set", "aim", "matxai", *[n for n in names if n != "matxai"]]
    return table(head, map(line, rows)) + "\n" + reasons(rows, lambda r: r["title"])


def conservation(rows: Sequence[Row]) -> str:
    """Return the table of sum R / score."""

    def line(row: Row) -> list[str]:
        def shown(found: Row) -> str:
            return f"{found['value']:.6g} ({number(found['magnitude'])})"

        ours = row["candidates"]["matxai"]
        end = mark(ours, abs(ours["value"] - 1) <= row["aim"]) if "value" in ours else ""
        return [row["net"], row["composite"], cell(row, "matxai", shown) + end, *[cell(row, n, shown) for n in names]]

    names = [n for n in who(rows) if n != "matxai"]
    aim = f"sum R / score (sum abs R / abs score); aim: 1 within {rows[0]['aim']:g}" if rows else ""
    head = ["network without biases", "composite", "matxai", *names]
    return f"{aim}\n\n{table(head, map(line, rows))}\n{reasons(rows, lambda r: r['net'])}"


def epsilon(rows: Sequence[Row]) -> str:
    """Return the table of distances to gradient x input."""

    def line(row: Row) -> list[str]:
        def shown(found: Row) -> str:
            return f"{found['value']:.1e} (cos {found['cosine']:.3f})"

        ours = row["candidates"]["matxai"]
        end = mark(ours, ours["value"] <= row["aim"]) if "value" in ours else ""
        return [row["net"], row["dtype"], cell(row, "matxai", shown) + end, *[cell(row, n, shown) for n in names]]

    names = [n for n in who(rows) if n != "matxai"]
    aim = f"relative L2 to gradient x input; aim: at most {rows[0]['aim']:g}" if rows else ""
    return (
        f"{aim}\n\n{table(['network', 'type', 'matxai', *names], map(line, rows))}\n{reasons(rows, lambda r: r['net'])}"
    )


def time(rows: Sequence[Row]) -> str:
    """Return the table of seconds, and of ours as a share of theirs."""

    def line(row: Row) -> list[str]:
        ours = row["candidates"]["matxai"]

        def shown(name: str) -> str:
            ratio = row["ratios"].get(name)
            if ratio is None:
                return cell(row, name, lambda f: f"{f['value']:.3g} s" if "value" in f else "")
            low, high = ratio["quartiles"]
            return (
                f"{ratio['median']:.2f} [{low:.2f}, {high:.2f}] of {number(row['candidates'][name]['value'])} s"
                f" (aim {ratio['aim']:g}){mark(ours, ratio['median'] <= ratio['aim'])}"
            )

        rounds = len(ours.get("seconds", ()))
        return [row["title"], str(row["batch"]), cell(row, "matxai", lambda f: number(f.get("value", math.nan))),
                str(rounds), *map(shown, names)]  # fmt: skip

    names = [n for n in who(rows) if n != "matxai"]
    text = "matxai in seconds (median); beside it ours as a share of each peer's: median of the ratios within rounds"
    head = ["time", "batch", "matxai, s", "rounds", *names]
    return (
        f"{text} [quartiles].\n\n{table(head, map(line, rows))}\n{reasons(rows, lambda r: r['title'])}{_bundles(rows)}"
    )


def _bundles(rows: Iterable[Row]) -> str:
    """Say whose times the bundle was held against."""
    text = ""
    for row in rows:
        for found in row["candidates"].values():
            if "peers" in found:
                parts = found.get("parts", {})
                each = ", ".join(f"{w}: {p} {number(parts[w])} s" for w, p in found["peers"].items() if w in parts)
                text += f"- batch {row['batch']}, the fastest peer for each work of the bundle: {each}\n"
    return text


def memory(rows: Sequence[Row]) -> str:
    """Return the table of peak memory."""
    names = who(rows)
    lines = [[r["title"], str(r["batch"]), *[cell(r, n, lambda f: number(f["value"])) for n in names]] for r in rows]
    head = ["peak MiB above the loaded model", "batch", *names]
    return table(head, lines) + "\n" + reasons(rows, lambda r: r["title"])


TITLES: dict[str, tuple[str, Callable[[Sequence[Row]], str]]] = {
    "counts": ("Floating-point operations, in forwards (F)", lambda rows: counts(rows, "F")),
    "kept": ("Kept for the backwards", lambda rows: counts(rows, "MiB per image")),
    "conservation": ("Conservation", conservation),
    "epsilon": ("Epsilon maps", epsilon),
    "time": ("Wall time", time),
    "memory": ("Peak memory", memory),
}


def markdown(report: dict[str, Any]) -> str:
    """Return the whole report."""
    about = report["environment"] | report["options"]
    lines = "".join(f"| {k} | {v} |\n" for k, v in about.items())
    text = f"# matxai beside its peers\n\n| | |\n| --- | --- |\n{lines}"
    for part, rows in report["parts"].items():
        title, write = TITLES[part]
        text += f"\n## {title}\n\n{write(rows)}"
    return text
