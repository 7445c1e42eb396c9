"""What physics expects: references whose lines are drawn, and what the maps make of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QCompleter, QFileDialog, QLineEdit, QListWidget

from matxai.errors import MatxaiError
from napari_matxai.session.curves.again import AskZones
from napari_matxai.session.curves.lines import lines_for
from napari_matxai.widgets.notices import tell
from napari_matxai.widgets.spectra.page import Page, button, row
from napari_matxai.widgets.words import words

if TYPE_CHECKING:
    from napari_matxai.session.session import Session
    from napari_matxai.widgets.running import Runner

EXAMPLES = ("xps:Fe 2p", "edge:Fe", "emission:Cu", "auger:Cu", "raman:Si", "raman:PS", "raman:calcite")


class LinesPage(Page):
    """References by name, CIF or table."""

    def __init__(self, session: Session, runner: Runner) -> None:
        super().__init__(session, runner)
        self.name = QLineEdit()
        self.name.setPlaceholderText("Si, hematite, xps:Fe 2p, raman:PS …")
        self.name.setToolTip("A structure that comes along, or a kind and what it is of.")
        self.add_button = button("Add", "Draw its lines below the curve.", self.add_named)
        self.file_button = button("CIF or table …", "Lines of a structure or table of your own.", self.add_file)
        self.list = QListWidget()
        self.list.setMaximumHeight(96)
        self.list.setToolTip("Zones are compared with all of them.")
        self.compare_button = button("Compare", "Compare the zones with these lines.", self.compare)
        self.remove_button = button("Remove", "Draw the marked reference no longer.", self.remove)
        self.said = words(name="lines_said")
        self.add(
            row(self.name, self.add_button), row(self.file_button), self.list,
            row(self.compare_button, self.remove_button), self.said,
        )  # fmt: skip
        self.column.addStretch(1)
        self.name.returnPressed.connect(self.add_named)
        self.refresh()

    def offer(self) -> None:
        """Offer the names of structures."""
        if self.name.completer() is None:
            from matxai.reference import structures

            self.name.setCompleter(QCompleter([*structures(), *EXAMPLES], self))

    def add_named(self) -> None:
        """Add the reference that is written in the line."""
        if self.name.text().strip():
            self.add_reference(self.name.text().strip())

    def add_file(self) -> None:
        """Ask for a CIF or a table, and add it."""
        path, _ = QFileDialog.getOpenFileName(
            self, "Lines of a structure or table", "", "References (*.cif *.csv *.tsv *.yaml *.yml *.json)"
        )
        if path:
            self.add_reference(path)

    def add_reference(self, name: str) -> str:
        """Draw the lines of a reference; return in one sentence why not where that fails."""
        spectrum = self.curves.chosen
        try:
            if spectrum is not None:
                lines_for(name, spectrum)
        except MatxaiError as error:
            tell(str(error))
            return str(error)
        if name not in self.curves.references:
            self.curves.refer((*self.curves.references, name))
            if spectrum is not None and spectrum.explained is not None and not self.curves.why_not():
                self.compare()
        self.name.clear()
        return ""

    def remove(self) -> None:
        """Take the marked reference away."""
        number = self.list.currentRow()
        names = list(self.curves.references)
        if 0 <= number < len(names):
            names.pop(number)
            self.curves.refer(tuple(names))

    def compare(self) -> None:
        """Compare the zones of the explained spectrum with the references."""
        self.runner.ask(lambda: AskZones(self.session, light=True), instead=True)

    def refresh(self) -> None:
        """List the references, and what the comparison says."""
        marked = max(self.list.currentRow(), 0)
        self.list.clear()
        self.list.addItems(list(self.curves.references))
        self.list.setCurrentRow(min(marked, self.list.count() - 1))
        spectrum = self.curves.chosen
        explained = None if spectrum is None else spectrum.explained
        can = bool(self.curves.references) and explained is not None and not self.curves.why_not()
        self.compare_button.setEnabled(can and not self.runner.busy)
        self.compare_button.setToolTip("" if can else "Add a reference, and explain the spectrum first.")
        self.remove_button.setEnabled(bool(self.curves.references))
        self.said.setText(_verdict(explained.table) if explained is not None and explained.table is not None else "")


def _verdict(table: object) -> str:
    from matxai.checks.zones import ZoneTable

    assert isinstance(table, ZoneTable)  # noqa: S101
    if not table.reference:
        return ""
    relevant = [z for z in table.relevant if z.assignment]
    strange = [z.name for z in relevant if z.assignment == "unexplained"]
    ignored = [e for e in table.expected if e.answer == "ignored"]
    strong = sorted(ignored, key=lambda e: -(e.intensity or 0))[:4]
    parts = [f"Compared with {table.reference}.", f"{len(relevant) - len(strange)} relevant zones are their lines."]
    if strange:
        parts.append(f"Relevant, and explained by no line: {', '.join(strange)}.")
    if strong:
        parts.append(f"{len(ignored)} lines were ignored, the strongest: {', '.join(e.label for e in strong)}.")
    return " ".join(parts)
