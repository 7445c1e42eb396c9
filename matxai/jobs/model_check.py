"""Verify a model as handed over: it runs, its layers have the shapes that they have, and it answers as it did."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from matxai.errors import LayerError, MatxaiError, ModelError

if TYPE_CHECKING:
    from matxai.modelcard import Model

USUAL_SIZE = {"1d": (1024,), "2d": (224, 224), "3d": (32, 64, 64)}


@dataclass(frozen=True)
class ModelCheck:
    """What was found when a model was tried.

    Parameters
    ----------
    name
        The model's.
    ok
        Whether all that could be checked holds.
    input_shape
        Shape of the tensor that was tried, ``(1, C, *spatial)``.
    layers
        Name and output shape of each layer that a CAM can be made at.
    default_layer
        The one that is taken when nobody says; None where the model has no spatial layer.
    reference
        Largest deviation from the card's reference output relative to its largest magnitude; None without a reference.
    findings
        What a user should know, a sentence each.
    assumptions
        What was assumed because nobody said it.
    baselines
        For each baseline the mean of every channel as the network sees it, of an 8-bit image; None where it hangs on
        the image.
    """

    name: str
    ok: bool
    input_shape: tuple[int, ...]
    layers: tuple[tuple[str, tuple[int, ...]], ...]
    default_layer: str | None
    reference: float | None
    findings: tuple[str, ...]
    assumptions: tuple[str, ...]
    baselines: dict[str, list[float] | None]

    def to_dict(self) -> dict[str, Any]:
        """Return names and plain values, ready for JSON."""
        return asdict(self)


def trial_input(model: Model) -> tuple[int, ...]:
    """Return the shape ``(1, C, *spatial)`` that a model is tried with: its card's size, else a usual one."""
    size = model.card.input.size
    return (1, model.channels, *(size or USUAL_SIZE[model.kind]))


def check_model(model: Model) -> ModelCheck:
    """Run a model once, list its layers, and hold it against its card's reference and layers.

    Raises
    ------
    ModelError
        If the network does not run on an input of the size that its card states.
    """
    import torch

    from matxai.engine import layers as list_layers
    from matxai.explanation import baselines_seen
    from matxai.modelcard import check_reference

    shape = trial_input(model)
    generator = torch.Generator().manual_seed(0)
    parameter = next(model.module.parameters(), None)
    batch = torch.rand(shape, generator=generator).to(parameter if parameter is not None else torch.zeros(()))
    findings: list[str] = []
    ok = True
    try:
        listed = None if model.black_box else list_layers(model.module, batch)
        if model.black_box:
            model.module(batch)  # it says itself what is wrong with its answer
    except MatxaiError:
        raise
    except Exception as error:
        first = str(error).strip().split("\n", maxsplit=1)[0]
        msg = (
            f"The model '{model.name}' does not run on an input of shape {shape}: {first}. State its size in the card."
        )
        raise ModelError(msg) from error
    known = {row.name: tuple(row.shape) for row in listed or ()}
    try:
        default: str | None = None if listed is None else listed.default
    except LayerError as error:
        default = None
        findings.append(f"{error}")
    if listed is None:
        findings.append("It gives predictions only: it has no layers, and is explained by methods that need none.")
    for name in model.layers:
        if name not in known:
            ok = False
            findings.append(f"The card names the layer '{name}', which the model does not have.")
    reference = check_reference(model)
    if reference is None:
        findings.append(
            "The card gives no reference input and output, so that nobody can tell whether it answers as it did."
        )
    elif not reference.holds:
        ok = False
        findings.append(
            f"The output deviates from the card's reference by {reference.deviation:.2g} of its largest value; "
            f"at most {reference.tolerance:.2g} would be right. Weights, preprocessing or versions differ."
        )
    spatial = tuple((n, s) for n, s in known.items() if len(s) > 2)
    deviation = None if reference is None else reference.deviation
    seen = baselines_seen(model)
    if seen["black"] is not None and seen["black"] == seen["white"]:
        findings.append(
            "The preprocessing goes by each image's own range, so black, white and constant are all the same to the"
            " network: as baselines take blur, mean or noise."
        )
    return ModelCheck(model.name, ok, shape, spatial, default, deviation, tuple(findings), model.assumptions, seen)
