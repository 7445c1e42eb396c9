"""Spectra out of layers: the pixel of a spectrum image, the row of a set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import MatxaiError
from napari_matxai import versions
from napari_matxai.layers.frame import dims_of
from napari_matxai.layers.images import SAMPLE, SPACE
from napari_matxai.layers.key import key_of, ours
from napari_matxai.session.curves.spectrum import Origin, Spectrum

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr
    from napari.layers import Layer

    from napari_matxai.presenter import Presenter
    from napari_matxai.session.question import Cancel, Progress
    from napari_matxai.session.session import Session


@dataclass(frozen=True, eq=False)
class Picked:
    """A place in a layer of spectra.

    Parameters
    ----------
    layer
        The layer.
    signal
        All of its spectra.
    at
        Index along each axis that is not the spectra's own.
    """

    layer: Layer
    signal: xr.DataArray
    at: dict[str, int]

    @property
    def name(self) -> str:
        """What the spectrum is called."""
        if SAMPLE in self.at and SAMPLE in self.signal.coords:
            return str(self.signal[SAMPLE].values[self.at[SAMPLE]])
        return f"{self.layer.name} [{', '.join(f'{d} {i}' for d, i in self.at.items())}]"

    @property
    def lazy(self) -> bool:
        """Whether its values are still to be read."""
        return not isinstance(self.signal.data, np.ndarray)

    def spectrum(self) -> Spectrum:
        """Return the spectrum there; may be slow where the values are still to be read.

        Raises
        ------
        SignalError
            If it is none that can be drawn.
        """
        one = self.signal.isel(self.at)
        one = one.copy(data=np.asarray(one.data)).drop_vars(list(self.at), errors="ignore")
        one.attrs = dict(self.signal.attrs)
        about = ours(self.layer)
        path = about.get("path")
        origin = Origin(versions.identity(self.layer), tuple(self.at.values()))
        return Spectrum(one, self.name, path if isinstance(path, str) else None, origin=origin)


def spectra_of(layer: Layer) -> xr.DataArray | None:
    """Return the spectra that a layer shows, a set or a spectrum image; None for any other layer.

    Our own reader keeps the signal with its layer; layers of others are taken by the names of their axes.
    """
    if type(layer).__name__ != "Image" or key_of(layer) is not None or layer.multiscale or layer.rgb:
        return None
    kept = ours(layer).get("signal")
    if kept is not None and kept.shape == layer.data.shape:
        return kept if spectral_dim(kept) is not None else None
    from matxai.signals.spectra.axes import KINDS
    from napari_matxai.layers.frame import frame_of_layer, signal_of

    frame = frame_of_layer(layer)
    dims = dims_of(frame)
    if layer.ndim < 2 or sum(d in KINDS for d in dims) != 1:
        return None
    return signal_of(layer.data, frame, rgb=False, attrs={"source": layer.name})


def spectral_dim(signal: xr.DataArray) -> str | None:
    """Return the axis of the spectra in a set or a spectrum image, None where there is none."""
    own = [str(d) for d in signal.dims if d not in (*SPACE, SAMPLE)]
    return own[0] if len(own) == 1 and signal.ndim > 1 else None


def spectral_layers(presenter: Presenter) -> list[Any]:
    """Return the layers of spectra, the topmost first; of those the visible."""
    layers = [la for la in reversed(presenter.layers()) if la.visible]
    return [la for la in layers if spectra_of(la) is not None]


def picked_at(presenter: Presenter, world: Sequence[float]) -> Picked | None:
    """Return the spectrum at a place of the viewer, in the topmost layer of spectra there; None where there is none."""
    for layer in spectral_layers(presenter):
        index = presenter.pixel(layer, world)
        if index is not None:
            return _picked(layer, index)
    return None


def picked_in_view(presenter: Presenter, layer: Layer, origin: Origin) -> Picked | None:
    """Return the spectrum that a slider chooses, where the axis of the samples has one; None where nothing changed."""
    viewer, signal = presenter.viewer, spectra_of(layer)
    if signal is None or SAMPLE not in signal.dims:
        return None
    axis = viewer.dims.ndim - layer.ndim + signal.dims.index(SAMPLE)
    if axis in viewer.dims.displayed:
        return None
    index = presenter.pixel(layer, viewer.dims.point)
    found = None if index is None else _picked(layer, index)
    return found if found is not None and tuple(found.at.values()) != origin.index else None


def slice_in_view(presenter: Presenter, layer: Layer) -> int | None:
    """Return the index along the axis of the spectra that a slider chooses; None where it has no slider."""
    signal = spectra_of(layer)
    dim = None if signal is None else spectral_dim(signal)
    if signal is None or dim is None:
        return None
    number, dims = signal.dims.index(dim), presenter.viewer.dims
    if dims.ndim - layer.ndim + number in dims.displayed:
        return None
    index = presenter.pixel(layer, dims.point)
    return None if index is None else index[number]


def _picked(layer: Layer, index: tuple[int, ...]) -> Picked | None:
    signal = spectra_of(layer)
    dim = None if signal is None else spectral_dim(signal)
    if signal is None or dim is None:
        return None
    dims = [str(d) for d in signal.dims if d != "c"]
    return Picked(layer, signal, {d: i for d, i in zip(dims, index, strict=True) if d != dim})


class ReadSpectrum:
    """The question for a spectrum whose values are still on disk."""

    title = "read"

    def __init__(self, picked: Picked) -> None:
        self.picked = picked

    def run(self, progress: Progress, cancel: Cancel) -> Spectrum:  # noqa: ARG002 - a question's signature
        """Read it."""
        return self.picked.spectrum()

    def show(self, session: Session, answer: Spectrum) -> None:
        """Open it."""
        open_picked(session, answer)


def open_picked(session: Session, spectrum: Spectrum) -> Spectrum:
    """Open a spectrum that was picked, with its map where the whole layer was explained before."""
    from matxai.explanation import plane_of
    from napari_matxai.session.curves.asking import ExplainedCurve

    origin = spectrum.origin
    known = session.curves.sets.get(origin.layer) if origin is not None else None
    if known is not None and origin is not None:
        try:
            own = plane_of(known.explanation, known.place(origin.index))
        except MatxaiError:
            own = None  # the layer was cut since: the spectrum is asked about by itself
        if own is not None and own.sizes.get(spectrum.dim) == spectrum.signal.sizes[spectrum.dim]:
            spectrum.explained = ExplainedCurve(known.model, own)
    return session.curves.add(spectrum)
