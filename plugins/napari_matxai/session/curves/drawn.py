"""What is painted of the opened spectra, in numbers: curves with their colours' values, strips, and where they lie.

Everything that is physics or style is the library's: axes, scales, panels, limits. Nothing here is a widget.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from matxai.errors import MatxaiError
from napari_matxai.session.curves.loops import loop_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import xarray as xr

    from matxai.report.curves.along import Along
    from matxai.report.reading import Panel
    from napari_matxai.session.curves.look import Look
    from napari_matxai.session.curves.loops import Loop
    from napari_matxai.session.curves.spectrum import Spectrum

    Floats = npt.NDArray[np.float64]

Limits = tuple[float, float]
SCALES = {"linear": "", "sqrt": ", √", "log": ", log"}


@dataclass(frozen=True, eq=False)
class Lane:
    """One curve as it is painted.

    Parameters
    ----------
    name
        What it is of: a spectrum, or a channel of it.
    places, heights
        Where its points lie on the plot, ``(L,)`` each, in the order of measurement; NaN where there is none.
    values
        Relevance of each point ``(L,)``, NaN where the network saw nothing; None where nothing was asked.
    limits, signed
        Of the colours.
    spectrum
        Its number among those drawn.
    """

    name: str
    places: Floats
    heights: Floats
    values: Floats | None
    limits: Limits
    signed: bool
    spectrum: int


@dataclass(frozen=True, eq=False)
class Strip:
    """One map as a strip below the curve.

    Parameters
    ----------
    name
        Method, and layer, class or channel where there are several.
    places, values
        ``(L,)`` each.
    limits, signed
        Of the colours.
    """

    name: str
    places: Floats
    values: Floats
    limits: Limits
    signed: bool


@dataclass(frozen=True, eq=False)
class Drawn:
    """All that is painted.

    Parameters
    ----------
    along
        The axis of the chosen spectrum.
    label
        What stands beside the intensities.
    lanes
        The chosen spectrum's first.
    strips
        Of the chosen spectrum.
    received
        Places and values ``(C, L)`` of what the network got; None where that is not shown.
    loop
        Where the chosen signal is drawn over its field.
    method
        The map that colours the curve; empty without.
    note
        What a user should know of the picture.
    """

    along: Along
    label: str
    lanes: tuple[Lane, ...]
    strips: tuple[Strip, ...] = ()
    received: tuple[Floats, Floats] | None = None
    loop: Loop | None = None
    method: str = ""
    note: str = ""


def along(spectrum: Spectrum, to: str | None = None) -> Along:
    """Return the axis of a spectrum, as measured or as another kind.

    Raises
    ------
    ExplanationError
        If the signal does not say what the conversion needs.
    """
    from matxai.report.curves.along import along_of

    signal = spectrum.signal
    return along_of(signal.isel(c=0) if "c" in signal.dims else signal, to)


def strips_of(explanation: xr.Dataset, places: Floats) -> list[tuple[Strip, Panel]]:
    """Return every map of an explanation as a strip, with the limits that the library gives it in print."""
    from matxai.report import sentences
    from matxai.report.layout import own_limits
    from matxai.report.reading import map_names, panels

    found = []
    for name in map_names(explanation, errors=False):
        if name.endswith("_layers"):
            continue  # what a fused map was made of
        for panel in panels(explanation, name):
            if panel.values.shape != places.shape:
                continue
            called = " · ".join(p for p in (sentences.method_label(panel.method), ", ".join(panel.place.values())) if p)
            found.append((Strip(called, places, panel.values, own_limits(panel), panel.signed), panel))
    return found


def drawn(chosen: Spectrum, others: Sequence[Spectrum], look: Look) -> Drawn:
    """Return what is painted: the chosen spectrum with its maps, the others beside it on the same axis.

    Raises
    ------
    ExplanationError
        If an axis cannot be converted, or an intensity scale has nothing to show.
    """
    from matxai.report.curves.sheet import intensity_label

    here = along(chosen, look.axis)
    strips = strips_of(chosen.explained.explanation, here.places) if chosen.explained is not None else []
    after = _after(chosen, strips, here.places, look)
    loop = loop_of(chosen) if look.loop else None
    if loop is not None:
        return _as_loop(chosen, loop, here, strips, after, look)
    lanes, left_out = _lanes([chosen, *others], here, look)
    label = "relative" if look.normalised else intensity_label(chosen.signal, "linear")
    count = (
        f"{left_out[0]} lies along another kind of axis and is"
        if len(left_out) == 1
        else f"{len(left_out)} spectra lie along another kind of axis and are"
    )
    notes = [f"{count} not drawn here."] if left_out else []
    missing = int((~np.isfinite(chosen.curves)).any(axis=0).sum())
    if missing:
        notes.append(f"{missing} points are NaN or Inf: the curve has gaps there.")
    return Drawn(
        here,
        label + SCALES[look.intensity],
        tuple(lanes),
        _beside(strips, after),
        _received(chosen, here) if look.received else None,
        method=_lead(strips, look)[0].name if strips else "",
        note=" ".join(notes),
    )


def _after(chosen: Spectrum, strips: Sequence[tuple[Strip, Panel]], places: Floats, look: Look) -> dict[str, Strip]:
    """Return, of the spectrum without its zones, the maps that colour the curve, on the scale of those before."""
    if chosen.again is None or not strips:
        return {}
    lead = _lead(strips, look)[1].name
    before = {s.name: s.limits for s, _ in strips}
    return {
        s.name: replace(s, name=f"{s.name}, zones masked", limits=before.get(s.name, s.limits))
        for s, p in strips_of(chosen.again.explanation, places)
        if p.name == lead
    }


def _beside(strips: Sequence[tuple[Strip, Panel]], after: dict[str, Strip]) -> tuple[Strip, ...]:
    """Return the strips with those of the masked spectrum next to the same before."""
    return tuple(one for s, _ in strips for one in (s, after.get(s.name)) if one is not None)


def _lead(strips: Sequence[tuple[Strip, Panel]], look: Look, channel: str = "") -> tuple[Strip, Panel]:
    """Return the map that colours a curve: the one named, else the first; of a signal of several channels its own."""
    named = [one for one in strips if look.method in (one[1].name, one[1].method)] or list(strips)
    same = [one for one in named if one[1].name == named[0][1].name]
    return next((one for one in same if one[1].place.get("channel") == channel), same[0])


def _lanes(spectra: Sequence[Spectrum], here: Along, look: Look) -> tuple[list[Lane], list[str]]:
    """Return the curves, one above the other by the offset; and the names of those that lie on no such axis."""
    from matxai.report.colours import joint
    from matxai.report.curves.stacked import unit_height
    from matxai.report.curves.style import on_scale

    raw: list[tuple[str, Floats, Floats, tuple[Strip, Panel] | None, int]] = []
    left_out = []
    for number, spectrum in enumerate(spectra):
        try:
            own = here if number == 0 else along(spectrum, look.axis)
        except MatxaiError:
            left_out.append(spectrum.name)
            continue
        if (own.name, own.unit) != (here.name, here.unit):
            left_out.append(spectrum.name)
            continue
        maps = strips_of(spectrum.explained.explanation, own.places) if spectrum.explained is not None else []
        for channel, curve in zip(spectrum.channels, spectrum.curves, strict=True):
            finite = np.isfinite(curve) & np.isfinite(own.places)
            curve = np.where(finite, curve, np.nan)
            high = unit_height(curve, finite, look.intensity) if look.normalised else on_scale(curve, look.intensity)
            name = f"{spectrum.name} · {channel}" if channel else spectrum.name
            raw.append((name, own.places, high, _lead(maps, look, channel) if maps else None, number))
    tallest = max((float(np.nanmax(h) - np.nanmin(h)) for _, _, h, _, _ in raw if np.isfinite(h).any()), default=1.0)
    coloured = [m[0] for _, _, _, m, _ in raw if m is not None]
    limits = joint(s.limits for s in coloured) if coloured else (0.0, 1.0)
    signed = any(s.signed for s in coloured)
    lanes = [
        Lane(name, places, high + i * look.offset * tallest, None if m is None else m[0].values, limits, signed, number)
        for i, (name, places, high, m, number) in enumerate(raw)
    ]
    return lanes, left_out


def _as_loop(
    chosen: Spectrum,
    loop: Loop,
    here: Along,
    strips: Sequence[tuple[Strip, Panel]],
    after: dict[str, Strip],
    look: Look,
) -> Drawn:
    """Return a loop coloured along its course: a point's relevance is the sum over the channels that it has."""
    values, limits, signed, method = None, (0.0, 1.0), False, ""
    if strips:
        from matxai.report import sentences
        from matxai.report.colours import limits_of

        lead = _lead(strips, look)[1]
        own = [s for s, p in strips if p.name == lead.name]
        total = np.sum([s.values for s in own], axis=0)
        values, signed = total, lead.signed
        limits = limits_of(total, signed=signed, quantile=1.0)
        method = sentences.method_label(lead.method) + (f", sum over {len(own)} channels" if len(own) > 1 else "")
    lane = Lane(chosen.name, loop.field, loop.values, values, limits, signed, 0)
    return Drawn(here, loop.y_label, (lane,), _beside(strips, after), None, loop, method)


def _received(chosen: Spectrum, here: Along) -> tuple[Floats, Floats] | None:
    from matxai.report.curves.along import along_of

    got = chosen.explained.received if chosen.explained is not None else None
    if got is None:
        return None
    there = along_of(got, here.name if str(got.dims[-1]) != here.name else None)
    return there.places, np.atleast_2d(np.asarray(got.values, np.float64))
