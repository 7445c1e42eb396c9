"""How a set is generated: specimens take the classes in turn, each is measured several times, leaks are planted on top.

Specimen, measurement, noise and leak come from separate random streams: a spectrum can be asked for again with another
leak, or none, and nothing else changes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import SignalError, nearest
from matxai.registry import Registry
from matxai_datasets.spectra import leaks
from matxai_datasets.spectra.record import Floats, Spectrum, SpectrumSet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matxai_datasets.spectra.record import Nominal, Scene

    Rng = np.random.Generator


@dataclass(frozen=True)
class Generator:
    """One kind of set.

    Attributes
    ----------
    name, title
        How it is called, and what it shows in one line.
    dim, unit
        The axis of its spectra.
    axis
        Its usual points, ascending, ``(n,)``.
    truth_dim, truth_unit
        The axis on which the classes differ; by default the same.
    classes
        What is told apart.
    specimen
        ``(kind, rng)`` to what all spectra of one specimen share. What it draws of nuisances does not know the class.
    scene
        ``(kind, specimen, rng)`` to one measurement without noise.
    detect
        ``(scene, rng)`` to recorded values of the scene's shape.
    nominal
        ``kind`` to the class at the middle of everything that is drawn: what the truth is computed from.
    slack
        By how much a feature may lie off its nominal place on the axis of the truth: one number or one for each point.
    value_name, value_unit
        What is recorded.
    channels
        Names of the channels, where there are several.
    nuisances
        Places that vary without regard to the class: name to ``(start, stop)`` on the axis of the truth.
    holders
        Places where a sample holder may show, one for each content of the leak ``holder``; its share of the strongest
        point beside them.
    contaminant
        Place and width of a peak that dirt adds; what the leak ``contamination`` changes.
    calibration_step
        By how much the axis of one content of the leak ``calibration`` is off against that before it.
    attrs
        What holds for every spectrum.
    data_kind
        ``spectra`` or ``waveforms``.
    """

    name: str
    title: str
    dim: str
    unit: str
    axis: Floats = field(repr=False, compare=False)
    classes: tuple[str, ...]
    specimen: Callable[[str, Rng], Mapping[str, Any]] = field(repr=False, compare=False)
    scene: Callable[[str, Mapping[str, Any], Rng], Scene] = field(repr=False, compare=False)
    detect: Callable[[Scene, Rng], Floats] = field(repr=False, compare=False)
    nominal: Callable[[str], Nominal] = field(repr=False, compare=False)
    slack: float | Floats = field(default=0.0, repr=False, compare=False)
    truth_dim: str = ""
    truth_unit: str = ""
    value_name: str = "intensity"
    value_unit: str = "counts"
    channels: tuple[str, ...] = ()
    nuisances: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    holders: tuple[float, ...] = ()
    holder_width: float = 0.0
    contaminant: tuple[float, float] | None = None
    calibration_step: float = 0.0
    attrs: Mapping[str, Any] = field(default_factory=dict)
    data_kind: str = "spectra"


GENERATORS: Registry[Generator] = Registry(
    "generated set of spectra", package="matxai_datasets.spectra.sets", error=SignalError
)


def generator_of(name: str | Generator) -> Generator:
    """Return a generator by name.

    Raises
    ------
    SignalError
        If there is none of that name.
    """
    return name if isinstance(name, Generator) else GENERATORS[name]


def spectrum(
    of: str | Generator,
    seed: int,
    kind: str | None = None,
    *,
    specimen: int | None = None,
    leak: str | None = None,
    content: int | None = None,
) -> Spectrum:
    """Generate one spectrum.

    Parameters
    ----------
    of
        A generator or its name in :data:`GENERATORS`.
    seed
        Decides the measurement and its noise.
    kind
        One of its classes; by default drawn.
    specimen
        The seed of the specimen; by default ``seed``. The same specimen and class give the same material.
    leak
        A name in :data:`matxai_datasets.spectra.leaks.LEAKS`, or ``None``.
    content
        Which of the leak's contents; by default drawn.

    Raises
    ------
    SignalError
        If the generator, class, leak or content is unknown, or the leak makes no sense for such signals.

    Examples
    --------
    >>> spectrum("powder_phases", 3, "rutile").values.shape
    (3501,)
    """
    what = generator_of(of)
    _check(what, [kind] if kind is not None else [], leak)
    free, scene_rng, noise_rng, leak_rng = (np.random.default_rng([seed, stream]) for stream in (5, 2, 3, 4))
    drawn_kind, drawn_content = str(free.choice(what.classes)), int(free.integers(len(what.classes)))
    kind = drawn_kind if kind is None else kind
    of_specimen = seed if specimen is None else specimen
    state = what.specimen(kind, np.random.default_rng([of_specimen, 1]))
    scene = what.scene(kind, state, scene_rng)
    planted = None
    if leak is not None:
        planted = drawn_content if content is None else content
        leaks.check_content(what, leak, planted)
        scene = leaks.LEAKS[leak].in_scene(scene, leaks.Planting(what, planted, leak_rng))
    values = what.detect(scene, noise_rng)
    if leak is not None and planted is not None:
        scene, values = leaks.LEAKS[leak].in_file(scene, values, leaks.Planting(what, planted, leak_rng))
    return Spectrum(
        axis=scene.axis, values=values, expected=scene.values, dim=what.dim, unit=what.unit,
        value_name=what.value_name, value_unit=what.value_unit, channels=what.channels, kind=kind,
        specimen=f"S{of_specimen:010d}", drawn={**scalars(state), **scene.drawn}, beside=scene.beside,
        attrs={**what.attrs, **scene.attrs}, leak=leak, content=planted, seed=seed,
    )  # fmt: skip


def spectrum_set(
    of: str | Generator,
    n: int,
    seed: int = 0,
    *,
    classes: Sequence[str] | None = None,
    per_specimen: int = 3,
    leak: str | None = None,
    strength: float = 100.0,
) -> SpectrumSet:
    """Generate a set.

    Parameters
    ----------
    of
        A generator or its name.
    n
        How many spectra.
    seed
        Decides all of them; sets of different seeds share no spectrum and no specimen.
    classes
        Given to the specimens in turn; by default all.
    per_specimen
        Spectra of one specimen, measured one after the other.
    leak
        What is planted, ``None`` for nothing.
    strength
        In how many specimens of a hundred its content follows the class; in the others it is drawn from the contents of
        all classes, each alike likely. 0 is the same artefact without regard to the class.

    Returns
    -------
    SpectrumSet
        With its truth.

    Raises
    ------
    SignalError
        As :func:`spectrum`; if the strength is no percentage, or ``n`` or ``per_specimen`` is below 1.

    Examples
    --------
    >>> made = spectrum_set("powder_phases", 6, leak="holder", strength=100)
    >>> [s.content for s in made]
    [0, 0, 0, 1, 1, 1]
    """
    from matxai_datasets.spectra.truth import truth_of

    what = generator_of(of)
    chosen = tuple(what.classes if classes is None else classes)
    _check(what, chosen, leak)
    if not 0 <= strength <= 100:
        msg = f"The strength of a leak is a percentage from 0 to 100, not {strength:g}."
        raise SignalError(msg)
    if n < 1 or per_specimen < 1 or not chosen:
        msg = f"A set needs at least one spectrum of one specimen of one class; asked for were {n}, {per_specimen}."
        raise SignalError(msg)
    spectra = []
    for number in range(n):
        group = number // per_specimen
        kind = chosen[group % len(chosen)]
        one = int(np.random.SeedSequence([seed, 0, number]).generate_state(1)[0])
        taken_from = int(np.random.SeedSequence([seed, 1, group]).generate_state(1)[0])
        content = None if leak is None else content_of(what, kind, taken_from, strength)
        spectra.append(spectrum(what, one, kind, specimen=taken_from, leak=leak, content=content))
    made = {
        "generator": what.name, "n": n, "seed": seed, "classes": list(chosen), "per_specimen": per_specimen,
        "leak": leak, "strength": strength if leak else None,
    }  # fmt: skip
    return SpectrumSet(tuple(spectra), truth_of(what, chosen, leak=leak, strength=strength), made)


def content_of(what: Generator, kind: str, specimen: int, strength: float) -> int:
    """Return which content of a leak a specimen has: its class's in ``strength`` of a hundred, else any."""
    rng = np.random.default_rng([specimen, 21])
    follows, other = rng.random() * 100 < strength, int(rng.integers(len(what.classes)))
    return what.classes.index(kind) if follows else other


def scalars(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers and words of a specimen, without what it holds of arrays and objects."""
    return {k: v for k, v in state.items() if isinstance(v, (int, float, str))}


def _check(what: Generator, kinds: Sequence[str], leak: str | None) -> None:
    for kind in kinds:
        if kind not in what.classes:
            msg = f"The generator '{what.name}' has no class '{kind}'. {nearest(kind, what.classes)}"
            raise SignalError(msg)
    if leak is not None:
        leaks.LEAKS[leak].check(what)
