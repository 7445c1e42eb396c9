"""The examples of README and docs run as they stand, on a sample image called image.tif."""

from __future__ import annotations

import importlib.metadata
import re
import shlex
import shutil
from pathlib import Path

import pytest

from matxai.cli.main import main

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path) -> list[tuple[str, str]]:
    return re.findall(r"^```(sh|python)\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    samples = importlib.metadata.entry_points(group="matxai.samples")["matxai"].load()()
    shutil.copy(next(p for p in samples["defects"].paths if p.stem == "pore_black"), tmp_path / "image.tif")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_examples_run(page: Path, folder: Path, capsys) -> None:
    namespace: dict[str, object] = {}
    for language, text in blocks(page):
        if language == "python":
            exec(compile(text, str(page), "exec"), namespace)
            continue
        for line in text.strip().splitlines():
            program, *arguments = shlex.split(line)
            if program == "matxai":
                assert main(arguments) == 0, capsys.readouterr().err


def test_the_readme_begins_with_its_two_commands() -> None:
    commands = [text.strip() for language, text in blocks(ROOT / "README.md") if language == "sh"][:2]
    assert commands == ["python3 .ci/demo.py", "python3 .ci/test.py"]
    for command in commands:
        assert (ROOT / command.split()[1]).is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_and_pictures_are_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target
