"""autoLRP's way to do the works."""

from __future__ import annotations

from typing import Any

import torch
from peers import TARGETS, Call, Prepare, peer
from subjects import Subject
from torch import Tensor, nn

LIBRARY = "autolrp"
LINEAR = ("ConvolutionBackward", "AddmmBackward", "MmBackward")


def rules(name: str, low: float = -3.0, high: float = 3.0) -> dict[str, Any]:
    """Return its rules for one of our composites: epsilon at the dense layers unless said otherwise."""
    from autolrp import BASE

    gamma = {"ConvolutionBackward": ("gamma", {"gamma": 0.25})}
    entries: dict[str, dict[str, Any]] = {
        "epsilon": {},
        "epsilon_plus": {"ConvolutionBackward": "zplus"},
        "epsilon_gamma": gamma,
        "epsilon_alpha2_beta1": {"ConvolutionBackward": ("alpha_beta", {"alpha": 2.0, "beta": 1.0})},
        "epsilon_gamma_box": {**gamma, "input_conv": ("zbox", {"low": low, "high": high})},
    }
    return {**BASE, **entries[name]}


def relevance(module: nn.Module, x: Tensor, config: Any, targets: list[int]) -> list[Tensor]:
    """Return relevance at the input for each target, from one forward; it sums to 1 for each sample."""
    import autolrp

    wrapped = autolrp.tensor(x)
    out = module(wrapped)
    found = []
    for target in targets:
        out[torch.arange(len(x), device=x.device), target].lrp(config=config)
        found.append(wrapped.relevance)
    return found


def _prepare(name: str) -> Prepare:
    def prepare(module: nn.Module, subject: Subject) -> Call:
        from autolrp import LRPConfig

        config = LRPConfig(rule=rules(name, subject.low, subject.high))
        return lambda x: relevance(module, x, config, [subject.target])

    return prepare


for _name in ("epsilon", "epsilon_plus", "epsilon_gamma", "epsilon_alpha2_beta1", "epsilon_gamma_box"):
    peer(LIBRARY, f"lrp_{_name}")(_prepare(_name))


@peer(LIBRARY, "targets_lrp_epsilon_plus")
def targets(module: nn.Module, subject: Subject) -> Call:
    """One forward, a backward for each target."""
    from autolrp import LRPConfig

    config = LRPConfig(rule=rules("epsilon_plus"))
    return lambda x: relevance(module, x, config, list(range(TARGETS)))
