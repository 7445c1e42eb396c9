"""The methods of an explanation run again on redrawn noise: what the error of each share comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from matxai.checks.zones.redrawing import redraws
from matxai.checks.zones.shares import by_zone
from matxai.errors import MatxaiError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    import numpy.typing as npt
    import xarray as xr

    from matxai.checks.judging import Progress
    from matxai.methods import Method
    from matxai.modelcard import Model
    from matxai.regions import CurveZones


@dataclass(frozen=True)
class Again:
    """What may be run again for each redraw.

    Parameters
    ----------
    methods
        Those that run no copies of their own.
    layers
        Of the CAMs, as they were asked for.
    copying
        Names of the methods that run copies of their own, which every redraw would run again.
    unknown
        Names of those with options that an explanation does not keep.
    """

    methods: tuple[Method, ...]
    layers: tuple[str, ...] | None
    copying: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def sentences(self) -> list[str]:
        """Say which methods have no error over redraws, and why."""
        said = []
        if self.copying:
            names = ", ".join(self.copying)
            said.append(f"{names}: no error over redraws, each of which would take as many copies again.")
        if self.unknown:
            names = ", ".join(self.unknown)
            said.append(
                f"{names}: no error over redraws, since the options are not known; give methods= as to explain."
            )
        return said


def again(explanation: xr.Dataset, given: Sequence[str | Method] = ()) -> Again:
    """Return the methods that may be run again, from an explanation and the methods as they were given to it."""
    from matxai.methods import resolve

    objects = {m.key: m for m in resolve(list(given))} if given else {}
    names = dict.fromkeys(
        str(v.attrs.get("method", n)) for n, v in explanation.data_vars.items() if "error_of" not in v.attrs
    )
    kept: list[Method] = []
    copying: list[str] = []
    unknown: list[str] = []
    for name in names:
        if name.endswith(":layers"):
            continue  # comes with the fused map
        try:
            method = objects.get(name) or resolve([name])[0]
        except MatxaiError:
            unknown.append(name)  # an object with options of its own, of which a name says too little
            continue
        if method.samples and method.kind != "deep_lift":
            copying.append(name)
        else:
            kept.append(method)
    layers = tuple(str(v) for v in explanation.coords["layer"].values) if "layer" in explanation.coords else None
    named = any(m.at_layers and getattr(m, "layers", None) is None for m in kept)
    return Again(tuple(kept), layers if named else None, tuple(copying), tuple(unknown))


def redrawn_shares(
    model: Model,
    signal: xr.DataArray,
    rerun: Again,
    names: Iterable[str],
    cut: CurveZones,
    target: int,
    count: int,
    *,
    contrast: Sequence[xr.DataArray] = (),
    sigma: npt.NDArray[np.float64] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    cancel: Any = None,
) -> tuple[dict[str, list[npt.NDArray[np.float64]]], list[str]]:
    """Return by map what :func:`by_zone` gives for each redraw of the noise, and what is to be said of them.

    Parameters
    ----------
    names
        Of the maps; those of several layers as ``METHOD[LAYER]``.
    model, signal, cut, target, count, contrast, sigma, seed, progress, cancel
        As in :func:`~matxai.checks.zones.zone_table`.
    """
    from matxai.explanation.baselines import prepared_references
    from matxai.explanation.versions_of_a_signal import maps_of_versions

    if not count:
        return {}, []
    notes = rerun.sentences()
    found: dict[str, list[npt.NDArray[np.float64]]] = {name: [] for name in names}
    if not rerun.methods:
        return found, notes
    versions, word = redraws(signal, count, seed, sigma)
    made = maps_of_versions(
        model, signal, versions, rerun.methods, target, layers=rerun.layers,
        references=prepared_references(model, contrast or None), seed=seed, progress=progress, cancel=cancel,
    )  # fmt: skip
    for one in made:
        for key, values in one.items():
            own = [m for m in found if m == key or m.startswith(f"{key}[")]
            for name, part in zip(own, values, strict=False):
                found[name].append(by_zone(part, cut.labels, len(cut.zones) + 1))
    return found, [*notes, f"Errors are over {count} redraws of the {word}."]
