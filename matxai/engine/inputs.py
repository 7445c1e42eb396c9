"""What goes into a model: the batch that is explained, checked before anything runs, and what goes in beside it.

A model of several inputs is explained as :class:`WithInputs`: a module of one input, with the others bound to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from matxai.engine.nested import mapped
from matxai.engine.wrapped import inner, original
from matxai.errors import ModelError
from matxai.opaque import BlackBox

FURTHER = "input:"
"""Places where a run reads inputs after the first are called by this and their name."""


class WithInputs(nn.Module):
    """A module as a function of its first input; layers, parameters and names are those of the module itself.

    Parameters
    ----------
    module
        The user's.
    batch
        Samples in the first input. A tensor whose first axis is as long has one row for each sample: it is repeated
        with copies of the batch. Everything else goes in as it is.
    first
        The keyword of the first input, None where it comes by position.
    explained
        Further inputs that are explained as well: keywords, or positions ``"1"``, ``"2"``, ... after the first.
    constant
        Further positional arguments, or keyword arguments.
    """

    behind: nn.Module
    batch: int
    first: str | None
    explained: dict[str, Tensor]
    constant: Sequence[Any] | Mapping[str, Any]

    def __init__(
        self, module: nn.Module, batch: int, first: str | None, explained: Mapping[str, Tensor],
        constant: Sequence[Any] | Mapping[str, Any],
    ) -> None:  # fmt: skip
        super().__init__()
        held = self.__dict__  # no child of this module: its children are the user's module's own
        held["behind"], held["batch"], held["first"] = original(module), batch, first
        held["explained"], held["constant"] = dict(explained), constant

    def further(self, samples: int) -> dict[str, Tensor]:
        """Return the further inputs that are explained, for so many samples."""
        return {name: self._for(samples, t) for name, t in self.explained.items()}

    def __call__(self, x: Tensor, further: Mapping[str, Tensor] | None = None) -> Any:
        """Run the module; no hooks are called but its own."""
        given = self.further(len(x)) if further is None else further
        constant = mapped(self.constant, lambda t: self._for(len(x), t))
        by_name = dict(constant) if isinstance(constant, Mapping) else {}
        by_place = [] if isinstance(constant, Mapping) else list(constant)
        if self.first is not None:
            return inner(self.behind)(*by_place, **{self.first: x}, **given, **by_name)
        return inner(self.behind)(x, *given.values(), *by_place, **by_name)

    def _for(self, samples: int, tensor: Tensor) -> Tensor:
        if tensor.ndim == 0 or len(tensor) != self.batch or samples == self.batch:
            return tensor
        if samples % self.batch == 0:
            return tensor.repeat(samples // self.batch, *(1,) * (tensor.ndim - 1))
        return tensor[:1].repeat(samples, *(1,) * (tensor.ndim - 1))  # other samples than the batch's: of the first

    @property
    def shapes(self) -> tuple[Any, ...]:
        """What a forward depends on beside the first input: the names and shapes of the others."""

        def shape(value: Any) -> Any:
            return tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__

        named = self.constant.items() if isinstance(self.constant, Mapping) else enumerate(self.constant)
        return tuple((str(k), shape(v)) for k, v in (*self.explained.items(), *named))

    def named_modules(
        self, memo: set[nn.Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Module]]:
        """Yield what the module itself yields."""
        yield from self.behind.named_modules(memo, prefix, remove_duplicate)


def of_input(place: str) -> bool:
    """Whether a place where a run reads is an input."""
    return place == "input" or place.startswith(FURTHER)


def user_module(module: nn.Module) -> nn.Module:
    """Return the user's own module, whether or not further inputs are bound to it."""
    return module.behind if isinstance(module, WithInputs) else module


def bound(module: Any, x: Any, inputs: Any) -> tuple[nn.Module, Tensor]:
    """Return a module of one input, and that input, from what the caller gives.

    Parameters
    ----------
    module
        The user's.
    x
        The batch, or a tuple of batches (positional), or a dictionary of batches (by keyword); all are explained.
    inputs
        What goes in beside them and is not explained: a tensor, a tuple of positional or a dictionary of keyword
        arguments, None for nothing.

    Raises
    ------
    ModelError
        If an input is no tensor, or is explained and has other samples than the first.
    """
    if not isinstance(module, nn.Module):
        hint = ", or matxai.black_box(...) of a function of images" if callable(module) else ""
        if isinstance(module, torch.export.ExportedProgram):
            hint = ": its .module()"
        raise ModelError(f"The model is a {type(module).__name__}; give an nn.Module{hint}.")
    several: dict[str | None, Any] = {None: x}
    if isinstance(x, Mapping):
        several = dict(x)
    elif isinstance(x, tuple | list):
        several = dict(zip((None, *map(str, range(1, len(x))))[: len(x)], x, strict=True))
    if not several:
        raise ModelError("There is no input; give a batch (B, C, *spatial), or several as a tuple or a dictionary.")
    for name, t in several.items():
        if not isinstance(t, Tensor) and len(several) > 1:
            raise ModelError(f"Input '{name or 0}' is a {type(t).__name__}; every explained input is a tensor.")
    first, *others = several.items()
    if not others and first[0] is None and inputs is None:
        return module, first[1]
    if isinstance(module, BlackBox):
        raise ModelError(f"{module.title} takes one input; put the others into its function.")
    if not isinstance(first[1], Tensor) or first[1].ndim == 0:
        raise ModelError("The first input must be a batch (B, C, *spatial).")
    device = next((p.device for p in (*module.parameters(), *module.buffers())), first[1].device)
    explained: dict[str, Tensor] = {}
    for name, t in others:
        if len(t.shape) == 0 or len(t) != len(first[1]):
            raise ModelError(
                f"Input '{name}' is {tuple(t.shape)} and the first {tuple(first[1].shape)}; they need the same samples."
            )
        explained[str(name)] = checked(t, device)
    given = (inputs,) if isinstance(inputs, Tensor) else () if inputs is None else inputs
    if not isinstance(given, tuple | list | Mapping):
        raise ModelError(
            f"inputs= is a tuple of positional or a dictionary of keyword arguments, not a {type(given).__name__}."
        )
    clash = [k for k in (*explained, first[0]) if isinstance(given, Mapping) and k in given]
    if clash:
        raise ModelError(f"Input '{clash[0]}' is given twice: in x and in inputs=.")
    constant = mapped(given, lambda t: t.detach().to(device))
    return WithInputs(module, len(first[1]), first[0], explained, constant), first[1]


def checked(x: Tensor, device: torch.device | None) -> Tensor:
    """Return the batch (B, C, *spatial) without a graph, where the model is.

    Raises
    ------
    ModelError
        If it is no batch of finite floating-point numbers.
    """
    if not isinstance(x, Tensor) or x.ndim < 2:
        shape = tuple(x.shape) if isinstance(x, Tensor) else f"a {type(x).__name__}"
        raise ModelError(f"The input is {shape}; it must be a tensor, a batch (B, C, *spatial).")
    if x.is_meta:
        raise ModelError("The input is on the device 'meta', where tensors have no values; make it on another one.")
    if not x.numel():
        raise ModelError(f"The input {tuple(x.shape)} is empty; give at least one sample, and no axis of length 0.")
    if not x.is_floating_point():
        raise ModelError(
            f"The input has the type {x.dtype}; convert it to floating point, scaled as the model expects."
        )
    if not bool(torch.isfinite(x).all()):
        raise ModelError("The input holds NaN or infinite values, which would reach the model; replace them first.")
    return x.detach() if device is None else x.detach().to(device)
