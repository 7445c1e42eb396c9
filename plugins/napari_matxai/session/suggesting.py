"""Suggest regions: what is found in the image or marked by its map arrives as labels that the user may edit.

Nothing is ever cropped or masked unasked; what was looked for and not found is said too.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import MatxaiError, RegionError
from napari_matxai.session.journal import Code, Subject, call

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import xarray as xr

    from matxai.regions import Region
    from napari_matxai.session.explaining import Explained, Source
    from napari_matxai.session.question import Cancel, Progress
    from napari_matxai.session.session import Session

MOST = 60
"""More objects than this are no regions that anyone wants to ask about; the largest are kept."""


@dataclass(frozen=True)
class Search:
    """What is looked for.

    Parameters
    ----------
    what
        ``artefacts``, ``map_top``, ``map_objects`` or ``image_objects``.
    map
        Variable of the explanation, for what a map marks; empty for the first.
    share
        Part of the image that counts as a map's top.
    dark
        Whether objects of the image are darker than their surroundings.
    least
        Objects of fewer pixels are left out.
    kinds
        Of artefacts, those that are wanted (``info_bar``); empty for all.
    """

    what: str = "artefacts"
    map: str = ""
    share: float = 0.05
    dark: bool = False
    least: int = 16
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Suggested:
    """Regions that were found.

    Parameters
    ----------
    source
        The image layer.
    search
        What was looked for.
    step
        Index of the slice in view along the image's leading axes; empty for a flat image.
    regions
        None of them sharing a pixel.
    sentence
        What was found; where that is nothing, what was looked for.
    title
        Of the layer that shows them, in front of the image's name.
    subject
        The plane, as a script finds it again.
    asked, needs
        The call that repeats it, and its imports.
    missing
        What else was looked for and is not there, a sentence; empty where it need not be told.
    """

    source: Source
    search: Search
    step: tuple[int, ...]
    regions: tuple[Region, ...]
    sentence: str
    title: str
    subject: Subject
    asked: str = ""
    needs: tuple[str, ...] = field(default=())
    missing: str = ""


class SuggestQuestion:
    """The question what in this image, or in its map, could be a region.

    Made on the main thread; the slice in view is read when it runs.

    Raises
    ------
    MatxaiError
        If there is no image, or no map of it.
    """

    title = "look for regions"

    def __init__(self, session: Session, search: Search) -> None:
        layer = session.layer
        if layer is None:
            raise MatxaiError(session.why_not())
        self.search = search
        self.source = session.presenter.source(layer)
        self.view = session.presenter.view(layer)
        self.explained = session.explanation
        if search.what.startswith("map"):
            old = self.explained
            if old is None or old.source.identity != self.source.identity:
                raise MatxaiError("There is no map of this image yet. Explain it first (step 3).")

    def run(self, progress: Progress, cancel: Cancel) -> Suggested:  # noqa: ARG002 - a fraction of a second
        """Read the slice and look."""
        plane = self._plane()
        subject = Subject.of(plane, index=dict(zip(self.view.frame.axis_labels, self.view.step, strict=False)))
        found = getattr(self, f"_{self.search.what}")(plane)
        regions, sentence, title, asked, needs = found
        missing = self._missing(regions)
        if len(regions) > MOST:
            sentence += f" The {MOST} largest are shown."
            regions = sorted(regions, key=lambda r: -r.area)[:MOST]
        return Suggested(
            self.source, self.search, self.view.step, tuple(regions), sentence, title, subject, asked, needs, missing
        )

    def show(self, session: Session, answer: Suggested) -> None:
        """Put the regions into a layer, and mean that layer from now on."""
        if answer.regions:
            layer = session.presenter.suggest(answer)
            if layer is not None:
                session.regions.choose_layer(layer)
        session.journal.add(
            f"look for regions in {answer.source.name}",
            *answer.asked.splitlines(),
            needs=("import matxai", *answer.needs),
            subject=answer.subject,
        )
        session.regions.suggested.emit(answer)

    # -- what is looked for ------------------------------------------------------------------------------------------

    def _missing(self, regions: Sequence[Region]) -> str:
        """Say what was looked for beside what was found."""
        from matxai.checks.sentences import NAMES
        from matxai.regions.finders import finders

        if self.search.what != "artefacts" or not regions:
            return ""
        there = {region.kind for region in regions}
        absent = [NAMES[kind] for kind in self.search.kinds or tuple(finders) if kind not in there]
        return f"Not found: {', '.join(absent)}." if absent else ""

    def _plane(self) -> xr.DataArray:
        from napari_matxai.layers.frame import signal_of

        step = self.view.step if len(self.view.frame.scale) > 2 else None
        return signal_of(self.view.data, self.view.frame, rgb=self.view.rgb, attrs=self.view.attrs, step=step)

    def _artefacts(self, plane: xr.DataArray) -> tuple[list[Region], str, str, str, tuple[str, ...]]:
        from matxai.checks.sentences import NAMES
        from matxai.regions import found_artefacts
        from matxai.regions.finders import finders

        facts: Mapping[str, Any] = plane.attrs
        note, named = "", "signal.attrs"
        try:
            found = found_artefacts(plane.values, facts)
        except RegionError as error:  # the instrument's word is of another picture: the pixels alone are asked
            found, note, named = found_artefacts(plane.values), f" {error} The pixels alone were asked.", "{}"
        wanted = self.search.kinds or tuple(finders)
        found = [region for region in found if region.kind in wanted]
        counts = Counter(region.kind for region in found)
        there = [f"{n} {NAMES[kind]}" if n > 1 else NAMES[kind] for kind, n in counts.items()]
        missing = [NAMES[kind] for kind in wanted if kind not in counts]
        nothing = "Nothing was found that is not of the specimen."
        if self.search.kinds:
            nothing = f"Not found in {self.source.name}: {', '.join(missing)}."
        sentence = f"Found: {', '.join(there)}." if there else nothing
        asked = f"regions = found_artefacts(signal.values, {named})"
        if self.search.kinds:
            asked += f"\nregions = [r for r in regions if r.kind in {self.search.kinds!r}]"
        title = ", ".join(NAMES[kind] for kind in self.search.kinds) or "found"
        return found, sentence + note, title, asked, ("from matxai.regions import found_artefacts",)

    def _map_top(self, plane: xr.DataArray) -> tuple[list[Region], str, str, str, tuple[str, ...]]:
        from matxai.regions import top_region

        name, values, code = self._map(plane)
        region = top_region(values, self.search.share, source=name)
        sentence = f"The {100 * region.share:.3g} % of the image that {name} marks highest."
        asked = f"regions = [{call('top_region', Code(code), self.search.share)}]"
        return [region], sentence, f"top of {name}", asked, ("from matxai.regions import top_region",)

    def _map_objects(self, plane: xr.DataArray) -> tuple[list[Region], str, str, str, tuple[str, ...]]:
        from matxai.regions import map_objects

        name, values, code = self._map(plane)
        found = map_objects(values, least=self.search.least, source=name)
        if not found:
            raise RegionError(f"No piece of {name} of {self.search.least} pixels or more lies above its threshold.")
        sentence = f"{len(found)} object(s) that {name} marks above Otsu's threshold."
        asked = f"regions = {call('map_objects', Code(code), least=self.search.least)}"
        return found, sentence, f"objects of {name}", asked, ("from matxai.regions import map_objects",)

    def _image_objects(self, plane: xr.DataArray) -> tuple[list[Region], str, str, str, tuple[str, ...]]:
        from matxai.checks.controls import free_ground
        from matxai.regions import image_objects

        found = image_objects(plane.values, dark=self.search.dark, least=self.search.least, within=free_ground(plane))
        level, side = found[0].evidence["threshold"], "darker" if self.search.dark else "brighter"
        sentence = f"{len(found)} object(s) {side} than Otsu's threshold of {level:.4g}, artefacts left out."
        made = call(
            "image_objects", Code("signal.values"), dark=self.search.dark, least=self.search.least,
            within=Code("free_ground(signal)"),
        )  # fmt: skip
        needs = ("from matxai.checks.controls import free_ground", "from matxai.regions import image_objects")
        return found, sentence, f"{side} objects", f"regions = {made}", needs

    def _map(self, plane: xr.DataArray) -> tuple[str, np.ndarray[Any, Any], str]:
        """The plane of a map that lies on the slice in view; its name, values, and how a script says it."""
        old: Explained | None = self.explained
        assert old is not None  # noqa: S101 - __init__ has seen to it
        explanation = old.explanation
        name = self.search.map or str(next(iter(explanation.data_vars)))
        variable = explanation[name]
        leading = dict(zip(self.view.frame.axis_labels, self.view.step, strict=False))
        at = {str(d): leading.get(str(d), 0) for d in variable.dims[:-2]}
        if not set(leading) & set(at) and leading and old.step != self.view.step:
            raise RegionError("The map is of another slice than the one in view. Explain this slice first (step 3).")
        one = variable.isel(at) if at else variable
        if one.shape != plane.shape[:2]:
            raise RegionError(f"The map {name} has cells of its own; choose one that lies on the image's pixels.")
        code = f"result[{name!r}]" + (f".{call('isel', **at)}" if at else "") + ".values"
        return name, np.asarray(one.values), code
