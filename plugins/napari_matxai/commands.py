"""What the manifest offers in napari's menus and its command palette: each acts on the dock of the viewer in front.

A command does what a button of the dock does, and shows the step where its answer arrives. What cannot be done yet is
said in napari's notification, in the step's own words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_matxai.session.suggesting import Suggested
    from napari_matxai.widgets.dock import MatxaiDock
    from napari_matxai.widgets.steps.step import Step


def dock_in_front() -> MatxaiDock:
    """Return the dock of the viewer in front, opened and in sight.

    Raises
    ------
    RuntimeError
        If no viewer is open.
    """
    from napari_matxai import versions

    viewer = versions.viewer_in_front()
    if viewer is None:
        msg = "matxai's commands need an open napari viewer."
        raise RuntimeError(msg)
    frame, dock = viewer.window.add_plugin_dock_widget("matxai", "Explain")
    frame.show()
    frame.raise_()
    return dock  # type: ignore[no-any-return]


def explain_image() -> None:
    """Explain the image in view with the chosen model and methods."""
    dock = dock_in_front()
    if _ready(dock, dock.explain, dock.session.why_not()):
        dock.explain.explain()


def suggest_regions() -> None:
    """Look for what is not of the specimen: info bar, scale bar, text."""
    _suggest(())


def mask_info_bar() -> None:
    """Find the info bar as a region, and ask the chosen model again without it."""
    _suggest(("info_bar",))


def _suggest(kinds: tuple[str, ...]) -> None:
    """Suggest regions; where kinds are named, they are masked as soon as they are found, and told of where not."""
    from napari_matxai.session.suggesting import Search, SuggestQuestion
    from napari_matxai.widgets.notices import tell

    dock = dock_in_front()
    if not _ready(dock, dock.regions, "" if dock.session.layer is not None else dock.session.why_not()):
        return
    question = SuggestQuestion(dock.session, Search("artefacts", kinds=kinds))

    def found(answered: object, answer: Suggested) -> None:
        if answered is not question:
            return
        dock.runner.answered.disconnect(found)
        if kinds and not answer.regions:
            tell(answer.sentence)
        elif kinds:
            dock.regions.mask()  # says itself what is missing, such as a model

    dock.runner.answered.connect(found)
    dock.runner.start(question)


def check_leakage() -> None:
    """Ask whether the model reads what is not of the specimen, in the image in view or the chosen folder."""
    _check("leakage")


def compare_expectations() -> None:
    """Compare what decided with the chosen file of expectations."""
    _check("expectations")


def _check(question: str) -> None:
    dock = dock_in_front()
    step = dock.check
    step.question_box.setCurrentIndex(step.question_box.findData(question))
    if _ready(dock, step, step.why_not()):
        step.check()


def _ready(dock: MatxaiDock, step: Step, why_not: str) -> bool:
    """Show a step, and return whether it can be asked now; else say why not."""
    from napari_matxai.widgets.notices import tell

    _reveal(dock, step)
    sentence = why_not or (f"'{dock.runner.title}' is under way; wait for it or cancel it." if dock.runner.busy else "")
    if sentence:
        tell(sentence)
    return not sentence


def _reveal(dock: Any, step: Step) -> None:
    """Unfold a step and scroll to it."""
    from qtpy.QtWidgets import QApplication, QScrollArea

    step.expand()
    QApplication.processEvents()  # the page takes its new height first
    dock.findChild(QScrollArea).ensureWidgetVisible(step, 0, 0)
