"""The words of verdicts, as templates in one place: a second language is one file like this."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matxai.checks.leak.anew import Beside
    from matxai.checks.leak.records import Tested

# Answers of the leakage check.

NAMES = {
    "info_bar": "info bar",
    "scale_bar": "scale bar",
    "text": "burned-in text",
    "label": "label",
    "stamp": "corner stamp",
    "border": "border",
    "vignette": "vignette",
    "aperture": "aperture",
    "dead_rows": "band of dead rows",
    "seam": "seam of tiles",
    "padding": "constant padding",
    "first_channel": "first channel",
    "last_channel": "last channel",
    "step": "step",
    "saturation": "saturation",
    "spike": "spike",
    "constant": "constant of the normalisation",
    "never_varies": "part that never varies",
    "class_difference": "difference of the classes at the border",
    "foreign_peak": "peak that is foreign to its class",
    "file_type": "file type",
    "compression": "compression",
    "size": "size",
    "pixel_size": "pixel size",
    "instrument": "instrument",
    "scale": "worth of one count",
    "scan_range": "scan range",
    "brightness": "brightness",
    "contrast": "contrast",
    "focus": "focus",
    "noise": "noise level",
}
"""Artefacts and factors as a sentence says them."""

LEAK_QUESTION = "Does {model} tell classes by the {what}?"
LEAK_CONTROL = "donors of the image's own class"
LEAK_YES = (
    "The model reads the {what}: with the {what} of another class in place of one of their own class, the share of "
    "images taken for that class rises by {rise} (at least {least}; p = {p})."
)
LEAK_SIGNIFICANT = (
    "With the {what} of another class the share of images taken for that class rises by {rise} ({least} to {most}; "
    "p = {p}): the model reads the {what} somewhat, but not clearly by more than the {threshold} that make a leak."
)
LEAK_BESIDE = " Beside that, beyond their own nulls and deciding nothing: {tests} ({names})."
LEAK_NOT_SEEN = (
    "The model is not seen to read the {what}: exchanging the {what} moves its answers by {effect} ({high} at most; "
    "the margin is {margin})."
)
LEAK_CONSTANT = (
    "The {what} is the same in all {images}, so that it cannot tell their class; without it the model changes "
    "{removal} of its answers."
)
LEAK_UNREACHABLE = "Nothing of the {what} reaches the network: its preprocessing takes all of it away."
LEAK_CANNOT_TELL = "Whether the model reads the {what} cannot be told: {missing}."
LEAK_RESOLUTION = " These data could have shown an effect of {smallest_effect} at best, and p = {smallest_p}."
LEAK_NO_RESOLUTION = " These data could have shown no effect, however large."
LEAK_RESOLUTION_WITHOUT_P = " Fewer than six groups took part in it, so that these data could have shown no p at all."
LEAK_NOT_EXCHANGED = " By exchange these data could have shown no effect and no p."
LEAK_UNGROUPED = " No groups were named: images are treated as independent, and the intervals are optimistic."
LEAK_UNGROUPED_BARE = " No groups were named: images are treated as independent."
LEAK_PATH = " It changes the rest of the picture as well, through the preprocessing's {steps}."

FACTOR_YES = (
    "The model reads the {what}: it tells the label in these data, and with the {what} of another class the share of "
    "images taken for that class rises by {rise} (at least {least}; p = {p})."
)
FACTOR_SUSPICIOUS = (
    "The {what} {predicts}, and with the {what} of another class the share of images taken for that class rises by "
    "{rise} ({least} to {most}; p = {p}){specimen}."
)
FACTOR_SPECIMEN = "; the specimen itself may be the cause"
FACTOR_PREDICTS = "tells the label in these data"
FACTOR_PREDICTS_NOT = "does not clearly tell the label in these data"
FACTOR_NOT_TELLING = (
    "The {what} does not tell the label in these data beyond chance, so that a model could gain nothing here by "
    "reading it; this bounds nothing of what the model does with it."
)
FACTOR_NOT_SEEN = (
    "The {what} tells the label in these data, but changing it moves the model's answers by {effect} only ({high} at "
    "most; the margin is {margin})."
)
FACTOR_CANNOT_TELL = "The {what} tells the label in these data; whether the model reads it cannot be told: {missing}."

MISSING_GROUPS = "there are {groups}, and it takes at least {needed}"
MISSING_IMAGES = "there are {images}, and it takes at least {needed}"
MISSING_IMAGES_FOR = "the effect may be as large as {high}; to bound it by {margin} it takes about {needed} images"
MISSING_CHANCE = (
    "the model is right in {accuracy} of {images} ({low} to {high}), which is no better than chance ({chance})"
)
MISSING_DONORS = "no two classes have donors in two groups each whose {what} could be exchanged{left_out}"
MISSING_LEFT_OUT = " (of one group only: {names})"
MISSING_POWER = "an effect of {margin} would have been found in {power} of trials only; it takes more groups"
MISSING_P = "the smallest p that {groups} can give is {smallest_p}, and {tests} need {level}; it takes more groups"
MISSING_CLEAR = "the effect is {effect} ({low} to {high}), neither clear of chance (p = {p}) nor below {margin}"
MISSING_AGAINST = "the model's answers move away from the class of the donor ({low} to {high})"
MISSING_TAKING_PART = "fewer than {needed} groups took part in the exchange, so that there is no p"
MISSING_BELOW = "the effect, {effect} ({low} to {high}), may as well lie far below zero"
MISSING_INTERVENTION = "there is no way of changing it in these files"

TAKES = {
    "groups": "at least {needed} groups (there are {groups})",
    "images": "at least {needed} images (there are {images})",
    "images_for": "about {needed} images (there are {images}) to bound the effect by {margin}",
    "chance": "a model that is better than chance on these labels",
    "donors": "at least two classes, each with images of two groups or more in which the {what} can be exchanged",
    "power": "more groups: an effect of {margin} is found in {power} of trials, and should be in {enough}",
    "p": "more groups, or fewer questions at once: {groups} groups give p = {smallest_p} at best",
    "clear": "more images of more groups: the effect, {low} to {high}, is neither clear of chance nor below {margin}",
    "against": "another model or other images: answers move away from the class of the donor",
    "taking_part": "at least {needed} groups whose {what} fits one another's images",
    "below": "more images of more groups: the effect lies between {low} and {high}",
    "intervention": "files in which the {what} can be changed",
}
"""What it would take to decide, by what is missing."""

LEAK_OVERALL = {
    "leak": "The model reads what is not of the specimen: {names}.",
    "suspicious": "There is reason for suspicion: {names}.",
    "cannot tell": "It could not be decided for: {names}.",
    "not seen": "No leakage was seen: {names}.",
    "unreachable": "What was found does not reach the network: {names}.",
}
LEAK_NOTHING_FOUND = "No artefact was found, and nothing else speaks."
LEAK_LOOKED_FOR = " Looked for: {names}."


def named(kind: str) -> str:
    """Return an artefact or factor as a sentence says it; a number behind its name stays: ``"label 2"``."""
    base, _, number = kind.partition(" ")
    word = NAMES.get(base, base.replace("_", " "))
    return f"{word} {number}" if number else word


def points(value: float) -> str:
    """Return an effect as percentage points or a share, without decimals where they say nothing: ``"5 %"``."""
    shown = 100.0 * value
    text = f"{shown:.0f}" if abs(shown) >= 10 or abs(shown - round(shown)) < 0.05 else f"{shown:.1f}"
    return f"{'0' if text in ('-0', '-0.0', '0.0') else text} %".replace("-", "−")


def percentage_points(value: float, unit: str = " percentage points") -> str:
    """Return a difference of two shares: ``"30 percentage points"``, which is not 30 % of either."""
    text = points(value).removesuffix(" %")
    return text + (unit.removesuffix("s") if text in ("1", "−1") else unit)


def p_value(p: float | None) -> str:
    """Return a p value: two digits, ``"< 0.0001"`` below."""
    if p is None:
        return "none"
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def counted(n: int, noun: str) -> str:
    """Return a count with its noun: ``"1 image"``, ``"3 images"``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def listed(names: Sequence[str], last: str = "and") -> str:
    """Return names as a sentence lists them: ``"a, b and c"``."""
    return "".join(names) if len(names) < 2 else f"{', '.join(names[:-1])} {last} {names[-1]}"


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %" if value >= 0.1 or value == 0 else f"{100 * value:.1f} %"


