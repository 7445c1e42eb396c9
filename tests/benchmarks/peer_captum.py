"""captum's way to do the works."""

from __future__ import annotations

from typing import Any

import torch
from peers import TARGETS, Call, Prepare, layers_of, peer
from subjects import Subject
from torch import Tensor, nn

LIBRARY = "captum"
AT_ONCE = 16


def _attr(name: str) -> Any:
    from captum import attr

    return getattr(attr, name)


def _cams(module: nn.Module, subject: Subject, names: tuple[str, ...]) -> Call:
    made = [_attr("LayerGradCam")(module, layer) for layer in layers_of(module, names)]
    to_size = _attr("LayerAttribution").interpolate

    def call(x: Tensor) -> list[Tensor]:
        cams = [m.attribute(x, target=subject.target, relu_attributions=True) for m in made]
        return [to_size(c, (subject.size, subject.size), interpolate_mode="bilinear") for c in cams]

    return call


@peer(LIBRARY, "grad_cam")
def grad_cam(module: nn.Module, subject: Subject) -> Call:
    """Rectified and brought to the input's size, as ours is."""
    return _cams(module, subject, (subject.last,))


@peer(LIBRARY, "grad_cam_4")
def grad_cam_4(module: nn.Module, subject: Subject) -> Call:
    """A call for each layer: it takes one at a time."""
    return _cams(module, subject, subject.layers)


def _at_input(name: str, **options: Any) -> Prepare:
    def prepare(module: nn.Module, subject: Subject) -> Call:
        made = _attr(name)(module)
        return lambda x: made.attribute(x.clone(), target=subject.target, **options)

    return prepare


peer(LIBRARY, "saliency")(_at_input("Saliency", abs=False))
peer(LIBRARY, "input_x_gradient")(_at_input("InputXGradient"))
peer(LIBRARY, "guided_backprop")(_at_input("GuidedBackprop"))
peer(LIBRARY, "deconvnet")(_at_input("Deconvolution"))
peer(LIBRARY, "deep_lift")(_at_input("DeepLift"))


@peer(LIBRARY, "guided_grad_cam")
def guided_grad_cam(module: nn.Module, subject: Subject) -> Call:
    """With the CAM brought to the input's size linearly, as ours is."""
    made = _attr("GuidedGradCam")(module, module.get_submodule(subject.last))
    return lambda x: made.attribute(x.clone(), target=subject.target, interpolate_mode="bilinear")


@peer(LIBRARY, "targets_saliency")
def targets(module: nn.Module, subject: Subject) -> Call:
    """A call for each target: it takes one at a time."""
    made = _attr("Saliency")(module)
    return lambda x: [made.attribute(x.clone(), target=t, abs=False) for t in range(TARGETS)]


@peer(LIBRARY, "integrated_gradients")
def integrated_gradients(module: nn.Module, subject: Subject) -> Call:
    """Gauss-Legendre steps from zero."""
    made = _attr("IntegratedGradients")(module)

    def call(x: Tensor) -> Tensor:
        at_once = max(AT_ONCE, len(x))
        return made.attribute(
            x.clone(), baselines=0.0, target=subject.target, n_steps=subject.samples, internal_batch_size=at_once
        )

    return call


@peer(LIBRARY, "smooth_grad")
def smooth_grad(module: nn.Module, subject: Subject) -> Call:
    """Noisy copies of the image."""
    made = _attr("NoiseTunnel")(_attr("Saliency")(module))

    def call(x: Tensor) -> Tensor:
        at_once = min(subject.samples, max(1, AT_ONCE // len(x)))
        return made.attribute(
            x.clone(), nt_type="smoothgrad", nt_samples=subject.samples, nt_samples_batch_size=at_once, stdevs=0.15,
            target=subject.target, abs=False,
        )  # fmt: skip

    return call


@peer(LIBRARY, "gradient_shap")
def gradient_shap(module: nn.Module, subject: Subject) -> Call:
    """Random points between the image and zero; it has no way to do them in parts."""
    made = _attr("GradientShap")(module)

    def call(x: Tensor) -> Tensor:
        return made.attribute(x.clone(), torch.zeros_like(x[:1]), n_samples=subject.samples, target=subject.target)

    return call


@peer(LIBRARY, "occlusion")
def occlusion(module: nn.Module, subject: Subject) -> Call:
    """Sixteen patches, side by side."""
    made = _attr("Occlusion")(module)
    patch = (3, subject.window, subject.window)

    def call(x: Tensor) -> Tensor:
        at_once = max(1, AT_ONCE // len(x))
        return made.attribute(x, patch, patch, baselines=0.0, target=subject.target, perturbations_per_eval=at_once)

    return call


def _surrogate(name: str) -> Prepare:
    def prepare(module: nn.Module, subject: Subject) -> Call:
        made, zones = _attr(name)(module), subject.zones()

        def call(x: Tensor) -> list[Tensor]:  # its surrogate model is of one image: a batch is a loop
            return [
                made.attribute(
                    one[None], baselines=0.0, feature_mask=zones, target=subject.target, n_samples=subject.masks,
                    perturbations_per_eval=AT_ONCE,
                )
                for one in x
            ]  # fmt: skip

        return call

    return prepare


peer(LIBRARY, "kernel_shap")(_surrogate("KernelShap"))
peer(LIBRARY, "lime")(_surrogate("Lime"))
