"""What the report shows of a remedy: what was done to how many files, and the old model beside the new ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matxai.checks.sentences import ANEW_JUDGED, named
from matxai.report import Grid
from matxai.report import sentences as words

if TYPE_CHECKING:
    from collections.abc import Callable

    from matxai.checks.leak import Leakage
    from matxai.checks.leak.anew import Anew, Beside
    from matxai.jobs.remedy import Remedied

REMEDY = "The remedy"
COMPARED = "The old model and the new"
OLD = "the model asked about"
NEW = {
    "head": "its head fitted anew",
    "network": "the whole network fitted on",
    "recipe": "trained again by its recipe",
}
FOLDERS = {
    "head": "the model with a new head",
    "network": "the model fitted on",
    "recipe": "the model trained again",
}
RIGHT = {"as they are": "right, images as they are", "without": "right, artefacts in-painted"}
HONEST = "Accuracies with 95 % intervals over the same {images}; effects with their bounds."


def remedy_grids(remedied: Remedied, before: Leakage) -> tuple[Grid, ...]:
    """Return the tables of a remedy.

    Parameters
    ----------
    remedied
        What was written.
    before
        The check of the old model.
    """
    models = tuple(new for new in remedied.anew if new.leakage is not None)
    return (_done(remedied), *((_compared(models, before),) if models else ()))


def _done(remedied: Remedied) -> Grid:
    if remedied.folder is None:
        return Grid(REMEDY, ("", ""), (("what was done", remedied.sentence),))
    of = words.counted(remedied.files, "image")
    rows = [(what, f"{count} of {of}") for what, count in remedied.done.items()]
    if remedied.reencoded:
        rows.append(("through the strongest compression of the set", f"{remedied.reencoded} of {of}"))
    paths = (("the cleaned set", remedied.labels), ("what was done to which file", remedied.manifest))
    rows += [(name, str(path)) for name, path in paths if path]
    rows += [(FOLDERS[way], str(path)) for way, path in remedied.models.items()]
    rows += [("not done", note) for note in remedied.notes]
    return Grid(REMEDY, ("", ""), tuple(rows))


def _compared(models: tuple[Anew, ...], before: Leakage) -> Grid:
    after = [new.leakage for new in models if new.leakage is not None]
    rows: list[tuple[Any, ...]] = [("answer", _about(before, after[0]), *(found.answer for found in after))]
    rows += [
        (f"effect of the {named(name)}", *(_effect(found, name) for found in (before, *after)))
        for name in _artefacts(after[0])
    ]
    for kind, label in RIGHT.items():
        each = [new.accuracy[kind] for new in models]
        rows.append((label, _share(each[0], lambda b: (b.old, b.old_interval)), *(_share(b, _new) for b in each)))
    images = words.counted(models[0].accuracy["without"].n, "image")
    note = " ".join(
        [HONEST.format(images=images), *(f"{NEW[m.way].capitalize()}: {_judged(m, before)}" for m in models)]
    )
    return Grid(COMPARED, ("", OLD, *(NEW[m.way] for m in models)), tuple(rows), note)


def _artefacts(found: Leakage) -> list[str]:
    return [f.name for f in found.findings if f.artefact is not None]


def _about(before: Leakage, after: Leakage) -> str:
    """The gravest answer of the old model among the artefacts that the new one was asked about."""
    names = _artefacts(after)
    return str(next((f.verdict.answer for f in before.findings if f.name in names), before.answer))


def _effect(found: Leakage, name: str) -> str:
    finding = next((f for f in found.findings if f.name == name), None)
    if finding is None or finding.test is None:
        return "–" if finding is None else str(finding.verdict.answer)
    return words.effect_words(finding.test.effect, finding.test.interval, bare=True)


def _new(beside: Beside) -> tuple[float, tuple[float, float]]:
    return beside.new, beside.new_interval


def _share(beside: Beside, part: Callable[[Beside], tuple[float, tuple[float, float]]]) -> str:
    value, (low, high) = part(beside)
    return f"{words.percent(value)} ({words.percent(low)} to {words.percent(high)})"


def _judged(new: Anew, before: Leakage) -> str:
    said = ANEW_JUDGED[new.way].format(it="its group" if before.facts.get("grouped") else "it")
    return said[:1].lower() + said[1:]