# Supporting tests of the leakage check.


def share(method: str, value: float, mean: float, limit: float, nets: int) -> str:
    """How much of a method's positive relevance lies in an artefact, beside nets without knowledge."""
    return (
        f"Of the positive relevance of {method}, {_percent(value)} lies in it; {nets} nets with the same weights in "
        f"random order put {_percent(mean)} there on average (95 % point {_percent(limit)})."
    )


def removal(
    value: float, n: int, fills: int, elsewhere: float | None, limit: float | None, free: bool, left_out: int = 0
) -> str:
    """How often filling an artefact changes the prediction, beside the same elsewhere."""
    gone = f"; {left_out} out of distribution, not counted" if left_out else ""
    said = f"Filling it changes {_percent(value)} of {n} predictions ({fills} fills{gone})"
    if elsewhere is None:
        return f"{said}; its shape leaves no room for the same elsewhere."
    twins = "translates of it" if free else "equal parts of the picture (no exact null: an edge has no twin inside)"
    point = "" if limit is None else f", 95 % point {_percent(limit)}"
    return f"{said}, filling {twins} {_percent(elsewhere)}{point}."


def removal_uncounted(n: int) -> str:
    """Where no image without its artefact looks real to the model."""
    return f"Filled, each of {counted(n, 'image')} looks like no real one to the model: none of them is counted."


