"""Small volumes of X-ray computed tomography."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai_datasets.card import SETS, DatasetCard, Row

if TYPE_CHECKING:
    from pathlib import Path

VOLUMES = {
    "cement_128x128x128.tif": ("cement", None, ""),
    "100_fiberform.tif": ("carbon fibre insulator", None, "1.3"),
    "small_weave.tif": ("weave composite", "small_weave_tag.tif", ""),
}


def _rows(folder: Path) -> list[Row]:
    return [
        Row(name, material, mask=mask, group=name, more={"voxel_um": voxel})
        for name, (material, mask, voxel) in VOLUMES.items()
        if (folder / name).is_file()
    ]


SETS.add(
    "ct_cement_weave_fiberform",
    DatasetCard(
        name="ct_cement_weave_fiberform",
        title="Cubes of cement, carbon-fibre insulator and a weave composite with labels",
        kind="volumes",
        source="the Python package qim3d (cement) and https://github.com/nasa/puma (the others)",
        licence="MIT (cement), NASA Open Source Agreement 1.3 (the others)",
        citation="the projects named as source",
        caveats=(
            "One cube of 100 to 150 slices for each material: classes and specimens are the same thing.",
            "The voxel size is known for the insulator only, from its documentation and not from the file.",
        ),
        groups="each cube by itself",
        has=("cement_128x128x128.tif", "100_fiberform.tif"),
        rows=_rows,
        digest="5c16bd0b1bac4dfc104ea1574277459d35c7438ef3ceb0c3bd274c9dd7889aa9",
        classes=("carbon fibre insulator", "cement", "weave composite"),
    ),
)
