"""One sentence in napari's notifications, with details to copy."""

from __future__ import annotations

import sys
import traceback
from typing import Any

COPY = "Copy details"


def tell(sentence: str, details: str = "") -> None:
    """Say what went wrong; the session goes on.

    Parameters
    ----------
    sentence
        For the user.
    details
        For whom it is to be mended by: a button puts them on the clipboard, with the sentence above them. Where none
        are given, those of the error that is being handled.
    """
    if not details and sys.exc_info()[0] is not None:
        details = traceback.format_exc()
    from napari.utils.notifications import Notification, NotificationSeverity, notification_manager

    def copy(_: Any) -> None:
        from qtpy.QtWidgets import QApplication

        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(f"{sentence}\n\n{details}")

    actions = ((COPY, copy),) if details else ()
    notification_manager.dispatch(Notification(sentence, NotificationSeverity.ERROR, actions))
