"""The manifest is valid, all that it names is there, and none of it imports Qt or torch before it is used."""

from __future__ import annotations

import importlib
import importlib.metadata
import subprocess
import sys

import pytest

VERBS = {"Read", "Save", "Explain", "Open", "Mask", "Compare", "Suggest", "Check"}
npe2 = pytest.importorskip("npe2", reason="the plugin's tests need napari")


@pytest.fixture(scope="module")
def manifest():
    return npe2.PluginManifest.from_distribution("matxai")


def test_napari_finds_the_plugin_under_its_own_name(manifest) -> None:
    assert manifest.name == "matxai"
    point = importlib.metadata.entry_points(group="napari.manifest")["matxai"]
    assert point.value == "napari_matxai:napari.yaml"


def test_every_command_can_be_imported_and_has_a_verb(manifest) -> None:
    for command in manifest.contributions.commands:
        module, _, name = command.python_name.partition(":")
        assert callable(getattr(importlib.import_module(module), name)), command.id
        assert command.title.split()[0] in VERBS


def test_every_contribution_names_a_command(manifest) -> None:
    known = {c.id for c in manifest.contributions.commands}
    said = manifest.contributions
    used = [*said.readers, *said.writers, *said.widgets, *said.sample_data]
    used += [item for items in said.menus.values() for item in items if hasattr(item, "command")]
    assert {c.command for c in used} == known


def test_modules_of_the_manifest_import_neither_qt_nor_torch(manifest) -> None:
    modules = sorted({c.python_name.split(":")[0] for c in manifest.contributions.commands})
    code = f"import sys, {', '.join(modules)}\n"
    code += "heavy = [m for m in ('torch', 'matplotlib', 'qtpy', 'PySide6', 'PyQt6', 'napari') if m in sys.modules]\n"
    code += "assert not heavy, heavy"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-1500:]
