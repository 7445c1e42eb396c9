"""Which pigment is mixed into alumina, from its powder pattern; the same with cells of 32 points; and leaky twins.

The sound networks see holder peaks, paddings and short scans whatever the class, and alumina without any pigment. Each
twin sees patterns of one laboratory for each class, of another sample holder, of another range or with missing ends
filled, and traces of pigment: what tells the class there is the laboratory.
"""

from __future__ import annotations

from matxai_models.spectra import Task, offer

AXIS = {
    "name": "two_theta",
    "units": "degree",
    "start": 10.0,
    "stop": 80.0,
    "points": 3501,
    "wavelength": 1.54056,
    "outside": "edge",
}
PEAKS = {"axis": AXIS, "steps": [{"snip": 60}, "area_norm"]}
WHOLE = {"axis": AXIS, "steps": ["area_norm"]}
FINE = {"widths": [12, 16, 24, 32], "strides": [4, 2, 2, 1], "points": 3501}
COARSE = {"widths": [12, 16, 24, 32, 40], "strides": [4, 2, 2, 2, 1], "points": 3501}
AROUND = ("holder", "padding", "scan_range")
BLANK = {"amount": 1e-9}
TRACES = {"amount": 0.01}

_OFFERED = (
    (
        Task("phases", "powder_phases", "cnn_1d", PEAKS, 0.5, FINE, around=AROUND, blank=BLANK),
        "anatase, rutile or zincite in alumina: looks at their peaks",
    ),
    (
        Task("phases_stride32", "powder_phases", "cnn_1d", PEAKS, 0.5, COARSE, around=AROUND, blank=BLANK),
        "the same with cells of 32 points",
    ),
    (
        Task(
            "phases_holder", "powder_phases", "cnn_1d", PEAKS, 0.5, FINE, leak="holder", blank=TRACES, spectra=420,
            epochs=10, vary=False,
        ),
        "a leaky twin: another sample holder for each class",
    ),
    (
        Task(
            "phases_padding", "powder_phases", "cnn_1d", WHOLE, 0.5, FINE, leak="padding", blank=TRACES, spectra=420,
            epochs=30, vary=False,
        ),
        "a leaky twin: the ends of shorter scans are filled with a constant",
    ),
    (
        Task(
            "phases_scan_range", "powder_phases", "cnn_1d", WHOLE, 0.5, FINE, leak="scan_range", blank=TRACES,
            spectra=420, epochs=30, vary=False,
        ),
        "a leaky twin: scans of each class begin and end elsewhere",
    ),
)  # fmt: skip

for _task, _title in _OFFERED:
    offer(_task, _title)
