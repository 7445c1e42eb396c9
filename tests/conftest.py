"""Fixtures that every test may use: the folder of real data, and what a test may not leave behind."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

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


def _by_path(name: str) -> ModuleType:
    """A module of this folder, loaded by its path: tests are no package."""
    path = Path(__file__).parent / name
    spec = importlib.util.spec_from_file_location(f"_matxai_test_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def _counters() -> ModuleType:
    """``tests/benchmarks/flops.py``."""
    return _by_path("benchmarks/flops.py")


@pytest.fixture(scope="session")
def families() -> Any:
    """``tests/families.py``: one network of every family: ``build(name)``, ``images(name)``, ``unbiased(net, x)``."""
    return _by_path("families.py")


@pytest.fixture
def flops(_counters: ModuleType) -> Any:
    """``with flops() as count: ...`` adds up ``count.total``, and how often what ran in ``count.calls``."""
    return _counters.Flops


@pytest.fixture
def kept(_counters: ModuleType) -> Any:
    """``with kept(own) as bag: ...`` counts what autograd saves, tensors in ``own`` apart: ``bag.nbytes``."""
    return _counters.Kept


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and NO_DATA in str(report.longrepr):
        _skipped_for_data.add(report.nodeid)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"skipped for want of real data: {len(_skipped_for_data)}")
