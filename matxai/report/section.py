"""What a section of a report is, and the registry of them: a new one is one file in `matxai.report.sections`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from matxai.registry import Registry
from matxai.report import sentences

if TYPE_CHECKING:
    from collections.abc import Callable

    from jinja2 import Environment
    from markupsafe import Markup

    from matxai.report.content import Report, ReportItem


_NUMBER = re.compile(r"[−-]?[\d.]+( to [−-]?[\d.]+)?")


@dataclass(frozen=True)
class Section:
    """A part of a report.

    Parameters
    ----------
    order
        Where it stands; sections of the report below 100 come before the items, the others after them.
    title
        Its heading; empty for a part that needs none.
    of_report
        Makes the part once for the whole report; None where there is nothing to say.
    of_item
        Makes the part for each item.
    """

    order: int
    title: str
    of_report: Callable[[Report], Markup | None] | None = None
    of_item: Callable[[Report, ReportItem], Markup | None] | None = None


sections: Registry[Section] = Registry("report section", package="matxai.report.sections")


def numeric(value: object) -> bool:
    """Return whether a cell is a number, or text that says a number or an interval: ``"0.05"``, ``"−0.28 to 0.28"``."""
    if isinstance(value, str):
        return _NUMBER.fullmatch(value) is not None
    return isinstance(value, int | float) and not isinstance(value, bool)


def _unbroken(value: object) -> object:
    """A number and its per cent sign stay on one line."""
    return value.replace(" %", "\u00a0%") if isinstance(value, str) else value


@cache
def environment() -> Environment:
    """Return the environment of the templates: everything is escaped, an undefined name is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    env = Environment(
        loader=PackageLoader("matxai.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_unbroken,
    )
    env.tests["numeric"] = numeric
    env.filters.update(
        number=sentences.number,
        percent=sentences.percent,
        method=sentences.method_label,
        printable=sentences.printable,
    )
    return env


def fill(template: str, **values: Any) -> Markup:
    """Fill one of the package's templates; the result is markup whose values were escaped."""
    from markupsafe import Markup

    return Markup(environment().get_template(template).render(**values))  # noqa: S704 - autoescape is on, above
