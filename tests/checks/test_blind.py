"""Counts of a blind reading against scipy's exact test, and what they are said to mean."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from matxai.checks.blind import at_least, blind_result
from matxai.errors import MatxaiError


@pytest.mark.parametrize("n", [1, 4, 20, 21])
def test_interval_and_p_are_those_of_the_exact_binomial_test(n: int) -> None:
    for right in range(n + 1):
        truth = [i % 2 == 0 for i in range(n)]
        said = [t if i < right else not t for i, t in enumerate(truth)]
        found = blind_result(truth, said)
        theirs = binomtest(right, n, 0.5, alternative="greater")
        assert (found.right, found.n, found.share) == (right, n, right / n)
        assert found.p == pytest.approx(theirs.pvalue, rel=1e-9)
        assert found.p_below == pytest.approx(binomtest(right, n, 0.5, alternative="less").pvalue, rel=1e-9)
        interval = binomtest(right, n).proportion_ci(0.95, "exact")
        assert found.interval == pytest.approx((interval.low, interval.high), abs=1e-9)
        assert found.beats_guessing == (theirs.pvalue <= 0.05)


def test_what_it_means_is_said() -> None:
    truth = [True] * 10 + [False] * 10

    def said(right: int):
        return blind_result(truth, [t if i < right else not t for i, t in enumerate(truth)])

    assert said(17).sentence.startswith(
        "You were right in 17 of 20 cases, which is 85 % (exact 95 % interval: 62 % to 97 %). Someone who guesses does "
        "as well in 0.1 % of such readings. So the maps told you something"
    )
    assert said(17).needed == 15
    assert "no better than guessing" in said(14).sentence
    assert said(14).sentence.endswith("With 20 cases, 15 right answers would have been needed.")
    assert said(15).beats_guessing
    assert "drew the wrong conclusion" in said(3).sentence
    assert "no number of right answers is beyond guessing" in blind_result([True] * 4, [True] * 4).sentence


def test_bad_input() -> None:
    with pytest.raises(MatxaiError, match="2 cases have 1 answers"):
        blind_result([True, False], [True])
    with pytest.raises(MatxaiError, match="0 cases"):
        blind_result([], [])
    assert at_least(0, 7) == 1.0
