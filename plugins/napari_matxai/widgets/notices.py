"""One sentence in napari's notifications, with details to copy."""

from __future__ import annotations


def tell(sentence: str, details: str = "") -> None:
    """Say what went wrong; the session goes on."""
    from napari.utils.notifications import Notification, NotificationSeverity, notification_manager

    notice = Notification(sentence, NotificationSeverity.ERROR)
    notice.details = details  # type: ignore[attr-defined] - the "copy details" action reads it
    notification_manager.dispatch(notice)
