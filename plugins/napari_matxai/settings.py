"""The plugin's settings, as napari's preferences keep them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """What holds for every question.

    Parameters
    ----------
    device
        ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
    method
        The method that is ticked at first.
    seed
        For what draws random numbers.
    trust
        Whether a model that runs Python may do so.
    """

    device: str = "auto"
    method: str = "grad_cam"
    seed: int = 0
    trust: bool = False


def read_settings() -> Settings:
    """Return the settings of napari's preferences."""
    return Settings()
