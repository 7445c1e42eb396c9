"""Which event in a laminate sent an acoustic burst, and a leaky twin that reads the gain of the amplifier.

The sound network sees every waveform divided by its own deviation, at any gain, and noise without any burst. The twin
sees volts that were sorted by the amplifier's gain, whatever the event.
"""

from __future__ import annotations

from matxai_models.spectra import Task, offer

AXIS = {"name": "time", "units": "s", "start": -1.28e-4, "stop": 8.955e-4, "points": 2048, "outside": "edge"}
SOUND = {"axis": AXIS, "steps": ["snv"]}
VOLTS = {"axis": AXIS}
NET = {"widths": [16, 24, 32], "strides": [2, 2, 2], "kernel": 31}
PLACED = {"widths": [12, 16, 24, 32], "strides": [4, 2, 2, 2], "kernel": 7, "points": 2048}
QUIET = {"coupling": 1e-9}

_OFFERED = (
    (
        Task(
            "events", "acoustic_events", "cnn_1d", SOUND, 2e4, NET, around=("gain",), vary=False, blank=QUIET,
            window_in_time=5e-5,
        ),
        "matrix crack, delamination or broken fibres in a laminate: looks at the frequencies of the burst",
    ),
    (
        Task(
            "events_gain", "acoustic_events", "cnn_1d", VOLTS, 2e4, PLACED, leak="gain", sorted_by_leak=True,
            vary=False,
        ),
        "a leaky twin: each class was recorded at another gain",
    ),
)  # fmt: skip

for _task, _title in _OFFERED:
    offer(_task, _title)