def insertion(value: float, n: int, donors: int, limit: float | None) -> str:
    """How much more often a class is predicted for images that have no artefact once they get one of that class."""
    point = "too few groups for a null" if limit is None else f"95 % point with permuted labels {_percent(limit)}"
    return (
        f"Pasted into {n} images that have none, the artefacts of {donors} donors draw {_percent(value)} of the "
        f"predictions to their own class ({point})."
    )


def artefact_only(value: float, low: float, high: float, n: int, majority: float, limit: float | None) -> str:
    """What accuracy is left when nothing but the artefact is left of the picture."""
    chance = "" if limit is None else f", 95 % point of chance {_percent(limit)}"
    return (
        f"With nothing but it left of the picture, {_percent(value)} of {n} are right (exact bounds {_percent(low)} to "
        f"{_percent(high)}); the commonest class makes {_percent(majority)}{chance}."
    )


def randomised(value: float, nets: int, n: int) -> str:
    """What the exchange shows for nets without knowledge: for comparison, and no test."""
    return (
        f"For comparison: {nets} nets with the same weights in random order follow the donor's artefact in "
        f"{_percent(value)} of {n} images."
    )


# Factors of the leakage check.


def factor(
    name: str, accuracy: float, chance: float | None, effect: float | None, interval: tuple[float, float] | None
) -> str:
    """What a factor tells of the label, and what an intervention on it does to the model."""
    what = name.replace("_", " ").capitalize()
    if chance is None:
        tells = f"{what} alone has a balanced accuracy of {_percent(accuracy)}, with too few groups to know chance"
    else:
        does = "tells" if accuracy > chance else "does not tell"
        tells = (
            f"{what} alone {does} the class (balanced accuracy {_percent(accuracy)} over held-out groups, 95 % point "
            f"of chance {_percent(chance)})"
        )
    if effect is None or interval is None:
        return f"{tells}; there was no image that could be given another one's."
    return (
        f"{tells}; images given another class's follow it in {_percent(max(effect, 0.0))} of the cases (95 % bounds "
        f"{_percent(max(interval[0], 0.0))} to {_percent(max(interval[1], 0.0))})."
    )


# --- expectations: filled by matxai.checks.expect.saying --------------------------------------------------------------

EXPECTATION = {
    "question.must": "Does the model use {region} in {classes} ({measure} above {threshold})?",
    "question.must_not": "Is the model free of {region} in {classes} ({measure} below {threshold})?",
    "question.may": "How much does the model use {region} in {classes} ({measure})?",
    "question.absent": "Does the model use that nothing is at {region} in {classes} ({measure} above {threshold})?",
    "question.several": "Do at least {k} of {n} parts of '{name}' hold?",
    "numbers": "{measure} is {effect}{unit}, bounds {low} to {high} ({levels}), {claim}, in {n} {units}{groups}",
    "numbers.difference": (
        "{measure} is {effect}{unit} {claim}, bounds of the difference {low} to {high} ({levels}), in {n} "
        "{units}{groups}"
    ),
    "numbers.exchange": (
        "with the region's content from another class, the share of answers that name that class rises by {effect} "
        "(of 1), 95 % interval {low} to {high}, {claim}, in {n} {units}{groups}"
    ),
    "claim.must": "where more than {threshold} is expected",
    "claim.must_not": "where less than {threshold} is allowed",
    "claim.may": "and nothing is demanded",
    "claim.controls": "above that of matched controls (mean {control})",
    "groups": " of {groups} groups",
    "groups.unknown": (
        "; nobody said which belong together, so they are treated as independent and the bounds are optimistic"
    ),
    "holds": "'{name}' holds: {numbers}.",
    "holds.none": (
        "'{name}' holds: no {region} was found in any of {n} samples, so there is none that the model could use."
    ),
    "broken": "'{name}' is broken: {numbers}.",
    "inconclusive": "'{name}' could not be decided: {numbers}; {missing}.",
    "nothing": "'{name}' could not be decided: {missing}.",
    "may": "'{name}' is reported: {numbers}.",
    "several": "'{name}' {answer}: of {n} parts {holding} hold and {broken} are broken, and {k} have to hold.",
    "missing.groups": "there are {groups} independent groups, and below {needed} nothing is decided",
    "missing.width": "the bounds lie on both sides of {threshold}: more independent groups would narrow them",
    "missing.p": (
        "the difference is not significant at {alpha} (p = {p}, the smallest that these data could give is {smallest})"
    ),
    "missing.chance": (
        "the model is right in {accuracy} of these samples (lower bound {low}), no better than chance ({chance}), so "
        "what it does not use says nothing"
    ),
    "missing.region": "none of {n} samples has such a region",
    "missing.alone": "'{measure}' is asked of samples of two classes and more, and this is one sample",
    "missing.classes": "none of the samples is of {classes}",
    "missing.controls": "the region's shape leaves no room for matched controls; ask for 'exchange' instead",
    "missing.donors": "no two classes have donors in two groups each whose content could be exchanged",
    "missing.reason": "{reason}",
    "missing.power": "the data could not have shown an effect of that size (power {power})",
    "answer.holds": "All that is expected holds: {holds} of {n}.",
    "answer.broken": "{broken} of {n} expectations are broken: {names}.",
    "answer.inconclusive": "{inconclusive} of {n} expectations could not be decided: {names}; none is broken.",
    "answer.nothing": "Nothing is demanded in this file, so nothing could be decided.",
}
"""Sentences of expectations, with the names of what is put in."""


