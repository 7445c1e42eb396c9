"""What a network receives of the signals of a set, for those that learn from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matxai.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt
    import torch

    from matxai.checks.labelled import LabelledSet
    from matxai.modelcard import Model

KEPT_BYTES = 2**30


class Prepared:
    """Inputs of a network, prepared when asked for and kept as far as they fit.

    Parameters
    ----------
    model
        Whose preprocessing.
    data
        Whose signals.
    limit
        Bytes that are kept; what lies beyond is prepared again each time.
    """

    def __init__(self, model: Model, data: LabelledSet, limit: int = KEPT_BYTES) -> None:
        self._model, self._data, self._left = model, data, limit
        self._kept: dict[int, torch.Tensor] = {}

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, chosen: Sequence[int] | npt.NDArray[np.integer[Any]]) -> torch.Tensor:
        """Return the tensors of some signals, ``(n, C, *spatial)``.

        Raises
        ------
        ModelError
            If they are of different sizes.
        """
        import torch

        parts = [self._one(int(k)) for k in chosen]
        sizes = sorted({tuple(p.shape[2:]) for p in parts})
        if len(sizes) > 1:
            shown = " and ".join(" x ".join(map(str, s)) for s in sizes[:2])
            msg = f"'{self._model.name}' receives signals of {shown}; name one size in its card (size)."
            raise ModelError(msg)
        return torch.cat(parts)

    def _one(self, k: int) -> torch.Tensor:
        if k in self._kept:
            return self._kept[k]
        tensor = self._model.preprocessing.prepare(self._data.read(k)).tensor
        size = tensor.numel() * tensor.element_size()
        if size <= self._left:
            self._kept[k] = tensor
            self._left -= size
        return tensor
