"""What an explanation says about itself beside its maps: model, input, passes, bookkeeping, versions."""

from __future__ import annotations

import hashlib
import platform
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai._version import __version__
from matxai.explanation.agreement import agreement
from matxai.modelcard.suiting import placement_notes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr
    from torch import nn

    from matxai.explanation.carrying import Carried
    from matxai.methods import Attribution, Method
    from matxai.modelcard import Model
    from matxai.modelcard.preprocessing import Prepared


def about_model(model: Model) -> dict[str, Any]:
    """Return whose answer it is."""
    return {
        "model": {
            "name": model.name,
            "task": model.task,
            "sha256": model.sha256 or (None if model.black_box else _module_hash(model.module)),
            "black_box": model.black_box,
            "architecture": model.architecture,
            "classes": list(model.classes),
            "activation": model.activation,
            "kind": model.kind,
            "origin": model.origin.name if model.origin is not None else None,
            "source": model.source,
            "licence": model.licence,
        }
    }


def _module_hash(module: nn.Module) -> str:
    """Return a hash over names, types, shapes and values of everything in the module's state."""
    import torch

    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        if isinstance(value, torch.Tensor):
            digest.update(f"{name}:{value.dtype}:{tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def about_input(signal: xr.DataArray, prepared: Prepared) -> dict[str, Any]:
    """Return what was explained and what the network received of it."""
    from matxai.modelcard.preprocessing import signal_name

    source = prepared.signal
    values = np.ascontiguousarray(source.values)
    digest = hashlib.sha256(f"{source.dims}:{values.dtype}:{values.shape}".encode() + values.tobytes())
    place = prepared.placement
    return {
        "input": {
            "name": signal_name(signal),
            "source": signal.attrs.get("source") or signal.encoding.get("source"),
            "sha256": digest.hexdigest(),
            "dims": list(source.dims),
            "shape": list(source.shape),
            "dtype": str(source.dtype),
            "units": dict(zip(place.dims, place.units, strict=True)),
        },
        "pixel_size_source": signal.attrs.get("pixel_size_source"),
        "preprocessing": [s.text for s in prepared.stages],
        "network_input": {
            "shape": list(prepared.tensor.shape),
            "seen": float(place.seen.mean()),
            "skipped": place.skipped,
            "padded": float(place.padded.mean()),
        },
    }


def about_run(result: Attribution, prepared: Prepared) -> dict[str, Any]:
    """Return the passes and what was decided on the way."""
    return {
        "plan": result.plan.describe(),
        "forwards": result.forwards,
        "backwards": result.backwards,
        "notes": list(dict.fromkeys([*result.notes, *placement_notes(prepared.placement)])),
    }


def about_maps(
    ds: xr.Dataset, maps: Sequence[Carried], targets: Sequence[dict[str, Any]], prepared: Prepared
) -> dict[str, Any]:
    """Return by map what it counts, how fine it is and whether it sums up, and how the maps agree."""
    return {
        "maps": {str(name): c.record for name, c in zip(ds.data_vars, maps, strict=True)},
        "ledger": _ledger(maps, targets),
        "agreement": agreement(
            {str(k): v for k, v in ds.data_vars.items() if "error_of" not in v.attrs}, prepared.placement.dims
        ),
    }


def _ledger(maps: Sequence[Carried], targets: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return for each map of relevance how nearly it sums to the score, and what fell on padding."""
    book: dict[str, Any] = {}
    for c in maps:
        for target, kept in zip(targets, c.record.get("conservation", ()), strict=False):
            name = c.key if len(targets) == 1 else f"{c.key} ({target['class']})"
            book[name] = {**kept, "lost_on_padding": c.record["lost_on_padding"]}
    return book


def versions() -> dict[str, str]:
    """Return the versions of what computed the maps."""
    import torch
    import xarray as xr

    return {
        "matxai": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "xarray": xr.__version__,
        "python": platform.python_version(),
    }


def device_of(module: nn.Module) -> str:
    """Return the device that a module lies on."""
    tensor = next(iter([*module.parameters(), *module.buffers()]), None)
    return str(tensor.device) if tensor is not None else "cpu"


def call_text(model: Model, prepared: Prepared, wanted: Sequence[Method], target: Any) -> str:
    """Return the Python call that repeats this, for results that no command made."""
    from matxai.modelcard.preprocessing import signal_name

    keys = ", ".join(repr(m.key) for m in wanted)
    at = "" if target is None else f", target={target!r}"
    return f"matxai.explain({model.name!r}, {signal_name(prepared.signal)!r}, methods=[{keys}]{at})"
