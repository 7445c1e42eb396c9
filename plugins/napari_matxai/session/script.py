"""A session as a Python script that repeats it: reads the files, loads the models, asks the same, saves the maps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import Cancelled, FileError, MatxaiError
from napari_matxai.session.journal import Code, axes_of, call, digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import xarray as xr

    from napari_matxai.session.journal import Entry, Opened, Subject
    from napari_matxai.session.question import Cancel, Progress
    from napari_matxai.session.session import Session

HEAD = '''"""What was asked of a network in napari, as a script. Written by matxai {version}.

Files are read where they lay. Maps are saved into the folder {results}, beside this script.
"""
'''
COPIED = "came from no file that still holds it; a copy lies in {folder}"
CHANGED = (
    "{path} no longer holds what was asked about, and nothing else does: the script reads it as it is now, and its "
    "numbers may differ."
)


@dataclass(frozen=True)
class Script:
    """A script that was written.

    Parameters
    ----------
    path
        The file.
    copies
        What was saved beside it because no file held it.
    notes
        What the user has to know, a sentence each.
    """

    path: Path
    copies: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


class ScriptQuestion:
    """Write the session so far as a script.

    Made on the main thread; files are read again off it, to see that they still hold what was asked about.

    Raises
    ------
    MatxaiError
        If nothing was asked yet.
    """

    title = "write the script"

    def __init__(self, session: Session, path: Path) -> None:
        self.entries = tuple(session.journal.entries)
        self.path = path
        if not self.entries:
            raise MatxaiError("Nothing was asked yet, so there is nothing to repeat: explain an image first.")

    def run(self, progress: Progress, cancel: Cancel) -> Script:
        """Write it."""
        return write_script(self.entries, self.path, progress=progress, cancel=cancel)

    def show(self, session: Session, answer: Script) -> None:
        """The step tells where it lies; nothing changes on the viewer."""


def write_script(
    entries: Sequence[Entry], path: Path, *, progress: Progress | None = None, cancel: Cancel | None = None
) -> Script:
    """Write entries of a journal as a script, and beside it what no file holds.

    Raises
    ------
    FileError
        If something cannot be written.
    Cancelled
        If ``cancel`` is set; no script is written then.
    """
    writer = _Writer(path)
    try:
        for number, entry in enumerate(entries):
            if cancel is not None and cancel.is_set():
                raise Cancelled("Cancelled before the script was written.")
            if progress is not None:
                progress(number, len(entries), "reading the files again")
            writer.add(entry)
        path.write_text(writer.text(), encoding="utf-8", newline="\n")
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror or error}.") from None
    return Script(path, tuple(writer.copies), tuple(writer.notes))


class _Writer:
    """The script as it grows: ``signal`` and ``model`` are assigned anew only where they change."""

    def __init__(self, path: Path) -> None:
        self.path = path
        stem = re.sub(r"[^\w.-]+", "_", path.stem)
        self.folder = path.parent / f"{stem}_files"
        self.results = f"{stem}_results"
        self.needs: set[str] = {"from pathlib import Path", "import matxai"}
        self.lines: list[str] = []
        self.copies: list[Path] = []
        self.notes: list[str] = []
        self._now: dict[str, object] = {}
        self._copied: dict[str, Path] = {}
        self._found: dict[object, tuple[str, ...]] = {}
        self._saved = 0

    def add(self, entry: Entry) -> None:
        """Add what one entry needs, its lines, and how its maps are saved."""
        self.needs |= set(entry.needs)
        self.lines += ["", "", *(f"# {line}" for line in entry.what.splitlines())]
        if entry.subject is not None and self._changes("signal", _identity(entry.subject)):
            self.lines += self._reading(entry.subject)
        if entry.opened is not None and self._changes("model", entry.opened):
            self.lines.append(f"model = {_loading(entry.opened)}")
        for name, array in entry.arrays.items():
            self.lines.append(f"{name} = {self._copy(name, array)}")
            self._now.pop(name, None)
        self.lines += entry.python
        for name in entry.saves:
            self._saved += 1
            self.lines.append(f'matxai.save({name}, results / "{self._saved:02d}_{name}.nc")')

    def _changes(self, name: str, value: object) -> bool:
        changes = self._now.get(name) != value
        self._now[name] = value
        return changes

    def text(self) -> str:
        """Return the whole script."""
        from matxai import __version__

        head = HEAD.format(version=__version__, results=self.results)
        notes = [f"# {note}" for note in self.notes]
        places = ["here = Path(__file__).resolve().parent"]
        if self._saved:
            places += [f'results = here / "{self.results}"', "results.mkdir(exist_ok=True)"]
        return "\n".join([head, *_sorted(self.needs), "", *notes, *places, *self.lines, ""])

    # -- signals and arrays --------------------------------------------------------------------------------------------

    def _reading(self, subject: Subject) -> tuple[str, ...]:
        known = _identity(subject)
        if known not in self._found:
            self._found[known] = tuple(self._found_again(subject))
        return self._found[known]

    def _found_again(self, subject: Subject) -> Iterator[str]:
        if not subject.paths:
            assert subject.kept is not None  # noqa: S101 - without a file it is kept
            yield f"# it {COPIED.format(folder=self.folder.name)}"
            yield f"signal = {self._copy('signal', subject.kept)}"
            return
        source = subject.paths[0] if len(subject.paths) == 1 else list(subject.paths)
        expression = call("matxai.read", source, **subject.reading)
        try:
            found = _held(source, subject)
        except (MatxaiError, OSError):
            found = None
        if found is None:
            self.notes.append(CHANGED.format(path=subject.paths[0]))
            chosen: dict[str, Any] = _taken(subject)
            axes: tuple[Any, ...] = ()
        else:
            chosen, axes = found
        yield f"signal = {expression}" + (f".{call('isel', **chosen)}" if chosen else "")
        if found is not None and not _same(axes, subject.axes):
            self.needs.add("from matxai.signals import labelled")
            yield "# the calibration that the layer had in napari is another than its file's"
            yield "signal = " + call(
                "labelled",
                Code("signal.values"),
                Code("signal.dims"),
                spacing={dim: step for dim, _, step, _ in subject.axes},
                units={dim: unit for dim, _, _, unit in subject.axes},
                origin={dim: first for dim, first, _, _ in subject.axes},
                attrs=Code("signal.attrs"),
            )

    def _copy(self, name: str, array: Any) -> str:
        """Save an array or a signal beside the script, once, and return what reads it."""
        labelled = hasattr(array, "dims")
        key = digest_of(array.values if labelled else array) + (repr(axes_of(array)) if labelled else "")
        if key not in self._copied:
            self.folder.mkdir(parents=True, exist_ok=True)
            target = self.folder / f"{name}_{len(self.copies) + 1}{'.nc' if labelled else '.npy'}"
            if labelled:
                _plain(array, name).to_netcdf(target, engine="h5netcdf")
            else:
                np.save(target, np.asarray(array), allow_pickle=False)
            self._copied[key] = target
            self.copies.append(target)
        place = f'here / "{self.folder.name}" / "{self._copied[key].name}"'
        if labelled:
            self.needs.add("import xarray as xr")
            return f'xr.load_dataarray({place}, engine="h5netcdf")'
        self.needs.add("import numpy as np")
        return f"np.load({place})"


def _identity(subject: Subject) -> object:
    return (subject.paths, subject.index, subject.digest, subject.axes)


def _loading(opened: Opened) -> str:
    return call("matxai.load_model", opened.source, **dict(opened.options))


def _sorted(needs: set[str]) -> list[str]:
    """Imports in the usual order: the standard library's, a blank line, the others."""
    own = sorted(n for n in needs if n.split()[1].split(".")[0] in ("pathlib", "tempfile"))
    rest = sorted(needs - set(own), key=lambda n: (n.startswith("from"), n))
    return [*own, "", *rest]


