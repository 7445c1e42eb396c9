"""The cells of every layer at once: where they lie and how large they are, from one forward without a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from matxai.engine import devices
from matxai.engine.capture import Capture
from matxai.engine.embedded import embedded, is_tokens
from matxai.engine.inputs import checked
from matxai.engine.inspection import recorded, same_randomness
from matxai.engine.nodes import Switch
from matxai.engine.places import places
from matxai.engine.state import untouched
from matxai.engine.values import Keep
from matxai.engine.wrapped import original
from matxai.errors import LayerError
from matxai.opaque import BlackBox

if TYPE_CHECKING:
    from torch import Tensor, nn

    from matxai.engine.place import Place


def layer_places(module: nn.Module, x: Tensor) -> dict[str, Place]:
    """Return where the cells of each layer lie on the input, in the order in which the layers end.

    Parameters
    ----------
    module
        Any model.
    x
        ``(B, C, *spatial)``.

    Returns
    -------
    dict
        Layers with as many spatial axes as the input, whose place follows from kernels, strides and paddings.

    Raises
    ------
    LayerError
        If the model gives predictions only.
    """
    module = original(module)
    if isinstance(module, BlackBox):
        raise LayerError(f"{module.title} gives predictions only; it has no layers to list.")
    if is_tokens(module, x):
        module, x = embedded(module, x)
    with torch.inference_mode(mode=False), torch.no_grad():
        x = checked(x, devices.of(module))
        with untouched(module), same_randomness(x.device):
            capture = Capture(module, Keep(), Switch())
            _, calls = recorded(module, x, capture)
    values = {call.name: (call.value, call.shape) for call in calls}
    found = places(capture.trace, tuple(x.shape), values)
    return {name: place for name, place in found.items() if place is not None}
