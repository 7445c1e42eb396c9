"""ONNX files: run by onnxruntime on the CPU, explained as black boxes. What the file says of its input is read here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError, MissingDependencyError, ModelError
from matxai.modelcard.onnx_audit import audited

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from matxai.modelcard.assembling import Facts
    from matxai.opaque import BlackBox

_TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}
_CHANNELS = (1, 3, 4)


def load_onnx(path: Path) -> tuple[BlackBox, Facts, tuple[str, ...]]:
    """Load an ONNX file as a black box.

    Returns
    -------
    tuple
        The black box, what the file tells of its input, and what was decided, in sentences.

    Raises
    ------
    MissingDependencyError
        If onnxruntime is not installed.
    FileError, UnsafeFileError
        If the file is damaged, names files outside of its folder, or needs operators of its own.
    ModelError
        If it does not take one batch (B, C, *spatial) of floating-point numbers.
    """
    from matxai.modelcard.assembling import Facts
    from matxai.opaque import BlackBox

    audited(path)
    session = _session(path)
    given = session.get_inputs()
    name = path.name
    if len(given) != 1:
        names = ", ".join(f"'{one.name}'" for one in given)
        raise ModelError(f"{name} takes {len(given)} inputs ({names}); a model that is explained takes one.")
    (one,) = given
    shape = tuple(one.shape)
    if one.type not in _TYPES or not 3 <= len(shape) <= 5:
        got = f"{one.type} of shape ({', '.join(map(str, shape))})"
        raise ModelError(f"The input '{one.name}' of {name} is {got}; it must be floats (B, C, *spatial), 1 to 3 axes.")
    outputs = [o for o in session.get_outputs() if o.type in _TYPES]
    if not outputs:
        raise ModelError(f"{name} gives no floating-point tensor, so there is no score to explain.")
    last = _channels_last(shape)
    answer = _Answer(session, one.name, tuple(o.name for o in outputs), _TYPES[one.type], last, len(shape))
    batch = shape[0] if isinstance(shape[0], int) else None
    box = BlackBox(answer, f"The ONNX model '{name}'", batch=batch, fixed=batch is not None)
    channels, *size = (shape[-1], *shape[1:-1]) if last else shape[1:]
    static = all(isinstance(n, int) for n in size)
    facts = Facts(
        kind=f"{len(shape) - 2}d",
        channels=channels if isinstance(channels, int) else None,
        size=tuple(size) if static else None,
        outputs=_outputs(outputs[0].shape, len(shape), last=last) if len(outputs) == 1 else None,
        task="classification" if len(outputs) == 1 and len(outputs[0].shape) in (1, 2) else None,
    )
    return box, facts, (f"The input of {name} has its channels last, and is turned.",) if last else ()


def _session(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError:
        msg = f"{path} is an ONNX model, which needs the package onnxruntime: pip install 'matxai[onnx]'."
        raise MissingDependencyError(msg) from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what it says is in the exception
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - onnxruntime has exceptions of its own, one for each cause
        first = (str(error).strip().splitlines() or [""])[0].rstrip(".")
        raise FileError(f"{path} cannot be loaded by onnxruntime: {first}.") from None


def _channels_last(shape: tuple[Any, ...]) -> bool:
    """Whether an input lies as (B, *spatial, C): its last axis is as long as colours are many, its second is not."""
    return shape[-1] in _CHANNELS and shape[1] not in _CHANNELS


def _outputs(shape: Sequence[Any], axes: int, *, last: bool) -> int | None:
    """Return the number of classes that an output's shape tells."""
    if len(shape) == 1:
        return 1
    number = shape[-1 if last and len(shape) == axes else 1] if shape else None
    return number if isinstance(number, int) else None


class _Answer:
    """Asks a session for its scores."""

    def __init__(
        self, session: Any, name: str, outputs: tuple[str, ...], type_: Any, channels_last: bool, axes: int
    ) -> None:
        self.session, self.name, self.outputs = session, name, outputs
        self.type, self.channels_last, self.axes = type_, channels_last, axes

    def __call__(self, batch: NDArray[Any]) -> Any:
        """Return scores (B, ...), or a dictionary of them where there are several outputs."""
        given = np.moveaxis(batch, 1, -1) if self.channels_last else batch
        found = self.session.run(list(self.outputs), {self.name: np.ascontiguousarray(given, dtype=self.type)})
        scores = [np.moveaxis(f, -1, 1) if self.channels_last and f.ndim == self.axes else f for f in found]
        scores = [s.astype(np.float32) if s.dtype == np.float16 else s for s in scores]
        return scores[0] if len(scores) == 1 else dict(zip(self.outputs, scores, strict=True))
