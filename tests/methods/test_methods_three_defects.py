"""Three equal defects in one picture: what each method shows of them when all count, and when one alone decides."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "three_defects.py"
METHODS = "grad_cam,hires_cam,saliency,lrp"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("three_defects", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["three_defects"] = module
    spec.loader.exec_module(module)
    return module


def measured(script: ModuleType, head: str) -> dict[str, dict[str, float]]:
    options = argparse.Namespace(model="defects", head=head, methods=METHODS, pictures=3, seed=0, budget=None)
    result = script.measure(options)
    assert result["called_pore"] == 3
    assert "grad_cam" in script.table(result)
    return {r["method"]: r for r in result["rows"]}


def test_a_mean_over_space_counts_every_defect_and_every_method_finds_them(script: ModuleType) -> None:
    rows = measured(script, "mean")
    assert set(rows) == set(METHODS.split(","))
    assert all(r["all_three"] == 1 for r in rows.values())


def test_where_a_maximum_decides_grad_cam_shows_defects_that_did_not_count(script: ModuleType) -> None:
    rows = measured(script, "max")
    assert rows["grad_cam"]["all_three"] == 1  # its weights are means over space: unfaithful here
    for faithful in ("hires_cam", "saliency", "lrp"):
        assert rows[faithful]["all_three"] == 0
        assert rows[faithful]["evenness"] < 0.2
