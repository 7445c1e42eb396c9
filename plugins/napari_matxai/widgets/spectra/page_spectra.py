"""Which spectra are open, and how they are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QFormLayout, QLineEdit, QListWidget, QListWidgetItem, QSlider

from matxai.errors import MatxaiError
from napari_matxai.session.curves.look import INTENSITIES
from napari_matxai.session.curves.naming import facts_missing, hint_for, kinds_of_axes, ways_from
from napari_matxai.widgets.notices import tell
from napari_matxai.widgets.spectra.page import Page, button, row
from napari_matxai.widgets.words import box, words

if TYPE_CHECKING:
    from napari_matxai.session.session import Session
    from napari_matxai.widgets.running import Runner

SCALES = {"linear": "linear", "sqrt": "square root", "log": "logarithmic"}


class SpectraPage(Page):
    """The list of spectra, their axis, their scale."""

    def __init__(self, session: Session, runner: Runner) -> None:
        super().__init__(session, runner)
        self.list = QListWidget()
        self.list.setToolTip("The marked one is asked about; ticked ones are drawn beside it.")
        self.list.setMaximumHeight(96)
        self.close_button = button("Close", "Close the marked spectrum.", self.close_chosen)
        self.kind_box = box("What the axis is: the file does not say.")
        self.hint = words(name="axis_hint")
        self.fact_label = words(name="fact_label")
        self.fact = QLineEdit()
        self.fact.setToolTip("What the file does not say and a conversion of the axis needs.")
        self.axis_box = box("Draw along another axis; maps move along.")
        self.scale_box = box("Scale of the intensities.")
        for name in INTENSITIES:
            self.scale_box.addItem(SCALES[name], name)
        self.offset = QSlider(Qt.Orientation.Horizontal)
        self.offset.setRange(0, 20)
        self.offset.setToolTip("Distance between several spectra.")
        self.normalise = QCheckBox("each from its lowest to its highest")
        self.received = QCheckBox("what the network got, below")
        self.received.setToolTip("The preprocessed spectrum on the measured axis; known once it was explained.")
        self.loop = QCheckBox("loops over their field")
        self.loop.setChecked(True)
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Axis", self.axis_box)
        form.addRow("Scale", self.scale_box)
        form.addRow("Offset", self.offset)
        self.add(
            self.list, row(self.close_button), self.hint, self.kind_box, self.fact_label, self.fact, form,
            self.normalise, self.received, self.loop,
        )  # fmt: skip
        self.column.addStretch(1)
        self.list.currentRowChanged.connect(self._chosen)
        self.list.itemChanged.connect(self._ticked)
        self.kind_box.activated.connect(self._say_axis)
        self.fact.returnPressed.connect(self._say_fact)
        self.axis_box.activated.connect(self._axis)
        self.scale_box.activated.connect(lambda *_: self.curves.draw(intensity=self.scale_box.currentData()))
        self.offset.valueChanged.connect(lambda value: self.curves.draw(offset=value / 10))
        self.normalise.toggled.connect(lambda on: self.curves.draw(normalised=on))
        self.received.toggled.connect(lambda on: self.curves.draw(received=on))
        self.loop.toggled.connect(lambda on: self.curves.draw(loop=on))

    def refresh(self) -> None:
        """List the spectra, and ask what their files do not say."""
        curves = self.curves
        self.list.blockSignals(True)
        self.list.clear()
        for spectrum in curves.spectra:
            item = QListWidgetItem(spectrum.name)
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Checked if spectrum.shown else Qt.CheckState.Unchecked)
            item.setToolTip(spectrum.path or spectrum.name)
            self.list.addItem(item)
        if curves.chosen is not None:
            self.list.setCurrentRow(curves.spectra.index(curves.chosen))
        self.list.blockSignals(False)
        self.close_button.setEnabled(curves.chosen is not None)
        self._ask_for_axis()
        self._offer_axes()
        self._ask_for_fact()
        self._show_look()

    def _show_look(self) -> None:
        look = self.curves.look
        for one in (self.scale_box, self.offset, self.normalise, self.received, self.loop):
            one.blockSignals(True)
        self.scale_box.setCurrentIndex(self.scale_box.findData(look.intensity))
        self.offset.setValue(round(look.offset * 10))
        self.normalise.setChecked(look.normalised)
        self.received.setChecked(look.received)
        self.loop.setChecked(look.loop)
        for one in (self.scale_box, self.offset, self.normalise, self.received, self.loop):
            one.blockSignals(False)

    def close_chosen(self) -> None:
        """Close the spectrum that is asked about."""
        if self.curves.chosen is not None:
            self.curves.remove(self.curves.chosen)

    def _chosen(self, number: int) -> None:
        if 0 <= number < len(self.curves.spectra):
            self.curves.choose(self.curves.spectra[number])

    def _ticked(self, item: QListWidgetItem) -> None:
        spectrum = self.curves.spectra[self.list.row(item)]
        self.curves.show(spectrum, shown=item.checkState() == Qt.CheckState.Checked)

    # -- what the file does not say ------------------------------------------------------------------------------------

    def _ask_for_axis(self) -> None:
        spectrum = self.curves.chosen
        asked = spectrum is not None and (spectrum.unnamed or spectrum.axis is not None)
        self.kind_box.setVisible(asked)
        self.hint.setVisible(asked)
        if not asked or spectrum is None:
            return
        self.kind_box.clear()
        self.kind_box.addItem("say what the axis is …", None)
        for name, title in kinds_of_axes().items():
            self.kind_box.addItem(title, name)
        self.kind_box.setCurrentIndex(max(0, self.kind_box.findData(spectrum.axis)))
        self.hint.setText(hint_for(spectrum))

    def _say_axis(self, *_: object) -> None:
        kind, spectrum = self.kind_box.currentData(), self.curves.chosen
        if kind is None or spectrum is None:
            return
        try:
            self.curves.say_axis(spectrum, kind)
        except MatxaiError as error:
            tell(str(error))
            self.refresh()

    def _ask_for_fact(self) -> None:
        spectrum = self.curves.chosen
        missing = None if spectrum is None else facts_missing(spectrum)
        self.fact_label.setVisible(missing is not None)
        self.fact.setVisible(missing is not None)
        if missing is not None:
            self.fact_label.setText(f"The file does not tell the {missing.words} ({missing.unit}):")
            self.fact.setPlaceholderText("1.54056 for Cu Kα1" if missing.name == "wavelength" else missing.unit)
            self.fact.clear()

    def _say_fact(self) -> None:
        spectrum = self.curves.chosen
        missing = None if spectrum is None else facts_missing(spectrum)
        if spectrum is None or missing is None:
            return
        try:
            self.curves.say(spectrum, missing.name, _number(self.fact.text(), missing.words))
        except MatxaiError as error:
            tell(str(error))

    def _offer_axes(self) -> None:
        spectrum = self.curves.chosen
        self.axis_box.clear()
        self.axis_box.addItem("as measured", None)
        for name, title in (ways_from(spectrum) if spectrum is not None else {}).items():
            self.axis_box.addItem(title, name)
        self.axis_box.setCurrentIndex(max(0, self.axis_box.findData(self.curves.look.axis)))

    def _axis(self, *_: object) -> None:
        self.curves.draw(axis=self.axis_box.currentData())


def _number(text: str, what: str) -> float:
    from matxai.errors import SignalError

    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        msg = f"The {what} is a number, and not '{text}'."
        raise SignalError(msg) from None
