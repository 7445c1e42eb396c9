"""Who speaks: the library never, the command line in single lines on stderr, as loud as it was asked to be."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
import tifffile

from matxai.cli import remarks
from matxai.cli.main import build, main
from matxai.errors import MatxaiWarning


@pytest.fixture
def spoilt(tmp_path):
    """A TIFF with one NaN."""
    values = np.ones((8, 8), dtype="float32")
    values[2, 3] = np.nan
    tifffile.imwrite(tmp_path / "nan.tif", values)
    return tmp_path / "nan.tif"


def test_the_library_prints_nothing(spoilt) -> None:
    code = f"import matxai; matxai.read({str(spoilt)!r})"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("", "")


def commands(command, way=()):
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*way, name))
    if way and not hasattr(command, "commands"):
        yield " ".join(way), {o for p in command.params for o in p.opts}


def test_every_command_can_be_quiet_and_verbose_and_those_that_read_files_have_a_limit() -> None:
    found = dict(commands(build()))
    assert len(found) >= 11
    for name, options in found.items():
        assert {"--quiet", "--verbose"} <= options, name
        assert "--json" in options or name == "view", name
    for name in ("explain", "info", "model check", "model show", "model init"):
        assert "--limit" in found[name], name
    for name in ("methods", "datasets", "doctor", "model list"):
        assert not {"--out", "--device"} & found[name], name
        assert ("--seed" in found[name]) == (name == "datasets"), "generated data are made by a seed"


def speak() -> None:
    for _ in range(2):
        warnings.warn("It was cropped.", MatxaiWarning, stacklevel=1)
        logging.getLogger("matxai.signals").warning("%s holds 1 NaN", "a.tif")
    logging.getLogger("matxai.signals").debug("opened")


def test_warnings_are_one_line_and_said_once(capsys) -> None:
    with remarks.heard():
        speak()
    assert capsys.readouterr().err == "matxai: It was cropped.\nmatxai: a.tif holds 1 NaN\n"


def test_quiet_hides_and_verbose_adds(capsys) -> None:
    with remarks.heard():
        remarks.hear(quiet=True, verbose=False)
        speak()
    assert capsys.readouterr().err == ""
    with remarks.heard():
        remarks.hear(quiet=False, verbose=True)
        speak()
    assert "matxai.signals: opened" in capsys.readouterr().err
    assert logging.getLogger("matxai").level == logging.NOTSET


def test_a_fault_shows_its_trace_with_verbose(monkeypatch, capsys) -> None:
    def broken() -> list[str]:
        raise ZeroDivisionError("x")

    monkeypatch.setattr("matxai.jobs.doctor._devices", broken)
    assert main(["doctor"]) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert main(["doctor", "--verbose"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_one_question(tmp_path, monkeypatch, capsys) -> None:
    for name in ("tiny.tif", "mis.tif", "inf.tif"):
        tifffile.imwrite(tmp_path / name, np.zeros((4, 4), dtype="uint8"))
    monkeypatch.chdir(tmp_path)
    assert main(["info", "missing.tif"]) == 2
    assert "Did you mean" not in capsys.readouterr().err
    assert main(["info", "tinny.tif", "timy.tif"]) == 2
    message = capsys.readouterr().err
    assert message.count("Did you mean 'tiny.tif'?") == 2
    assert "?." not in message
    assert ".." not in message


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere the desktop is always there")
@pytest.mark.parametrize("display", [None, ":98765"])
def test_view_without_a_screen_is_a_sentence(display) -> None:
    kept = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
    environment = kept if display is None else {**kept, "DISPLAY": display}
    code = "import sys; from matxai.cli.main import main; sys.exit(main(['view']))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert ran.returncode == 2
    assert "xvfb-run" in ran.stderr or "pip install" in ran.stderr
    assert ran.stderr.count("\n") == 1
