"""Pointing for waveforms: the classes differ by frequency, and a class's evidence lies in a stretch of time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from matxai_models import measures

if TYPE_CHECKING:
    from matxai_datasets.spectra import SpectrumSet
    from numpy.typing import NDArray

    from matxai.modelcard import Model

BY_FREQUENCY, BY_TIME = ("lrp", "input_x_gradient"), ("grad_cam", "lrp")


def pointing_of_waveforms(
    model: Model, unseen: SpectrumSet, right: NDArray[np.bool_], window: float, window_in_time: float
) -> dict[str, Any]:
    """Return in which share of the waveforms that are told right the top zone lies where it should.

    Parameters
    ----------
    model
        Of one channel.
    unseen
        With a truth by frequency, and stretches of time beside it.
    right
        Which of them the model tells right, ``(N,)``.
    window, window_in_time
        How wide a top zone is, in Hz and in s.

    Returns
    -------
    dict
        ``pointing_METHOD`` by frequency: the window with most positive relevance lies in a band that tells the class
        from another. ``burst_METHOD`` by time: it lies in the burst. With the share of the axis that is right as
        ``..._by_chance``, and the number of waveforms.
    """
    import matxai
    from matxai_models.spectra import covered, relevance_of, top_place

    truth = unseen.truth
    hits: dict[str, list[bool]] = {}
    chance: dict[str, list[float]] = {"pointing": [], "burst": []}
    for one in (s for s, good in zip(unseen, right, strict=True) if good):
        bands = tuple(z for z in truth.zones[one.kind] if z.evidence == "presence")
        bursts = tuple(z for z in truth.along[one.kind] if z.evidence == "presence")
        for what, zones, methods, domain, wide in (
            ("pointing", bands, BY_FREQUENCY, "frequency", window),
            ("burst", bursts, BY_TIME, None, window_in_time),
        ):
            found = matxai.explain(model, one.signal(), methods=list(methods), target=one.kind, domain=domain)
            for name in methods:
                place = top_place(relevance_of(found, name, one.kind), wide)
                hits.setdefault(f"{what}_{name}", []).append(any(z.holds(place) for z in zones))
            step = float(np.diff(one.axis).mean())
            grid = one.axis if domain is None else np.asarray(np.fft.rfftfreq(one.axis.size, step), np.float64)
            chance[what].append(covered(zones, grid))
    result: dict[str, Any] = {name: measures.share(np.array(values)) for name, values in hits.items()}
    for what, values in chance.items():
        result[f"{what}_by_chance"] = {"value": float(np.mean(values)), "n": len(values)}
    return result
