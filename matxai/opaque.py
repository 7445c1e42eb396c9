"""A model of which nothing but predictions is known: a function, an ONNX session, a command. No files, no methods here.

:class:`BlackBox` stands where a module is asked for. Methods that need nothing but predictions explain it; it has no
layers and no gradients, so the others say why not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from matxai.errors import MatxaiError, ModelError

Predictor = Callable[[Any], Any]


class BlackBox(nn.Module):
    """A module that asks a function for its predictions; made by :func:`black_box`.

    Attributes
    ----------
    function
        From a batch ``(B, C, *spatial)`` to scores with one row for each sample.
    title
        What errors call it.
    batch
        How many samples it is given at once at most; ``None``: as many as the caller has.
    fixed
        Whether it takes exactly ``batch`` samples: the last call is filled up with copies of the last sample.
    tensors
        Whether it is handed tensors rather than NumPy arrays.
    """

    def __init__(
        self, function: Predictor, title: str, *, batch: int | None = None, fixed: bool = False, tensors: bool = False
    ) -> None:
        super().__init__()
        self.function, self.title = function, title
        self.batch, self.fixed, self.tensors = batch, fixed, tensors

    def forward(self, x: Tensor) -> Any:
        """Return the scores (B, ...), or a dictionary of them, on the input's device.

        Raises
        ------
        ModelError
            If the function fails, or what it returns are no scores with one row for each sample.
        """
        at_once = self.batch or len(x)
        found = [self._ask(x[start : start + at_once]) for start in range(0, len(x), at_once)]
        if isinstance(found[0], dict):
            return {name: torch.cat([part[name] for part in found]) for name in found[0]}
        return torch.cat(found)

    def _ask(self, x: Tensor) -> Any:
        given = x.detach()
        count = len(given)
        if self.fixed and self.batch is not None and count < self.batch:
            given = torch.cat([given, given[-1:].expand(self.batch - count, *given.shape[1:])])
        try:
            with torch.no_grad():
                answer = self.function(given.clone() if self.tensors else given.cpu().numpy().copy())
        except MatxaiError:
            raise
        except Exception as error:
            first = (str(error).strip().splitlines() or [""])[0]
            msg = f"{self.title} failed for inputs of shape {tuple(given.shape)}: {type(error).__name__}: {first}"
            raise ModelError(msg) from error
        if isinstance(answer, Mapping):
            return {str(name): self._scores(part, x, len(given))[:count] for name, part in answer.items()}
        return self._scores(answer, x, len(given))[:count]

    def _scores(self, answer: Any, x: Tensor, count: int) -> Tensor:
        """Return what was answered as a tensor, or say what is wrong with it."""
        right = f"it must give numbers with one row for each of the {count} inputs, such as ({count}, K)"
        if isinstance(answer, Tensor):
            scores = answer.detach().clone()
        else:
            try:
                scores = torch.from_numpy(np.array(answer))
            except (ValueError, TypeError):  # ragged lists, objects, None
                raise ModelError(f"{self.title} gave a {type(answer).__name__}; {right}.") from None
        if scores.ndim == 0 or len(scores) != count:
            raise ModelError(f"{self.title} gave {tuple(scores.shape)} for {tuple(x.shape)}; {right}.")
        if not scores.is_floating_point():
            kind = str(scores.dtype).removeprefix("torch.")
            msg = f"{self.title} gave numbers of type {kind}; labels hold no score to explain: return scores instead."
            raise ModelError(msg)
        return scores.to(x.device)

    def extra_repr(self) -> str:
        """Return the title and the batch for ``repr``."""
        return f"{self.title}, batch={self.batch}"


def black_box(
    function: Predictor, *, batch: int | None = None, tensors: bool = False, name: str | None = None
) -> BlackBox:
    """Make a model of any function from images to predictions.

    It can be explained by the methods that need nothing else: ``occlusion``, ``rise``, ``lime`` and ``kernel_shap``.

    Parameters
    ----------
    function
        From a NumPy batch ``(B, C, *spatial)`` to scores ``(B, K)``, ``(B,)`` or ``(B, K, *spatial)``: an array, a
        tensor, nested lists, or a dictionary of them. It is called by one thread at a time.
    batch
        How many samples it is given at once at most; ``None``: as many as fit into memory, 32 on a CPU.
    tensors
        Whether the function takes a tensor rather than an array; no gradients are recorded.
    name
        What errors call it; by default the function's name.

    Returns
    -------
    BlackBox
        A module for :func:`matxai.attribute`, :func:`matxai.explain` and :func:`matxai.load_model`.

    Raises
    ------
    ModelError
        If it cannot be called, or ``batch`` is less than 1.

    Examples
    --------
    >>> import numpy as np, torch, matxai
    >>> bright = matxai.black_box(lambda images: images.mean((2, 3)))
    >>> maps = matxai.attribute(bright, torch.ones(1, 1, 8, 8), methods=["occlusion"], target=0)
    >>> maps["occlusion"].shape
    torch.Size([1, 1, 8, 8])
    """
    given: object = function
    if not callable(given):
        msg = f"A black box is a function from a batch of images to scores; a {type(function).__name__} is none."
        raise ModelError(msg)
    if batch is not None and batch < 1:
        raise ModelError(f"batch={batch} is no number of samples; give 1 or more, or None for as many as fit.")
    title = name or getattr(function, "__name__", None) or type(function).__name__
    return BlackBox(function, f"The function '{title}'", batch=batch, tensors=tensors)
