"""What is asked of a model: methods, layers, target."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Choice:
    """One explanation's choices.

    Parameters
    ----------
    methods
        Names, in order.
    target
        A class's name, or None for the class on top.
    layers
        Names of the network's layers, for CAMs; None for the model's default.
    """

    methods: tuple[str, ...] = ("grad_cam",)
    target: str | None = None
    layers: tuple[str, ...] | None = None
