"""Pictures inside an HTML file: figures as data addresses with alternative texts, and small charts as SVG.

Charts are SVG and not styled boxes, so that they print and follow the reader's colours.
"""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.report import sentences
from matxai.report.colours import QUANTILE, limits_of
from matxai.report.export import figure_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from markupsafe import Markup
    from matplotlib.figure import Figure

    from matxai.report.reading import Array, Panel

_QUALITY = 88


def figure_address(figure: Figure, *, dpi: float = 220.0, photograph: bool = True) -> str:
    """Return a figure as a ``data:`` address: JPEG for photographs (a fifth of the size), else PNG."""
    if not photograph:
        return _address("png", figure_bytes(figure, "png", dpi=dpi))
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    figure.set_dpi(dpi)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3]).save(
        buffer, format="JPEG", quality=_QUALITY, subsampling=0
    )
    return _address("jpeg", buffer.getvalue())


def _address(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def whereabouts(values: Array) -> str:
    """Return where the part of a map above half of its limit lies: ``"upper left"``; empty for an empty map."""
    strength = np.abs(np.nan_to_num(values))
    if not strength.any():
        return ""
    largest = limits_of(strength, signed=False, quantile=QUANTILE if strength.ndim > 1 else 1.0)[1]
    top = np.where(strength >= 0.5 * largest, strength, 0.0)
    centres = [
        float((np.arange(n) + 0.5) @ top.sum(axis=tuple(a for a in range(top.ndim) if a != axis)))
        / (n * float(top.sum()))
        for axis, n in enumerate(top.shape)
    ]
    parts = [sentences.THIRDS[len(centres)][axis][min(int(3 * c), 2)] for axis, c in enumerate(centres)]
    return " ".join(dict.fromkeys(p for p in parts if p)) or sentences.MIDDLE


def alternative(panel: Panel, target: str, source: str) -> str:
    """Return the alternative text of an overlay: method, layer, class, file and where the strongest part lies."""
    place = whereabouts(panel.values)
    layer = f" at {panel.layer}" if panel.layer else ""
    words = sentences.ALT_MAP if place else sentences.ALT_EMPTY
    return words.format(
        method=sentences.method_label(panel.method) + layer,
        target=target or sentences.UNCHOSEN,
        source=sentences.printable(source, longest=80),
        place=place,
    )


def drop_chart(evidence: Mapping[str, Any]) -> Markup:
    """Return the drops of the score as a strip chart in SVG: the map's top, matched regions, random maps."""
    from markupsafe import Markup

    top = float(evidence["top_drop"])
    controls = numbers(evidence.get("control_drops"))
    randoms = numbers(evidence.get("random_drops", evidence.get("random_drop")))
    rows = [(sentences.DROP_TOP, [top], "top"), (sentences.DROP_CONTROLS, controls, "control")]
    rows.append((sentences.DROP_RANDOM, randoms, "random"))
    rows = [r for r in rows if r[1]]
    every = [0.0, *(v for _, row, _ in rows for v in row)]
    low, high = min(every), max(every)
    span = (high - low) or 1.0
    low, high = low - 0.06 * span, high + 0.06 * span
    left, right, step = 190.0, 590.0, 26.0

    def place(value: float) -> float:
        return left + (value - low) / (high - low) * (right - left)

    height = step * len(rows) + 42.0
    label = sentences.ALT_DROPS.format(
        top=sentences.number(top),
        controls=sentences.number(float(np.mean(controls))) if controls else "–",
        randoms=sentences.number(float(np.mean(randoms))) if randoms else "–",
    )
    parts = [
        Markup('<svg class="chart" viewBox="0 0 600 {h:.0f}" role="img" aria-label="{label}">').format(
            h=height, label=label
        ),
        Markup('<line class="zero" x1="{x:.1f}" x2="{x:.1f}" y1="4" y2="{y:.1f}"/>').format(x=place(0), y=height - 34),
    ]
    for i, (name, row, kind) in enumerate(rows):
        y = step * (i + 0.7)
        parts.append(Markup('<text x="{x}" y="{y:.1f}" class="end">{t}</text>').format(x=left - 14, y=y + 4, t=name))
        parts += [_mark(kind, place(v), y) for v in row]
    for value in dict.fromkeys((0.0, min(every), max(every))):
        text = Markup('<text x="{x:.1f}" y="{y:.1f}" class="middle">{t}</text>')
        if value == 0.0 or abs(place(value) - place(0.0)) > 70:  # else the two numbers would touch
            parts.append(text.format(x=place(value), y=height - 16, t=sentences.number(value, digits=2)))
    caption = Markup('<text x="{x:.1f}" y="{y:.1f}" class="middle">{t}</text>')
    parts.append(caption.format(x=(left + right) / 2, y=height - 1, t=sentences.DROP_AXIS))
    return Markup("").join([*parts, Markup("</svg>")])


def _mark(kind: str, x: float, y: float) -> Markup:
    from markupsafe import Markup

    if kind == "top":
        points = f"{x:.1f},{y - 8:.1f} {x + 7:.1f},{y:.1f} {x:.1f},{y + 8:.1f} {x - 7:.1f},{y:.1f}"
        return Markup('<polygon class="top" points="{points}"/>').format(points=points)
    return Markup('<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>').format(kind=kind, x=x, y=y)


def numbers(value: float | Sequence[float] | None) -> list[float]:
    """Return a number, a list of numbers or nothing as a list of the finite ones."""
    if value is None:
        return []
    return [float(v) for v in np.atleast_1d(np.asarray(value, dtype=np.float64)) if np.isfinite(v)]
