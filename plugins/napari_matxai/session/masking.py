"""Mask and ask again: the question, and what came of it."""

from __future__ import annotations

import time
import weakref
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.checks.sentences import NAMES
from matxai.errors import MatxaiError
from napari_matxai.layers.drawings import drawing_of
from napari_matxai.layers.placing import Placing, pixel_size
from napari_matxai.session.explaining import loading_of
from napari_matxai.session.journal import Code, Opened, Subject, call
from napari_matxai.session.planes import of_slice, place_in
from napari_matxai.session.targets import Against, DetectedBox, OverRegion, held

if TYPE_CHECKING:
    import xarray as xr
    from napari.layers import Layer

    from matxai.checks import AskedAgain, Change
    from matxai.modelcard import Model
    from napari_matxai.layers.masks import Masks
    from napari_matxai.session.explaining import Explained, Source
    from napari_matxai.session.question import Cancel, Progress
    from napari_matxai.session.regions import MaskChoice
    from napari_matxai.session.session import Session

NEEDS = ("import matxai", "from matxai.checks import ask_again", "from matxai.regions import Region")
"""What the lines of a script import that mask and ask again."""


@dataclass(frozen=True, eq=False)
class Masked:
    """What came of masking regions and asking again.

    Parameters
    ----------
    source
        The image layer.
    drawn
        The layer of the regions; it may be deleted meanwhile.
    step
        Index of the slice along the image's leading axes; None for all of it.
    signal
        The untouched signal.
    model
        Who was asked.
    choice
        How.
    masks
        The regions in the image's pixels.
    asked
        What the library says.
    before
        The explanation that the new maps stand beside; None where the image was not explained before.
    pixel
        Area of a pixel and its unit.
    seconds
        How long it took.
    """

    source: Source
    drawn: weakref.ref[Layer]
    step: tuple[int, ...] | None
    signal: xr.DataArray
    model: Model
    choice: MaskChoice
    masks: Masks
    asked: AskedAgain
    before: Explained | None
    pixel: tuple[float, str]
    seconds: float
    index: dict[str, int] = field(default_factory=dict)

    @cached_property
    def subject(self) -> Subject:
        """What a script needs to know of the signal; worked out once, off the main thread."""
        if self.before is not None:
            return self.before.subject
        return Subject.of(self.signal, index=self.index)

    def class_name(self, index: int) -> str:
        """Return a class's name, or its number."""
        from matxai.explanation.scores import class_name

        classes, outputs = self.asked.perturbation.classes, self.asked.perturbation.before.scores.shape[1]
        return class_name(classes, index, 1 if len(classes) == 1 else outputs)

    def called(self, number: int) -> str:
        """Return what the regions of a change are called."""
        if len(self.asked.regions) == 1 and len(self.masks.numbers) > 1:
            return f"the {len(self.masks.numbers)} regions"
        kind = self.masks.regions[number].kind
        known = NAMES.get(kind) or {"map_top": "top of the map"}.get(kind)
        if len(self.masks.numbers) == 1:
            return f"the {known or 'region'}"
        return f"region {self.masks.numbers[number]}" + (f" ({known})" if known else "")

    def rows(self) -> dict[int, dict[str, Any]]:
        """Return what each region's row of the layer's table says."""
        together = len(self.asked.regions) < len(self.masks.numbers)
        found = {}
        for place, (number, region) in enumerate(zip(self.masks.numbers, self.masks.regions, strict=True)):
            change = self.asked.perturbation[0 if together else place]
            new, probability = new_top(change)
            found[number] = {
                "target": self.class_name(change.target),
                "effect": change.effect,
                "spread": change.spread,
                "rank": np.nan if change.rank is None else float(change.rank),
                "of": float(change.control_effect.size + 1) if change.rank is not None else np.nan,
                "share": region.share,
                "area": region.area * self.pixel[0],
                "new_top": self.class_name(new),
                "new_probability": probability,
                "masked": f"with {len(self.masks.numbers) - 1} other(s)" if together else "alone",
                "fills": ", ".join(change.fills),
                "action": change.action,
                "model": self.model.name,
            }
        return found


def scored(target: Any) -> str | int | None:
    """Return the class (of a detector the box) whose score stands for what is explained; None for the target itself."""
    if isinstance(target, Against):
        return target.a
    if isinstance(target, OverRegion):
        return target.name
    return target.index if isinstance(target, DetectedBox) else None


def new_top(change: Change) -> tuple[int, float]:
    """Return the class on top after a change, by the mean over its fills, and its probability; NaN for none."""
    chances = change.after.probabilities
    if chances is None or not np.isfinite(chances).all():
        return int(change.after.scores.mean(axis=0).argmax()), float("nan")
    mean = chances.mean(axis=0)
    return int(mean.argmax()), float(mean.max())


