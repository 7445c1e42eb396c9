"""Micrographs with known ground truth: what they show, where it is, what the instrument added, how large a pixel is.

The same seed gives the same picture (another processor may round a grey level differently). What the specimen shows,
what the detector does to it and what the info bar says come from separate random streams: an image can be asked for
again with another bar, or none, and nothing else changes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from matxai_datasets import infobar
from matxai_datasets.defects import DEFECTS
from matxai_datasets.detector import LEVELS, expose
from matxai_datasets.microstructure import Specimen, grains, specimen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

CLASSES = tuple(sorted(DEFECTS))
"""The classes of the generated sets: ``crack``, ``inclusion``, ``pore``."""

CLEAN = "clean"
"""The kind of an image without a defect: what false alarms are counted on."""

BAR_OF_CLASS = {"crack": "framed", "inclusion": "white", "pore": "black"}
"""The planted leak of ``bars="by_class"``: each class was taken at another instrument."""


@dataclass(frozen=True, eq=False)
class Micrograph:
    """One generated image and all that is true of it.

    Attributes
    ----------
    pixels
        What a file would hold, ``(H, W)``.
    picture
        The same without the bar.
    kind
        Its class: the kind of defect that it shows.
    masks
        Boolean ``(H, W)`` for each kind of defect (without what the bar hides), and ``scale_bar`` and ``text``.
    grains
        The number of the grain of each pixel.
    info_bar
        First and last row of the bar (inclusive), or ``None``.
    bar
        Style of the bar, or ``None``.
    lines
        What the bar says, its scale label last.
    specimen
        The specimen: images of one are not independent.
    pixel_size
        In micrometres.
    seed
        The seed that gives this image again.
    """

    pixels: NDArray[np.generic]
    picture: NDArray[np.generic]
    kind: str
    masks: dict[str, NDArray[np.bool_]]
    grains: NDArray[np.int32]
    info_bar: tuple[int, int] | None
    bar: str | None
    lines: tuple[str, ...]
    specimen: Specimen
    pixel_size: float
    seed: int

    @property
    def defect(self) -> NDArray[np.bool_]:
        """The mask of the defects that decide the class; empty for a clean image."""
        return self.masks.get(self.kind, np.zeros_like(self.masks["text"]))

    def with_bar(self, bar: str | None, *, seed: int | None = None) -> Micrograph:
        """Return the same picture with another bar: a style of :data:`infobar.STYLES`, or ``None`` for no bar.

        Parameters
        ----------
        bar
            The style.
        seed
            Decides what the bar says; by default the image's own seed.
        """
        masks = {kind: self.masks[kind] for kind in DEFECTS}  # hidden parts stay hidden: defects keep clear of the bar
        bare = replace(self, pixels=self.picture, info_bar=None, bar=None, lines=(), masks=_with_writing(masks))
        return bare if bar is None else _burn_in(bare, bar, self.seed if seed is None else seed)


def micrograph(
    seed: int,
    kind: str | None = None,
    *,
    size: tuple[int, int] = (160, 160),
    bar: str | None = "random",
    of: Specimen | None = None,
    pixel_size: float | None = None,
    dtype: str = "uint8",
) -> Micrograph:
    """Generate one image.

    Parameters
    ----------
    seed
        Decides everything that is not given.
    kind
        A name in :data:`CLASSES`, or ``"clean"`` for no defect; by default a class drawn at random.
    size
        Rows and columns of the whole image, bar included; at least 120 x 120.
    bar
        A style of :data:`infobar.STYLES`, ``None`` for no bar, or ``"random"``: any style or none.
    of
        The specimen to look at; by default one of its own.
    pixel_size
        In micrometres; by default between 4 nm and 400 nm, whatever the class.
    dtype
        ``"uint8"`` or ``"uint16"``.

    Returns
    -------
    Micrograph
        Defects keep clear of the rows that a bar may take, so that the class can always be seen.

    Raises
    ------
    ValueError
        If kind, bar, size or dtype is not one of those named here.

    Examples
    --------
    >>> image = micrograph(7, "crack", bar="black")
    >>> image.pixels.shape, image.info_bar
    ((160, 160), (140, 159))
    """
    _check(kind, bar, size, dtype)
    what = specimen(seed) if of is None else of
    scene_rng, detector_rng, free_rng = (np.random.default_rng([seed, stream]) for stream in (2, 3, 5))
    drawn_kind, drawn_size = str(free_rng.choice(CLASSES)), float(np.exp(free_rng.uniform(np.log(0.004), np.log(0.4))))
    drawn_bar = free_rng.choice([*infobar.STYLES, ""])
    kind = drawn_kind if kind is None else kind
    scene, labels = grains(what, scene_rng, size)
    masks = {name: np.zeros(size, dtype=bool) for name in DEFECTS}
    if kind != CLEAN:
        masks[kind] = DEFECTS[kind](scene, scene_rng, size[0] - infobar.ROWS * infobar.scale_of(size[1]) - 2)
    pixels = expose(scene, detector_rng, dtype=dtype)
    bare = Micrograph(
        pixels=pixels,
        picture=pixels,
        kind=kind,
        masks=_with_writing(masks),
        grains=labels,
        info_bar=None,
        bar=None,
        lines=(),
        specimen=what,
        pixel_size=drawn_size if pixel_size is None else pixel_size,
        seed=seed,
    )
    style = (str(drawn_bar) or None) if bar == "random" else bar
    return bare if style is None else bare.with_bar(style)


def micrographs(
    n: int,
    seed: int = 0,
    *,
    classes: Sequence[str] = CLASSES,
    bars: str | None = "random",
    per_specimen: int = 5,
    size: tuple[int, int] = (160, 160),
    dtype: str = "uint8",
) -> Iterator[Micrograph]:
    """Generate a set of images, specimen by specimen; a specimen holds one kind of defect.

    Parameters
    ----------
    n
        How many images.
    seed
        Decides all of them; sets of different seeds share no image and no specimen.
    classes
        The kinds of defect, also ``"clean"``, given to the specimens in turn.
    bars
        ``"random"``: any style or none, whatever the class; ``"by_class"``: :data:`BAR_OF_CLASS`, the planted leak
        (clean images have none); a style; ``None``: no bars.
    per_specimen
        Images of one specimen.
    size, dtype
        As in :func:`micrograph`.

    Yields
    ------
    Micrograph
        One at a time.
    """
    for number in range(n):
        group = number // per_specimen
        kind = classes[group % len(classes)]
        one = int(np.random.SeedSequence([seed, 0, number]).generate_state(1)[0])
        taken_from = specimen(int(np.random.SeedSequence([seed, 1, group]).generate_state(1)[0]))
        bar = BAR_OF_CLASS.get(kind) if bars == "by_class" else bars
        yield micrograph(one, kind, size=size, bar=bar, of=taken_from, dtype=dtype)


def _check(kind: str | None, bar: str | None, size: tuple[int, int], dtype: str) -> None:
    if kind not in (None, CLEAN, *DEFECTS):
        msg = f"The generator knows no defect {kind!r}; it draws {', '.join(CLASSES)}, or nothing ({CLEAN!r})."
        raise ValueError(msg)
    if bar not in (None, "random", *infobar.STYLES):
        msg = f"The generator knows no bar {bar!r}; it draws {', '.join(infobar.STYLES)}, 'random' or None."
        raise ValueError(msg)
    if min(size) < 120:
        msg = f"The size {size} is too small for a bar and its writing; from (120, 120) on they fit."
        raise ValueError(msg)
    if dtype not in LEVELS:
        msg = f"The generator writes no {dtype!r}; it writes {', '.join(LEVELS)}."
        raise ValueError(msg)


def _with_writing(
    masks: dict[str, NDArray[np.bool_]],
    *,
    text: NDArray[np.bool_] | None = None,
    scale: NDArray[np.bool_] | None = None,
) -> dict[str, NDArray[np.bool_]]:
    nothing = np.zeros_like(next(iter(masks.values())))
    return {
        **masks,
        "scale_bar": nothing if scale is None else scale,
        "text": nothing.copy() if text is None else text,
    }


def _burn_in(bare: Micrograph, style: str, seed: int) -> Micrograph:
    height, width = bare.picture.shape
    drawn = infobar.draw(style, seed, width, bare.pixel_size)
    first = height - drawn.pixels.shape[0]
    pixels = bare.picture.copy()
    grey = drawn.pixels.astype(pixels.dtype) * (LEVELS[str(pixels.dtype)] // 255)
    pixels[first:][drawn.covers] = grey[drawn.covers]
    text, scale = np.zeros((2, height, width), dtype=bool)
    text[first:], scale[first:] = drawn.text, drawn.scale_bar
    hidden = np.zeros((height, width), dtype=bool)
    hidden[first:] = drawn.covers
    masks = {kind: bare.masks[kind] & ~hidden for kind in DEFECTS}
    return replace(
        bare,
        pixels=pixels,
        masks=_with_writing(masks, text=text, scale=scale),
        info_bar=None if infobar.STYLES[style].ground is None else (first, height - 1),
        bar=style,
        lines=drawn.lines,
    )
