"""The plugin's settings: what the manifest offers under Preferences > matxai as one record, and word of changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_matxai.session.trust import Policy

PLUGIN = "matxai"


@dataclass(frozen=True)
class Settings:
    """What holds for every question.

    Parameters
    ----------
    device
        ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
    precision
        In which models run: ``float32``, ``float64``, ``bfloat16``, ``float16``.
    memory_gb
        Gigabytes that an explanation plans with at most; 0 is what is free.
    method
        The method that is ticked at first.
    seed
        For what draws random numbers.
    trust
        Whether a model that brings code of its own (Python, a command) may run it: ``never``, ``ask``, ``always``.
    """

    device: str = "auto"
    precision: str = "float32"
    memory_gb: float = 0.0
    method: str = "grad_cam"
    seed: int = 0
    trust: Policy = "ask"

    @property
    def memory(self) -> int | None:
        """Bytes that an explanation plans with at most; None for what is free."""
        return int(self.memory_gb * 1e9) or None


def read_settings() -> Settings:
    """Return the settings of napari's preferences; their defaults where napari does not know the plugin (disabled)."""
    groups = _groups()
    if groups is None:
        return Settings()
    computing, asking = groups.computing, groups.asking
    return Settings(
        device=computing.device,
        precision=computing.precision,
        memory_gb=computing.memory_gb,
        seed=computing.seed,
        method=asking.method,
        trust=asking.trust,
    )


def watch_settings(changed: Callable[[], Any]) -> None:
    """Call a method whenever one of the settings was changed; it is held weakly, so its object may go."""
    groups = _groups()
    for group in (groups.computing, groups.asking) if groups is not None else ():
        group.events.connect(changed)


def _groups() -> Any:
    from napari.settings import get_plugin_settings

    return get_plugin_settings().get(PLUGIN)
