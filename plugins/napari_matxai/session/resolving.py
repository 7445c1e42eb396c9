"""Which layer's map could tell a region that the map in view cannot: asked once for a model and an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_matxai.session.explaining import Explained
    from napari_matxai.session.question import Cancel, Progress
    from napari_matxai.session.session import Session


class CellsQuestion:
    """The question how large the cells of each layer of the network are on the explained image."""

    title = "measure the cells of the layers"

    def __init__(self, explained: Explained) -> None:
        self.explained = explained

    def run(self, progress: Progress, cancel: Cancel) -> dict[str, Any]:  # noqa: ARG002 - one forward
        """Run the network once."""
        from matxai.explanation import layer_cells

        signal, planes = self.explained.signal, self.explained.about.get("planes")
        if planes:  # of a stack that is explained slice by slice, any slice will do
            signal = signal.isel(planes[0]["at"]).drop_vars(list(planes[0]["at"]), errors="ignore").compute()
        return layer_cells(self.explained.model, signal)

    def show(self, session: Session, answer: dict[str, Any]) -> None:
        """Remember them for as long as the explanation is the last one."""
        session.regions.know_cells(self.explained, answer)
