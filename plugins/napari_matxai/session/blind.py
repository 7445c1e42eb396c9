"""A blind reading in the viewer: the maps of two models one after the other, with nothing that names the model."""

from __future__ import annotations

import importlib.metadata
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from matxai.errors import FileError, MatxaiError
from napari_matxai.layers.frame import frame_of
from napari_matxai.layers.images import image_layer
from napari_matxai.layers.key import Key
from napari_matxai.layers.maps import map_layers
from napari_matxai.session.explaining import loading_of
from napari_matxai.session.journal import Code, call

if TYPE_CHECKING:
    import weakref
    from pathlib import Path

    from napari.layers import Layer

    from matxai.checks.blind import BlindResult
    from matxai.jobs import BlindAnswer, BlindReading
    from napari_matxai.session.question import Cancel, Progress
    from napari_matxai.session.session import Session

TWINS = ("defects", "defects_leaky")
CASES = 20
SET = "micrographs"
LEAK = "info_bar"
MADE = 30
"""Images that are made for a reading of twenty: on some of them the twins may differ."""
BLIND = "blind reading"


@dataclass(frozen=True)
class Pair:
    """What is read.

    Parameters
    ----------
    sound, leaky
        Names or paths of the two models.
    data
        Folder or table of labelled images; None for generated micrographs whose bars give the class away.
    method
        Whose maps are shown.
    seed
        Another one is another reading.
    """

    sound: str = TWINS[0]
    leaky: str = TWINS[1]
    data: Path | None = None
    method: str = "grad_cam"
    seed: int = 0


class BlindQuestion:
    """Make the cases of a blind reading.

    Raises
    ------
    MatxaiError
        If the two models are one.
    """

    title = "the cases of the blind reading"

    def __init__(self, session: Session, pair: Pair) -> None:
        if pair.sound == pair.leaky:
            raise MatxaiError("Choose two different models: one to be trusted, and one that is known to be misled.")
        self.pair, self.settings, self._models = pair, session.settings, session.models

    def run(self, progress: Progress, cancel: Cancel) -> BlindReading:
        """Load both models, choose images and explain each with the one that a coin picks."""
        from matxai.jobs import blind_reading

        pair = self.pair
        sound, leaky = (self._models.load(name) for name in (pair.sound, pair.leaky))
        with tempfile.TemporaryDirectory(prefix="matxai-blind-", ignore_cleanup_errors=True) as folder:
            data = pair.data if pair.data is not None else _generated(folder, pair.seed)
            return blind_reading(
                sound,
                leaky,
                data,
                n=CASES,
                method=pair.method,
                seed=pair.seed,
                progress=progress,
                cancel=cancel,
            )

    def show(self, session: Session, answer: BlindReading) -> None:
        """The dock begins to show the cases."""


def _generated(folder: str, seed: int) -> Path:
    """Micrographs whose bars give the class away, from the set that an installed distribution announces.

    Raises
    ------
    FileError
        If none does.
    """
    for point in importlib.metadata.entry_points(group="matxai.datasets"):
        cards: dict[str, Any] = point.load()()
        if SET in cards:
            made: Path = cards[SET].make(folder, MADE, seed, leak=LEAK, per_specimen=1)
            return made
    raise FileError(f"The generated {SET} that come with matxai are not installed. Install it again, or use a folder.")


class Sitting:
    """One reader before one reading: shows a case after the other, takes the answers. Belongs to the main thread.

    Parameters
    ----------
    session
        In whose viewer the cases are shown.
    reading
        The cases.
    pair
        How they were made; what a script needs to make them again.
    """

    def __init__(self, session: Session, reading: BlindReading, pair: Pair | None = None) -> None:
        self.session, self.reading, self.pair = session, reading, pair
        self.answers: list[BlindAnswer] = []
        self._hidden: list[weakref.ref[Layer]] = []

    @property
    def done(self) -> bool:
        """Whether every case has its answer."""
        return len(self.answers) == len(self.reading)

    @property
    def said(self) -> str:
        """The class that both models say of the case in view."""
        return self.reading.cases[len(self.answers)].said

    def begin(self) -> None:
        """Hide what the viewer shows, and show the first case."""
        self._hidden = self.session.presenter.hide_all()
        self._show()

    def answer(self, *, leaky: bool, sure: str = "") -> None:
        """Take the answer to the case in view, and show the next one; after the last the viewer is as it was."""
        from matxai.jobs import BlindAnswer

        self.answers.append(BlindAnswer(leaky, sure))
        if self.done:
            self.end()
            self._write_down()
        else:
            self._show()

    def end(self) -> None:
        """Take the cases off the viewer, and show again what was hidden."""
        for role in ("map", "image"):
            self.session.presenter.remove(Key(BLIND, role))
        self.session.presenter.show_again(self._hidden)
        self._hidden = []

    def result(self) -> BlindResult:
        """Return how often the reader was right."""
        return self.reading.judged(self.answers)

    def _write_down(self) -> None:
        """Write down how to make the cases again, and what was answered, as Python."""
        pair = self.pair
        if pair is None:
            return
        models, needs = self.session.models, ["import matxai", "from matxai.jobs import BlindAnswer, blind_reading"]
        lines = []
        for name, source in (("sound", pair.sound), ("leaky", pair.leaky)):
            model = models.load(source)  # it was asked a moment ago
            lines.append(f"{name} = {call('matxai.load_model', source, **dict(loading_of(models, source, model)))}")
        if pair.data is None:
            needs += ["import tempfile", "import matxai_datasets"]
            folder = Code("tempfile.mkdtemp()")
            made = call("make", folder, MADE, pair.seed, leak=LEAK, per_specimen=1)
            lines.append(f"images = matxai_datasets.catalogue()[{SET!r}].{made}")
        else:
            lines.append(f"images = {str(pair.data.absolute())!r}")
        models_and_images = (Code("sound"), Code("leaky"), Code("images"))
        asked = call("blind_reading", *models_and_images, n=len(self.reading), method=pair.method, seed=pair.seed)
        said = [answer.leaky for answer in self.answers]
        lines += [f"reading = {asked}", f"answers = [BlindAnswer(leaky) for leaky in {said!r}]"]
        lines.append("print(reading.judged(answers).sentence)")
        self.session.journal.add("a blind reading, and what was answered", *lines, needs=tuple(needs))

    def _show(self) -> None:
        """Show a case: its layers say nothing of model, file or class."""
        case = self.reading.cases[len(self.answers)]
        presenter = self.session.presenter
        for role in ("map", "image"):  # anew, so that the view fits and no setting is carried from case to case
            presenter.remove(Key(BLIND, role))
        frame = frame_of(case.signal)
        data, keywords, kind = image_layer(case.signal, "case")
        presenter.put(
            (data, {**keywords, "name": f"case {len(self.answers) + 1}", "metadata": {}}, kind), Key(BLIND, "image")
        )
        data, keywords, kind = map_layers(case.explanation, "", frame, None)[0]
        presenter.put((data, {**keywords, "name": "map", "metadata": {}}, kind), Key(BLIND, "map"))
        presenter.look_at_all()
