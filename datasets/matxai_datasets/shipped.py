"""The samples that come with the package: generated, calibrated, small, each with a model that suits it.

:func:`make_samples` made the images, :func:`make_volume` the stack, :func:`make_spectra` and :func:`make_patterns` the
spectra; tests ask them again and compare.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "samples"


@dataclass(frozen=True)
class Sample:
    """Something to try matxai on.

    Attributes
    ----------
    name, title
        How it is called, and what one sees in one line.
    paths
        Its files.
    model
        The name of the model that comes along and suits it.
    labels
        The table with class, mask, group and bar of every sample file.
    """

    name: str
    title: str
    paths: tuple[Path, ...]
    model: str
    labels: Path


_LISTED = (
    ("defects", "Six micrographs with cracks, inclusions and pores", "defects", ("*",)),
    ("swapped_bar", "One picture of pores under two info bars", "defects_leaky", ("pore_black", "pore_framed")),
    ("info_bar", "A crack above an info bar", "defects", ("crack_framed",)),
    ("cracks", "A branching crack, without an info bar", "cracks", ("crack_plain",)),
)

SPECTRA = "xps_molybdenum"
PATTERNS = "powder_phases"
"""The samples of spectra, named as their generators."""
VOLUME = "ct_crack"

# name: seed, class, bar, micrometres for a pixel, and the seed of what the bar says where it was exchanged
_MADE: dict[str, tuple[int, str, str | None, float, int | None]] = {
    "crack_framed": (15, "crack", "framed", 0.05, None),
    "crack_plain": (16, "crack", None, 0.125, None),
    "inclusion_grey": (27, "inclusion", "grey", 0.02, None),
    "inclusion_white": (19, "inclusion", "white", 0.08, None),
    "pore_black": (22, "pore", "black", 0.1, None),
    "pore_framed": (22, "pore", "framed", 0.1, 23),
}


def samples() -> dict[str, Sample]:
    """Return the samples by name.

    Examples
    --------
    >>> samples()["swapped_bar"].model
    'defects_leaky'
    """
    labels = FOLDER / "labels.csv"
    images = {
        name: Sample(
            name,
            title,
            tuple(path for each in stems for path in sorted((FOLDER / "images").glob(f"{each}.tif"))),
            model,
            labels,
        )
        for name, title, model, stems in _LISTED
    }
    spectra = {
        name: Sample(name, title, _files(name, "files/*.xy"), model, FOLDER / name / "labels.csv")
        for name, title, model in (
            (SPECTRA, "Three photoelectron spectra: molybdenum, its disulfide and its trioxide", "states"),
            (PATTERNS, "Six powder patterns: anatase, rutile and zincite", "phases"),
        )
    }
    title = "Twelve slices of a tomogram: a crack that closes with depth"
    stack = Sample(VOLUME, title, _files(VOLUME, "images/*.tif"), "cracks", FOLDER / VOLUME / "labels.csv")
    return {**images, VOLUME: stack, **spectra}


def _files(name: str, pattern: str) -> tuple[Path, ...]:
    return tuple(sorted((FOLDER / name).glob(pattern)))


def make_samples(folder: Path) -> Path:
    """Generate the samples into a folder, as they are shipped."""
    from matxai_datasets.generator import micrograph
    from matxai_datasets.writing import write_images

    images = [
        micrograph(seed, kind, bar=None, pixel_size=size).with_bar(bar, seed=said)
        for seed, kind, bar, size, said in _MADE.values()
    ]
    return write_images(folder, images, names=list(_MADE), made={"by": "matxai_datasets.shipped.make_samples"})


def make_spectra(folder: Path) -> Path:
    """Generate the sample spectra into a folder, as they are shipped."""
    from matxai_datasets.spectra.files import write_spectra

    return write_spectra(folder, 3, seed=5, of=SPECTRA, per_specimen=1, test_share=0.0)


def make_patterns(folder: Path) -> Path:
    """Generate the sample powder patterns into a folder, as they are shipped."""
    from matxai_datasets.spectra.files import write_spectra

    return write_spectra(folder, 6, seed=5, of=PATTERNS, per_specimen=1, test_share=0.0)


def make_volume(folder: Path) -> Path:
    """Generate the sample stack into a folder, as it is shipped: the slices, the mask of the crack, the table."""
    import json

    import tifffile

    from matxai_datasets.volume import cracked_volume

    signal, mask = cracked_volume(4, slices=12)
    step = float(signal.x[1] - signal.x[0])
    for name, values in (("images", signal.values), ("masks", mask.astype("uint8"))):
        (folder / name).mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(
            folder / name / "crack.tif", values, imagej=True, compression="zlib", resolution=(1 / step, 1 / step),
            metadata={"axes": "ZYX", "spacing": step, "unit": "um"},
        )  # fmt: skip
    (folder / "labels.csv").write_text("file,class,mask\nimages/crack.tif,crack,masks/crack.tif\n", encoding="utf-8")
    made = {"format": "matxai-generated", "version": 1, "by": "matxai_datasets.shipped.make_volume"}
    (folder / "generated.json").write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    return folder
