"""zennit's way to do the works: the same composite, with the canonizer that the network needs, registered once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from peers import TARGETS, Call, Prepare, peer, seeds
from subjects import Subject
from torch import Tensor, nn

LIBRARY = "zennit"
Composite = Callable[[Subject, list[Any]], Any]


def canonizers(arch: str) -> list[Any]:
    """Return what zennit has for an architecture: for most, no more than merging batch norms in order of definition."""
    from zennit.canonizers import SequentialMergeBatchNorm
    from zennit.torchvision import ResNetCanonizer, VGGCanonizer

    known = {"resnet": ResNetCanonizer, "resnext": ResNetCanonizer, "vgg": VGGCanonizer}
    family = next((f for f in known if f in arch and not arch.endswith("1d")), "")
    return [known.get(family, SequentialMergeBatchNorm)()]


def registered(module: nn.Module, subject: Subject, composite: Composite) -> Any:
    """Return the attributor with its hooks in place; the module is its own from here on."""
    from zennit.attribution import Gradient

    made = Gradient(module, composite(subject, canonizers(subject.arch)))
    made.__enter__()
    return made


def _prepare(composite: Composite) -> Prepare:
    def prepare(module: nn.Module, subject: Subject) -> Call:
        made = registered(module, subject, composite)
        return lambda x: made(x.clone(), lambda out: seeds(out, subject.target))[1]

    return prepare


def rule_everywhere(rule: Callable[[Any], Any]) -> Composite:
    """Return a composite with a rule at the convolutions, epsilon at the dense layers."""

    def make(_: Subject, known: list[Any]) -> Any:
        from zennit import composites, rules, types
        from zennit.layer import Sum

        layer_map = [
            (types.Activation, rules.Pass()), (Sum, rules.Norm()), (types.AvgPool, rules.Norm()),
            (types.BatchNorm, rules.Pass()), (types.Convolution, rule(rules)), (nn.Linear, rules.Epsilon()),
        ]  # fmt: skip
        return composites.LayerMapComposite(layer_map, canonizers=known)

    return make


def named(name: str) -> Composite:
    """Return one of zennit's own composites."""

    def make(_: Subject, known: list[Any]) -> Any:
        from zennit.composites import COMPOSITES

        return COMPOSITES[name](canonizers=known)

    return make


def _slope(name: str) -> Composite:
    def make(_: Subject, __: list[Any]) -> Any:
        from zennit.composites import COMPOSITES

        return COMPOSITES[name]()

    return make


def _box(subject: Subject, known: list[Any]) -> Any:
    from zennit.composites import EpsilonGammaBox

    return EpsilonGammaBox(low=subject.low, high=subject.high, canonizers=known)


EPSILON = rule_everywhere(lambda rules: rules.Epsilon())

peer(LIBRARY, "lrp_epsilon")(_prepare(EPSILON))
peer(LIBRARY, "lrp_epsilon_gamma")(_prepare(rule_everywhere(lambda rules: rules.Gamma(0.25))))
peer(LIBRARY, "lrp_epsilon_plus")(_prepare(named("epsilon_plus")))
peer(LIBRARY, "lrp_epsilon_alpha2_beta1")(_prepare(named("epsilon_alpha2_beta1")))
peer(LIBRARY, "lrp_epsilon_gamma_box")(_prepare(_box))
peer(LIBRARY, "guided_backprop")(_prepare(_slope("guided_backprop")))
peer(LIBRARY, "deconvnet")(_prepare(_slope("deconvnet")))
peer(LIBRARY, "saliency")(_prepare(lambda *_: None))


@peer(LIBRARY, "targets_lrp_epsilon_plus")
def targets(module: nn.Module, subject: Subject) -> Call:
    """A call for each target."""
    made = registered(module, subject, named("epsilon_plus"))

    def start(target: int) -> Callable[[Tensor], Tensor]:
        return lambda out: seeds(out, target)

    return lambda x: [made(x.clone(), start(t))[1] for t in range(TARGETS)]


@peer(LIBRARY, "integrated_gradients")
def integrated_gradients(module: nn.Module, subject: Subject) -> Call:
    """A loop of steps from zero."""
    from zennit.attribution import IntegratedGradients

    made = IntegratedGradients(module, n_iter=subject.samples)
    return lambda x: made(x.clone(), lambda out: seeds(out.new_ones(out.shape), subject.target))[1]


@peer(LIBRARY, "smooth_grad")
def smooth_grad(module: nn.Module, subject: Subject) -> Call:
    """A loop of noisy copies."""
    from zennit.attribution import SmoothGrad

    made = SmoothGrad(module, noise_level=0.15, n_iter=subject.samples)
    return lambda x: made(x.clone(), lambda out: seeds(out.new_ones(out.shape), subject.target))[1]
