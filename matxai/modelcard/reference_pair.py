"""Whether a model still answers as it did where it was trained: the reference input and output of its card."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import CardError, FileError
from matxai.modelcard.card import inside
from matxai.modelcard.finding import card_folder

if TYPE_CHECKING:
    from pathlib import Path

    from matxai.modelcard.model import Model

MAX_BYTES = 512 * 1024**2


@dataclass(frozen=True)
class ReferenceCheck:
    """How far the output lies from the reference: the largest difference relative to its largest magnitude."""

    deviation: float
    tolerance: float

    @property
    def holds(self) -> bool:
        """Whether the deviation is within the tolerance."""
        return self.deviation <= self.tolerance


def check_reference(model: Model) -> ReferenceCheck | None:
    """Run the card's reference input through preprocessing and network and compare with its reference output.

    Returns
    -------
    ReferenceCheck or None
        ``None`` if the card has no reference.

    Raises
    ------
    CardError
        If the files are outside the card's folder, or the shapes of the outputs differ.
    FileError
        If they cannot be read.
    """
    import torch

    pair = model.card.reference
    if pair is None or model.origin is None:
        return None
    with card_folder(model.origin) as folder:
        expected = read_npy(inside(folder, pair.output, "reference.output")).astype(np.float64)
        source = inside(folder, pair.input, "reference.input")
        if pair.prepared:
            batch = torch.from_numpy(np.ascontiguousarray(read_npy(source)))
        else:
            from matxai.signals import read

            batch = model.preprocessing.prepare(read(source)).tensor
    parameter = next(model.module.parameters(), None)
    if parameter is not None and parameter.dtype.is_floating_point:
        batch = batch.to(parameter.device, parameter.dtype)
    with torch.no_grad():
        output: Any = model.module(batch)
    if isinstance(output, dict):
        output = output.get("out", output.get("logits", next(iter(output.values()))))
    found = output.detach().double().cpu().numpy()
    if found.shape != expected.shape:
        raise CardError(
            f"The reference output '{pair.output}' of '{model.name}' has the shape {expected.shape}, but the network "
            f"gives {found.shape}."
        )
    scale = float(np.abs(expected).max(initial=0.0)) or 1.0
    return ReferenceCheck(float(np.abs(found - expected).max(initial=0.0)) / scale, pair.tolerance)


def read_npy(path: Path) -> np.ndarray[Any, Any]:
    """Return the array of an ``.npy`` file without pickles, after its header has been held against its size."""
    try:
        with path.open("rb") as stream:
            version = np.lib.format.read_magic(stream)
            reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = reader(stream)
            held = path.stat().st_size - stream.tell()
        claimed = int(np.prod(shape, dtype=object)) * dtype.itemsize
        if dtype.hasobject or claimed > held or claimed > MAX_BYTES:
            raise FileError(
                f"{path.name} claims {claimed} bytes of {dtype} but holds {held}; it is cut off or no array."
            )
        array: np.ndarray[Any, Any] = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as problem:
        raise FileError(f"{path.name} is no readable .npy array: {str(problem).rstrip('.')}.") from None
    return array
