"""The words that figures and reports use, as templates in one place: a second language is one file like this."""

from __future__ import annotations

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
NEVER_SEEN = "not seen by the network"
EMPTY = "no evidence: the map is zero everywhere"
EMPTY_SLICE = "no evidence in this slice"

FINENESS = "A feature smaller than {cell} cannot be told by this map."
FINENESS_INPUT = "This map has the resolution of the network's input: one cell is {cell}."
FIELD = "Each value sums up a field of {field} around it."
BOOKKEEPING = (
    "These figures are bookkeeping: they show that nothing was lost on the way through the network. They do not show "
    "that the map is right."
)
AGREEMENT = "Methods that share an error agree as well: agreement is no proof."
NO_EVIDENCE = (
    "No region was removed to test this map. It says where the network's score comes from by the method's own rules; "
    "it has not been held against what the network does when that part of the image is missing."
)
EVIDENCE_LIMITS = (
    "Removing a part of an image makes an image that the network has never met: this supports the map, and it is no "
    "proof by itself."
)
MAP_IS_NOT_CAUSE = (
    "A map shows what the score of this network rests on, for this image. It does not show that the network is right, "
    "nor what causes the class in the material."
)
UNCALIBRATED = "The image has no pixel size: lengths are in pixels."
UNCHOSEN = "the class on top"


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
