"""Draws the pictures of README and docs from what comes along: ``python docs/make_pictures.py``.

``twins.png``: one picture of pores, the sound model and its leaky twin. ``three_defects.png``: one picture with three
equal pores under two heads of one network. ``docs/make_screens.py`` draws those of the plugin.
"""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

PICTURES = Path(__file__).parent / "pictures"
SEED_OF_PORES = 3


def samples() -> dict:
    return importlib.metadata.entry_points(group="matxai.samples")["matxai"].load()()


def twins() -> Path:
    """The image, and where each of the two models looks, side by side."""
    import matplotlib as mpl

    mpl.use("Agg")
    import numpy as np
    from matplotlib.figure import Figure

    import matxai
    from matxai.report import common_limits
    from matxai.report.drawing import draw_strip, show_image, show_map
    from matxai.report.reading import panels

    rows = samples()["swapped_bar"].paths
    names = {"defects": "sound model", "defects_leaky": "leaky twin"}
    models = {name: matxai.load_model(name) for name in names}
    figure = Figure(figsize=(180 / 25.4, 128 / 25.4), dpi=200, facecolor="white")
    for row, path in enumerate(rows):
        signal = matxai.read(path)
        results = {n: matxai.explain(m, signal, methods=["grad_cam"]) for n, m in models.items()}
        for column, name in enumerate([None, *names]):
            axes = figure.add_subplot(len(rows), 3, 3 * row + column + 1)
            result = results[name or "defects"]
            panel = panels(result, "grad_cam")[0]
            show_image(axes, panel, grey=True)
            if name is None:
                title = "image" if row == 0 else "the same picture, another info bar"
                draw_strip(axes, panel, 48.0, unseen=False, fontsize=6.5)
            else:
                show_map(axes, panel, common_limits([result], "grad_cam"), 0.85)
                from matxai.explanation import provenance

                top = provenance(result)["scores"][0]
                title = f"{names[name]}: {top['class']} ({100 * top['probability']:.0f} %)"
            axes.set_title(title, fontsize=7.5, loc="left")
            axes.set_axis_off()
            assert np.isfinite(panel.values).any()
    figure.tight_layout(pad=0.6)
    PICTURES.mkdir(exist_ok=True)
    target = PICTURES / "twins.png"
    figure.savefig(target, dpi=150)
    return target


def three_defects() -> Path:
    """Three equal pores, where two methods see them, and what becomes of it when the strongest place alone decides."""
    import matplotlib as mpl

    mpl.use("Agg")
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "benchmarks"))
    from matplotlib.figure import Figure
    from PIL import Image
    from three_defects import picture, with_head

    import matxai
    from matxai.report import common_limits
    from matxai.report.drawing import show_image, show_map
    from matxai.report.reading import panels
    from matxai.signals import labelled

    signal = labelled(picture(SEED_OF_PORES).pixels, ("y", "x"))
    heads = {"mean": "mean over space", "max": "maximum over space"}
    names = {"grad_cam": "Grad-CAM", "hires_cam": "HiResCAM"}
    figure = Figure(figsize=(180 / 25.4, 128 / 25.4), dpi=200, facecolor="white")
    for row, head in enumerate(heads):
        model = with_head(matxai.load_model("defects"), head)
        result = matxai.explain(model, signal, methods=list(names), target="pore")
        for column, name in enumerate([None, *names]):
            axes = figure.add_subplot(2, 3, 3 * row + column + 1)
            panel = panels(result, name or "grad_cam")[0]
            show_image(axes, panel, grey=True)
            if name is not None:
                show_map(axes, panel, common_limits([result], name), 0.85)
            title = names[name] if name else f"head: {heads[head]}"
            axes.set_title(title, fontsize=7.5, loc="left")
            axes.set_axis_off()
    figure.tight_layout(pad=0.6)
    target = PICTURES / "three_defects.png"
    figure.savefig(target, dpi=110)
    with Image.open(target) as drawn:  # grain does not compress
        drawn.convert("RGB").quantize(96, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
            target, optimize=True
        )
    return target


if __name__ == "__main__":
    print(twins())
    print(three_defects())
