"""Models of tokens: integers have no gradient, so such a model is explained as a function of what they are embedded in.

The first embedding that the model looks its tokens up in is the input then: (B, E, *axes of the tokens) with the
embedding's width E in the place of the channels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from matxai.engine import devices, memory
from matxai.engine.capture import Capture
from matxai.engine.failing import failure
from matxai.engine.inputs import WithInputs
from matxai.engine.inspection import same_randomness
from matxai.engine.naming import is_exported
from matxai.engine.nodes import Switch
from matxai.engine.state import untouched
from matxai.engine.values import Keep
from matxai.engine.wrapped import original
from matxai.errors import ModelError
from matxai.opaque import BlackBox

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_AFTER_WEIGHT = (torch.embedding, torch.ops.aten.embedding.default, torch.ops.aten.embedding)


def is_tokens(module: Any, x: Any) -> bool:
    """Whether an input is made of token indices: whole numbers for a module whose inside can be seen."""
    return (
        isinstance(module, nn.Module) and not isinstance(module, BlackBox) and isinstance(x, Tensor)
        and x.dtype in (torch.int64, torch.int32) and x.numel() > 0 and not x.is_meta
    )  # fmt: skip


def embedded(alone: nn.Module, tokens: Tensor) -> tuple[nn.Module, Tensor]:
    """Return a module of the embedding's output, and that output (B, E, *axes of the tokens).

    Parameters
    ----------
    alone
        A module of one input, see :func:`matxai.engine.inputs.bound`.
    tokens
        (B, *axes), integers.

    Raises
    ------
    ModelError
        If the model stops on the tokens, or has no embedding that takes them.
    """
    module = alone if isinstance(alone, WithInputs) else WithInputs(original(alone), len(tokens), None, {}, ())
    if is_exported(module.behind):
        raise ModelError("A torch.export program of tokens cannot be explained; give the module it was exported from.")
    home, device = tokens.device, devices.of(module.behind)
    tokens = tokens.detach() if device is None else tokens.detach().to(device)
    looking, capture = _Looking(tokens), Capture(module, Keep(), Switch())
    with torch.inference_mode(mode=False), torch.no_grad(), untouched(module), same_randomness(tokens.device):
        try:
            with capture, looking:  # the capture puts back what the forward writes into the module
                module(tokens)
        except _Found:
            pass
        except ModelError:
            raise
        except Exception as error:
            if looking.count or memory.exhausted(error):
                raise ModelError(failure(module, tokens, "", error)) from error
        finally:
            capture.restore()
    if looking.found is None:
        raise ModelError(
            f"The input has the type {tokens.dtype}; convert it to floating point, scaled as the model expects. Of"
            f" whole numbers only those are explained that the model looks up in an nn.Embedding as they are."
        )
    number, values = looking.found
    return Embedded(module, tokens, number), values.movedim(-1, 1).contiguous().to(home)


class Embedded(WithInputs):
    """A module as a function of what its tokens are embedded in; the tokens themselves go everywhere else.

    Parameters
    ----------
    module
        The module of tokens.
    tokens
        (B, *axes).
    number
        Which lookup of its forward, counted from 0, is replaced.
    """

    tokens: Tensor
    number: int

    def __init__(self, module: WithInputs, tokens: Tensor, number: int) -> None:
        super().__init__(module.behind, len(tokens), module.first, module.explained, module.constant)
        self.__dict__.update(tokens=tokens, number=number)

    def __call__(self, x: Tensor, further: Mapping[str, Tensor] | None = None) -> Any:
        """Run the module on its tokens, with ``x`` (B, E, *axes) in the place of their embedding."""
        tokens = self._for(len(x), self.tokens)
        with _Replacing(x, self.number):
            return super().__call__(tokens, further)

    @property
    def shapes(self) -> tuple[Any, ...]:
        """What a forward depends on beside the first input."""
        return (("tokens", tuple(self.tokens.shape), self.number), *super().shapes)


class _Found(Exception):  # noqa: N818 - a signal between a mode and its caller
    """The tokens' lookup was found, and the rest of the forward need not run."""


class _Lookups(TorchFunctionMode):
    """Sees each lookup in an embedding by its number."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        place = 0 if func is F.embedding else 1 if func in _AFTER_WEIGHT else None
        if place is None:
            return func(*args, **kwargs)
        indices = args[place] if len(args) > place else kwargs.get("input", kwargs.get("indices"))
        weight = args[1 - place] if len(args) > 1 - place else kwargs.get("weight")
        self.count += 1
        return self.looked_up((indices, weight), lambda: func(*args, **kwargs))

    def looked_up(self, given: tuple[Any, Any], own: Callable[[], Any]) -> Any:
        """Return what the model gets of a lookup of ``given`` indices in a weight; ``own()`` is what PyTorch gives."""
        raise NotImplementedError


class _Looking(_Lookups):
    """Stops the forward at the first lookup of the tokens themselves; of a copy of them it is the first seen."""

    def __init__(self, tokens: Tensor) -> None:
        super().__init__()
        self.tokens = tokens
        self.found: tuple[int, Tensor] | None = None

    def looked_up(self, given: tuple[Any, Any], own: Callable[[], Any]) -> Any:
        """Compare with the tokens."""
        (indices, weight), tokens = given, self.tokens
        same = indices.untyped_storage().data_ptr() == tokens.untyped_storage().data_ptr()
        if tuple(indices.shape) != tuple(tokens.shape) or not (same or torch.equal(indices.to(tokens), tokens)):
            return own()
        low, high = (int(v) for v in tokens.aminmax())
        if low < 0 or high >= len(weight):
            raise ModelError(f"The tokens are {low} to {high}; the model's embedding has {len(weight)}, from 0 on.")
        values = own()
        if same or self.found is None:
            self.found = self.count - 1, values
        if same:
            raise _Found
        return values


class _Replacing(_Lookups):
    """Gives values in the place of one lookup."""

    def __init__(self, x: Tensor, number: int) -> None:
        super().__init__()
        self.x, self.number = x, number

    def looked_up(self, _given: tuple[Any, Any], own: Callable[[], Any]) -> Any:
        """Give what is explained, with the width of the embedding last."""
        x = self.x
        return x.permute(0, *range(2, x.ndim), 1) if self.count == self.number + 1 else own()
