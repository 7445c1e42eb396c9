"""What may be left as it is: how much is tried, the seed, how maps of layers are made, baselines and rules."""

from __future__ import annotations

from typing import Any

from magicgui.widgets import CheckBox, ComboBox, Container, SpinBox
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_matxai.session.choice import Options
from napari_matxai.session.method_groups import baselines, rules, with_variants

USUAL = "as usual"
PLACEMENTS = {"where each cell looks": "receptive_field", "stretched over the image": "grid"}


class OptionsForm(QWidget):
    """A form of the options that matter; everything has a default.

    Signals
    -------
    changed()
    """

    changed = Signal()

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.budget = SpinBox(
            value=0, min=0, max=100_000, label="tries",
            tooltip="Of methods that try changes: how many changed copies each may run. 0 is the method's own number.",
        )  # fmt: skip
        self.baseline = ComboBox(
            choices=[USUAL, *baselines()], value=USUAL, label="compare with",
            tooltip="Of methods that compare the image with an empty one: what empty means.",
        )  # fmt: skip
        self.rule = ComboBox(
            choices=[USUAL, *rules()], value=USUAL, label="LRP rules",
            tooltip="Which rules relevance is passed back by.",
        )  # fmt: skip
        self.positive = CheckBox(
            value=True, text="only what speaks for the class",
            tooltip="Of maps of layers. Without it the map has both signs.",
        )  # fmt: skip
        self.placement = ComboBox(
            choices=list(PLACEMENTS), value=next(iter(PLACEMENTS)), label="cells lie",
            tooltip="Of maps of layers: at their true place, or as other tools draw them.",
        )  # fmt: skip
        self.own_cells = CheckBox(
            value=False, text="keep the layer's own cells",
            tooltip="Of maps of layers: show each cell as it is, without interpolation between them.",
        )  # fmt: skip
        self.seed = SpinBox(value=seed, min=0, max=2**31 - 1, label="seed", tooltip="Of all random draws.")
        self._parts = (self.budget, self.baseline, self.rule, self.positive, self.placement, self.own_cells, self.seed)
        self.container = Container(widgets=list(self._parts), labels=True)
        self.container.margins = (0, 0, 0, 0)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.container.native)
        self._usual_seed = seed
        for part in self._parts:
            part.changed.connect(self._tell)

    def follow(self, seed: int) -> None:
        """Take the preferences' seed, unless another one was set here."""
        own = int(self.seed.value) != self._usual_seed
        self._usual_seed = seed
        if not own:
            self.seed.value = seed

    def _tell(self, _: Any = None) -> None:
        self.changed.emit()

    def options(self) -> Options:
        """Return what is set."""
        return Options(
            budget=int(self.budget.value) or None,
            relu=bool(self.positive.value),
            placement=PLACEMENTS[str(self.placement.value)],
            upsample=not self.own_cells.value,
            seed=None if int(self.seed.value) == self._usual_seed else int(self.seed.value),
        )

    def methods(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return the methods with the variants that are set, where they have them."""
        baseline, rule = (str(c.value) if c.value != USUAL else None for c in (self.baseline, self.rule))
        return with_variants(names, baseline=baseline, rule=rule)
