"""The session of a viewer: made once, shared by the dock, the reader and the commands in the menus."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from napari_matxai import versions

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_matxai.session.session import Session

# weakly: a session holds its viewer, and the dock holds the session; when the dock goes, both may go. An identity is
# not taken again while its session lives, since the session keeps that viewer alive.
_sessions: weakref.WeakValueDictionary[int, Session] = weakref.WeakValueDictionary()


def session_of(viewer: ViewerModel | Any) -> Session:
    """Return the session of a viewer; the first call makes it. It lives as long as somebody holds it."""
    from napari_matxai.session.session import Session

    plain = versions.plain_viewer(viewer)
    found = _sessions.get(id(plain))
    if found is None:
        found = _sessions[id(plain)] = Session(plain)
    return found


def known_session(viewer: ViewerModel | Any) -> Session | None:
    """Return the session of a viewer if there is one, without making it."""
    return _sessions.get(id(versions.plain_viewer(viewer)))
