"""Which layers the CAMs of the supporting tests are read at, tried on one signal before anything else is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai.errors import MethodError, ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matxai.checks.labelled import LabelledSet
    from matxai.modelcard import Model

METHODS = ("grad_cam", "lrp", "input_x_gradient")
"""Whose shares of relevance are asked for where nobody names methods."""


def check_cams(layers: Sequence[str | int] | None, methods: Sequence[str], *, supporting: bool) -> None:
    """Check that there is a map that layers could be of.

    Raises
    ------
    MethodError
        If layers are named, and no CAM is asked for.
    """
    if not layers:
        return
    from matxai.methods import resolve

    if not supporting:
        msg = "Layers are those of the CAMs among the supporting tests, and these are switched off; leave one of both."
        raise MethodError(msg)
    if not any(m.at_layers for m in resolve(list(methods or METHODS))):
        msg = f"Layers are those of CAMs, and none is among the methods ({', '.join(methods)}); add one, as grad_cam."
        raise MethodError(msg)


def checked_layers(
    model: Model,
    data: LabelledSet,
    layers: Sequence[str | int] | None,
    methods: Sequence[str],
    *,
    supporting: bool,
) -> tuple[str | int, ...] | None:
    """Return the layers asked for, None for the default one, after the CAMs were read at them once.

    Raises
    ------
    LayerError
        If the model has no such layer, or it has no spatial axes.
    ModelError
        If the model gives predictions only.
    MethodError
        If no CAM is asked for.
    """
    check_cams(layers, methods, supporting=supporting)
    if not layers:
        return None
    from matxai.checks.perturbation import evaluating
    from matxai.methods import attribution, resolve

    if model.black_box:
        msg = f"The model '{model.name}' gives predictions only and has no layers; leave them out."
        raise ModelError(msg)
    cams = [name for name in methods if resolve([name])[0].at_layers]
    prepared = model.preprocessing.prepare(data.read(0))
    with evaluating(model.module):
        attribution(model.module, prepared.tensor, cams, layers=tuple(layers), relu=False, leave_out=True)
    return tuple(layers)
