"""What recipes that train on spectra of the user share: chosen classes, measured curves, spectra of no class, training.

A network for spectra must know where a peak counts. Beside the spectra of its classes it sees the same ones moved along
the axis, which are of no class: their peaks are as many and as wide, and stand where they do not belong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import ModelError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import torch
    import xarray as xr
    from matxai_datasets.spectra import Spectrum
    from numpy.typing import NDArray
    from torch import nn

    from matxai.modelcard.preprocessing import Preprocessing

NONE = 0.3
"""Share of a batch that is moved along the axis, and of no class."""


def chosen_classes(asked: Iterable[str], labels: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the labels of each class: ``A`` is one by itself, ``NAME=A+B`` makes one of two.

    Raises
    ------
    ModelError
        If a label is unknown or in two classes, or there are fewer than two classes.
    """
    found: dict[str, tuple[str, ...]] = {}
    known, taken = list(dict.fromkeys(labels)), set[str]()
    for one in asked:
        name, _, parts = one.partition("=")
        members = tuple(part.strip() for part in parts.split("+")) if parts else (name.strip(),)
        for label in members:
            if label not in known:
                msg = f"No class of the data is called '{label}'. {nearest(label, known)}"
                raise ModelError(msg)
            if label in taken:
                msg = f"'{label}' is in two of the classes; a spectrum has one."
                raise ModelError(msg)
            taken.add(label)
        found[name.strip()] = members
    if len(found) < 2:
        msg = f"A classifier needs two classes or more, and {len(found)} would be told apart."
        raise ModelError(msg)
    return found


def chain_of(spec: Mapping[str, Any]) -> Preprocessing:
    """Return a card's preprocessing."""
    from matxai.modelcard.card import InputSpec
    from matxai.modelcard.preprocessing import Preprocessing

    return Preprocessing.from_card(InputSpec.model_validate(dict(spec)))


def as_spectrum(signal: xr.DataArray, kind: str, *, group: str = "") -> Spectrum:
    """Return a measured curve as the record that cards keep as their reference input."""
    from matxai_datasets.spectra.record import Spectrum

    dim = str(signal.dims[0])
    axis, values = np.asarray(signal[dim].values, float), np.asarray(signal.values, float)
    attrs = {k: signal.attrs[k] for k in ("wavelength",) if k in signal.attrs}
    unit = str(signal[dim].attrs.get("units", ""))
    return Spectrum(
        axis, values, values, dim, unit, "intensity", "counts", (), kind, group, {}, {}, attrs, None, None, 0
    )


def moved(
    x: torch.Tensor, y: torch.Tensor, rng: np.random.Generator, *, jitter: int, least: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a batch with each spectrum moved by up to ``jitter`` points, and some by ``least`` or more: of no class.

    Parameters
    ----------
    x
        ``(B, C, L)``.
    y
        Classes ``(B,)``; -1 is none.
    rng
        Decides how far.
    jitter
        What an instrument may be off, in points; the class stays.
    least
        From where on a spectrum's peaks are those of something else, in points.
    """
    import torch

    far = rng.random(len(x)) < NONE
    steps = np.where(far, rng.integers(least, x.shape[-1] - least, len(x)), rng.integers(-jitter, jitter + 1, len(x)))
    rolled = torch.stack([row.roll(int(step), -1) for row, step in zip(x, steps, strict=True)])
    return rolled, torch.where(torch.from_numpy(far), torch.full_like(y, -1), y)


def trained(
    x: torch.Tensor,
    y: torch.Tensor,
    classes: int,
    options: Mapping[str, Any],
    *,
    epochs: int,
    seed: int,
    jitter: int,
    least: int,
    rate: float = 4e-3,
    progress: Callable[[int, int, str], None] | None = None,
) -> nn.Module:
    """Train a small convolutional network on prepared spectra, and return it in evaluation mode.

    Parameters
    ----------
    x, y
        What the network receives, ``(N, 1, L)``, and classes ``(N,)``; -1 is none.
    classes
        How many there are.
    options
        Of the architecture ``cnn_1d``.
    epochs, seed, rate, progress
        As for :func:`matxai_models.fitting.descend`.
    jitter, least
        As for :func:`moved`.
    """
    import torch

    from matxai_models import fitting
    from matxai_models.architectures import matxai_architecture
    from matxai_models.spectra import varied

    def picked(chosen: NDArray[np.int64], rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        rows = torch.from_numpy(chosen)
        return varied(*moved(x[rows], y[rows], rng, jitter=jitter, least=least), rng, vary=True)

    torch.manual_seed(seed)
    module = matxai_architecture("cnn_1d", classes=classes, channels=1, kind="1d", **dict(options))
    loss = fitting.each_by_itself
    return fitting.descend(module, len(x), picked, loss, epochs=epochs, seed=seed, rate=rate, progress=progress)


def card_of(name: str, classes: Iterable[str], options: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the card's fields for a network of :func:`trained`."""
    words = [f"{k}={','.join(map(str, v)) if isinstance(v, list | tuple) else v}" for k, v in options.items()]
    return {
        "name": name,
        "task": "classification",
        "classes": list(classes),
        "architecture": f"matxai:cnn_1d?{'&'.join(words)}",
        "input": dict(spec),
        "layers": ["features"],
    }


def top(module: nn.Module, x: torch.Tensor) -> NDArray[np.int64]:
    """Return the class on top for each prepared spectrum, ``(N,)``."""
    import torch

    with torch.inference_mode():
        return np.concatenate([module(part).argmax(dim=1).numpy() for part in x.split(64)])
