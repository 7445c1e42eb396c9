"""The examples of README and docs run as they stand, on a sample image called image.tif."""

from __future__ import annotations

import importlib.metadata
import re
import shlex
import shutil
from pathlib import Path

import pytest
from matxai_datasets.writing import write

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


def lines() -> list[tuple[str, str]]:
    """Every command of ours on every page, each a test of its own: none needs what another one wrote."""
    return [
        (page.name, line)
        for page in PAGES
        for language, text in blocks(page)
        for line in text.strip().splitlines()
        if language == "sh" and line.startswith("matxai ")
    ]


@pytest.mark.parametrize(("page", "line"), lines(), ids=lambda v: v)
def test_commands_run(page: str, line: str, folder: Path, capsys) -> None:
    """A command ends with 0, or with what the remark behind it says."""
    words = shlex.split(line, comments=True)[1:]
    said = re.search(r"# ends with (\d)$", line)
    if page == "leakage.md":  # the set that the page's Python lines make
        write("set", 24, seed=11, bars="by_class", per_specimen=3, size=(128, 128))
    assert main(words) == (int(said[1]) if said else 0), capsys.readouterr().err


def test_there_are_commands_to_run() -> None:
    assert {"README.md", "explaining.md", "models.md", "files.md"} <= {page for page, _ in lines()}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_python_examples_run(page: Path, folder: Path) -> None:
    namespace: dict[str, object] = {}
    for language, text in blocks(page):
        if language == "python":
            exec(compile(text, str(page), "exec"), namespace)


def cells() -> list[str]:
    """The commands of README's table that an image is enough for: those that begin with explain and info."""
    found = re.findall(r"\| `(matxai [^`]+)`", (ROOT / "README.md").read_text(encoding="utf-8"))
    return [command for command in found if command.split()[1] in {"explain", "info"}]


@pytest.mark.parametrize("command", cells())
def test_the_commands_of_the_readmes_table_run(command: str, folder: Path, capsys) -> None:
    arguments = ["defects" if word == "MODEL" else word for word in shlex.split(command)[1:]]
    quick = ["--methods", "grad_cam", "--no-evidence"] if arguments[0] == "explain" else []
    assert main([*arguments, *quick]) == 0, capsys.readouterr().err
    if arguments[0] == "explain":
        assert list(folder.glob("*/report.html"))


def test_the_table_of_the_readme_has_commands_to_run() -> None:
    assert {command.split()[1] for command in cells()} == {"explain", "info"}


@pytest.mark.parametrize(
    ("command", "first", "after"),
    [
        ("demo", "about five minutes the first time", "one to two after"),
        ("test", "five to fifteen minutes the first time, half of it installing", "two to seven after that"),
    ],
)
def test_times_are_the_same_wherever_they_are_said(command: str, first: str, after: str) -> None:
    for path in (ROOT / "README.md", ROOT / ".ci" / f"{command}.py"):
        text = " ".join(path.read_text(encoding="utf-8").lower().split())
        assert text.count(first) == (1 if path.suffix == ".md" else 2), path  # of a script: docstring and message
        assert text.count(after) == text.count(first), path


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
