"""In which precision a model runs: as it is, twice as wide, or in PyTorch's automatic half precision."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from matxai.errors import ModelError, nearest

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import torch
    from torch import nn

    from matxai.modelcard.model import Model

PRECISIONS = ("float32", "float64", "bfloat16", "float16")
"""What a model can be asked to run in; the halves are automatic (``torch.autocast``): its weights stay as they are."""


def in_precision(model: Model, precision: str, *, own: bool = False) -> Model:
    """Return a model that runs in a precision.

    Parameters
    ----------
    model
        The model; its module is left as it is.
    precision
        One of `PRECISIONS`. ``float64`` is a copy of the module with twice the memory; the halves run the module under
        ``torch.autocast``, where wide sums stay in float32.
    own
        Whether the module may be changed in place of a copy.

    Raises
    ------
    ModelError
        If there is no such precision, or the model or its device has none but its own.
    """
    if precision not in PRECISIONS:
        raise ModelError(f"There is no precision '{precision}'. {nearest(precision, PRECISIONS)}")
    if precision == model.precision:
        return model
    if model.black_box:
        raise ModelError(f"'{model.name}' is a black box and runs in a precision of its own; leave '{precision}' out.")
    import torch

    module = model.module
    if model.precision == "float64":
        raise ModelError(f"'{model.name}' was converted to float64; load it again for '{precision}'.")
    if precision == "float64":
        device = _device(module)
        if device.type == "mps":
            raise ModelError(f"The device '{device}' has no float64; choose the CPU, or float32.")
        module = (module if own else copy.deepcopy(module)).to(torch.float64)
        wide = replace(model.preprocessing, precision="float64")
        return replace(model, module=module, preprocessing=wide, precision=precision)
    return replace(model, precision=precision)


def running(model: Model) -> AbstractContextManager[object]:
    """Return a context in which a model's module runs in its precision; full precision changes nothing."""
    if model.precision not in ("bfloat16", "float16"):
        return nullcontext()
    import torch

    return torch.autocast(_device(model.module).type, getattr(torch, model.precision))


def _device(module: nn.Module) -> torch.device:
    import torch

    tensor = next((t for t in (*module.parameters(), *module.buffers())), None)
    return torch.device("cpu") if tensor is None else tensor.device
