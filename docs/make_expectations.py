"""Writes the tables of expectations.md from the kinds of regions and measures themselves.

python docs/make_expectations.py           writes
python docs/make_expectations.py --check   ends with 1 where the page is behind
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from matxai.checks.expect.measures import measures
from matxai.checks.expect.regions import region_kinds
from matxai.checks.expect.schema import Absent, Expectation, Insertion
from matxai.checks.expect.templates import template_names, title

PAGE = Path(__file__).with_name("expectations.md")
OF = {"1d": "spectra", "image": "images", "any": "any"}


def regions() -> str:
    """Every kind of region with its fields."""
    lines = ["| region | where it lies | signals | fields |", "|---|---|---|---|"]
    for kind in region_kinds.values():
        fields = ", ".join(f"`{name}`" for name in kind.fields.model_fields)
        lines.append(f"| `{kind.example}` | {kind.about} | {OF[kind.of]} | {fields} |")
    return "\n".join(lines)


def of_measures() -> str:
    """Every measure with its ends, controls and fields."""
    lines = ["| measure | what it is | from | to | `controls` | its own fields |", "|---|---|---|---|---|---|"]
    for name, measure in measures.items():
        low, high = ("any size" if end is None else f"{end:g}" for end in (measure.low, measure.high))
        fields = ", ".join(f"`{f}`" for f in measure.fields.model_fields) or "none"
        lines.append(
            f"| `{name}` | {measure.about} | {low} | {high} | {'yes' if measure.controls else 'no'} | {fields} |"
        )
    return "\n".join(lines)


def fields() -> str:
    """Every field of an expectation and of an absence."""
    own = ", ".join(f"`{f}`" for f in Expectation.model_fields)
    absent = ", ".join(f"`{f}`" for f in [*Absent.model_fields, *Insertion.model_fields])
    return f"An expectation: {own}, and the fields of its measure.\n\n`absent`: {absent}."


def of_templates() -> str:
    """Every template with its first line."""
    lines = ["| template | what it is for |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{name}` | {title(name)} |" for name in template_names())])


MARKS = {"fields": fields, "regions": regions, "measures": of_measures, "templates": of_templates}


def written() -> str:
    """Return the page with its tables as they are now."""
    text = PAGE.read_text(encoding="utf-8")
    for mark, make in MARKS.items():
        pattern = re.compile(rf"(<!-- {mark}: made by docs/make_expectations.py -->\n).*?(<!-- end -->)", re.DOTALL)
        place = pattern.search(text)
        if place is None:
            sys.exit(f"{PAGE.name} has no place for '{mark}'.")
        text = f"{text[: place.start()]}{place[1]}\n{make()}\n\n{place[2]}{text[place.end() :]}"
    return text


def main(arguments: list[str]) -> int:
    """Write the page, or say that it is behind."""
    behind = written() != PAGE.read_text(encoding="utf-8")
    if behind and "--check" in arguments:
        print(f"{PAGE.name} is behind the schema: run docs/make_expectations.py")
        return 1
    if behind:
        PAGE.write_text(written(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
