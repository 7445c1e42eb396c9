"""One session for each viewer, and the shelf on which curves wait for a dock."""

from __future__ import annotations

import gc
import weakref

import pytest

pytest.importorskip("napari", reason="the plugin's tests need napari")
import numpy as np
from napari.components import ViewerModel
from napari.utils._proxies import PublicOnlyProxy
from napari_matxai.session.sessions import known_session, session_of
from napari_matxai.session.shelf import Arrival, Shelf

from matxai.signals import labelled


def curve(name: str, viewer=None) -> Arrival:
    signal = labelled(np.arange(5.0), ("energy",), units={"energy": "eV"})
    return Arrival(signal, name, viewer=None if viewer is None else weakref.ref(viewer))


def test_a_viewer_has_one_session_through_whatever_it_is_asked() -> None:
    one, two = ViewerModel(), ViewerModel()
    assert known_session(one) is None
    session = session_of(one)
    assert session_of(one) is session
    assert session_of(PublicOnlyProxy(one)) is session  # what napari hands to widgets
    assert session_of(two) is not session
    assert session.presenter.viewer is one


def test_a_session_that_nobody_holds_keeps_no_viewer_alive() -> None:
    viewer = ViewerModel()
    session, gone = session_of(viewer), weakref.ref(viewer)
    del session, viewer
    gc.collect()
    assert gone() is None


def test_curves_wait_on_the_shelf_for_the_dock_of_their_viewer() -> None:
    shelf, mine, other = Shelf(), ViewerModel(), ViewerModel()
    said: list[str] = []
    shelf.arrived.connect(lambda arrival: said.append(arrival.name))
    for arrival in (curve("a", mine), curve("b", other), curve("c")):
        shelf.put(arrival)
    assert said == ["a", "b", "c"]
    assert shelf.waits(mine)
    assert [a.name for a in shelf.take(PublicOnlyProxy(mine))] == ["a", "c"]
    assert not shelf.waits(mine)
    assert [a.name for a in shelf.take(other)] == ["b"]
    assert shelf.take(other) == []


def test_what_was_read_into_a_viewer_that_is_gone_is_forgotten() -> None:
    shelf, gone, here = Shelf(), ViewerModel(), ViewerModel()
    shelf.put(curve("lost", gone))
    del gone
    gc.collect()
    shelf.put(curve("kept", here))
    assert [a.name for a in shelf.take(here)] == ["kept"]
    assert shelf._waiting == []
