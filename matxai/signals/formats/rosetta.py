"""The adapter to RosettaSciIO, for instruments' formats that nothing else here reads (TIA, Bruker, Phenom, ...).

RosettaSciIO is under the GPL and not part of this package: it is used where the user has installed it, and every call
to it is in this file. Only plugins that neither evaluate nor unpickle what a file holds are called.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import logging
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError, MissingDependencyError, UnsafeFileError
from matxai.signals.formats.axes import Axis, dims_of, shape_after, signal_of
from matxai.signals.formats.pieces import bytes_of
from matxai.signals.limits import MOST_BYTES, check_unfolding
from matxai.signals.reader import HEAD_BYTES, Item, Reader, ReadOptions, readers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import xarray as xr

# Suffix -> the plugins that may be tried, in order. Left out on purpose: netCDF and Ripple (they evaluate text of the
# file), MRCZ, ZSPY and HSPY (they may unpickle), and formats with a reader of their own here.
_PLUGINS: dict[str, tuple[str, ...]] = {
    ".emi": ("TIA",),
    ".ser": ("TIA",),
    ".bcf": ("Bruker",),
    ".spx": ("Bruker",),
    ".elid": ("Phenom",),
    ".spd": ("EDAX",),
    ".lsd": ("EDAX",),
    ".blo": ("Blockfile",),
    ".mib": ("QuantumDetector",),
    ".asw": ("JEOL",),
    ".pts": ("JEOL",),
    ".eds": ("JEOL",),
    ".img": ("Hamamatsu", "JEOL"),
    ".sur": ("DigitalSurf",),
    ".pro": ("DigitalSurf",),
    ".tvips": ("TVIPS",),
    ".tvf": ("TriVista",),
    ".unf": ("Semper",),
    ".dens": ("DENS",),
    ".prz": ("PantaRhei",),
    ".sac": ("Quadstar",),
    ".wdf": ("Renishaw",),
    ".spc": ("EDAX",),
    ".xml": ("JobinYvon", "EMPAD"),
    ".emd": ("EMD",),
    ".dm3": ("DigitalMicrograph",),
    ".dm4": ("DigitalMicrograph",),
}
_ASKED_ONLY = (".emd", ".dm3", ".dm4", ".xml", ".img", ".pro", ".spc", ".wdf")  # others read these, or call theirs so
_COUNTED = ("pix", "points", "px", "channels", "", "none")
_SEARCHED = 64 * 2**20


def recognises(path: Path, head: bytes) -> bool:
    """Whether the suffix is one of an instrument's format that no other reader here knows."""
    suffix = path.suffix.lower()
    jobin_yvon = suffix == ".xml" and b"<LSX_Data" in head[:400]
    return bool(head) and (jobin_yvon or (suffix in _PLUGINS and suffix not in _ASKED_ONLY))


def read(path: Path, options: ReadOptions) -> list[Item]:
    """Return all signals of a file; spectrum images as ``(energy, y, x)``, photographs as not measured.

    Raises
    ------
    MissingDependencyError
        If RosettaSciIO is not installed.
    FileError
        If none of its plugins can read the file.
    UnsafeFileError
        If the file has XML entities, or unfolds beyond the limit.
    """
    names = _PLUGINS.get(path.suffix.lower())
    if names is None:
        known = ", ".join(sorted(_PLUGINS))
        msg = f"{path.name} has a suffix that the adapter to RosettaSciIO does not take ({known})"
        raise FileError(msg)
    if importlib.util.find_spec("rsciio") is None:
        msg = (
            f"{path.name} is a file of {' or '.join(names)} and needs RosettaSciIO, which is under the GPL and so not "
            f'part of matxai; install it with: pip install "matxai[rosetta]"'
        )
        raise MissingDependencyError(msg)
    _refuse_entities(path)
    _refuse_endless(path)
    signals = _signals(path, names)
    return [_item(path, s, t, options.limit) for s, t in zip(signals, _titles(signals), strict=True)]


def _titles(signals: list[dict[str, Any]]) -> list[str]:
    """Return a name for every signal, all different: Phenom calls two images of one file ``Image 1``."""
    titles: list[str] = []
    for i, signal in enumerate(signals):
        title = str(_inside(signal, "metadata", "General", "title") or f"signal {i}")
        count = sum(t == title or t.startswith(f"{title} (") for t in titles)
        titles.append(f"{title} ({count + 1})" if count else title)
    return titles


def _refuse_entities(path: Path) -> None:
    """Refuse XML that defines entities: they can unfold without end, and no instrument writes them."""
    with path.open("rb") as file:
        text = file.read(_SEARCHED)
    if b"<!ENTITY" in text or "<!ENTITY".encode("utf-16-le") in text:
        msg = f"{path.name} holds XML with entities, which can unfold without end; it was not read"
        raise UnsafeFileError(msg)


def _refuse_endless(path: Path) -> None:
    """Refuse what the plugin for DigiHeater logs would read for ever: it looks for a first line behind blank ones."""
    if path.suffix.lower() == ".dens":
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        if b"Digiheater" not in head:
            msg = f"{path.name} is no log of a DENSsolutions DigiHeater: its first lines do not name one"
            raise FileError(msg)


