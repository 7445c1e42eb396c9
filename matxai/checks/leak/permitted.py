"""What a leakage check can be asked: the model, the levels and the set, each refused in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai.errors import MatxaiError, ModelError, SignalError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matxai.checks.labelled import LabelledSet
    from matxai.modelcard import Model

MARGIN, ALPHA, THRESHOLD = 0.05, 0.05, 0.15


def check_classifier(model: Model) -> None:
    """Check that leakage can be asked of a model.

    Raises
    ------
    ModelError
        If it is no classifier.
    """
    if model.task != "classification":
        msg = f"Leakage is asked of a classifier; the model '{model.name}' is for {model.task}."
        raise ModelError(msg)


def check_levels(margin: float = MARGIN, alpha: float = ALPHA, threshold: float = THRESHOLD) -> None:
    """Check the levels of a run.

    Raises
    ------
    MatxaiError
        If one is no share between 0 and 1, or the margin is not below the threshold.
    """
    for name, value in (("margin", margin), ("alpha", alpha), ("threshold", threshold)):
        if not 0.0 < value < 1.0:
            msg = f"{name} is a share between 0 and 1, as in {name}=0.05; it is {value}."
            raise MatxaiError(msg)
    if margin >= threshold:
        msg = f"The margin, {margin}, is what counts as no effect; it lies below the threshold of a leak, {threshold}."
        raise MatxaiError(msg)


def check_data(model: Model, data: LabelledSet) -> None:
    """Check that leakage can be asked with a set.

    Raises
    ------
    SignalError
        If it has one class only.
    ModelError
        If its classes are not the model's.
    """
    present = data.present
    if len(present) < 2:
        only = data.classes[present[0]]
        msg = f"All {len(data)} images are of one class, '{only}'. Leakage needs images of at least two classes."
        raise SignalError(msg)
    if model.classes and len(model.classes) != len(data.classes):
        msg = (
            f"The data have {len(data.classes)} classes ({some(data.classes)}), the model '{model.name}' has "
            f"{len(model.classes)} ({some(model.classes)}). Give the classes in the model's order."
        )
        raise ModelError(msg)


def some(names: Sequence[str]) -> str:
    """Return the first six names, for a sentence."""
    return ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
