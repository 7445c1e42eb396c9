"""What an explanation is held against: the evidence of each map, and the signals of a contrast class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import Cancelled, FileError, MatxaiError

if TYPE_CHECKING:
    import xarray as xr

    from matxai.jobs.explaining import Options
    from matxai.modelcard import Model


def evidence_of(
    model: Model, signal: xr.DataArray, explanation: xr.Dataset, options: Options, cancel: Any
) -> list[dict[str, Any]]:
    """Evidence for every map that has one value for each pixel; for the rest a sentence that says why there is none."""
    from matxai.checks.evidence import Evidence, evidence_of_maps
    from matxai.explanation import provenance

    target = provenance(explanation).get("target")
    index = target.get("index") if isinstance(target, dict) else None
    spatial = [d for d in signal.dims if d != "c"]
    maps: dict[str, np.ndarray[Any, np.dtype[Any]]] = {}
    for name, variable in explanation.data_vars.items():
        if "error_of" in variable.attrs:
            continue
        whole = variable.sum("c", skipna=False) if "c" in variable.dims else variable
        if list(whole.dims) == spatial:
            maps[str(variable.attrs.get("method", name))] = np.asarray(whole.values)
    if not isinstance(index, int):
        why = "The target is no single class, so no score was removed from."
        return [{"method": method, "sentence": why} for method in maps]
    if not maps:
        return []
    try:
        found = evidence_of_maps(
            model,
            signal,
            maps,
            index,
            controls=options.controls,
            random_maps=min(10, options.controls),
            seed=options.seed,
            cancel=cancel,
        )
    except Cancelled:
        raise
    except MatxaiError as error:
        return [{"method": method, "sentence": str(error)} for method in maps]
    return [
        one.to_dict() if isinstance(one, Evidence) else {"method": method, "sentence": str(one)}
        for method, one in found.items()
    ]


def contrast_of(given: str | None, kind: str) -> list[xr.DataArray]:
    """Return the signals of a contrast class: those of a folder, a file or a pattern; none where none is named.

    Raises
    ------
    FileError
        If they cannot be read.
    """
    if given is None:
        return []
    from matxai.jobs.inputs import expand

    inputs, failures = expand([given], kind)
    if failures or not inputs:
        why = failures[0][1] if failures else "it holds no file that can be read."
        msg = f"The contrast class {given} cannot be used: {why}"
        raise FileError(msg)
    return [one.load().compute() for one in inputs]
