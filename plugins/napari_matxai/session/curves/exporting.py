"""The plot for print and its numbers, as the library makes them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from matxai.errors import ExplanationError, SignalError
from napari_matxai.session.curves.asking import said_of, subject_of
from napari_matxai.session.curves.lines import lines_for
from napari_matxai.session.journal import Code, call

if TYPE_CHECKING:
    from napari_matxai.session.session import Session

FILES = "Figures (*.png *.svg *.pdf);;Numbers (*.csv)"


def save_plot(session: Session, path: str | Path) -> Path:
    """Write what is drawn, as a figure for print or, as CSV, in numbers; return the file.

    Parameters
    ----------
    session
        Its chosen spectrum, and those that are drawn beside it where they are explained.
    path
        Ends with ``.png``, ``.svg``, ``.pdf`` or ``.csv``.

    Raises
    ------
    ExplanationError
        If the spectrum was not explained yet.
    MatxaiError
        If the file cannot be written.
    """
    from matxai.report import CurveStyle, curve_figure, map_csv, save_figure, stacked_figure

    curves, target = session.curves, Path(path)
    chosen = curves.chosen
    if chosen is None:
        raise SignalError("There is no spectrum to export; open one first.")
    if chosen.explained is None:
        raise ExplanationError(f"Explain {chosen.name} first: the figure shows a curve and what decided in it.")
    explanation, look = chosen.explained.explanation, curves.look
    if target.suffix.lower() == ".csv":
        method = look.method or str(next(iter(explanation.data_vars)))
        session.journal.add(
            f"the numbers of {chosen.name}", f"map_csv(result, {method!r}, {target.name!r})",
            needs=("import matxai", "from matxai.report import map_csv"),
        )  # fmt: skip
        return map_csv(explanation, method, target)
    references = tuple(lines_for(name, chosen) for name in curves.references)
    style = CurveStyle(look.intensity, look.axis, None, references, None, look.offset or 0.6)
    beside = [s for s in curves.others if s.explained is not None]
    if beside:
        several = [chosen, *beside]
        method = look.method or str(next(iter(explanation.data_vars)))
        figure = stacked_figure(
            [s.explained.explanation for s in several if s.explained is not None], method, style=style,
            names=[s.name for s in several],
        )  # fmt: skip
    else:
        received = chosen.explained.received if look.received else None
        figure = curve_figure(explanation, style=style, received=received)
        session.journal.add(
            f"the plot of {chosen.name}",
            *said_of(chosen),
            f"style = {call('CurveStyle', look.intensity, axis=look.axis, reference=_references(curves.references))}",
            f"save_figure(curve_figure(result, style=style), {target.name!r})",
            needs=("import matxai", "from matxai.checks.references import reference_for",
                   "from matxai.report import CurveStyle, curve_figure, save_figure"),
            subject=subject_of(chosen),
        )  # fmt: skip
    return save_figure(figure, target)


def _references(names: tuple[str, ...]) -> Code | None:
    if not names:
        return None
    return Code("[" + ", ".join(f"reference_for({name!r}, signal)" for name in names) + "]")
