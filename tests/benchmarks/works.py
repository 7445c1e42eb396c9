"""The rows of the tables: what is asked of matxai, what others are known to need, and what matxai is to reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from peers import BARE, TARGETS, Call
from subjects import Subject
from torch import Tensor, nn

Asked = Callable[[Subject], tuple[list[Any], dict[str, Any]]]


@dataclass(frozen=True)
class Work:
    """One row.

    Attributes
    ----------
    name, title
        How it is chosen, and how it reads.
    ask
        Methods, and further keywords of the call.
    others
        Forward equivalents of other libraries, as the aim was set.
    flops, kept
        At most so many forward equivalents, and MiB for each image.
    time
        For a library: at most this share of its time. Ahead of it, 1, where nothing is said.
    slow
        Thousands of forwards: measured on request.
    """

    name: str
    title: str
    ask: Asked
    others: str = ""
    flops: float | None = None
    kept: float | None = None
    others_kept: str = ""
    time: Mapping[str, float] = field(default_factory=dict)
    slow: bool = False


class Absent(Exception):
    """A method that this version does not have."""


@dataclass(frozen=True)
class Ours:
    """A call of matxai, as a user makes it.

    Attributes
    ----------
    methods, options
        What it is called with.
    missing
        Methods of the work that this version does not have; they are left out.
    """

    methods: list[Any]
    options: dict[str, Any]
    missing: tuple[str, ...]
    call: Call

    def __call__(self, x: Tensor) -> Any:
        """Return what the call returns."""
        return self.call(x)


def ours(module: nn.Module, subject: Subject, work: Work) -> Ours:
    """Return the call of a work; raise :class:`Absent` where none of its methods is there."""
    from matxai.errors import MethodError
    from matxai.methods import attribution
    from matxai.methods.method import resolve

    asked, options = work.ask(subject)
    methods, missing = [], []
    for one in asked:
        try:
            methods.extend(resolve(one))
        except MethodError:
            missing.append(one)
    if not methods:
        raise Absent(f"matxai has no {', '.join(missing)}")
    options = {"target": subject.target, **options}

    def call(x: Tensor) -> Any:
        return attribution(module, x, methods, **options)

    return Ours(methods, options, tuple(missing), call)


def _at(*methods: str, layers: str | None = None, **options: Any) -> Asked:
    def ask(subject: Subject) -> tuple[list[Any], dict[str, Any]]:
        chosen = {"one": [subject.last], "four": list(subject.layers)}
        return list(methods), ({"layers": chosen[layers]} if layers else {}) | options

    return ask


def _boxed(subject: Subject) -> tuple[list[Any], dict[str, Any]]:
    return ["lrp:epsilon_gamma_box"], {"low": subject.low, "high": subject.high}


def _each(method: str) -> Asked:
    def ask(_: Subject) -> tuple[list[Any], dict[str, Any]]:
        from matxai.engine import targets

        return [method], {"target": targets.each(*range(TARGETS))}

    return ask


def _made(name: str, **options: Callable[[Subject], Any]) -> Asked:
    """Ask for a method's object, so that every candidate has the same steps, patches or zones."""

    def ask(subject: Subject) -> tuple[list[Any], dict[str, Any]]:
        import matxai.methods

        made = getattr(matxai.methods, name, None)
        if made is None:
            return [name], {}
        return [made(**{k: of(subject) for k, of in options.items()})], {}

    return ask


def _samples(subject: Subject) -> int:
    return subject.samples


def _masks(subject: Subject) -> int:
    return subject.masks


def _window(subject: Subject) -> int:
    return subject.window


def _zones(subject: Subject) -> Tensor:
    return subject.zones()[0, 0]


def _grid(_: Subject) -> int:
    return 4


SUM = "sum of the fastest peers"
SUM_BUT = "the same without FullGrad"
#: Its only peer resizes every channel of every bias on the CPU, and would outweigh all the others in the sum.
DEAR = "full_grad"
#: The works whose methods make the bundle, in the order in which the aim names them.
BUNDLE = (
    "saliency", "input_x_gradient", "grad_cam_4", "grad_cam_pp", "layer_cam", "xgrad_cam", "full_grad",
    "guided_backprop", "guided_grad_cam", "lrp_epsilon", "lrp_epsilon_plus", "lrp_epsilon_gamma",
    "lrp_epsilon_alpha2_beta1",
)  # fmt: skip


