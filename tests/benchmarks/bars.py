"""Frames and bands found by pixels alone: recall, edges, false alarms on generated and real pictures. Asserts nothing.

Generated: half of the pictures get a panel, of ten styles, at all four sides, on the edge or off it, in four depths, a
quarter of them compressed; the other half has none and consists mostly of adversaries. A panel counts as found where it
is the only one and both of its edges are within one line. Panels whose ends nobody could see are skipped, and counted
by ground and reason: along nine tenths of an end the picture beside it has the panel's level, or up to five constant
lines lie beside it as its frame would.

Real: the bars of BAM's and the makers' images with the tags ignored, whose true rows were
read by eye, and four sets without a bar; there also how many borders, vignettes, apertures, dead rows and seams are
found.

    python tests/benchmarks/bars.py --pictures 600 --markdown bars.md
    python tests/benchmarks/bars.py --pictures 60 --data path/to/real/data --json bars.json
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SHAPES = ((160, 160), (240, 320), (256, 256), (300, 400), (384, 512), (480, 640))
KINDS = ("info_bar", "border", "vignette", "aperture", "dead_rows", "seam")
BAM_ROWS = (712, 765)
TRUE_ROWS: dict[str, tuple[int, int] | None] = {
    "sem_vendors/tfs_odemis.tif": (1024, 1091),
    "sem_vendors/zeiss_rosettasciio_1k.tif": (691, 766),
    "sem_vendors/jeol_odemis.tif": None,
    "sem_vendors/tfs_fibsem_slice_tomomapper.tif": None,
}
WITHOUT = {
    "nasa_ebc_cracks": "nasa_ebc_cracks/images/*",
    "xsdd_steel_strip": "xsdd_steel_strip/images/*/*",
    "bsd_pitting": "bsd_pitting/images/*",
}


@dataclass(frozen=True)
class Case:
    """A picture, what it belongs to in the tables, and its panel: side, first and last line; None where it has none."""

    pixels: NDArray[Any]
    groups: tuple[str, ...]
    truth: tuple[str, int, int] | None


@dataclass
class Tally:
    """What one group came to."""

    n: int = 0
    found: int = 0
    false: int = 0
    off: list[int] = field(default_factory=list)


def with_panels(
    n: int,
    seed: int = 0,
    shapes: Sequence[tuple[int, int]] = SHAPES,
    skipped: Counter[tuple[str, str]] | None = None,
) -> Iterator[Case]:
    """Pictures with a panel; those whose ends nobody could see are counted in ``skipped``, by ground and reason."""
    from matxai_datasets.adversaries import ADVERSARIES, SPECIMENS
    from matxai_datasets.panels import DEPTHS, PANELS, SIDES, burn_in

    # a band of specimen or writing of its own would be a second truth
    grounds = {**SPECIMENS, **{k: v for k, v in ADVERSARIES.items() if k not in ("overlay", "layer_above_specimen")}}
    made, number = 0, 0
    while made < n:
        rng = np.random.default_rng([seed, 1, number])
        number += 1
        shape = shapes[number % len(shapes)]
        style, ground = list(PANELS)[made % len(PANELS)], list(grounds)[int(rng.integers(len(grounds)))]
        side = SIDES[int(rng.choice(4, p=[0.55, 0.15, 0.15, 0.15]))]
        below = max(int(0.05 * min(shape)), 4)
        off = int(rng.choice([0, 0, 0, 0, 1, 2, 3, below]))
        depth = DEPTHS[int(rng.integers(len(DEPTHS)))]
        packed = depth in ("uint8", "rgb") and rng.random() < 0.5
        quality = int(rng.choice([60, 75, 85, 95])) if packed else None
        picture = grounds[ground](rng, shape)
        drawn = burn_in(picture, style, rng, side=side, off=off, depth=depth, quality=quality)
        if drawn.hidden is not None:
            if skipped is not None:
                skipped[f"in {ground}", drawn.hidden] += 1
            continue
        where = "on the edge" if off == 0 else "1 to 3 lines off" if off <= 3 else "specimen below the bar"
        groups = (
            f"style {style}",
            f"in {ground}",
            f"side {side}",
            where,
            depth,
            f"JPEG {quality}" if packed else "raw",
        )
        yield Case(drawn.pixels, groups, (side, drawn.first, drawn.last))
        made += 1


def without_panels(n: int, seed: int = 0, shapes: Sequence[tuple[int, int]] = SHAPES) -> Iterator[Case]:
    """Pictures without one: adversaries, and ordinary fields of view."""
    from matxai_datasets.adversaries import ADVERSARIES, SPECIMENS

    drawings = {**ADVERSARIES, **SPECIMENS}
    for number in range(n):
        rng = np.random.default_rng([seed, 2, number])
        name = list(drawings)[number % len(drawings)]
        pixels: NDArray[Any] = drawings[name](rng, shapes[int(rng.integers(len(shapes)))])
        if rng.random() < 0.3:
            stream = io.BytesIO()
            Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "JPEG", quality=int(rng.choice([60, 75, 90])))
            pixels = np.asarray(Image.open(stream))
        elif rng.random() < 0.2:
            pixels = pixels.astype(np.uint16) * 16 + rng.integers(0, 16, pixels.shape).astype(np.uint16)
        yield Case(pixels, (f"none: {name}",), None)


def found(pixels: NDArray[Any]) -> list[tuple[str, int, int]]:
    """Side, first and last line of the bars that the pixels show."""
    from matxai.regions.finders.info_bar import bars_from_pixels

    bars = []
    for region in bars_from_pixels(pixels):
        line = "row" if "first_row" in region.evidence else "column"
        bars.append((region.evidence["side"], region.evidence[f"first_{line}"], region.evidence[f"last_{line}"]))
    return bars


def tallied(cases: Iterator[Case], tables: dict[str, Tally]) -> list[str]:
    """Add cases to the tables; return what went wrong, one line each."""
    wrong = []
    for number, case in enumerate(cases):
        bars, off, right = found(case.pixels), None, False
        if case.truth is not None and len(bars) == 1:
            (side, first, last), (true_side, true_first, true_last) = bars[0], case.truth
            off = max(abs(first - true_first), abs(last - true_last))
            right = side == true_side and off <= 1
        false = bool(bars) and case.truth is None
        if false or (case.truth is not None and not right):
            wrong.append(f"{number}: {', '.join(case.groups)}, {case.pixels.shape}: {bars} instead of {case.truth}")
            print(wrong[-1], file=sys.stderr)
        for group in ("all", *case.groups):
            tally = tables[group]
            tally.n += 1
            tally.found += right
            tally.false += false
            if off is not None:
                tally.off.append(off)
    return wrong


def real(data: Path) -> tuple[list[list[Any]], list[list[Any]]]:
    """Bars of the real images against their true rows, and how many of each kind are found in the sets without bars."""
    from matxai.regions.finders import finders
    from matxai.regions.shared import sharing
    from matxai.signals import read

    truth = {
        **TRUE_ROWS,
        **{str(p.relative_to(data)): BAM_ROWS for p in sorted(data.glob("sem_bam_tio2/images/*.tif"))},
    }
    bars = []
    for name, rows in truth.items():
        pixels = np.asarray(read(data / name).values)
        seen = found(pixels)
        bars.append([name, rows, seen, seen == [] if rows is None else _near(seen, rows)])
    counts = []
    files = {name: sorted(data.glob(pattern)) for name, pattern in WITHOUT.items()}
    files["sem_bam_tio2"] = sorted(data.glob("sem_bam_tio2/images/*.tif"))
    files["sem_vendors"] = sorted(data.glob("sem_vendors/*.tif"))
    for name, paths in files.items():
        n, seconds = dict.fromkeys(KINDS, 0), []
        for path in paths:
            pixels = np.asarray(read(path).values)
            started = time.perf_counter()
            with sharing():
                for kind in KINDS:
                    n[kind] += bool(finders[kind](pixels, {}))
            seconds.append(time.perf_counter() - started)
        counts.append([name, len(paths), *n.values(), float(np.median(seconds)) if seconds else 0.0])
    return bars, counts


def _near(seen: list[tuple[str, int, int]], rows: tuple[int, int]) -> bool:
    return len(seen) == 1 and max(abs(seen[0][1] - rows[0]), abs(seen[0][2] - rows[1])) <= 1


def table(head: list[str], rows: list[list[Any]]) -> str:
    """Lay out a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def main() -> None:
    """Run both parts and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=600, help="generated pictures, half of them with a panel")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, default=os.environ.get("MATXAI_TEST_DATA"), help="folder of real data")
    parser.add_argument("--only", choices=["generated", "real"], help="one part alone")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    report: dict[str, Any] = {}
    texts: list[str] = []
    if options.only != "real":
        texts += _generated(options.pictures, options.seed, report)
    if options.only != "generated" and options.data is not None:
        bars, counts = real(Path(options.data))
        report |= {"real_bars": bars, "real_counts": counts}
        texts.append("## Real, tags ignored\n\n" + table(["image", "true rows", "found", "right"], bars))
        head = ["set", "images", *KINDS, "seconds (median, all finders)"]
        texts.append("## Real: images in which each kind is found\n\n" + table(head, counts))
    text = "\n\n".join(texts)
    print(text)
    if options.markdown:
        options.markdown.write_text(text + "\n")
    if options.json:
        options.json.write_text(json.dumps(report, indent=1))


def _generated(pictures: int, seed: int, report: dict[str, Any]) -> list[str]:
    """Run the generated part, put its tables into the report, and return their text."""
    panels, clean = defaultdict(Tally), defaultdict(Tally)
    skipped: Counter[tuple[str, str]] = Counter()
    wrong = tallied(with_panels(pictures // 2, seed, skipped=skipped), panels)
    wrong += tallied(without_panels(pictures - pictures // 2, seed), clean)
    rows = [[name, t.n, t.found, f"{t.found / t.n:.3f}", _offs(t.off)] for name, t in panels.items()]
    false = [[name, t.n, t.false] for name, t in clean.items()]
    hidden = [[ground, why, n] for (ground, why), n in sorted(skipped.items())]
    hidden.append(["all", f"of {skipped.total() + pictures // 2} drawn", skipped.total()])
    report |= {"panels": rows, "clean": false, "skipped": hidden, "wrong": wrong}
    return [
        "## Generated, with a panel\n\n"
        + table(["group", "n", "found", "recall", "edges off by (lines: pictures)"], rows),
        "## Generated, skipped: panels whose ends nobody could see\n\n" + table(["group", "why", "n"], hidden),
        "## Generated, without\n\n" + table(["group", "n", "false alarms"], false),
        "\n".join(f"- {line}" for line in wrong),
    ]


def _offs(off: list[int]) -> str:
    values, counts = np.unique(off, return_counts=True)
    return ", ".join(f"{v}: {c}" for v, c in zip(values.tolist(), counts.tolist(), strict=True))


if __name__ == "__main__":
    main()
