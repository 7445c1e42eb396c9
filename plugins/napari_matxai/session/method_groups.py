"""The methods in the groups in which they are offered, and to which models each applies."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matxai.methods.method import Method
    from matxai.modelcard import Card, Model

GROUPS = {
    "Where in a layer": "Maps of what one of the network's layers reads; coarse and quick. Choose the layer below.",
    "Which pixels": "Maps of the image's own pixels from one pass back through the network; fine and quick.",
    "By trying changes": "The image is changed many times and the model is asked again; slow, needs no look inside.",
}


def groups() -> dict[str, list[str]]:
    """Return the names of the methods in each group, in the registry's order; without importing torch."""
    from matxai.methods.method import methods

    layer, pixel, tried = GROUPS
    found: dict[str, list[str]] = {layer: [], pixel: [], tried: []}
    for name, kind in methods.items():
        tries = kind.black_box or (kind.samples and kind.at_layers)
        found[tried if tries else layer if kind.at_layers else pixel].append(name)
    return found


def applies(name: str, model: Card | Model) -> str:
    """Return in a sentence why a method does not apply to a model; empty where it does, as far as is known."""
    from matxai.methods.method import methods

    method = methods[name]
    kind = getattr(model, "kind", None) or model.input.kind  # type: ignore[union-attr] - a card's
    if kind not in method.about.inputs:
        return f"It is for {' and '.join(method.about.inputs)} inputs, and this model takes {kind}."
    if model.task not in method.about.tasks:
        return f"It is for {' and '.join(method.about.tasks)}, and this model is for {model.task}."
    if getattr(model, "black_box", False) and not method.black_box:
        return "This model gives predictions only, and the method looks inside."
    return ""


def baselines() -> list[str]:
    """Return the baselines that methods which need one can be told."""
    from matxai.methods.method import methods

    return list(dict.fromkeys(v for kind in methods.values() if _has_baselines(kind) for v in kind.variants))


def rules() -> list[str]:
    """Return the rules that LRP can be told."""
    from matxai.methods.method import methods

    return list(methods["lrp"].variants)


def with_variants(names: Sequence[str], *, baseline: str | None, rule: str | None) -> tuple[str, ...]:
    """Return methods with a baseline and a rule where they take one: ``lrp`` becomes ``lrp:epsilon``."""
    from matxai.methods.method import methods

    result = []
    for name in names:
        variant = rule if name == "lrp" else baseline if _has_baselines(methods[name]) else None
        result.append(name if variant is None else f"{name}:{variant}")
    return tuple(result)


def _has_baselines(kind: type[Method]) -> bool:
    return "black" in kind.variants