def _signals(path: Path, names: tuple[str, ...]) -> list[dict[str, Any]]:
    from rsciio import IO_PLUGINS

    modules = {p["name"]: p["api"] for p in IO_PLUGINS}
    said = []
    for name in names:
        if name not in modules:
            said.append(f"{name}: not in this version of RosettaSciIO")
            continue
        try:
            with _quiet():
                return _called(modules[name], path)
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything for a damaged file
            said.append(f"{name}: {str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__}")
    msg = f"{path.name} cannot be read by RosettaSciIO; it is damaged or of another kind ({'; '.join(said)[:300]})"
    raise FileError(msg)


def _called(module: str, path: Path) -> list[dict[str, Any]]:
    """Return what a plugin reads: lazily, so that sizes are known before memory is asked for, if it can."""
    reader = importlib.import_module(module).file_reader
    try:
        found = reader(str(path), lazy=True)
    except (NotImplementedError, AttributeError, TypeError):
        found = reader(str(path), lazy=False)
    return [f for f in found if hasattr(f.get("data"), "shape") and f["data"].ndim > 0]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the plugins' remarks, on missing HyperSpy packages for one, off the user's screen."""
    logger = logging.getLogger("rsciio")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _item(path: Path, found: dict[str, Any], title: str, limit: int | None) -> Item:
    data = found["data"]
    dtype, colours = data.dtype, (data.dtype.names or ())[:3]
    shape = tuple(int(n) for n in data.shape)
    what = f"signal '{title}'"
    # counts of spectrum images pack far beyond a hundredfold, so the ratio is not looked at
    check_unfolding(path.name, bytes_of(shape, dtype.itemsize), path.stat().st_size, limit or MOST_BYTES, what=what)
    axes = _axes(found.get("axes") or [], shape, path)
    if colours:
        axes, shape, dtype = [*axes, Axis("c")], (*shape, 3), np.dtype(np.uint8)
    native = dtype.newbyteorder("=")
    dims = dims_of(axes, shape, native)

    def load() -> xr.DataArray:
        values = data.compute() if hasattr(data, "compute") else np.asarray(data)
        if colours:
            values = np.stack([values[n] for n in colours], axis=-1)
        attrs = {"metadata": _metadata(found)}
        values = values.astype(native, copy=False)
        return signal_of(values, axes, source="RosettaSciIO axes", dims=dims, attrs=attrs, name=title)

    note = "colour picture" if colours else ""
    return Item(title, load, shape_after(shape, dims), str(native), measured=not colours, note=note)


def _axes(said: list[dict[str, Any]], shape: tuple[int, ...], path: Path) -> list[Axis]:
    """Return the axes in the array's order; ``index_in_array`` may be missing, or at odds with a photograph's."""
    if len(said) != len(shape):
        return [Axis() for _ in shape]
    placed: dict[int, dict[str, Any]] = {}
    for i, axis in enumerate(said):
        index = axis.get("index_in_array")
        placed[int(index) if index is not None else i] = axis
    if sorted(placed) != list(range(len(shape))) or any(
        int(placed[i].get("size", n)) != n for i, n in enumerate(shape)
    ):
        placed = dict(enumerate(said))
    return [_axis(placed[i], path) for i in range(len(shape))]


def _axis(said: dict[str, Any], path: Path) -> Axis:
    unit = said.get("units")
    unit = None if not isinstance(unit, str) or unit.strip().lower() in _COUNTED else unit
    name = said.get("name")
    name = name if isinstance(name, str) and name not in ("i", "<undefined>") else None
    if said.get("axis") is not None:
        return Axis(name, unit, values=np.asarray(said["axis"], dtype=float))
    step, origin = _number(said.get("scale")), _number(said.get("offset"))
    if step and origin and unit == "nm" and path.suffix.lower() in (".emi", ".ser") and abs(origin) < abs(step) * 1e-3:
        origin *= 1e9  # the TIA plugin scales the step from metres to nm and leaves the offset in metres
    return Axis(name, unit, step, origin)


def _number(value: Any) -> float | None:
    if value is None:
        return None
    number = float(value)
    return number if np.isfinite(number) else None


def _inside(found: dict[str, Any], *keys: str) -> Any:
    here: Any = found
    for key in keys:
        here = here.get(key) if isinstance(here, dict) else None
    return here


def _metadata(found: dict[str, Any]) -> dict[str, Any]:
    """Return the plain words and numbers of the plugin's metadata, by their last name."""
    words: dict[str, Any] = {}
    waiting = [_inside(found, "metadata", k) for k in ("Acquisition_instrument", "General")]
    while waiting:
        group = waiting.pop()
        for key, value in group.items() if isinstance(group, dict) else ():
            value = value.item() if isinstance(value, np.generic) else value
            if isinstance(value, dict):
                waiting.append(value)
            elif isinstance(value, (str, int, float)) and value != "" and not str(key).startswith("FileIO"):
                words.setdefault(str(key), value)
    return words


readers.add(
    "rosetta",
    Reader(
        name="rosetta",
        suffixes=(*(s for s in _PLUGINS if s not in _ASKED_ONLY), ".xml"),
        recognises=recognises,
        read=read,
        describes="instrument files through RosettaSciIO",
        priority=-100,
    ),
)
