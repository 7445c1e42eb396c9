"""What the checks say, in one place: templates that take numbers and return one plain sentence each."""

from __future__ import annotations


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %" if value >= 0.1 or value == 0 else f"{100 * value:.1f} %"


# Supporting tests of the leakage check.


def share(method: str, value: float, mean: float, limit: float, nets: int) -> str:
    """How much of a method's positive relevance lies in an artefact, beside nets without knowledge."""
    return (
        f"Of the positive relevance of {method}, {_percent(value)} lies in it; {nets} nets with the same weights in "
        f"random order put {_percent(mean)} there on average and {_percent(limit)} at most."
    )


def removal(value: float, n: int, fills: int, elsewhere: float | None, limit: float | None, free: bool) -> str:
    """How often filling an artefact changes the prediction, beside the same elsewhere."""
    said = f"Filling it changes {_percent(value)} of {n} predictions ({fills} fills)"
    if elsewhere is None:
        return f"{said}; its shape leaves no room for the same elsewhere."
    twins = "translates of it" if free else "equal parts of the picture (no exact null: an edge has no twin inside)"
    point = "" if limit is None else f", 95 % point {_percent(limit)}"
    return f"{said}, filling {twins} {_percent(elsewhere)}{point}."


def insertion(value: float, n: int, donors: int, limit: float | None) -> str:
    """How much more often a class is predicted for images that have no artefact once they get one of that class."""
    point = "too few groups for a null" if limit is None else f"95 % point with permuted labels {_percent(limit)}"
    return (
        f"Pasted into {n} images that have none, the artefacts of {donors} donors draw {_percent(value)} of the "
        f"predictions to their own class ({point})."
    )


def artefact_only(value: float, low: float, high: float, n: int, majority: float, limit: float | None) -> str:
    """What accuracy is left when nothing but the artefact is left of the picture."""
    chance = "" if limit is None else f", 95 % point of chance {_percent(limit)}"
    return (
        f"With nothing but it left of the picture, {_percent(value)} of {n} are right (exact bounds {_percent(low)} to "
        f"{_percent(high)}); the commonest class makes {_percent(majority)}{chance}."
    )


def randomised(value: float, nets: int, n: int) -> str:
    """What the exchange shows for nets without knowledge: for comparison, and no test."""
    return (
        f"For comparison: {nets} nets with the same weights in random order follow the donor's artefact in "
        f"{_percent(value)} of {n} images."
    )


# Factors of the leakage check.


def factor(
    name: str, accuracy: float, chance: float | None, effect: float | None, interval: tuple[float, float] | None
) -> str:
    """What a factor tells of the label, and what an intervention on it does to the model."""
    what = name.replace("_", " ").capitalize()
    if chance is None:
        tells = f"{what} alone has a balanced accuracy of {_percent(accuracy)}, with too few groups to know chance"
    else:
        does = "tells" if accuracy > chance else "does not tell"
        tells = (
            f"{what} alone {does} the class (balanced accuracy {_percent(accuracy)} over held-out groups, 95 % point "
            f"of chance {_percent(chance)})"
        )
    if effect is None or interval is None:
        return f"{tells}; there was no image that could be given another one's."
    return (
        f"{tells}; images given another class's follow it in {_percent(max(effect, 0.0))} of the cases (95 % bounds "
        f"{_percent(max(interval[0], 0.0))} to {_percent(max(interval[1], 0.0))})."
    )
