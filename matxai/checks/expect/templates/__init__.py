"""Files of expectations to start from, one for each field: they are valid as they stand, and their comments explain."""

from __future__ import annotations

from functools import cache
from importlib import resources

from matxai.errors import ExpectationError, nearest


@cache
def template_names() -> tuple[str, ...]:
    """Return the names of the templates, in alphabetical order."""
    found = (entry.name for entry in resources.files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in found if name.endswith(".yaml")))


def template(name: str) -> str:
    """Return the text of a template.

    Raises
    ------
    ExpectationError
        If there is none of that name.
    """
    if name not in template_names():
        raise ExpectationError(f"There is no template '{name}'. {nearest(name, template_names())}")
    return (resources.files(__name__) / f"{name}.yaml").read_text(encoding="utf-8")


def title(name: str) -> str:
    """Return the first line of a template: what it is for."""
    return template(name).splitlines()[0].lstrip("# ")
