"""How the spectra are drawn: along which axis, on which scale, one above the other or not."""

from __future__ import annotations

from dataclasses import dataclass

INTENSITIES = ("linear", "sqrt", "log")


@dataclass(frozen=True)
class Look:
    """What the user chose.

    Parameters
    ----------
    axis
        The kind of axis to draw along; None as measured.
    intensity
        ``linear``, ``sqrt`` or ``log``.
    offset
        Distance between spectra as a share of the tallest one's height.
    normalised
        Whether each goes from its lowest to its highest point.
    received
        Whether what the network got is drawn below.
    method
        The map that colours the curve, by its name in the explanation; None for the first.
    loop
        Whether a signal with a field is drawn over the field.
    """

    axis: str | None = None
    intensity: str = "linear"
    offset: float = 0.0
    normalised: bool = False
    received: bool = False
    method: str | None = None
    loop: bool = True
