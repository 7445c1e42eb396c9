"""Maps of a waveform on axes that it was not measured on: by frequency, or by frequency and time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import ExplanationError
from matxai.report import drawing, sentences
from matxai.report.colours import Limits, limits_of, map_colours
from matxai.report.curves.along import Along, along_of
from matxai.report.curves.figure import curve_figure
from matxai.report.curves.sheet import BOTTOM, LEFT, TOP, Sheet, across_of, axis_ticks, finish, fontsize_of
from matxai.report.curves.strips import edges_of
from matxai.report.curves.style import CurveStyle, scale_intensity
from matxai.report.layout import MM, empty_figure
from matxai.report.reading import find_map, map_names, signal_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from matxai.report.reading import Array

FREQUENCY, FRAME = "frequency", "frame"
_PLANE, _CURVE, _TITLE, _MOST = 26.0, 24.0, 4.5, 8


def is_elsewhere(ds: xr.Dataset) -> bool:
    """Whether the maps of an explanation lie by frequency, and not along the waveform itself."""
    return FREQUENCY not in signal_of(ds).dims and any(FREQUENCY in ds[n].dims for n in map_names(ds))


def bands_figure(
    ds: xr.Dataset,
    methods: Sequence[str] | str | None = None,
    *,
    width_mm: float = 180.0,
    limits: Mapping[str, Limits] | None = None,
    style: CurveStyle | None = None,
) -> Figure:
    """Return the plot of a waveform whose maps lie by frequency, or by frequency and time.

    By frequency alone: the waveform's amplitude spectrum in the colours of the first map, and each map as a strip. By
    both: the waveform, and below it each map as a plane of time and frequency; a plane has limits of its own.

    Parameters
    ----------
    ds
        As `matxai.explain` returns it with ``domain="frequency"`` or ``"time_frequency"``.
    methods
        Maps to show, by name or as they were asked for; all by default, up to eight planes.
    width_mm
        Width in millimetres, exactly.
    limits
        Colour limits by a map's name.
    style
        Intensity scale of the amplitude spectrum; for planes the scale of the waveform.

    Raises
    ------
    ExplanationError
        If a map is not there, there are too many, or the width leaves no room.
    """
    names = map_names(ds, errors=False) if methods is None else [methods] if isinstance(methods, str) else list(methods)
    found = [find_map(ds, name) for name in names]
    if all(FRAME not in m.dims for m in found):
        return curve_figure(
            _by_frequency(ds), [str(m.name) for m in found], style=style, width_mm=width_mm, limits=limits
        )
    planes = [plane for m in found for plane in _planes(m)]
    if len(planes) > _MOST:
        raise ExplanationError(f"{len(planes)} planes are too many for one plot; name up to {_MOST} with methods=.")
    across = across_of(width_mm)
    fontsize = fontsize_of(width_mm)
    height = TOP + _CURVE + _TITLE + len(planes) * (_PLANE + _TITLE) + BOTTOM
    sheet = Sheet(empty_figure(width_mm, height), LEFT, across, height - TOP)
    along = along_of(signal_of(ds))
    main = sheet.axes(_CURVE, "panel curve", gap=_TITLE)
    _draw_wave(main, signal_of(ds), along, (style or CurveStyle()).intensity, fontsize=fontsize)
    last = main
    for one, label in planes:
        last = sheet.axes(_PLANE, f"plane {one.name}", gap=_TITLE)
        last.set_xlim(main.get_xlim())
        own = (limits or {}).get(str(one.name))
        _draw_plane(sheet.figure, last, one, own, label=label, fontsize=fontsize)
    finish(sheet.figure, last, main, along, fontsize=fontsize)
    return sheet.figure


def _by_frequency(ds: xr.Dataset) -> xr.Dataset:
    """Return the explanation with the amplitude spectrum of its waveform in the waveform's place."""
    signal = signal_of(ds)
    dim = str(signal.dims[-1])
    amplitude = np.abs(np.fft.rfft(np.asarray(signal.values, np.float64), axis=-1)) * 2.0 / signal.sizes[dim]
    if amplitude.shape[-1] != ds.sizes[FREQUENCY]:
        raise ExplanationError(
            f"The maps have {ds.sizes[FREQUENCY]} frequencies and the waveform {amplitude.shape[-1]}: the network "
            "got it resampled, so no spectrum can be drawn beside them. Draw a map by itself: result[name].plot()."
        )
    unit = str(signal.attrs.get("value_unit", "") or "")
    attrs = {"value_name": "amplitude", "value_unit": unit}
    dims = (*map(str, signal.dims[:-1]), FREQUENCY)
    kept = ds.drop_vars("signal").drop_dims(dim)
    return kept.assign_coords(signal=(dims, amplitude, attrs))


