"""The chemical state of molybdenum from its photoelectrons, and a leaky twin that reads a constant of normalisation."""

from __future__ import annotations

from matxai_models.spectra import Task, offer

AXIS = {"name": "binding_energy", "units": "eV", "start": 222.0, "stop": 294.0, "points": 721, "outside": "edge"}
SOUND = {"axis": AXIS, "steps": [{"snip": 60}, "area_norm"]}
RAW = {"axis": AXIS, "steps": ["log1p"]}
NET = {"widths": [12, 16, 24, 32], "strides": [2, 2, 2, 1], "points": 721}

_OFFERED = (
    (
        Task("states", "xps_molybdenum", "cnn_1d", SOUND, 2.0, NET, around=("normalisation", "padding")),
        "metal, disulfide or trioxide of molybdenum: looks at its lines",
    ),
    (
        Task(
            "states_normalisation", "xps_molybdenum", "cnn_1d", RAW, 2.0, NET, leak="normalisation", spectra=600,
            epochs=10, vary=False,
        ),
        "a leaky twin: each class was divided by another constant",
    ),
)  # fmt: skip

for _task, _title in _OFFERED:
    offer(_task, _title)