def _bundle(subject: Subject) -> tuple[list[Any], dict[str, Any]]:
    from matxai.methods import GradCAM

    asked: list[Any] = []
    for name in BUNDLE:
        if name == "grad_cam_4":
            asked.append(GradCAM(name="grad_cam", layers=subject.layers))
        else:
            asked.append(name.replace("lrp_", "lrp:"))
    return asked, {"layers": [subject.last]}


_LRP_TIME = {"zennit": 0.5}
WORKS = {
    w.name: w
    for w in (
        Work("grad_cam", "Grad-CAM, last layer", _at("grad_cam", layers="one"), "1.0 to 3.0", 1.05, 1, "81.9",
             {BARE: 0.65}),
        Work("grad_cam_4", "Grad-CAM at 4 layers", _at("grad_cam", layers="four"), "5.6 to 11.9", 1.85),
        Work("saliency", "plain input gradient", _at("saliency"), "2.0", 2.05, 16, "81.9"),
        Work("lrp_epsilon", "LRP epsilon", _at("lrp:epsilon"), "4.0", 2.1, time=_LRP_TIME),
        Work("lrp_epsilon_plus", "LRP epsilon_plus", _at("lrp:epsilon_plus"), "6.0", 3.1, 100, "267", _LRP_TIME),
        Work("lrp_epsilon_alpha2_beta1", "LRP epsilon_alpha2_beta1", _at("lrp:epsilon_alpha2_beta1"), "10", 4.2,
             time=_LRP_TIME),
        Work("lrp_epsilon_gamma_box", "LRP epsilon_gamma_box", _boxed, "11.9", 4.2, time=_LRP_TIME),
        Work("lrp_epsilon_gamma", "LRP epsilon_gamma", _at("lrp:epsilon_gamma"), time=_LRP_TIME),
        Work("bundle", "the bundle of 13", _bundle, "58", 10.2, time={SUM: 0.2, SUM_BUT: 0.2}),
        Work("targets_saliency", f"input gradient, {TARGETS} targets", _each("saliency"), "T (F + B)"),
        Work("targets_lrp_epsilon_plus", f"LRP epsilon_plus, {TARGETS} targets", _each("lrp:epsilon_plus"),
             "T (F + B)", time=_LRP_TIME),
        Work("input_x_gradient", "input x gradient", _at("input_x_gradient")),
        Work("guided_backprop", "guided backprop", _at("guided_backprop")),
        Work("deconvnet", "deconvnet", _at("deconvnet")),
        Work("guided_grad_cam", "guided Grad-CAM", _at("guided_grad_cam", layers="one")),
        Work("grad_cam_pp", "Grad-CAM++", _at("grad_cam_pp", layers="one")),
        Work("xgrad_cam", "XGrad-CAM", _at("xgrad_cam", layers="one")),
        Work("layer_cam", "LayerCAM", _at("layer_cam", layers="one")),
        Work("hires_cam", "HiResCAM", _at("hires_cam", layers="one")),
        Work("eigen_cam", "Eigen-CAM", _at("eigen_cam", layers="one")),
        Work("full_grad", "FullGrad", _at("full_grad")),
        Work("integrated_gradients", "integrated gradients", _made("IntegratedGradients", budget=_samples)),
        Work("smooth_grad", "SmoothGrad", _made("SmoothGrad", budget=_samples)),
        Work("gradient_shap", "gradient SHAP", _made("GradientSHAP", budget=_samples)),
        Work("deep_lift", "DeepLift", _at("deep_lift")),
        Work("occlusion", "occlusion", _made("Occlusion", window=_window, stride=_window, budget=_masks)),
        Work("kernel_shap", "kernel SHAP", _made("KernelSHAP", segments=_zones, budget=_masks)),
        Work("lime", "LIME", _made("LIME", segments=_zones, budget=_masks)),
        Work("rise", "RISE", _made("RISE", grid=_grid, budget=_masks)),
        Work("score_cam", "Score-CAM", _at("score_cam", layers="one"), slow=True),
        Work("ablation_cam", "Ablation-CAM", _at("ablation_cam", layers="one"), slow=True),
    )
}  # fmt: skip
#: The rows of the issue of exact counts.
COUNTED = tuple(w.name for w in WORKS.values() if w.others)
KEPT = ("grad_cam", "saliency", "lrp_epsilon", "lrp_epsilon_plus", "bundle")
WEIGHED = ("grad_cam", "saliency", "lrp_epsilon_plus", "bundle")
