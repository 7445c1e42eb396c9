"""What all class activation maps share: rectified at the layer's own size, then brought to their true place."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from matxai.errors import LayerError
from matxai.methods.method import Empty, Method, Reduced, Setting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from matxai.engine import Captured, Needs


def wide(tensor: Tensor) -> Tensor:
    """Return the tensor without a graph, in float32 where it is of half precision."""
    import torch

    plain = tensor.detach()
    return plain.float() if plain.dtype in (torch.float16, torch.bfloat16) else plain


def at_layer(captured: Captured, setting: Setting, name: str) -> tuple[Tensor, Tensor]:
    """Return a layer's gradient ``(..., B, K, *spatial)`` and its activations ``(B, K, *spatial)``."""
    from matxai.engine import GRADIENT

    gradient = wide(captured.gradient(GRADIENT, name))
    return setting.layouts[name].cells(gradient), activations(captured, setting, name)


def activations(captured: Captured, setting: Setting, name: str) -> Tensor:
    """Return a layer's activations ``(B, K, *spatial)``, whatever its own layout; tokens without a place dropped."""
    return setting.layouts[name].cells(wide(captured.activation(name)))


def empties(method: str, layer: str, signed: Tensor, gradient: Tensor | None, axes: int) -> tuple[Empty, ...]:
    """Return a record for each sample whose map has nothing above 0.

    Parameters
    ----------
    method, layer
        The key of the map and the name of its layer.
    signed
        ``(..., B, *spatial)``, before the ReLU.
    gradient
        ``(..., B, K, *spatial)``; ``None`` for methods that do without.
    axes
        The number of spatial axes.
    """
    flat = signed.flatten(signed.ndim - axes)
    none = flat.amax(-1) <= 0
    if not bool(none.any()):
        return ()
    targets = none.reshape(-1, none.shape[-1])
    lowest = flat.amin(-1).reshape(targets.shape)
    norms = None
    if gradient is not None:
        norms = gradient.flatten(gradient.ndim - axes - 1).norm(dim=-1).expand(none.shape).reshape(targets.shape)
    return tuple(
        Empty(
            method,
            layer,
            sample=b,
            target=t,
            minimum=float(lowest[t, b]),
            gradient_norm=None if norms is None else float(norms[t, b]),
        )
        for t, b in targets.nonzero().tolist()
    )


@dataclass(frozen=True)
class LayerMaps(Method):
    """A class activation map of one layer or several.

    Attributes
    ----------
    relu
        Keep only evidence for the target; ``False`` gives the signed map. ``None``: as the call says.
    placement
        ``"receptive_field"`` puts the map where its cells' receptive fields lie, ``"grid"`` stretches it over the
        input. ``None``: as the call says.
    upsample
        ``False`` gives the layers' maps at their own sizes. ``None``: as the call says.
    layers
        Names as in ``module.named_modules()``; ``None``: the call's.
    layout
        ``"channels_first"`` (B, K, *cells), ``"channels_last"`` (B, *cells, K) or ``"tokens"`` (B, N, K). ``None``: as
        the recorded operations tell.
    grid
        Of tokens: cells along each axis of the input; tokens in front of them are dropped. ``None``: the grid of the
        patch embedding.
    """

    relu: bool | None = None
    placement: str | None = None
    upsample: bool | None = None
    layers: Sequence[str | int] | None = None
    layout: str | None = None
    grid: Sequence[int] | None = None

    at_layers: ClassVar[bool] = True

    @abstractmethod
    def signed(self, captured: Captured, setting: Setting, name: str) -> tuple[Tensor, Tensor | None]:
        """Return the signed map ``(..., B, *spatial)`` of one layer, and the gradient there where there is one."""

    def own_maps(self, captured: Captured, setting: Setting) -> tuple[list[Tensor], tuple[Empty, ...]]:
        """Return the layers' maps ``(..., B, *spatial)`` at their own sizes, rectified, and which are all zero."""
        maps: list[Tensor] = []
        empty: tuple[Empty, ...] = ()
        for name in setting.layers:
            signed, gradient = self.signed(captured, setting, name)
            if setting.relu:
                empty += empties(self.key, name, signed, gradient, signed.ndim - captured.scores.ndim)
                signed = signed.clamp(min=0)
            maps.append(signed)
        return maps, empty

    def reduce(self, captured: Captured, setting: Setting) -> Reduced:
        """Return ``(..., B, L, *spatial)``, or the layers' own maps where nothing is to be upsampled."""
        maps, empty = self.own_maps(captured, setting)
        return Reduced(placed(maps, setting) if setting.upsample else tuple(maps), empty=empty)


@dataclass(frozen=True)
class GradientMaps(LayerMaps):
    """A class activation map made of a layer's activations and the score's gradient there."""

    def needs(self) -> Needs:
        """Ask for activations and one plain backward that ends at the shallowest layer."""
        from matxai.engine import GRADIENT, Backward, Needs

        return Needs(activations=True, backwards=(Backward(GRADIENT, at_layers=True),))

    def signed(self, captured: Captured, setting: Setting, name: str) -> tuple[Tensor, Tensor | None]:
        """Return the map of one layer, and the gradient."""
        gradient, activation = at_layer(captured, setting, name)
        return self.layer_map(gradient, activation), gradient

    @abstractmethod
    def layer_map(self, gradient: Tensor, activation: Tensor) -> Tensor:
        """Return the signed map ``(..., B, *spatial)`` of one layer."""


def placed(maps: Sequence[Tensor], setting: Setting) -> Tensor:
    """Return the layers' maps ``(..., B, *own)`` at the input's size, stacked to ``(..., B, L, *spatial)``.

    Raises
    ------
    LayerError
        If a layer's axes are not the input's: its map lies nowhere on it.
    """
    import torch

    from matxai.engine.place import resample

    for name in setting.layers:
        if name not in setting.places:
            msg = (
                f"The cells of layer '{name}' do not lie along the input's {len(setting.size)} axes; name another"
                " layer, or ask for the map at its own size with upsample=False."
            )
            raise LayerError(msg)

    at_input = [resample(m, setting.places[name], setting.size) for m, name in zip(maps, setting.layers, strict=True)]
    return torch.stack(at_input, dim=-len(setting.size) - 1)
