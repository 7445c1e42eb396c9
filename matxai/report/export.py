"""Figures and the numbers behind them as files: PNG, SVG and PDF with a width in millimetres, and CSV."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import ExplanationError, FileError, nearest
from matxai.report.reading import At, panels

if TYPE_CHECKING:
    import os

    import xarray as xr
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")
_MAX_PNG = 12_000


def save_figure(figure: Figure, path: str | os.PathLike[str], *, dpi: float = 300.0) -> Path:
    """Write a figure as PNG, SVG or PDF by the file's ending; its size in millimetres is kept exactly.

    Parameters
    ----------
    figure
        As :func:`matxai.report.overlay_figure` or :func:`matxai.plot` return it.
    path
        Where to; the folder must exist.
    dpi
        Pixels per inch of a PNG (its header says so), and of images in SVG and PDF that are finer than that.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    FileError
        If the ending is none of the three, or the file cannot be written.
    ExplanationError
        If the PNG would have more than 12 000 pixels on a side.
    """
    target = Path(path)
    ending = target.suffix.lower()
    if ending not in FORMATS:
        near = nearest(ending, FORMATS, label="Known")
        msg = f"'{target.name}' ends with '{ending}'; figures are written as .png, .svg or .pdf. {near}"
        raise FileError(msg)
    pixels = float(max(figure.get_size_inches())) * dpi
    if ending == ".png" and pixels > _MAX_PNG:
        msg = f"A figure of {pixels:.0f} pixels is too large for a PNG; take dpi={dpi * _MAX_PNG / pixels:.0f} or less."
        raise ExplanationError(msg)
    write_bytes(target, figure_bytes(figure, ending[1:], dpi=dpi))
    return target


def figure_bytes(figure: Figure, kind: str, *, dpi: float = 300.0) -> bytes:
    """Return a figure as the bytes of a ``png``, ``svg`` or ``pdf`` file, the same bytes for the same figure."""
    import matplotlib as mpl

    # No dates and fixed ids: the same result gives the same file. Text stays text, so that a journal can set it anew.
    fixed: Any = {"svg.hashsalt": "matxai", "svg.fonttype": "none", "pdf.fonttype": 42, "pdf.compression": 6}
    metadata = {
        "png": {"Software": "matxai"},
        "svg": {"Date": None},
        "pdf": {"CreationDate": None, "Creator": "matxai"},
    }
    buffer = io.BytesIO()
    with mpl.rc_context(fixed):
        figure.savefig(buffer, format=kind, dpi=dpi, metadata=metadata[kind])
    return buffer.getvalue()


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: beside its place first, then moved there.

    Raises
    ------
    FileError
        If the folder refuses it.
    """
    beside = path.with_name(f".{path.name}.part")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        msg = f"'{path}' cannot be written ({error.strerror or error}); choose a folder that can be written with --out."
        raise FileError(msg) from error


def map_csv(ds: xr.Dataset, method: str, path: str | os.PathLike[str], *, at: At | None = None) -> Path:
    """Write the numbers behind one figure: a row for each pixel or point, with its place, the signal and the map.

    The head of each column has its unit; what the network never saw is an empty field.

    Parameters
    ----------
    ds
        An explanation.
    method
        A map's name, or the method as it was asked for.
    path
        Where to.
    at
        Which layer, class or slice, as for the figure.

    Raises
    ------
    FileError
        If the file cannot be written.
    ExplanationError
        If there is no such map.
    """
    panel = panels(ds, method, at)[0]
    grids = np.meshgrid(*(axis.centres for axis in panel.axes), indexing="ij")
    signal = panel.grey if panel.values.ndim == 2 else np.atleast_2d(panel.image).mean(axis=0)
    columns = [*(g.ravel() for g in grids), signal.ravel(), panel.values.ravel()]
    head = [f"{axis.name} [{axis.units}]" if axis.units else axis.name for axis in panel.axes]
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*head, "signal", f"{panel.name} [{panel.units}]"])
    texts = [["" if np.isnan(v) else f"{v:.9g}" for v in column.tolist()] for column in columns]
    writer.writerows(zip(*texts, strict=True))
    target = Path(path)
    write_bytes(target, buffer.getvalue().encode())
    return target
