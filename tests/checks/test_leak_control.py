"""The negative control: in a Raman round robin the instrument is no leak, in a part of it that confounds them it is."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from matxai.checks import class_scores
from matxai.checks.leak.case import Case, Signals
from matxai.checks.leak.factors import factors

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "raman_control.py"


@pytest.fixture(scope="module")
def control() -> ModuleType:
    spec = importlib.util.spec_from_file_location("_matxai_test_raman_control", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.data
def test_the_instrument_is_a_leak_only_where_it_is_confounded_with_the_sample(
    control: ModuleType, data_dir: Path
) -> None:
    made = control.sets(data_dir / "raman_charisma", control.PIECES)
    crossed, confounded = made["crossed"], made["confounded"]
    assert (len(crossed), len(confounded)) == (55, 27)
    answer, verdict = control.asked(control.fitted(confounded), confounded)
    assert (answer, verdict.answer) == ("leak", "leak")
    assert verdict.interval[0] > 0.3
    model, units, signals = control.fitted(crossed), np.arange(len(crossed)), Signals(crossed)
    clean = class_scores(model, [signals[k] for k in units])
    found = factors["instrument"](Case(model, crossed, units, units, clean, crossed.groups, True, signals, draws=200))
    assert found is not None
    assert found.chance is not None
    assert found.moves is not None
    assert found.predicts <= found.chance  # what does not tell the label is no leak, whatever the network reads
    assert found.moves.interval[0] < 0
