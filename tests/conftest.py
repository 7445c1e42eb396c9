"""Fixtures that every test may use: the folder of real data, and what a test may not leave behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

_skipped_for_data: set[str] = set()
NO_DATA = "no real data: set MATXAI_TEST_DATA to the folder that holds it"


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_ones_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The settings of whoever runs the tests are none of theirs."""
    empty = tmp_path_factory.mktemp("settings") / "settings.yaml"
    empty.write_text("")
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith("MATXAI_") and n != "MATXAI_TEST_DATA"]:
            patch.delenv(name)
        patch.setenv("MATXAI_CONFIG", str(empty))
        yield


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data; the test is skipped, and counted, where there is none."""
    value = os.environ.get("MATXAI_TEST_DATA", "")
    if not value:
        pytest.skip(NO_DATA)
    folder = Path(value)
    if not folder.is_dir():
        pytest.fail(f"MATXAI_TEST_DATA is {value!r}, which is no folder")
    return folder


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and NO_DATA in str(report.longrepr):
        _skipped_for_data.add(report.nodeid)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"skipped for want of real data: {len(_skipped_for_data)}")