def _held(source: Any, subject: Subject) -> tuple[dict[str, Any], tuple[Any, ...]] | None:
    """What has to be taken of a file to get what was asked about, and that one's axes; None where it is not in it."""
    import matxai

    signal = matxai.read(source, **subject.reading)
    for chosen in _candidates(signal, subject):
        part = signal.isel(chosen)
        if digest_of(part.data) == subject.digest:
            return chosen, axes_of(part)
    return None


def _taken(subject: Subject) -> dict[str, Any]:
    """What ``isel`` takes: a number for a slice, a slice for a range."""
    return {dim: slice(*at) if isinstance(at, tuple) else at for dim, at in subject.index}


def _candidates(signal: xr.DataArray, subject: Subject) -> Iterator[dict[str, Any]]:
    """Ways to take the slice: by the axes' names, else by their order (a layer's axes may be renamed); a channel."""
    dims = [str(d) for d in signal.dims]
    named = _taken(subject)
    if not set(named) <= set(dims):
        named = dict(zip([d for d in dims if d != "c"], named.values(), strict=False))
    last = {dim: at.stop - 1 if isinstance(at, slice) else at for dim, at in named.items()}
    if all(0 <= at < signal.sizes[dim] for dim, at in last.items()):
        yield named
        if "c" in dims and "c" not in named:  # channels are layers of their own
            yield from ({**named, "c": k} for k in range(signal.sizes["c"]))


def _same(one: Sequence[tuple[str, float, float, str]], other: Sequence[tuple[str, float, float, str]]) -> bool:
    return len(one) == len(other) and all(
        a[3] == b[3] and np.allclose(a[1:3], b[1:3], rtol=1e-6, atol=1e-12) for a, b in zip(one, other, strict=True)
    )


def _plain(signal: xr.DataArray, name: str) -> xr.DataArray:
    """A copy of a signal with the attributes that NetCDF can hold."""
    found = signal.rename(name)
    found.attrs = {k: v for k, v in signal.attrs.items() if _holds(v)}
    return found


def _holds(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return bool(value) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in value)
    return isinstance(value, str | int | float) and not isinstance(value, bool)