class MaskQuestion:
    """The question what the model says without the chosen regions.

    Made on the main thread: the regions are copied, so that the user may draw on.

    Raises
    ------
    MatxaiError
        If something is missing: one sentence on what.
    """

    title = "mask and ask again"

    def __init__(self, session: Session) -> None:
        why_not = session.why_not_masked()
        if why_not:
            raise MatxaiError(why_not)
        presenter, drawn = session.presenter, session.regions.layer
        layer, source = session.layer, session.source
        assert layer is not None  # noqa: S101 - why_not_masked has seen to it
        assert source is not None  # noqa: S101
        assert drawn is not None  # noqa: S101
        self._models, self._name = session.models, source
        self.choice = session.regions.choice
        self.settings = session.settings
        self.target = held(session.choice.target, presenter, layer, plane=True)
        self.source = presenter.source(layer)
        self.view = presenter.view(layer)
        self.shape = presenter.shape(layer)
        self.drawn = weakref.ref(drawn)
        self.drawing = drawing_of(drawn, presenter.indices(drawn), selected=self.choice.selected)
        self.before = session.explanation

    def run(self, progress: Progress, cancel: Cancel) -> Masked:
        """Bring the regions onto the image's pixels, fill them, and ask and explain again."""
        from matxai.checks import ask_again
        from napari_matxai.layers.masks import Grid, masks

        model = self._models.load(self._name)
        signal, step = self.view.signal(model.kind)
        started = time.monotonic()
        placing = Placing.of(self.view.frame, self.view.name)
        grid = Grid(placing, self.shape, step)
        found = masks(self.drawing, grid)
        before = self._fitting(model, signal, step)
        target = before.target if before is not None else self.target
        asked = ask_again(
            model,
            signal,
            found.regions,
            before=before.explanation if before is not None else None,
            methods=list(before.choice.methods) if before is not None else (),
            target=target.build(model, signal),
            score=scored(target.target),
            action=self.choice.action,
            fills=self.choice.fills,
            together=self.choice.together,
            controls=self.choice.controls,
            seed=self._seed(before),
            progress=progress,
            cancel=cancel,
            **self._explaining(before),
        )
        pixel = pixel_size(placing, len(grid.spatial))
        index = {} if step is None else dict(zip(self.view.frame.axis_labels, step, strict=False))
        answer = Masked(
            self.source, self.drawn, step, signal, model, self.choice, found, asked, before, pixel,
            time.monotonic() - started, index,
        )  # fmt: skip
        _ = answer.subject  # worked out here, off the main thread
        return answer

    def _explaining(self, before: Explained | None) -> dict[str, Any]:
        """The keywords of ``matxai.explain`` with which the maps were made before."""
        if before is None:
            return {}
        choice = before.choice
        layers = list(choice.layers) if choice.layers else None
        return {"layers": layers, **choice.options.told(), "memory": self.settings.memory}

    def _seed(self, before: Explained | None) -> int:
        own = before.choice.options.seed if before is not None else None
        return self.settings.seed if own is None else own

    def _fitting(self, model: Model, signal: xr.DataArray, step: tuple[int, ...] | None) -> Explained | None:
        """The last explanation, if it is this model's of these pixels; of a stack, what was said of this slice."""
        whole = self.before
        if whole is None or whole.source.identity != self.source.identity or whole.model is not model:
            return None
        old = of_slice(whole, step)
        if old is None:
            return None
        same = old.signal.shape == signal.shape and np.array_equal(old.signal.values, signal.values, equal_nan=True)
        return old if same else None

    def show(self, session: Session, answer: Masked) -> None:
        """Put the changed image and its maps beside the old ones, and the results into the regions' table."""
        session.presenter.show_changed(answer)
        drawn = answer.drawn()
        if drawn is not None and session.presenter.has(drawn):
            session.presenter.write_results(drawn, answer.rows())
        session.regions.last = answer
        self._write_down(session, answer)
        session.regions.masked.emit(answer)

    def _write_down(self, session: Session, answer: Masked) -> None:
        own = answer.before
        place = place_in(self.before, answer.step) if own is not None and self.before is not None else None
        result = "result" if place is None else call("plane_of", Code("result"), place)
        target, arrays, needs = (own.target if own is not None else self.target).python()
        asked = call(
            "ask_again",
            Code("model"),
            Code("signal"),
            Code("regions"),
            before=Code(result) if own is not None else None,
            methods=list(own.choice.methods) if own is not None else None,
            target=target,
            score=scored((own.target if own is not None else self.target).target),
            action=answer.choice.action,
            fills=list(answer.choice.fills),
            together=answer.choice.together,
            controls=answer.choice.controls,
            seed=self._seed(own),
            **self._explaining(own),
        )
        kinds = [(region.kind, region.source) for region in answer.masks.regions]
        lines = [
            f"regions = [Region(mask, *told) for mask, told in zip(masks, {kinds!r}, strict=True)]",
            f"again = {asked}",
            "print(again.change.sentence)",
        ]
        explained = own.explanation if own is not None else None
        if explained is not None:
            lines.append("masked = again.explanation")
        session.journal.add(
            f"mask regions of {answer.masks.regions[0].evidence['layer']} and ask again",
            *lines,
            needs=(*NEEDS, *(("from matxai.explanation import plane_of",) if place is not None else ()), *needs),
            subject=answer.subject,
            opened=Opened(self._name, loading_of(self._models, self._name, answer.model)),
            arrays={"masks": np.stack([region.mask for region in answer.masks.regions]), **arrays},
            saves=("masked",) if explained is not None else (),
        )
