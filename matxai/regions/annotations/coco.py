"""COCO's instances: one JSON file for many images; polygons, boxes, and run lengths plain or packed.

Run lengths go down the columns and begin with background; the packed form is that of the COCO API: five bits and a flag
in each character, differences from the third run on (https://cocodataset.org/#format-data).
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.errors import FileError, RegionError, nearest
from matxai.regions.annotations.drawing import mask_of
from matxai.regions.annotations.files import MOST_BYTES, Format, Wanted, formats, json_of, polygons_of, write_json
from matxai.regions.annotations.shape import Annotated, Shape
from matxai.regions.boxed import Boxed

if TYPE_CHECKING:
    from pathlib import Path


def _recognises(file: Path) -> bool:
    document = json_of(file)
    return isinstance(document, dict) and {"images", "annotations", "categories"} <= set(document)


def _read(file: Path, wanted: Wanted) -> Annotated:
    document = json_of(file)
    image = chosen_image({str(i["file_name"]): i for i in document["images"]}, wanted.image, file.name)
    size = (int(image["height"]), int(image["width"]))
    names = {c["id"]: str(c["name"]) for c in document["categories"]}
    shapes: list[Shape] = []
    for one in document["annotations"]:
        if one["image_id"] == image["id"]:
            shapes += _shapes(one, names[one["category_id"]], file.name)
    return Annotated(tuple(shapes), size, str(image["file_name"]), f"COCO {file.name}", tuple(names.values()))


def chosen_image(images: dict[str, Any], wanted: str | None, name: str) -> Any:
    """Return the image that is wanted, or the only one.

    Raises
    ------
    FileError
        If there is no such image, or several and none is named.
    """
    if wanted is None:
        if len(images) == 1:
            return next(iter(images.values()))
        some = ", ".join(list(images)[:5])
        raise FileError(f"{name} holds shapes of {len(images)} images ({some}); name one with image=.")
    found = images.get(wanted) or next((i for n, i in images.items() if n.split("/")[-1] == wanted), None)
    if found is None:
        raise FileError(f"{name} has no image '{wanted}'. {nearest(wanted, images)}")
    return found


def _shapes(one: dict[str, Any], label: str, name: str) -> list[Shape]:
    drawn, group, score = one.get("segmentation"), one["id"], one.get("score")
    if isinstance(drawn, dict):
        mask = runs_to_mask(drawn["counts"], (int(drawn["size"][0]), int(drawn["size"][1])), name)
        return [Shape("mask", label, mask=Boxed.of(mask), group=group, score=score)]
    if drawn:
        return [Shape("polygon", label, np.array(p, float).reshape(-1, 2), group=group, score=score) for p in drawn]
    x, y, width, height = map(float, one["bbox"])
    return [Shape("rectangle", label, np.array([[x, y], [x + width, y + height]]), group=group, score=score)]


def unpacked(text: str) -> list[int]:
    """Return the run lengths that a packed string holds."""
    counts: list[int] = []
    place = 0
    while place < len(text):
        value, shift, more = 0, 0, True
        while more:
            bits = ord(text[place]) - 48
            value |= (bits & 0x1F) << shift
            more, shift, place = bool(bits & 0x20), shift + 5, place + 1
            if not more and bits & 0x10:
                value |= -1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
    return counts


def runs_to_mask(counts: str | list[int], size: tuple[int, int], name: str) -> npt.NDArray[np.bool_]:
    """Return the mask ``(rows, columns)`` of run lengths, packed or plain.

    Raises
    ------
    FileError
        If the runs are not as long as the image, or the image is none.
    """
    runs = np.asarray(unpacked(counts) if isinstance(counts, str) else counts, np.int64)
    rows, columns = size
    if rows <= 0 or columns <= 0 or rows * columns > MOST_BYTES or (runs < 0).any() or runs.sum() != rows * columns:
        raise FileError(f"{name} has run lengths that do not fill their image of {rows} x {columns} pixels.")
    values = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return values.reshape(columns, rows).T.copy()


def mask_to_runs(mask: npt.NDArray[np.bool_]) -> list[int]:
    """Return the plain run lengths of a mask: down the columns, background first."""
    flat = mask.T.ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return [0, *runs] if flat[0] else runs


def _write(annotated: Annotated, file: Path) -> None:
    if annotated.size is None:
        raise RegionError(f"{file.name} cannot be written: COCO states the image's size, and nothing says it.")
    labels = annotated.labels or tuple(dict.fromkeys(s.label for s in annotated.shapes))
    things: list[dict[str, Any]] = []
    keyed = [(("alone", n) if s.group is None else (s.group, s.label), s) for n, s in enumerate(annotated.shapes)]
    keyed.sort(key=lambda pair: str(pair[0]))
    for number, (_, members) in enumerate(groupby(keyed, key=lambda pair: pair[0]), start=1):
        things.append(_thing(number, [s for _, s in members], labels, annotated.size))
    height, width = annotated.size
    document = {
        "images": [{"id": 1, "file_name": annotated.image, "height": height, "width": width}],
        "annotations": things,
        "categories": [{"id": n, "name": name} for n, name in enumerate(labels, start=1)],
    }
    write_json(document, file)


def _thing(number: int, shapes: list[Shape], labels: tuple[str, ...], size: tuple[int, int]) -> dict[str, Any]:
    mask = np.zeros(size, bool)
    for shape in shapes:
        mask |= mask_of(shape, size)
    box = Boxed.of(mask).box
    polygons = [polygon for shape in shapes for polygon in polygons_of(shape, size)]
    made = {
        "id": number,
        "image_id": 1,
        "category_id": labels.index(shapes[0].label) + 1,
        "segmentation": [np.asarray(p).ravel().tolist() for p in polygons],
        "area": int(mask.sum()),
        "bbox": [box[1].start, box[0].start, box[1].stop - box[1].start, box[0].stop - box[0].start],
        "iscrowd": 0,
    }
    return made if shapes[0].score is None else {**made, "score": shapes[0].score}


formats.add("coco", Format("COCO", (".json",), _recognises, _read, _write))
