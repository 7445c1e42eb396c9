"""pytorch-grad-cam's way to do the works: maps leave the device, and each is scaled to between 0 and 1."""

from __future__ import annotations

from typing import Any

from peers import Call, Prepare, layers_of, peer
from subjects import Subject
from torch import Tensor, nn

LIBRARY = "grad-cam"


def _call(made: Any, subject: Subject, *, gradients: bool = True) -> Call:
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    made.batch_size = 16

    def call(x: Tensor) -> Any:
        x = x.clone().requires_grad_(gradients)  # with frozen parameters it raises otherwise
        return made(x, [ClassifierOutputTarget(subject.target)] * len(x))

    return call


def _prepare(name: str, *, gradients: bool = True) -> Prepare:
    def prepare(module: nn.Module, subject: Subject) -> Call:
        import pytorch_grad_cam

        layers = layers_of(module, (subject.last,))
        return _call(getattr(pytorch_grad_cam, name)(module, layers), subject, gradients=gradients)

    return prepare


peer(LIBRARY, "grad_cam")(_prepare("GradCAM"))
peer(LIBRARY, "grad_cam_pp")(_prepare("GradCAMPlusPlus"))
peer(LIBRARY, "xgrad_cam")(_prepare("XGradCAM"))
peer(LIBRARY, "layer_cam")(_prepare("LayerCAM"))
peer(LIBRARY, "hires_cam")(_prepare("HiResCAM"))
peer(LIBRARY, "eigen_cam")(_prepare("EigenCAM", gradients=False))
peer(LIBRARY, "score_cam")(_prepare("ScoreCAM", gradients=False))
peer(LIBRARY, "ablation_cam")(_prepare("AblationCAM", gradients=False))


@peer(LIBRARY, "grad_cam_4")
def grad_cam_4(module: nn.Module, subject: Subject) -> Call:
    """One pass for all layers; their maps are kept, where it would return the average alone."""
    import pytorch_grad_cam

    made = pytorch_grad_cam.GradCAM(module, layers_of(module, subject.layers))
    made.aggregate_multi_layers = list
    return _call(made, subject)


@peer(LIBRARY, "full_grad")
def full_grad(module: nn.Module, subject: Subject) -> Call:
    """Of all biases."""
    import pytorch_grad_cam

    return _call(pytorch_grad_cam.FullGrad(module, []), subject)
