"""What a section of a report is, and the registry of them: a new one is one file in `matxai.report.sections`."""

from __future__ import annotations

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
    )
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
