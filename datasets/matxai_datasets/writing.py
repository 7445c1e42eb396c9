"""Generated micrographs as files: calibrated TIFF in the flavours that microscopes write, masks, and ``labels.csv``.

The files are what readers of such instruments understand: pixel size in the instrument's own tags and, in the ``fei``
flavour, how many rows are picture.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING

from matxai.errors import FileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from matxai_datasets.generator import Micrograph

COLUMNS = (
    "file", "class", "mask", "group", "split", "bar", "info_bar_first", "info_bar_last", "pixel_size_um", "seed",
)  # fmt: skip
FEI_HELIOS = 34682


def write_tiff(image: Micrograph, path: str | Path, *, flavour: str = "fei") -> Path:
    """Write one image as a calibrated TIFF.

    Parameters
    ----------
    image
        What to write.
    path
        Where to.
    flavour
        ``"fei"`` (tag 34682, with the rows of the picture), ``"imagej"`` or ``"ome"``.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    ValueError
        If the flavour is unknown.
    """
    path = Path(path)
    if flavour not in FLAVOURS:
        msg = f"There is no flavour {flavour!r} of TIFF here; there are {', '.join(FLAVOURS)}."
        raise ValueError(msg)
    FLAVOURS[flavour](image, path)
    return path


def _fei(image: Micrograph, path: Path) -> None:
    import tifffile

    height, width = image.pixels.shape
    rows = 0 if image.info_bar is None else image.info_bar[1] - image.info_bar[0] + 1
    metres = image.pixel_size * 1e-6
    entries = {
        "User": {"UserText": f"generated, {image.specimen.name}"},
        "System": {"Type": "SEM", "Software": "matxai"},
        "Beam": {"HV": "10000"},
        "Scan": {
            "PixelWidth": f"{metres:.9g}",
            "PixelHeight": f"{metres:.9g}",
            "HorFieldsize": f"{metres * width:.9g}",
            "VerFieldsize": f"{metres * (height - rows):.9g}",
        },
        "Image": {"ResolutionX": str(width), "ResolutionY": str(height - rows)},
        "PrivateFei": {"DatabarHeight": str(rows)},
    }
    text = "".join(
        f"[{section}]\r\n" + "".join(f"{key}={value}\r\n" for key, value in fields.items()) + "\r\n"
        for section, fields in entries.items()
    )
    tifffile.imwrite(
        path, image.pixels, compression="zlib", metadata=None, software="", extratags=[(FEI_HELIOS, "s", 0, text, True)]
    )


def _imagej(image: Micrograph, path: Path) -> None:
    import tifffile

    per_micrometre = 1 / image.pixel_size
    resolution = (per_micrometre, per_micrometre)
    tifffile.imwrite(path, image.pixels, imagej=True, resolution=resolution, metadata={"axes": "YX", "unit": "um"})


def _ome(image: Micrograph, path: Path) -> None:
    import tifffile

    size = {"PhysicalSizeX": image.pixel_size, "PhysicalSizeY": image.pixel_size}
    units = {"PhysicalSizeXUnit": "µm", "PhysicalSizeYUnit": "µm"}
    tifffile.imwrite(path, image.pixels, ome=True, compression="zlib", metadata={"axes": "YX", **size, **units})


FLAVOURS: dict[str, Callable[[Micrograph, Path], None]] = {"fei": _fei, "imagej": _imagej, "ome": _ome}


def write(
    folder: str | Path,
    n: int,
    *,
    seed: int = 0,
    bars: str | None = "random",
    flavour: str = "fei",
    per_specimen: int = 5,
    size: tuple[int, int] = (160, 160),
    test_share: float = 0.25,
) -> Path:
    """Write a labelled set of generated images: ``images/``, ``masks/``, ``labels.csv`` and how it was made.

    Parameters
    ----------
    folder
        Made if it is not there.
    n, seed, bars, per_specimen, size
        As in :func:`matxai_datasets.micrographs`.
    flavour
        As in :func:`write_tiff`.
    test_share
        Share of the specimens that are marked ``test`` in the column ``split``; a specimen is never on both sides.

    Returns
    -------
    pathlib.Path
        The folder, which every command takes as DATA.
    """
    from matxai_datasets.generator import CLASSES, micrographs

    images = list(micrographs(n, seed, bars=bars, per_specimen=per_specimen, size=size))
    return write_images(
        folder,
        images,
        flavour=flavour,
        test=_test_specimens(images, test_share, len(CLASSES)),
        made={"seed": seed, "n": n, "bars": bars, "per_specimen": per_specimen, "size": list(size)},
    )


def write_images(
    folder: str | Path,
    images: Iterable[Micrograph],
    *,
    names: Iterable[str] | None = None,
    flavour: str = "fei",
    test: frozenset[str] = frozenset(),
    made: dict[str, object] | None = None,
) -> Path:
    """Write given images as :func:`write` does.

    Parameters
    ----------
    folder
        Made if it is not there.
    images
        What to write.
    names
        One for each image; by default numbers and classes.
    flavour
        As in :func:`write_tiff`.
    test
        Specimens that are marked ``test``; the others are ``train``.
    made
        What is needed to make the set again; goes to ``generated.json``.

    Raises
    ------
    FileError
        If the folder cannot be written.
    """
    import tifffile

    folder = Path(folder)
    listed = list(images)
    called = [f"{number:04d}_{image.kind}" for number, image in enumerate(listed)] if names is None else list(names)
    try:
        for part in ("images", "masks"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as stream:
            table = csv.writer(stream, lineterminator="\n")
            table.writerow(COLUMNS)
            for name, image in zip(called, listed, strict=True):
                write_tiff(image, folder / "images" / f"{name}.tif", flavour=flavour)
                mask = (image.defect * 255).astype("uint8")
                tifffile.imwrite(folder / "masks" / f"{name}.tif", mask, compression="zlib", metadata=None, software="")
                table.writerow(_row(name, image, "test" if image.specimen.name in test else "train"))
        text = json.dumps({"format": "matxai-generated", "version": 1, "flavour": flavour, **(made or {})}, indent=2)
        (folder / "generated.json").write_text(text + "\n", encoding="utf-8")
    except OSError as problem:
        msg = f"{folder} cannot be written: {problem.strerror or problem}."
        raise FileError(msg) from None
    return folder


def _row(name: str, image: Micrograph, split: str) -> list[object]:
    first, last = image.info_bar or ("", "")
    return [
        f"images/{name}.tif",
        image.kind,
        f"masks/{name}.tif",
        image.specimen.name,
        split,
        image.bar or "none",
        first,
        last,
        f"{image.pixel_size:.6g}",
        image.seed,
    ]


def _test_specimens(images: list[Micrograph], share: float, classes: int) -> frozenset[str]:
    """Return the last specimens, in multiples of the number of classes: specimens take the classes in turn."""
    specimens = list(dict.fromkeys(image.specimen.name for image in images))
    wanted = round(share * len(specimens) / classes) * classes
    return frozenset(specimens[len(specimens) - wanted :])
