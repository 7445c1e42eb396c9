"""Recall and false alarms of the finders of scale bars, text, labels and stamps, and of the whole cascade, as tables.

Recall is on marks drawn into generated specimens, in several sizes and file types, and of every kind that can be
planted into pictures of 128 pixels; false alarms are counted on generated pictures without a mark, adversaries
included, and on the real sets of MATXAI_TEST_DATA, where whoever runs this looks at what is named.

    python tests/benchmarks/marks.py --each 8
    python tests/benchmarks/marks.py --tables cascade real --each 30
"""

from __future__ import annotations

import argparse
import io
import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from matxai_datasets.adversaries import ADVERSARIES, SPECIMENS
from matxai_datasets.planting import CONTENTS, plant
from matxai_datasets.planting import KINDS as PLANTED
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter

from matxai.regions import Region, found_artefacts

KINDS = ("scale_bar", "text", "label", "stamp")
SIZES = ((64, 96), (128, 128), (300, 420))
SETS = {
    "nasa_ebc_cracks": "nasa_ebc_cracks/images/*",
    "xsdd_steel_strip": "xsdd_steel_strip/images/*/*",
    "bsd_pitting": "bsd_pitting/images/*",
    "sem_bam_tio2, without its bar": "sem_bam_tio2/images/*",
    "sem_vendors": "sem_vendors/*.tif",
}
FOUND = 0.8
"""From which share of its pixels on a mark counts as found."""


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="JPEG", quality=quality)
    return np.array(Image.open(file))


def twelve_bits(image: np.ndarray) -> np.ndarray:
    """As of a 12-bit detector in a 16-bit file, with its marks at the end of the type's range."""
    deep = image.astype(np.uint16) * 16
    deep[image == 255] = 65535
    return deep


FILES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "grey": lambda image: image,
    "rgb": lambda image: image,
    "12 in 16 bits": twelve_bits,
    "float": lambda image: image.astype(np.float32) / 37 - 2,
    "jpeg 90": lambda image: jpeg(image, 90),
    "jpeg 75": lambda image: jpeg(image, 75),
}


