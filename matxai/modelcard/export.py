"""``torch.export`` programs: loaded only after we have read and rewritten them, and asked what they take and give."""

from __future__ import annotations

import inspect
import io
import logging
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from matxai.errors import FileError, ModelError
from matxai.modelcard.program_archive import clean_archive

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

_FLOATING = {6, 7, 8, 13}  # half, float, double, bfloat16 in the schema


@dataclass(frozen=True)
class Program:
    """A loaded program.

    Attributes
    ----------
    module
        Runs it: one tensor in.
    kind, channels
        Of its input, as the program has it.
    size
        The spatial size that it insists on; ``None`` where any size, or a range of sizes, is taken.
    batch
        The number of samples that it insists on; ``None`` for any.
    task, outputs
        As the shape of its output shows them; ``None`` where it does not.
    """

    module: nn.Module
    kind: str
    channels: int
    size: tuple[int, ...] | None
    batch: int | None
    task: str | None
    outputs: int | None


def load_program(path: Path, *, limit: int | None = None) -> Program:
    """Load a ``.pt2`` file as ``torch.export.save`` writes it.

    Raises
    ------
    UnsafeFileError
        If anything in it could run code; see :mod:`matxai.modelcard.program_archive`.
    FileError
        If it is damaged, or of a version that the installed PyTorch does not read.
    ModelError
        If it does not take one image, spectrum or stack.
    """
    import torch

    data, graph = clean_archive(path, limit=limit)
    shapes = _input_shape(graph, path)
    logger = logging.getLogger("torch.export")
    level = logger.level
    try:
        logger.setLevel(logging.ERROR)  # its advice concerns whoever exported the file
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exported = torch.export.load(io.BytesIO(data))
            quiet = "check_guards" in inspect.signature(exported.module).parameters
            module = exported.module(check_guards=False) if quiet else exported.module()
    except Exception as problem:
        written = graph.get("torch_version", "an unknown version")
        first = next(iter(str(problem).strip().splitlines()), type(problem).__name__)
        raise FileError(
            f"{path} was written by torch {written} and cannot be loaded by torch {torch.__version__}: "
            f"{first.rstrip('.')}. Export it again with the installed version."
        ) from problem
    finally:
        logger.setLevel(level)
    kind, channels, size, batch = shapes
    task, outputs = _output_shape(graph, int(kind[0]))
    return Program(module, kind, channels, size, batch, task, outputs)


def _values(graph: dict[str, Any], specs: str, kind: str) -> list[dict[str, Any]]:
    """Return the descriptions of the tensors that the user gives or gets."""
    module = graph["graph_module"]
    tensors = module["graph"]["tensor_values"]
    names = [
        spec[kind]["arg"]["as_tensor"]["name"]
        for spec in module["signature"][specs]
        if isinstance(spec.get(kind), dict) and "as_tensor" in spec[kind].get("arg", {})
    ]
    return [tensors[name] for name in names]


def _numbers(meta: dict[str, Any]) -> list[int | None]:
    return [size.get("as_int") for size in meta["sizes"]]


def _input_shape(graph: dict[str, Any], path: Path) -> tuple[str, int, tuple[int, ...] | None, int | None]:
    try:
        inputs = _values(graph, "input_specs", "user_input")
        shapes = [_numbers(meta) for meta in inputs]
    except (KeyError, TypeError, AttributeError):
        raise FileError(f"{path} is damaged: its graph does not describe its inputs.") from None
    if len(inputs) != 1:
        raise ModelError(f"{path} takes {len(inputs)} tensors; matxai explains networks that take one.")
    if inputs[0].get("dtype") not in _FLOATING:
        raise ModelError(f"{path} takes integers, so it has no gradients; export it for floating-point input.")
    shape = shapes[0]
    if not 3 <= len(shape) <= 5:
        raise ModelError(
            f"{path} takes a tensor with {len(shape)} axes; a network for spectra, images or stacks takes (B, C, L), "
            "(B, C, H, W) or (B, C, D, H, W)."
        )
    batch, channels, *spatial = shape
    if channels is None:
        raise ModelError(f"{path} leaves its number of channels open; export it with a fixed one.")
    size = tuple(n for n in spatial if n is not None)
    return f"{len(spatial)}d", channels, size if len(size) == len(spatial) else None, batch


def _output_shape(graph: dict[str, Any], axes: int) -> tuple[str | None, int | None]:
    try:
        shapes = [_numbers(meta) for meta in _values(graph, "output_specs", "user_output")]
    except (KeyError, TypeError, AttributeError):
        return None, None
    if not shapes or len(shapes[0]) < 2:
        return ("classification", 1) if shapes and len(shapes[0]) == 1 else (None, None)
    return {2: "classification", axes + 2: "segmentation"}.get(len(shapes[0])), shapes[0][1]
