"""The words that figures and reports use, as templates in one place: a second language is one file like this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matxai.checks.zones import ZoneTable

LANGUAGE = "en"

METHODS = {
    "attention": "Attention",
    "attention_rollout": "Attention rollout",
    "ablation_cam": "Ablation-CAM",
    "cam": "CAM",
    "deconvnet": "DeconvNet",
    "deep_lift": "DeepLIFT",
    "eigen_cam": "Eigen-CAM",
    "full_grad": "FullGrad",
    "grad_cam": "Grad-CAM",
    "grad_cam_pp": "Grad-CAM++",
    "gradient_shap": "Gradient SHAP",
    "guided_backprop": "Guided backprop",
    "guided_grad_cam": "Guided Grad-CAM",
    "hires_cam": "HiResCAM",
    "input_x_gradient": "Input × gradient",
    "integrated_gradients": "Integrated gradients",
    "kernel_shap": "Kernel SHAP",
    "layer_cam": "LayerCAM",
    "lime": "LIME",
    "lrp": "LRP",
    "multilayer_grad_cam": "Multilayer Grad-CAM",
    "occlusion": "Occlusion",
    "rise": "RISE",
    "saliency": "Saliency",
    "score_cam": "Score-CAM",
    "smooth_grad": "SmoothGrad",
    "xgrad_cam": "XGrad-CAM",
}
"""Methods as the literature writes them."""

VARIANTS = {
    "alpha2_beta1": "α2β1",
    "epsilon": "ε",
    "epsilon_alpha2_beta1": "ε, α2β1",
    "epsilon_alpha2_beta1_flat": "ε, α2β1, flat",
    "epsilon_gamma": "ε, γ",
    "epsilon_gamma_box": "ε, γ, box",
    "epsilon_plus": "ε, z+",
    "epsilon_plus_flat": "ε, z+, flat",
}

UNITS = {"score per unit of the network's input": "score per unit of input"}
"""Units as a colour bar says them, where the full words are too long."""

AXES = {
    "axis": "position",
    "binding_energy": "binding energy",
    "energy": "energy",
    "kinetic_energy": "kinetic energy",
    "raman_shift": "Raman shift",
    "time": "time",
    "two_theta": "2θ",
    "wavelength": "wavelength",
}

RELEVANCE_SIGNED = "for (+), against (−)"
RELEVANCE = "evidence"
SENSITIVITY = "sensitivity"
ERROR = "error of the map"
EMPTY = "no evidence: the map is zero everywhere"
EMPTY_SLICE = "no evidence in this slice"

FINENESS = "a feature smaller than {cell} cannot be told{finer}."
FINER = "; the finest here is {map}, with a cell of {cell}"
SHARED_SCALE = "The same map has one colour scale over all inputs, so that strong and weak maps can be compared."
BEYOND = "An arrow at the end of a colour bar says that a few values (at most 0.5 % of the pixels) lie beyond it."
BOOKKEEPING = (
    "These figures are bookkeeping: they say whether anything was lost on the way through the network. They do not say "
    "that the map is right."
)
BALANCE = (
    "Relevance that reached each operation from the score's side, and what it handed on; the difference went to biases,"
    " to stabilisers, and to what else is named."
)
AGREEMENT = "Methods that share an error agree as well: agreement is no proof."
NO_EVIDENCE = (
    "No region was removed to test these maps. They say where the score comes from by the rules of each method; they "
    "have not been held against what the network does when that part is missing."
)
EVIDENCE_LIMITS = (
    "A picture with a part removed is one that the network has never met. This supports a map or speaks against it; "
    "it proves nothing by itself. A rank is a place among the matched regions, not a p value."
)
MAP_IS_NOT_CAUSE = (
    "A map shows what the score of this network rests on, in this input. It does not show that the network is right, "
    "nor what causes the class in the material."
)
UNCALIBRATED = "No pixel size is known: lengths are in pixels."
UNCHOSEN = "the class on top"
SEEN_PART = "The network saw {share} of it; the hatched rest never reached it."
THE_NETWORK = "The network"
THE_MODEL = "The model {name}"
SAYS = "{model} says {name}{score}."
SAYS_DENSE = "{model} puts on top: {parts} of all positions."
TRUTH_RIGHT = "That is its true class."
TRUTH_WRONG = "Its true class is {truth}."
NOTHING = "No input could be explained."
INTRO = "{inputs} explained with {methods} for the model {model}."
MORE_PANELS = "{count} further maps are not drawn here; they are in the saved explanation."
FAILED = "{count} could not be used; the reasons are below."
EXCHANGE = (
    "With the info bar of an image of class {donor} it says {after} (p of {before} {before_p} → {after_p}): {verdict}."
)
FOLLOWS = "it follows the bar"
STAYS = "it stays with the specimen"
SHARE_INSIDE = "{share} of the positive map lies inside the {region}, which is {area} of the image."

DROP_TOP = "top of the map"
DROP_CONTROLS = "matched regions"
DROP_RANDOM = "random maps"
DROP_AXIS = "score lost when removed"
ALT_DROPS = "Score lost on removal: top of the map {top}; matched regions {controls} on average; random maps {randoms}."
ALT_MAP = "{method} for {target}, laid over {source}; its strongest part lies in the {place}."
ALT_EMPTY = "{method} for {target}, laid over {source}; the map is zero everywhere."
ALT_IMAGE = "{source} as it was read, without a map."
MIDDLE = "middle"
THIRDS = {
    2: (("upper", "", "lower"), ("left", "", "right")),
    1: (("first third", "middle", "last third"),),
}

FINDINGS = {
    "leak": "fails",
    "broken": "fails",
    "suspicious": "is suspicious",
    "inconclusive": "is undecided",
    "cannot tell": "is undecided",
}


@dataclass(frozen=True)
class Answer:
    """How an answer is written: its word, what kind it is (for colour and sign), and what it means."""

    label: str
    kind: str
    meaning: str


ANSWERS = {
    "leak": Answer("Leak", "fails", "The prediction follows what is not of the specimen."),
    "suspicious": Answer(
        "Suspicious", "suspicious", "Something speaks for a leak, and the confirmatory test does not."
    ),
    "cannot tell": Answer("Cannot tell", "open", "These data could not have shown it either way."),
    "not seen": Answer("Not seen", "passes", "No effect as large as the margin, and these data would have shown one."),
    "unreachable": Answer("Unreachable", "passes", "The preprocessing removes it before the network sees it."),
    "holds": Answer("Holds", "passes", "The expectation is met."),
    "broken": Answer("Broken", "fails", "The expectation is not met."),
    "inconclusive": Answer("Inconclusive", "open", "These data could not decide it."),
    "reported": Answer("Reported", "passes", "It was measured, and nothing was demanded."),
}
"""The answers of verdicts as a page writes them; ``kind`` is one of fails, suspicious, open, passes."""

FOREST = (
    "Diamonds are effects, lines reach from their lower to their upper {level} bound. Dashed: {marks}. Answer and "
    "numbers stand above each line."
)
FOREST_BARE = (
    "Diamonds are effects, lines reach from their lower to their upper {level} bound. Answer and numbers stand above "
    "each line."
)
THRESHOLD = "{value}, {meaning}"
ASKED = "{name} {meaning}"
LEVELS = "{low} % (lower) and {high} % (upper)"


def level_words(levels: Sequence[tuple[float, float]]) -> str:
    """Return at which level bounds stand: ``"95 %"``, or each pair of lower and upper that there is."""
    pairs = list(dict.fromkeys(levels)) or [(0.95, 0.95)]
    return " or ".join(
        f"{100 * low:.4g} %" if low == high else LEVELS.format(low=f"{100 * low:.4g}", high=f"{100 * high:.4g}")
        for low, high in pairs
    )


EFFECT = "effect {effect}"
EFFECT_RANGE = "effect {effect} ({low} to {high})"


def effect_words(effect: float | None, interval: tuple[float, float] | None, *, bare: bool = False) -> str:
    """Return an effect with its interval: ``"effect 0.93 (0.85 to 1.00)"``; empty where there is none.

    ``bare`` leaves the word out, where an axis says it.
    """
    if effect is None:
        return ""
    low, high = (plain_number(v) for v in interval or (effect, effect))
    said = (
        EFFECT.format(effect=plain_number(effect))
        if interval is None
        else EFFECT_RANGE.format(effect=plain_number(effect), low=low, high=high)
    )
    return said.removeprefix(EFFECT.format(effect="")) if bare else said


def p_words(p: float | None) -> str:
    """Return a p value as a page prints it: ``"0.0008"``, ``"< 0.0001"``; an en dash where there is none."""
    if p is None:
        return "–"
    return "< 0.0001" if p < 1e-4 else f"{p:.4f}" if p < 1e-2 else f"{p:.2f}"


def p_equals(p: float) -> str:
    """Return a p value with its letter: ``"p = 0.0008"``, ``"p < 0.0001"``."""
    words = p_words(p)
    return f"p {words}" if words.startswith("<") else f"p = {words}"


def plain_number(value: float) -> str:
    """Return a share between -1 and 1 with two decimals, anything larger with three digits."""
    return f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−") if abs(value) < 10 else number(value)


def method_label(method: str) -> str:
    """Return a method as a figure prints it: ``"lrp:epsilon_plus"`` -> ``"LRP (ε, z+)"``."""
    name, _, variant = method.partition(":")
    label = METHODS.get(name, name.replace("_", " "))
    return f"{label} ({VARIANTS.get(variant, variant.replace('_', ' '))})" if variant else label


def axis_label(name: str, unit: str) -> str:
    """Return the label of an axis with its unit: ``"2θ (°)"``."""
    said = AXES.get(name, name.replace("_", " "))
    return f"{said} ({unit})" if unit else said


def number(value: float | None, *, digits: int = 3) -> str:
    """Return a number as a person would write it; an en dash where there is none."""
    if value is None:
        return "–"
    if value != 0 and not 1e-3 <= abs(value) < 1e5:
        return f"{value:.{digits - 1}e}".replace("e-0", "e-").replace("e+0", "e").replace("-", "−")
    return f"{value:.{digits}g}".replace("-", "−") if abs(value) < 10**digits else f"{value:.0f}".replace("-", "−")


def percent(value: float | None) -> str:
    """Return a share as percent, with a decimal where it is small or nearly everything."""
    if value is None:
        return "–"
    shown = 100.0 * value
    if 0 < shown < 0.1:
        return "< 0.1 %"
    if 99.9 < shown < 100:
        return "> 99.9 %"
    return f"{shown:.1f} %" if abs(shown) < 10 or (abs(shown) > 99 and shown != 100) else f"{shown:.0f} %"


def score_words(logit: float | None, probability: float | None) -> str:
    """Return a score for a title: ``"score 4.21, p = 0.97"``."""
    parts = [] if logit is None else [f"score {number(logit)}"]
    if probability is not None:
        shown = f"{probability:.3f}"
        parts.append("p > 0.999" if probability > 0.9995 else "p < 0.001" if probability < 0.0005 else f"p = {shown}")
    return ", ".join(parts)


def printable(text: str, *, longest: int = 160) -> str:
    """Return text without characters that move the cursor or turn the line around; the middle of long text is cut."""
    clean = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    if len(clean) <= longest:
        return clean
    half = (longest - 1) // 2
    return f"{clean[:half]}…{clean[-half:]}"


def counted(n: int, noun: str) -> str:
    """Return a count with its noun: ``"1 file"``, ``"3 files"``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def listed(names: Sequence[str]) -> str:
    """Return names as a sentence lists them: ``"a, b and c"``."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def in_words(value: object) -> str:
    """Return a remark or a step as text: a name with its options where it is a record."""
    if isinstance(value, Mapping):
        rest = {k: v for k, v in value.items() if k not in ("name", "step")}
        name = str(value.get("name", value.get("step", ""))).replace("_", " ")
        options = ", ".join(f"{k} {v}" for k, v in rest.items() if v not in (None, "", [], {}))
        return f"{name} ({options})" if name and options else name or options
    return str(value)


ZONES_NOTE = (
    "Cells of methods are shares of the map's positive relevance, and below it of its negative relevance where it has "
    "any; the two are never added. What is lost and the ranks are evidence, and no proof."
)
EXPECTED_LINES = "What {reference} expects"
EXPECTED_ANSWERS = {
    "not read": "A line that is not read lies beyond the part of the spectrum that reaches the network.",
    "under another": "A line under another has no peak of its own and lies in that of another line.",
}
NO_ZONE_DECIDED = "No single zone holds a twentieth of the positive relevance and more than its share of the points."


def zones_lead(table: ZoneTable) -> str:
    """Return which zones decided, in a sentence: the first three, with their assignments where there are some."""
    from matxai.checks.zones.records import positive

    said = []
    for zone in table.relevant[:3]:
        own = f", {zone.assignment}" if zone.assignment else ""
        said.append(f"{zone.name}{own} ({100 * positive(zone):.0f} %)")
    if not said:
        return NO_ZONE_DECIDED
    more = len(table.relevant) - 3
    rest = f" and {counted(more, 'more zone')}" if more > 0 else ""
    return f"Most of what speaks for {table.target} lies in {listed(said)}{rest}, on average over the maps."
