"""Writes the tables of methods into README and docs from what the methods say of themselves.

python docs/make_methods.py           writes
python docs/make_methods.py --check   ends with 1 where a page is behind
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from matxai.methods.method import help_of, methods

ROOT = Path(__file__).parents[1]
INPUTS = {"1d": "1-D", "2d": "2-D", "3d": "3-D"}


def features() -> str:
    """Every method, what it takes, and the references that its numbers are held against."""
    lines = ["| method | inputs | models | verified against |", "|---|---|---|---|"]
    for name in methods:
        about = methods[name].about
        inputs = ", ".join(INPUTS[i] for i in about.inputs)
        lines.append(f"| `{name}` | {inputs} | {about.models} | {about.verified} |")
    return "\n".join(lines)


def in_full() -> str:
    """Every method with the question it answers, cost, guarantee, and where it misleads."""
    parts = []
    for name in methods:
        rows = [f"| {heading} | {text} |" for heading, text in help_of(name).items()]
        parts.append("\n".join([f"| `{name}` | |", "|---|---|", *rows]))
    return "\n\n".join(parts)


PAGES = {ROOT / "README.md": {"features": features}, ROOT / "docs" / "methods.md": {"methods": in_full}}


def written(page: Path) -> str:
    """Return the page with its tables as they are now."""
    text = page.read_text(encoding="utf-8")
    for mark, make in PAGES[page].items():
        pattern = re.compile(rf"(<!-- {mark}: made by docs/make_methods.py -->\n).*?(<!-- end -->)", re.DOTALL)
        if not pattern.search(text):
            sys.exit(f"{page.name} has no place for '{mark}'.")
        place = pattern.search(text)
        text = f"{text[: place.start()]}{place[1]}\n{make()}\n\n{place[2]}{text[place.end() :]}"
    return text


def main(arguments: list[str]) -> int:
    """Write the pages, or say which one is behind."""
    behind = [page for page in PAGES if written(page) != page.read_text(encoding="utf-8")]
    if "--check" in arguments:
        for page in behind:
            print(f"{page.name} is behind what the methods say of themselves: run docs/make_methods.py")
        return bool(behind)
    for page in behind:
        page.write_text(written(page), encoding="utf-8")
        print(f"wrote {page.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
