"""What a loaded model is: :class:`Model`, the record that every command and the plugin hand on; see ``load_model``."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matxai.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import nn

    from matxai.modelcard.card import Card
    from matxai.modelcard.preprocessing import Preprocessing


@dataclass(frozen=True, eq=False)
class Model:
    """A trained network with all that is needed to feed it and to read its answer.

    Attributes
    ----------
    module
        The network, in evaluation mode: ``(B, C, *spatial)`` in, scores out.
    name
        What it is called in tables and reports.
    task
        ``classification``, ``segmentation``, ``detection`` or ``regression``.
    classes
        The names of its outputs in their order; numbers as text where it has none; empty where not even their count is
        known.
    kind
        ``1d``, ``2d`` or ``3d``: how many spatial axes its input has.
    channels
        How many channels its input has.
    preprocessing
        The steps from a measured signal to the tensor.
    activation
        Its last activation: ``none`` (logits), ``softmax`` or ``sigmoid``.
    layers
        The layers that the card names for the maps; empty for the default.
    licence, source
        Where it came from, as the card says it.
    card
        The card as read, or as made from what was assumed.
    origin
        The folder or file that it was loaded from; ``None`` for a module handed over.
    size, batch
        The spatial size and the number of samples that an exported program insists on; ``None`` where any fits.
    sha256
        The checksum of its weights' file; ``None`` for a module handed over.
    assumptions
        One sentence for each thing that nobody said and that was assumed.
    architecture
        ``family:name``, ``module:function``, ``torch.export``, the module's class, or what kind of black box it is.
    precision
        In which it runs: ``float32`` (as it is), ``float64``, or automatic ``bfloat16`` or ``float16``.
    """

    module: nn.Module
    name: str
    task: str
    classes: tuple[str, ...]
    kind: str
    channels: int
    preprocessing: Preprocessing
    card: Card
    activation: str = "none"
    layers: tuple[str, ...] = ()
    licence: str | None = None
    source: str | None = None
    origin: Path | None = None
    size: tuple[int, ...] | None = None
    batch: int | None = None
    sha256: str | None = None
    assumptions: tuple[str, ...] = ()
    architecture: str = ""
    precision: str = "float32"

    @property
    def reference(self) -> tuple[str, str] | None:
        """The files of the card's reference input and output, relative to the card; see ``check_reference``."""
        pair = self.card.reference
        return (pair.input, pair.output) if pair is not None else None

    @property
    def black_box(self) -> bool:
        """Whether nothing but predictions is known of it: an ONNX model, a command or a function."""
        from matxai.opaque import BlackBox

        return isinstance(self.module, BlackBox)

    def check_fits(self, shape: Sequence[int]) -> None:
        """Raise a ``ModelError`` if a batch of ``shape`` ``(B, C, *spatial)`` is none that the network takes."""
        batch, channels, *spatial = shape
        axes = int(self.kind[0])
        if len(spatial) != axes:
            raise ModelError(f"'{self.name}' takes (B, C, *spatial) with {axes} spatial axes, and got {tuple(shape)}.")
        if channels != self.channels:
            raise ModelError(f"'{self.name}' takes {self.channels} channels, and got {channels}.")
        if self.size is not None and tuple(spatial) != self.size:
            takes, got = (" x ".join(str(n) for n in size) for size in (self.size, spatial))
            raise ModelError(
                f"'{self.name}' was exported for inputs of {takes}, and got {got}: give size={list(self.size)} to "
                "resize (a card from 'matxai model init' does), or export it with dynamic shapes."
            )
        if self.batch is not None and batch != self.batch:
            raise ModelError(
                f"'{self.name}' was exported for batches of {self.batch}, and got {batch}: export it with a dynamic "
                "batch."
            )

    def summary(self) -> str:
        """Return one line: name, task, architecture, input and number of classes."""
        channels = f"{self.channels} channel" + ("s" if self.channels != 1 else "")
        classes = f", {len(self.classes)} classes" if self.classes else ""
        return f"{self.name}: {self.task} ({self.architecture}), {self.kind} input with {channels}{classes}"

    def __repr__(self) -> str:
        return f"<matxai.Model {self.summary()}>"

    def _repr_html_(self) -> str:
        rows = [("task", self.task), ("architecture", self.architecture)]
        rows.append(("input", f"{self.kind}, {self.channels} channel" + ("s" if self.channels != 1 else "")))
        shown = ", ".join(self.classes[:10]) + (f", ... ({len(self.classes)} in all)" if len(self.classes) > 10 else "")
        rows.append(("classes", shown or "unknown"))
        rows += [("licence", self.licence or "not given"), ("source", self.source or "not given")]
        rows += [("assumed", sentence) for sentence in self.assumptions]
        left = "text-align:left"
        body = "".join(
            f"<tr><th style='{left}'>{html.escape(label)}</th><td style='{left}'>{html.escape(value)}</td></tr>"
            for label, value in rows
        )
        return f"<table><caption>{html.escape(self.name)}</caption>{body}</table>"
