"""Plots of explained spectra as files: each with its maps and references, and all of a run one above the other."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from matxai.errors import ExplanationError, FileError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import xarray as xr

    from matxai.jobs.explaining import Done, Options
    from matxai.modelcard import Model
    from matxai.report import CurveStyle
    from matxai.report.colours import Limits

log = logging.getLogger("matxai.jobs")

PLOT, STACK = "spectrum", "spectra"
"""Stems of the files."""

WIDTH_MM = 180.0
_MOST = 40


def received_curve(model: Model, signal: xr.DataArray) -> xr.DataArray | None:
    """Return what a network gets of a spectrum, at the places of the measured axis where it lies.

    Parameters
    ----------
    model
        Its preprocessing counts.
    signal
        As read, with one spectral axis.

    Returns
    -------
    xarray.DataArray or None
        Dims ``(c, axis)``; None where the network gets the spectrum as it was measured.

    Raises
    ------
    ModelError, SignalError
        If the signal does not fit the model.
    """
    import xarray as xr

    prepared = model.preprocessing.prepare(signal)
    got = prepared.tensor[0].numpy().astype(np.float64)
    where = prepared.placement
    if got.ndim != 2:
        return None
    if got.shape == where.source.shape and np.allclose(got, where.source, rtol=1e-6, atol=0.0):
        return None
    (dim,), (coord,), (axis,) = where.dims, where.coords, where.axes
    points = np.arange(coord.size, dtype=np.float64)
    places = np.interp(axis.positions, points, coord)
    if coord.size > 1:  # padding lies beyond the measured ends, at the step that they have
        left, right = axis.positions < 0, axis.positions > coord.size - 1
        places[left] = coord[0] + axis.positions[left] * (coord[1] - coord[0])
        places[right] = coord[-1] + (axis.positions[right] - (coord.size - 1)) * (coord[-1] - coord[-2])
    order = np.argsort(places, kind="stable")
    units = {"units": where.units[0]} if where.units[0] else {}
    return xr.DataArray(
        got[:, order], dims=("c", dim), coords={dim: (dim, places[order], units)}, attrs=dict(signal.attrs)
    )


def style_of(options: Options, signal: xr.DataArray) -> CurveStyle:
    """Return how the plot of a spectrum looks by the options of a run.

    Raises
    ------
    ExplanationError
        If the scale of intensity or the part to be drawn is none.
    MatxaiError
        If a reference is none, or does not lie on this axis.
    """
    from matxai.checks.references import reference_for
    from matxai.report import CurveStyle

    reference = tuple(reference_for(name, signal) for name in options.references)
    return CurveStyle(options.intensity, options.along, options.second_axis, reference, options.span)


def stack_of(done: Sequence[Done], out: Path, options: Options) -> list[Path]:
    """Write the plot of all explained spectra of a run, where there are several along one kind of axis.

    Spectra along different axes have no such plot; the log says so.

    Raises
    ------
    FileError
        If it cannot be written.
    """
    of_curves = {d.name: d.explanation for d in done if is_curve(d.explanation)}
    if len(of_curves) < 2 or not options.figures:
        return []
    first = next(iter(of_curves.values()))
    try:
        style = style_of(options, first.coords["signal"])
        return write_stack(of_curves, out, options.figures, str(next(iter(first.data_vars))), style=style)
    except ExplanationError as error:
        log.warning("There is no plot of all spectra: %s", error)
        return []


def is_curve(explanation: xr.Dataset) -> bool:
    """Whether an explanation is of a spectrum or waveform, and not of an image."""
    from matxai.jobs import zoning

    signal = explanation.coords.get("signal")
    return signal is not None and zoning.is_curve(signal)


def plot_of(model: Model, explanation: xr.Dataset, folder: Path, options: Options) -> list[Path]:
    """Write the plot of one explained spectrum by the options of its run; see :func:`write_plot`."""
    signal = explanation.coords["signal"]
    received = received_curve(model, signal)
    return write_plot(explanation, folder, options.figures, style=style_of(options, signal), received=received)


def write_plot(
    explanation: xr.Dataset,
    folder: Path,
    figures: Sequence[str],
    *,
    style: CurveStyle | None = None,
    limits: Mapping[str, Limits] | None = None,
    received: xr.DataArray | None = None,
) -> list[Path]:
    """Write the plot of one spectrum in the formats asked for, as ``spectrum.png`` and ``spectrum_2.png``, ...

    One plot holds as many maps as can be read; the rest follow in further plots.

    Raises
    ------
    ExplanationError
        If the style asks for what this spectrum cannot give (an axis without its wavelength).
    FileError
        If it cannot be written.
    """
    from matxai.report import save_figure
    from matxai.report.curves.figure import MOST_STRIPS, panels_figure
    from matxai.report.reading import map_names, panels

    shown = [p for name in map_names(explanation, errors=False) for p in panels(explanation, name)]
    written = []
    for number, first in enumerate(range(0, len(shown), MOST_STRIPS)):
        part = shown[first : first + MOST_STRIPS]
        figure = panels_figure(explanation, part, style=style, width_mm=WIDTH_MM, limits=limits, received=received)
        stem = PLOT if number == 0 else f"{PLOT}_{number + 1}"
        written += [save_figure(figure, folder / f"{stem}.{kind}") for kind in figures]
    return written


def write_stack(
    explanations: Mapping[str, xr.Dataset],
    folder: Path,
    figures: Sequence[str],
    method: str,
    *,
    style: CurveStyle | None = None,
) -> list[Path]:
    """Write the plot of several spectra one above the other, ``spectra.png``; the first forty of more.

    Parameters
    ----------
    explanations
        By what stands beside each curve.

    Raises
    ------
    ExplanationError
        If they run along different axes, or the style asks for what they cannot give.
    FileError
        If there is none, or the file cannot be written.
    """
    from matxai.report import save_figure, stacked_figure

    if not explanations:
        raise FileError("There is no explained spectrum to stack; explain at least one.")
    names = list(explanations)[:_MOST]
    figure = stacked_figure([explanations[n] for n in names], method, style=style, width_mm=WIDTH_MM, names=names)
    return [save_figure(figure, folder / f"{STACK}.{kind}") for kind in figures]