def _planes(array: xr.DataArray) -> list[tuple[xr.DataArray, str]]:
    """Return the planes of a map: one for each channel, layer and class, with what stands beside it."""
    leading = [str(d) for d in array.dims if d not in (FREQUENCY, FRAME)]
    label = sentences.method_label(str(array.attrs.get("method", array.name)))
    if not leading:
        return [(array, label)]
    flat = array.stack(_which=leading) if len(leading) > 1 else array.rename({leading[0]: "_which"})
    return [(flat.isel(_which=i).rename(array.name), f"{label}\n{leading[0]} {i}") for i in range(flat.sizes["_which"])]


def _draw_wave(ax: Axes, signal: xr.DataArray, along: Along, intensity: str, *, fontsize: float) -> None:
    curves = np.atleast_2d(np.asarray(signal.values, np.float64))
    for number, curve in enumerate(curves):
        drawn = drawing.thinned(curve[None, :], curve)
        ax.plot(along.places[drawn], curve[drawn], color=str(0.25 + 0.35 * (number % 2)), linewidth=0.5)
    ax.set_xlim(float(along.places.min()), float(along.places.max()))
    scale_intensity(ax, curves, intensity)
    axis_ticks(ax, fontsize)
    name, unit = str(signal.attrs.get("value_name", "") or "signal"), str(signal.attrs.get("value_unit", "") or "")
    ax.set_ylabel(f"{name} ({unit})" if unit else name, fontsize=fontsize, color=drawing.INK, parse_math=False)


def _draw_plane(
    figure: Figure, ax: Axes, array: xr.DataArray, limits: Limits | None, *, label: str, fontsize: float
) -> None:
    from matplotlib.ticker import EngFormatter, MaxNLocator

    frames = np.asarray(array[FRAME].values, np.float64)
    rows = np.asarray(array[FREQUENCY].values, np.float64)
    values: Array = np.asarray(array.transpose(FREQUENCY, FRAME).values, np.float64)
    signed = bool(int(array.attrs.get("signed", int(bool((values < 0).any())))))
    low, high = limits or limits_of(values, signed=signed, quantile=1.0)
    mesh = ax.pcolormesh(
        edges_of(frames), edges_of(rows), np.ma.masked_invalid(values), vmin=low, vmax=high, shading="flat",
        cmap=map_colours(signed=signed, alpha=1.0, ground="white"), rasterized=True,
    )  # fmt: skip
    mesh.set_gid(f"plane {array.name}")
    ax.set_ylim(float(rows.min()), float(rows.max()))
    for spine in ax.spines.values():
        spine.set(linewidth=0.4, color=drawing.INK)
    ax.tick_params(length=1.8, width=0.4, labelsize=fontsize - 1.0, pad=1.5)
    unit = str(array[FREQUENCY].attrs.get("units", "") or "")
    ax.yaxis.set_major_formatter(EngFormatter(unit=unit))
    ax.yaxis.set_major_locator(MaxNLocator(4))
    ax.set_title(label.replace("\n", ", "), fontsize=fontsize - 0.5, loc="left", pad=1.5, parse_math=False)
    place, width = ax.get_position(), figure.get_figwidth() * MM
    cax: Any = figure.add_axes(
        (place.x1 + 1.6 / width, place.y0 + 0.05 * place.height, 2.4 / width, 0.9 * place.height),
        label=f"colour bar {array.name}",
    )
    figure.colorbar(mesh, cax=cax)
    cax.tick_params(length=1.5, width=0.4, labelsize=fontsize - 1.5, pad=1.5)
    cax.yaxis.set_major_locator(MaxNLocator(3))
