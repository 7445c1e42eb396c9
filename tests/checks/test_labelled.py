"""A labelled set says at once what is wrong with it."""

import numpy as np
import pytest
import xarray as xr

from matxai.checks import LabelledSet
from matxai.errors import SignalError


def made(**changed):
    parts = {
        "names": ("a", "b"),
        "labels": np.array([0, 1]),
        "classes": ("x", "y"),
        "read": lambda i: xr.DataArray([i]),
    }
    return LabelledSet(**{**parts, **changed})


def test_classes_that_occur_are_told_from_those_of_the_model():
    assert made(labels=np.array([2, 2]), classes=("x", "y", "z")).present == (2,)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"labels": np.array([0])}, "as many names, labels"),
        ({"groups": np.array([0, 1, 2])}, "as many names, labels"),
        ({"names": ("a", "a")}, "are called 'a'"),
        ({"labels": np.array([0, 2])}, "outside the 2 classes"),
        ({"names": (), "labels": np.array([], int)}, "as many names, labels"),
    ],
)
def test_what_does_not_fit_together_is_refused(changed, sentence):
    with pytest.raises(SignalError, match=sentence):
        made(**changed)
