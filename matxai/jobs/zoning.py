"""The zones of each explained spectrum, and their tables as files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matxai.errors import Cancelled, MatxaiError
from matxai.explanation.dataset import jsonable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import xarray as xr

    from matxai.checks.judging import Progress
    from matxai.checks.zones import ZoneTable
    from matxai.jobs.explaining import Options
    from matxai.methods import Method
    from matxai.modelcard import Model

CURVE_METHODS = ("grad_cam", "multilayer_grad_cam", "lrp", "input_x_gradient")
"""What a spectrum is explained with where nobody says: two that place by layers, two that place by points."""
CONTRASTING = ("deep_lift:mean",)
"""And against the mean of a contrast class, where one is given."""
BY_WAVES = ("lrp", "input_x_gradient")
"""What gives relevance to waves, for the bands of a waveform."""
MOST_LAYERS = 4


def is_curve(signal: xr.DataArray) -> bool:
    """Whether a signal is one spectrum or waveform, of one or several channels."""
    return signal.ndim - ("c" in signal.dims) == 1


def methods_for_curve(model: Model, signal: xr.DataArray, names: Sequence[str], *, layers: bool) -> list[str | Method]:
    """Return the methods of a spectrum: a fused Grad-CAM gets one layer for each size that the network works at.

    Where layers are named, or there is one size only, names stay as they are.
    """
    if "multilayer_grad_cam" not in names or layers or model.black_box:
        return list(names)
    found = stages(model, signal)
    if len(found) < 2:
        return list(names)
    from matxai.methods import MultilayerGradCAM

    fused = MultilayerGradCAM(layers=found, scale="max", name="multilayer_grad_cam")
    return [fused if name == "multilayer_grad_cam" else name for name in names]


def stages(model: Model, signal: xr.DataArray) -> list[str]:
    """Return the last convolution at each size of the network, the finest first, at most four; none without any."""
    from matxai.engine import layers

    table = layers(model.module, model.preprocessing.prepare(signal).tensor)
    last: dict[int, str] = {}
    for row in table.rows:
        if row.name in table.convolutions and len(row.shape) == 3:
            last[row.shape[2]] = row.name
    return [last[size] for size in sorted(last, reverse=True) if size > 1][-MOST_LAYERS:]


def table_of(
    model: Model,
    explanation: xr.Dataset,
    options: Options,
    *,
    methods: Sequence[str | Method] = (),
    contrast: Sequence[xr.DataArray] = (),
    progress: Progress | None = None,
    cancel: Any = None,
) -> ZoneTable | str | None:
    """Return the zones of an explained spectrum, or the sentence that says why there are none; None for images.

    Raises
    ------
    Cancelled
        If ``cancel`` is set.
    MatxaiError
        If a reference was named that is none, or that does not lie on this axis.
    """
    from matxai.checks.references import reference_for
    from matxai.checks.zones import zone_table

    signal = explanation.coords["signal"]
    if not options.zones or not is_curve(signal):
        return None
    if signal.dims[0] == "time":
        return _bands_of(model, explanation, options, methods, progress, cancel)
    references = [reference_for(name, signal) for name in options.references]
    try:
        return zone_table(
            model, explanation, methods=methods, e0=options.e0, doublets=options.doublets, reference=references,
            contrast=contrast, redrawn=options.redraws, removal=options.evidence, controls=options.controls,
            seed=options.seed, progress=progress, cancel=cancel,
        )  # fmt: skip
    except Cancelled:
        raise
    except MatxaiError as error:
        return str(error)


def _bands_of(
    model: Model,
    explanation: xr.Dataset,
    options: Options,
    methods: Sequence[str | Method],
    progress: Progress | None,
    cancel: Any,
) -> ZoneTable | str:
    """The zones of a waveform are bands of frequency: of those methods that can say something of waves."""
    from matxai.checks.zones.bands import band_table
    from matxai.explanation import explain, provenance

    said = provenance(explanation).get("target")
    index = said.get("index") if isinstance(said, dict) else None
    if not isinstance(index, int):
        return "A table of bands is of one class; this explanation has another target, or several."
    signal = explanation.coords["signal"].drop_vars("signal", errors="ignore")
    able = [m for m in methods if isinstance(m, str) and m.partition(":")[0] in BY_WAVES]
    try:
        turned = explain(
            model, signal, methods=able or list(BY_WAVES), target=index, domain="time_frequency", seed=options.seed,
            leave_out=True, cancel=cancel,
        )  # fmt: skip
        return band_table(
            model, turned, bands=options.bands, removal=options.evidence, seed=options.seed, progress=progress,
            cancel=cancel,
        )  # fmt: skip
    except Cancelled:
        raise
    except MatxaiError as error:
        return str(error)


def to_record(zones: ZoneTable | str | None) -> Any:
    """Return a table of zones, or the sentence in its place, as JSON holds it."""
    return zones if zones is None or isinstance(zones, str) else jsonable(zones.to_dict())


def from_record(said: Any) -> ZoneTable | str | None:
    """Return what :func:`to_record` wrote down."""
    from matxai.checks.zones import ZoneTable

    return ZoneTable.from_dict(said) if isinstance(said, dict) else said


def write_tables(tables: Iterable[tuple[str, ZoneTable]], folder: Path) -> list[Path]:
    """Write ``zones.csv`` and ``zones.parquet``, and ``expected_lines`` likewise where a reference was named.

    Raises
    ------
    FileError
        If they cannot be written.
    """
    from matxai.report import write_table
    from matxai.report.zones_table import EXPECTED, ZONES, expected_frame, zones_frame

    several = list(tables)
    if not several:
        return []
    written = [*write_table(zones_frame(several), folder, ZONES)]
    if any(t.expected for _, t in several):
        written += write_table(expected_frame(several), folder, EXPECTED)
    return written
