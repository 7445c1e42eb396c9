"""The sentence for a model that stopped on its input: where, with what words, and what would have been right."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from matxai.engine.memory import exhausted
from matxai.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import torch
    from torch import Tensor, nn

_BY_TORCHSCRIPT = "The following operation failed"


class NotFiniteError(ModelError):
    """The model's output holds NaN or infinite values."""

    def __init__(self, where: str = "", half: bool = False) -> None:
        begin = f": they begin in the operation {where}" if where else ""
        remedy = (
            "run the model in float32" if half else "scale the input as the model was trained, and check its weights"
        )
        super().__init__(f"The model's output holds NaN or infinite values for this input{begin}; {remedy}.")


class BrokenBackward(Exception):  # noqa: N818 - a signal between a run and its caller
    """PyTorch could not run a backward: a tensor that it had saved was overwritten, or would have been recomputed."""


@contextmanager
def breaking() -> Iterator[None]:
    """Turn what a backward raises into :class:`BrokenBackward`; memory that does not suffice is another matter."""
    try:
        yield
    except RuntimeError as error:
        if exhausted(error):
            raise
        raise BrokenBackward from error


def backward_failure(error: BrokenBackward) -> str:
    """Return one sentence about a backward that cannot be run."""
    return (
        f"The model's backward stopped with '{_first_line(error.__cause__ or error)}', so it has no gradient; use a "
        f"method that needs predictions alone."
    )


def no_memory(x: Tensor, where: str = "") -> str:
    """Return one sentence about memory that does not suffice, and what would need less."""
    place = f" in layer '{where}'" if where else ""
    if len(x) > 1:
        return (
            f"Memory does not suffice{place} for {len(x)} samples of {tuple(x.shape[1:])} at once; give fewer, or a"
            f" smaller input."
        )
    return (
        f"Memory does not suffice{place} even for one sample of {tuple(x.shape[1:])}; give a smaller input, run the"
        f" model in half precision, or on a device with more memory."
    )


def failure(module: nn.Module, x: Tensor, where: str, error: Exception) -> str:
    """Return one sentence about an error that came out of a model's own forward.

    Parameters
    ----------
    module, x
        The model and its input (B, C, *spatial).
    where
        The innermost layer that was running; empty for the model itself.
    error
        What it raised.
    """
    if exhausted(error):
        return no_memory(x, where)
    layer = dict(module.named_modules()).get(where)
    place = f"in layer '{where}' ({type(layer).__name__})" if where and layer is not None else "in its own forward"
    return (
        f"The model cannot take the input {tuple(x.shape)} of type {x.dtype}: {place} it stopped with "
        f"'{_first_line(error)}'; {_what_would_be_right(module, x, where, layer)}."
    )


def _first_line(error: BaseException) -> str:
    """Return what the error says in its first line, or in TorchScript's last, without a full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return (lines[-1] if lines[0].startswith(_BY_TORCHSCRIPT) else lines[0]).rstrip(".;: ")


def _what_would_be_right(module: nn.Module, x: Tensor, where: str, layer: nn.Module | None) -> str:
    """Return the most that can be said: the type of the weights, what the layer takes, or what to compare."""
    types = _floating(module.parameters())
    if types and x.dtype not in types:
        return f"give it as {' or '.join(sorted(map(str, types)))}, the type of the model's weights"
    channels, features = getattr(layer, "in_channels", None), getattr(layer, "in_features", None)
    if isinstance(channels, int):
        kernel = getattr(layer, "kernel_size", None)
        axes = ""
        if isinstance(kernel, tuple):
            axes = f" and {len(kernel)} spatial axes, with padding none shorter than its kernel {kernel}"
        return f"layer '{where}' takes {channels} channel(s){axes}"
    if isinstance(features, int):
        return f"layer '{where}' takes {features} features, which the size of the input decides"
    return "give the channels, the number of axes and the size that the model was made for"


def _floating(tensors: Iterable[Tensor]) -> set[torch.dtype]:
    return {t.dtype for t in tensors if t.is_floating_point()}
