"""The dock's help on methods is the text that the methods themselves carry."""

from __future__ import annotations

from napari_matxai.session.explaining import known_methods

from matxai.methods.method import help_of, methods


def test_every_method_has_its_own_text_as_help() -> None:
    shown = known_methods()
    assert list(shown) == list(methods)
    for name, text in shown.items():
        assert all(f"<b>{heading}</b>" in text for heading in help_of(name))
    assert "&lt;" not in shown["grad_cam"]
    assert len(set(shown.values())) == len(shown)