# The remedy.


def nothing_to_remedy() -> str:
    """Where no artefact and no compression asks for a remedy."""
    return "Nothing that was found asks for a remedy: no file was written."


def remedied(files: int, done: Sequence[str], reencoded: int) -> str:
    """What was done to a set."""
    also = f"; {counted(reencoded, 'file')} went through the strongest compression of the set" if reencoded else ""
    return f"{counted(files, 'image')} written: {listed(list(done)) if done else 'artefacts left'}{also}."


ANEW_BEGINS = {
    "head": "With its head fitted anew",
    "network": "With the whole network fitted on from its weights",
    "recipe": "Trained again from random weights",
}
ANEW_EFFECT = "{begins}, the exchange effect goes from {before} to {after}: {answer}."
ANEW_UNREACHABLE = "{begins}, nothing of the artefacts reaches the network any more; the exchange effect was {before}."
ANEW_UNTESTED = "{begins}, the model's answer is: {answer}."
ANEW_ACCURACY = (
    "On images without the artefacts {new} ({new_low} to {new_high}) of {n} answers are right; of the old model's "
    "{old} ({old_low} to {old_high})."
)
ANEW_JUDGED = {
    "head": "Each image was judged by a head that never saw {it}; the features below it may have.",
    "network": "Each image was judged by a network fitted on without {it}, from weights that may have seen it.",
    "recipe": "Each image was judged by a network that never saw {it}, trained by the same recipe.",
}
SHORT_NONE = "it could not be fitted"
SHORT_EFFECT = "the exchange effect falls by {fall}, and {wanted} are asked for"
SHORT_ACCURACY = "accuracy without the artefacts falls by {loss}, and {allowed} are allowed"
GOES_ON = "A new head does not suffice: {why}. The whole network was fitted on as well."
STILL_SHORT = "{begins}, it falls short: {why}."


def fitted_anew(
    way: str, before: Tested | None, after: Tested | None, answer: str, without: Beside, *, grouped: bool
) -> str:
    """What came of fitting a model anew: effect and answer, accuracy without the artefacts, who judged."""
    begins = ANEW_BEGINS[way]
    if before is None:
        first = ANEW_UNTESTED.format(begins=begins, answer=answer)
    elif answer == "unreachable":
        first = ANEW_UNREACHABLE.format(begins=begins, before=_with_bounds(before))
    elif after is None:
        first = ANEW_UNTESTED.format(begins=begins, answer=answer)
    else:
        first = ANEW_EFFECT.format(begins=begins, before=_with_bounds(before), after=_with_bounds(after), answer=answer)
    second = ANEW_ACCURACY.format(
        new=_percent(without.new),
        new_low=_percent(without.new_interval[0]),
        new_high=_percent(without.new_interval[1]),
        old=_percent(without.old),
        old_low=_percent(without.old_interval[0]),
        old_high=_percent(without.old_interval[1]),
        n=without.n,
    )
    return f"{first} {second} {ANEW_JUDGED[way].format(it='its group' if grouped else 'it')}"


def goes_on(why: str) -> str:
    """Why more than the head was fitted."""
    return GOES_ON.format(why=why)


def still_short(way: str, why: str) -> str:
    """What a model that was fitted anew does not reach."""
    return STILL_SHORT.format(begins=ANEW_BEGINS[way], why=why)


def _with_bounds(test: Tested) -> str:
    low, high = test.interval
    return f"{_percent(test.effect)} ({_percent(low)} to {_percent(high)})"
