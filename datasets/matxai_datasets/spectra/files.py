"""Generated spectra as a folder that every command takes as DATA: files, ``labels.csv``, ``truth.json``.

Spectra are two columns of text under a line that names the axis and its unit; waveforms are NeXus (HDF5). Both are read
back by `matxai.read` with the axis that was written.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError, SignalError, nearest
from matxai_datasets.spectra.generating import generator_of, spectrum_set

if TYPE_CHECKING:
    from collections.abc import Callable

    from matxai_datasets.spectra.generating import Generator
    from matxai_datasets.spectra.record import Spectrum, SpectrumSet

COLUMNS = ("file", "class", "group", "split", "leak", "content", "seed")


def write_spectra(
    folder: str | Path,
    n: int,
    seed: int = 0,
    *,
    of: str | Generator,
    per_specimen: int = 3,
    leak: str | None = None,
    strength: float = 100.0,
    flavour: str | None = None,
    test_share: float = 0.25,
) -> Path:
    """Write a labelled set: the files, ``labels.csv``, ``truth.json``, and ``generated.json`` (how it was made).

    Parameters
    ----------
    folder
        Made if it is not there.
    n, seed, of, per_specimen, leak, strength
        As in :func:`matxai_datasets.spectra.spectrum_set`.
    flavour
        A name in :data:`FLAVOURS`; by default ``xy`` for spectra and ``nexus`` for waveforms.
    test_share
        Share of the specimens that are marked ``test``; a specimen is never on both sides.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    SignalError
        If the generator, leak, flavour or share is unknown or out of range.
    FileError
        If the folder cannot be written.
    """
    what = generator_of(of)
    made = spectrum_set(what, n, seed, per_specimen=per_specimen, leak=leak, strength=strength)
    return write_set(
        folder, made, flavour=flavour or ("xy" if what.data_kind == "spectra" else "nexus"), test_share=test_share
    )


def write_set(folder: str | Path, made: SpectrumSet, *, flavour: str = "xy", test_share: float = 0.25) -> Path:
    """Write a set that was generated before, as :func:`write_spectra` does."""
    if flavour not in FLAVOURS:
        msg = f"Spectra are not written as '{flavour}'. {nearest(flavour, FLAVOURS)}"
        raise SignalError(msg)
    if not 0 <= test_share <= 1:
        msg = f"The share of test specimens lies between 0 and 1, not at {test_share:g}."
        raise SignalError(msg)
    if flavour != "nexus" and made.spectra[0].channels:
        msg = f"Spectra of several channels ({', '.join(made.spectra[0].channels)}) are written as 'nexus' alone."
        raise SignalError(msg)
    suffix, put = FLAVOURS[flavour]
    folder, test = Path(folder), _test_specimens(made, test_share)
    drawn = list(dict.fromkeys(key for one in made for key in one.drawn))
    try:
        (folder / "files").mkdir(parents=True, exist_ok=True)
        with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as stream:
            table = csv.writer(stream, lineterminator="\n")
            table.writerow([*COLUMNS, *drawn])
            for number, one in enumerate(made):
                name = f"files/{number:04d}{suffix}"
                put(one, folder / name)
                split = "test" if one.specimen in test else "train"
                row = [name, one.kind, one.specimen, split, one.leak or "", "" if one.content is None else one.content]
                table.writerow([*row, one.seed, *(_short(one.drawn.get(key, "")) for key in drawn)])
        _write_json(folder / "truth.json", made.truth.to_dict())
        _write_json(
            folder / "generated.json", {"format": "matxai-generated", "version": 1, "flavour": flavour, **made.made}
        )
    except OSError as problem:
        msg = f"{folder} cannot be written: {problem.strerror or problem}."
        raise FileError(msg) from None
    return folder


def _xy(one: Spectrum, path: Path) -> None:
    _text(
        one,
        path,
        "\t",
        [f"# {key}: {value}" for key, value in one.attrs.items() if isinstance(value, (int, float, str))],
    )


def _csv(one: Spectrum, path: Path) -> None:
    _text(one, path, ",", [])


def _text(one: Spectrum, path: Path, delimiter: str, head: list[str]) -> None:
    columns = [one.axis, *one.values.reshape(len(one.axis), -1).T]
    names = [f"{one.dim} ({one.unit})"]
    names += list(one.channels) or [f"{one.value_name} ({one.value_unit})"]
    body = [delimiter.join(f"{v:.9g}" for v in row) for row in np.stack(columns, axis=1).tolist()]
    path.write_text("\n".join([*head, delimiter.join(names), *body]) + "\n", encoding="utf-8")


def _nexus(one: Spectrum, path: Path) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        entry = file.create_group("entry")
        data = entry.create_group("data")
        file.attrs["default"], entry.attrs["default"] = "entry", "data"
        entry.attrs["NX_class"], data.attrs["NX_class"] = "NXentry", "NXdata"
        signal = data.create_dataset(one.value_name, data=one.values.astype(np.float32))
        signal.attrs["units"] = one.value_unit
        data.create_dataset(one.dim, data=one.axis).attrs["units"] = one.unit
        data.attrs["signal"] = one.value_name
        data.attrs["axes"] = [one.dim, "c"][: one.values.ndim]
        if one.channels:
            data.create_dataset("c", data=np.arange(len(one.channels))).attrs["long_name"] = ", ".join(one.channels)
        for name, values in one.beside.items():
            data.create_dataset(name, data=values)
        for name, value in one.attrs.items():
            if isinstance(value, (int, float, str)):
                entry.create_dataset(name, data=value)


FLAVOURS: dict[str, tuple[str, Callable[[Spectrum, Path], None]]] = {
    "xy": (".xy", _xy),
    "csv": (".csv", _csv),
    "nexus": (".h5", _nexus),
}
"""Suffix and writer by name."""


def _short(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value


def _write_json(path: Path, said: dict[str, Any]) -> None:
    path.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")


def _test_specimens(made: SpectrumSet, share: float) -> frozenset[str]:
    """Return the last specimens, in multiples of the number of classes: specimens take the classes in turn."""
    specimens = list(dict.fromkeys(one.specimen for one in made))
    wanted = round(share * len(specimens) / len(made.classes)) * len(made.classes)
    return frozenset(specimens[len(specimens) - wanted :])
