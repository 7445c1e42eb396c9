"""Each map of an explanation as files: calibrated TIFF, the numbers as CSV, overlays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import xarray as xr

    from matxai.jobs.explaining import Options


def shared_limits(explanations: Sequence[xr.Dataset], options: Options) -> dict[str, Any]:
    """Return one pair of colour limits for each map over all inputs; none where no overlays are asked for."""
    from matxai.report import common_limits

    names = [str(n) for n in explanations[0].data_vars]
    return {name: common_limits(explanations, name) for name in names} if options.figures else {}


def parts(explanation: xr.Dataset) -> Iterator[tuple[str, dict[str, int], str]]:
    """Each map with one value for each pixel: its name, the entry of its leading dims, and a stem for its files."""
    for name, variable in explanation.data_vars.items():
        leading = [str(d) for d in variable.dims if str(d).split("_")[0] in ("layer", "class", "target", "c")]
        for index in np.ndindex(*(variable.sizes[d] for d in leading)):
            at = {d: int(i) for d, i in zip(leading, index, strict=True)}
            yield str(name), at, "_".join([str(name), *(f"{d}{i}" for d, i in at.items())])


def write_maps(explanation: xr.Dataset, folder: Path, options: Options) -> None:
    """Each map as a calibrated float32 TIFF, and its numbers as CSV where that was asked for."""
    from matxai.report import map_csv
    from matxai.signals.writing import write_tiff

    for name, at, stem in parts(explanation):
        part = explanation[name].isel(at)
        if part.ndim >= 2:
            write_tiff(folder / f"{stem}.tif", part)
        if options.csv:
            map_csv(explanation, name, folder / f"{stem}.csv", at=at or None)


def write_overlays(explanation: xr.Dataset, folder: Path, options: Options, limits: Mapping[str, Any]) -> None:
    """Each map laid over its image, in the formats asked for."""
    from matxai.report import overlay_figure, save_figure

    for name, at, stem in parts(explanation):
        for kind in options.figures:
            figure = overlay_figure(
                explanation, name, at=at or None, width_mm=options.width_mm, limits=limits.get(name)
            )
            save_figure(figure, folder / f"{stem}.{kind}")
