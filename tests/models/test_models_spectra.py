"""Recipes for spectra: deterministic, written with their axis; figures of the cards that come along; top zones."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from matxai_models import shipped
from matxai_models.recipe import Settings
from matxai_models.spectra import TASKS, made, pointing, top_place, train

import matxai

SOUND = [name for name, task in TASKS.items() if task.leak is None]
TWINS = [name for name, task in TASKS.items() if task.leak is not None]


def test_the_top_zone_is_the_window_with_most_positive_relevance() -> None:
    axis = np.linspace(0, 10, 101)
    values = np.zeros(101)
    values[[20, 70, 71, 72]] = [2.0, 1.0, 1.0, 1.0]
    values[40] = -9.0
    relevance = xr.DataArray(values, dims="energy", coords={"energy": axis})
    assert top_place(relevance, 0.5) == pytest.approx(7.1, abs=0.15)
    assert top_place(relevance, 0.1) == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize("name", SOUND)
def test_cards_of_sound_models_say_that_two_methods_point_at_what_tells_the_class(name: str) -> None:
    figures = json.loads((shipped()[name] / "measured.json").read_text())
    pointed = {k: v["value"] for k, v in figures.items() if k.startswith("pointing_") and k != "pointing_by_chance"}
    assert sum(v > 0.95 for v in pointed.values()) >= 2, pointed
    assert figures["pointing_by_chance"]["value"] < 0.25
    assert figures["accuracy"]["value"] > 0.95
    assert all(v["value"] < 0.05 for k, v in figures.items() if k.startswith("follows_"))


@pytest.mark.parametrize("name", TWINS)
def test_cards_of_twins_say_that_they_follow_their_leak(name: str) -> None:
    figures = json.loads((shipped()[name] / "measured.json").read_text())
    assert figures[f"follows_{TASKS[name].leak}"]["value"] > 0.9
    assert figures["accuracy"]["value"] > 0.95
    pointed = [v["value"] for k, v in figures.items() if k.startswith("pointing_") and k != "pointing_by_chance"]
    assert not pointed or sorted(pointed)[-2] > 0.95, "two methods point at the leak"
    assert figures["accuracy_where_the_leak_says_nothing"]["value"] < 0.6


def test_the_figures_on_the_card_hold_on_spectra_that_nobody_has_seen() -> None:
    unseen = made(TASKS["states"], 12, 77, 9, None, 100.0)
    found = pointing(matxai.load_model(shipped()["states"]), unseen, TASKS["states"].window, ("lrp", "grad_cam"))
    assert found["pointing_lrp"]["n"] >= 11
    assert found["pointing_lrp"]["value"] > 0.9
    assert found["pointing_grad_cam"]["value"] > 0.8


def test_a_recipe_for_spectra_is_deterministic() -> None:
    from dataclasses import replace

    task = replace(TASKS["states"], unseen=6, pointed=3)
    first, again = (train(task, Settings(images=12, epochs=1)) for _ in range(2))
    for one, other in zip(first.module.state_dict().values(), again.module.state_dict().values(), strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    assert first.card["input"]["axis"]["name"] == "binding_energy"
