"""What was done, in order, as the Python that repeats it. :mod:`script` makes a file of it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import xarray as xr

WIDTH = 100


class Code(str):
    """Text that stands in a call as it is, where other values stand as their ``repr``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def call(function: str, *given: Any, **named: Any) -> str:
    """Return a call as Python writes it; what is None is left out, what is :class:`Code` stands as it is.

    Examples
    --------
    >>> call("matxai.explain", Code("model"), Code("signal"), methods=["lrp"], target=None, seed=0)
    "matxai.explain(model, signal, methods=['lrp'], seed=0)"
    """
    parts = [repr(v) for v in given] + [f"{name}={v!r}" for name, v in named.items() if v is not None]
    one = f"{function}({', '.join(parts)})"
    return one if len(one) <= WIDTH else "\n".join([f"{function}(", *(f"    {part}," for part in parts), ")"])


@dataclass(frozen=True, eq=False)
class Subject:
    """The signal that was asked about, as a script finds it again: by its file, or as a copy beside the script.

    Parameters
    ----------
    paths
        Absolute paths of its files, several for a stack of files; empty for a layer that came from no file.
    index
        What was taken of the file: the name of an axis, and the place along it or (start, stop) of a range.
    digest
        Of its values (:func:`digest_of`): the script is only given a file that holds the same.
    axes
        Name, first place, step, unit of each axis with even steps, as the layer had them.
    reading
        Keywords of ``matxai.read`` beside the path.
    kept
        The signal, where no file holds it.
    """

    paths: tuple[str, ...]
    index: tuple[tuple[str, int | tuple[int, int]], ...]
    digest: str
    axes: tuple[tuple[str, float, float, str], ...] = ()
    reading: Mapping[str, Any] = field(default_factory=dict)
    kept: xr.DataArray | None = None

    @classmethod
    def of(
        cls,
        signal: xr.DataArray,
        *,
        path: str | Sequence[str] | None = None,
        index: Mapping[str, int | tuple[int, int]] | None = None,
        reading: Mapping[str, Any] | None = None,
    ) -> Subject:
        """Return what a script needs to know of a signal; reads all its values, so ask off the main thread.

        Parameters
        ----------
        signal
            As the model was given it.
        path
            Its file or files; by default ``signal.attrs["path"]``.
        index
            The slice that it is of what the file holds, ``{"z": 3}``, or a range of it, ``{"z": (3, 8)}``.
        reading
            Keywords of ``matxai.read``, such as ``item``.
        """
        found = path if path is not None else signal.attrs.get("path")
        paths = [found] if isinstance(found, str | os.PathLike) else list(found or ())
        return cls(
            tuple(os.path.abspath(p) for p in paths),  # noqa: PTH100 - links are the user's to follow
            tuple((str(dim), at if isinstance(at, tuple) else int(at)) for dim, at in (index or {}).items()),
            digest_of(signal.data),
            axes_of(signal),
            dict(reading or {}),
            None if paths else signal,
        )


def digest_of(values: Any) -> str:
    """Return a checksum over type, shape and values of an array; of a lazy one a part at a time is read."""
    digest = hashlib.sha256(f"{np.dtype(values.dtype).str}{tuple(values.shape)}".encode())
    for part in [values] if isinstance(values, np.ndarray) or not values.shape else values:
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


def axes_of(signal: xr.DataArray) -> tuple[tuple[str, float, float, str], ...]:
    """Return name, first place, step and unit of each axis of a signal that has even steps."""
    found = []
    for dim in (str(d) for d in signal.dims if d != "c" and d in signal.coords):
        if signal[dim].dtype.kind not in "iuf":
            continue  # names of samples
        places = np.asarray(signal[dim].values, float)
        steps = np.diff(places)
        if steps.size and np.allclose(steps, steps.mean(), rtol=1e-3):
            found.append((dim, float(places[0]), float(steps.mean()), str(signal[dim].attrs.get("units", ""))))
    return tuple(found)


@dataclass(frozen=True)
class Opened:
    """The model that was asked, as ``matxai.load_model`` takes it.

    Parameters
    ----------
    source
        Its name or path.
    options
        Keywords of ``matxai.load_model`` with other values than its own, such as ``(("arch", "torchvision:vgg11"),)``.
    """

    source: str
    options: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, eq=False)
class Entry:
    """One thing that was done.

    Parameters
    ----------
    what
        In plain words; becomes a comment.
    python
        Lines of Python (see :func:`call`). ``signal`` and ``model`` stand for ``subject`` and ``opened``; what earlier
        entries defined is there too: ``result`` is the last explanation.
    needs
        Imports, as ``import matxai`` or ``from matxai.checks import perturb``.
    subject
        What ``signal`` is in these lines; None where they use none.
    opened
        What ``model`` is in these lines; None where they use none.
    arrays
        Further arrays or signals that the lines use, by their names there: masks, donors. They are saved beside the
        script.
    saves
        Names of explanations that the lines define: the script saves them.
    key
        What is done over and over as a hand moves (the live map) has a key: the next entry of the same key takes the
        place of the last one.
    """

    what: str
    python: tuple[str, ...]
    needs: tuple[str, ...] = ("import matxai",)
    subject: Subject | None = None
    opened: Opened | None = None
    arrays: Mapping[str, Any] = field(default_factory=dict)
    saves: tuple[str, ...] = ()
    key: str = ""


class Journal:
    """The session's entries, oldest first."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def add(
        self,
        what: str,
        *python: str,
        needs: tuple[str, ...] = ("import matxai",),
        subject: Subject | None = None,
        opened: Opened | None = None,
        arrays: Mapping[str, Any] | None = None,
        saves: tuple[str, ...] = (),
        key: str = "",
    ) -> None:
        """Write down what was done; parameters as :class:`Entry` has them."""
        entry = Entry(what, python, needs, subject, opened, dict(arrays or {}), saves, key)
        if key and self.entries and self.entries[-1].key == key:
            self.entries[-1] = entry
        else:
            self.entries.append(entry)