def drawn(style: str, image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, str]:
    """A mark of a style that the planted ones do not have: picture, mask, kind."""
    height, width = image.shape
    canvas, mask = Image.fromarray(image), Image.new("L", (width, height))
    tall = max(9, height // 12)
    font = ImageFont.load_default(size=tall)
    level = int(rng.choice([0, 255]))

    def both(call: Callable[[Any, int], None]) -> None:
        call(ImageDraw.Draw(canvas), level)
        call(ImageDraw.Draw(mask), 255)

    top, left = int(rng.integers(3, height // 2)), int(rng.integers(3, width // 8))
    length = width // 4
    if style == "smooth letters":
        both(lambda d, c: d.text((left, top), "Sample 27b", fill=c, font=font))
        kind = "text"
    elif style == "bar alone":
        both(lambda d, c: d.rectangle((left, top, left + length, top + 2), fill=c))
        kind = "scale_bar"
    elif style == "upright bar":
        both(lambda d, c: d.rectangle((left, top, left + 2, top + height // 3), fill=c))
        both(lambda d, c: d.text((left + 5, top + height // 6 - tall // 2), "5 nm", fill=c, font=font))
        kind = "scale_bar"
    elif style == "grey bar":
        level = 215
        both(lambda d, c: d.rectangle((left, top + tall + 4, left + length, top + tall + 6), fill=c))
        both(lambda d, c: d.text((left + 2, top), "10 µm", fill=c, font=font))
        kind = "scale_bar"
    elif style == "bar on a plate":
        level, ground = 0, 255
        room = (left, top, left + length + 8, top + tall + 12)
        ImageDraw.Draw(canvas).rectangle(room, fill=ground)
        ImageDraw.Draw(mask).rectangle(room, fill=255)
        ImageDraw.Draw(canvas).rectangle((left + 4, top + tall + 6, left + 4 + length, top + tall + 8), fill=level)
        ImageDraw.Draw(canvas).text((left + 5, top + 1), "2 µm", fill=level, font=font)
        kind = "scale_bar"
    else:
        both(lambda d, c: d.ellipse((4, 4, 4 + tall * 2, 4 + tall * 2), outline=c, width=3))
        kind = "stamp"
    return np.array(canvas), np.array(mask) > 127, kind


STYLES = ("smooth letters", "bar alone", "upright bar", "grey bar", "bar on a plate", "ring")


class Table:
    """Counts and times, row by row."""

    def __init__(self) -> None:
        self.tried: Counter[str] = Counter()
        self.hit: Counter[str] = Counter()
        self.shared: dict[str, list[float]] = defaultdict(list)
        self.besides: dict[str, Counter[str]] = defaultdict(Counter)
        self.seconds: dict[str, list[float]] = defaultdict(list)

    def judge(self, rows: tuple[str, ...], image: np.ndarray, mask: np.ndarray | None, kind: str) -> list[Region]:
        start = time.process_time()
        found = found_artefacts(image)
        seconds = time.process_time() - start
        own = [r for r in found if r.kind == kind]
        best = max(own, key=lambda r: int((r.mask & mask).sum()), default=None) if mask is not None else None
        for row in rows:
            self.tried[row] += 1
            self.seconds[row].append(seconds)
            if best is not None and mask is not None and (best.mask & mask).sum() >= FOUND * mask.sum():
                self.hit[row] += 1
                self.shared[row].append(float((best.mask & mask).sum() / (best.mask | mask).sum()))
            self.besides[row].update(r.kind for r in found if r is not best)
        return found

    def show(self, title: str, *, recall: bool) -> None:
        print(f"\n## {title}\n")
        print("| | pictures | " + ("recall | overlap | " if recall else "") + "found besides | ms |")
        print("|---|---|" + ("---|---|" if recall else "") + "---|---|")
        for row, tried in sorted(self.tried.items()):
            share = f"{self.hit[row] / tried:.3f} | {np.mean(self.shared[row] or [0]):.2f} | " if recall else ""
            besides = ", ".join(f"{n} {kind}" for kind, n in sorted(self.besides[row].items())) or "-"
            print(f"| {row} | {tried} | {share}{besides} | {1e3 * np.median(self.seconds[row]):.0f} |")


def planted(each: int, seed: int) -> Iterator[tuple[tuple[str, ...], np.ndarray, np.ndarray, str]]:
    rng = np.random.default_rng(seed)
    for kind in KINDS:
        for shape in SIZES:
            for name, change in FILES.items():
                for number in range(each):
                    ground = sorted(SPECIMENS)[number % len(SPECIMENS)]
                    specimen = SPECIMENS[ground](rng, shape)
                    if name == "rgb":
                        specimen = np.repeat(specimen[..., None], 3, axis=2)
                    content = (number // len(SPECIMENS)) % CONTENTS
                    with_mark = plant(specimen, kind, content, int(rng.integers(1 << 30)))
                    rows = (
                        kind,
                        f"{kind}, {shape[0]} x {shape[1]}",
                        f"{kind}, {name}",
                        f"{kind}, content {content}",
                        f"{kind}, on {ground}",
                    )
                    yield rows, change(with_mark.pixels), with_mark.mask, kind


def grounds(folder: str | None) -> dict[str, Callable[[np.random.Generator, int], np.ndarray]]:
    """Pictures of 128 x 128 without a mark: generated ones, and those of X-SDD where they are."""

    def noise(rng: np.random.Generator, _: int) -> np.ndarray:
        return np.clip(rng.normal(rng.uniform(70, 180), 20, (128, 128)), 0, 255).astype(np.uint8)

    def smooth(rng: np.random.Generator, _: int) -> np.ndarray:
        waves = gaussian_filter(rng.normal(size=(128, 128)), 10)
        return np.clip(rng.uniform(80, 170) + 20 * waves / waves.std() + rng.normal(0, 1, waves.shape), 0, 255).astype(
            np.uint8
        )

    made = {"noise": noise, "smooth": smooth, "micrograph": lambda rng, _: SPECIMENS["micrograph"](rng, (128, 128))}
    files = sorted(Path(folder).glob(SETS["xsdd_steel_strip"])) if folder else []
    if files:
        made["X-SDD"] = lambda _, number: np.array(Image.open(files[number * 37 % len(files)]).convert("L"))
    return made


def cascade(each: int, seed: int, folder: str | None) -> None:
    table, rng = Table(), np.random.default_rng(seed)
    for ground, draw in grounds(folder).items():
        for kind in PLANTED:
            for number in range(each):
                specimen = draw(rng, number)
                for colour in (False, True):
                    image = np.repeat(specimen[..., None], 3, axis=2) if colour else specimen
                    made = plant(image, kind, number % CONTENTS, number)
                    for quality in (0, 90):
                        row = f"{kind}, {'RGB' if colour else 'grey'}, {'JPEG 90' if quality else 'lossless'}"
                        pixels = jpeg(made.pixels, quality) if quality else made.pixels
                        table.judge((kind, f"{kind}, on {ground}", row), pixels, made.mask, kind)
    table.show("Every kind that can be planted, 128 x 128", recall=True)


TABLES = ("planted", "styles", "clean", "cascade", "real")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=16, help="pictures of each kind, size and file type")
    parser.add_argument("--clean", type=int, default=20, help="pictures without a mark of each drawing")
    parser.add_argument("--step", type=int, default=1, help="every how manieth picture of the real sets")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES)
    options = parser.parse_args()
    folder = os.environ.get("MATXAI_TEST_DATA")
    if "planted" in options.tables:
        table = Table()
        for rows, image, mask, kind in planted(options.each, options.seed):
            table.judge(rows, image, mask, kind)
        table.show("Planted marks", recall=True)
    if "styles" in options.tables:
        styles(options.each, options.seed)
    if "clean" in options.tables:
        clean(options.clean, options.seed)
    if "cascade" in options.tables:
        cascade(options.each, options.seed, folder)
    if "real" in options.tables:
        real(options.step, folder)


def styles(each: int, seed: int) -> None:
    table, rng = Table(), np.random.default_rng(seed)
    for style in STYLES:
        for number in range(each * 3):
            specimen = SPECIMENS[sorted(SPECIMENS)[number % len(SPECIMENS)]](rng, ((128, 128), (300, 420))[number % 2])
            image, mask, kind = drawn(style, specimen, rng)
            table.judge((f"{style} ({kind})",), image, mask, kind)
    table.show("Other styles", recall=True)


def clean(each: int, seed: int) -> None:
    table, rng = Table(), np.random.default_rng(seed)
    for name, drawing in {**SPECIMENS, **ADVERSARIES}.items():
        for number in range(each):
            table.judge((name,), drawing(rng, SIZES[1:][number % 2]), None, "")
    table.show("Generated, without a mark", recall=False)


def real(step: int, folder: str | None) -> None:
    if not folder:
        print("\nNo real data: set MATXAI_TEST_DATA.")
        return
    table = Table()
    for name, pattern in SETS.items():
        for file in sorted(Path(folder).glob(pattern))[::step]:
            image = np.array(Image.open(file))
            if "without its bar" in name:
                image = image[:712]
            for region in table.judge((name,), image, None, ""):
                print(f"{file.name}: {region.kind} {region.confidence:.2f} {dict(region.evidence)}")
    table.show("Real sets", recall=False)


if __name__ == "__main__":
    main()
