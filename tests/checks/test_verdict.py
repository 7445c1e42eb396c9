"""Verdicts answer in the words of the design and hold together."""

from __future__ import annotations

import pytest

from matxai.checks.verdict import Verdict
from matxai.errors import MatxaiError


def test_a_verdict_becomes_plain_names_and_values() -> None:
    v = Verdict("Does it read the bar?", "leak", "It does.", effect=0.5, interval=(0.4, 0.6), n=12, groups=6)
    assert v.to_dict()["interval"] == (0.4, 0.6)
    assert v.to_dict()["answer"] == "leak"


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"answer": "maybe"}, "cannot answer 'maybe'"),
        ({"effect": 0.5, "interval": (0.6, 0.7)}, "does not hold the effect"),
        ({"interval": (0.7, 0.6)}, "does not hold"),
    ],
)
def test_impossible_verdicts_are_refused(kwargs, match) -> None:
    with pytest.raises(MatxaiError, match=match):
        Verdict(**{"question": "q", "answer": "leak", "sentence": "s", **kwargs})
