"""The one family of errors and warnings, and how their sentences are made. Nothing here imports another part of matxai.

Every message has the form *what is wrong, in what, what would be right* and is shown to the user as it stands:
the command line prints it and ends with the error's ``exit_code``; the plugin shows it in a notification.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class MatxaiError(Exception):
    """Something that the user can put right: bad input, a missing dependency, a model that does not fit.

    Attributes
    ----------
    exit_code
        What the command line ends with: 2 for bad input.
    """

    exit_code = 2


class FileError(MatxaiError):
    """A file that is missing, empty, truncated, mislabelled or unreadable."""


class UnsafeFileError(FileError):
    """A file that could run code or exhaust the machine if it were loaded; it was not loaded."""


class MissingDependencyError(MatxaiError):
    """A file or command that needs an optional package; the message holds the ``pip install`` line."""


class SignalError(MatxaiError):
    """Data that cannot be what was asked for: axes, shapes, units, non-finite values."""


class CardError(MatxaiError):
    """A model card that is incomplete or wrong; the message names line and field."""


class ExpectationError(MatxaiError):
    """An expectations file that is incomplete or wrong; the message names line and field."""


class ModelError(MatxaiError):
    """A model that cannot be built, loaded, or does not fit its input."""


class LayerError(MatxaiError):
    """A layer that does not exist, is never reached, or has no spatial axes."""


class TargetError(MatxaiError):
    """A target that names no score of this model's output."""


class MethodError(MatxaiError):
    """A method that does not exist, or does not apply to this model and input."""


class OperationError(MatxaiError):
    """An operation inside a model that the engine cannot treat faithfully."""


class RegionError(MatxaiError):
    """A region that is empty, outside the signal, or covers all of it."""


class ExplanationError(MatxaiError):
    """A saved result that cannot be read or written."""


class Cancelled(MatxaiError):  # noqa: N818 - a public name of the contract, and not a mistake of anybody's
    """The caller asked to stop; nothing is left behind."""

    exit_code = 130


class MatxaiWarning(UserWarning):
    """Something that was decided for the user and that changes how a result reads."""


NEAR = 0.66
"""Likeness from which a name is offered for a misspelt one; 1 is the same name."""


def _likeness(name: str, known: str) -> float:
    """Return how alike two names are, from 0 to 1; capitals and a suffix that both have do not count."""
    name, known = name.casefold(), known.casefold()
    stem, _, suffix = name.rpartition(".")
    other, _, theirs = known.rpartition(".")
    if stem and other and suffix == theirs:
        name, known = stem, other
    return difflib.SequenceMatcher(None, known, name).ratio()


def nearest(name: str, known: Iterable[str], *, label: str = "Known") -> str:
    """Return a sentence that offers the known names nearest to a misspelt one.

    Parameters
    ----------
    name
        What the user wrote.
    known
        What would have been right.
    label
        How the full list is introduced when nothing is near.

    Returns
    -------
    str
        ``"Did you mean 'a' or 'b'?"``, else the list (at most twelve names, then a count).

    Examples
    --------
    >>> nearest("gradcam", ["grad_cam", "lrp"])
    "Did you mean 'grad_cam'?"
    >>> nearest("q", ["grad_cam", "lrp"])
    'Known: grad_cam, lrp.'
    """
    names = [str(k) for k in known]
    likeness = {known_name: _likeness(name, known_name) for known_name in names}
    close = [n for n in sorted(likeness, key=lambda n: -likeness[n]) if likeness[n] >= NEAR][:3]
    if close:
        return "Did you mean " + " or ".join(f"'{c}'" for c in close) + "?"
    shown = ", ".join(names[:12])
    more = f" (and {len(names) - 12} more)" if len(names) > 12 else ""
    return f"{label}: {shown}{more}." if names else f"{label}: none."
