"""Whether relevance is right: what becomes of its sum without biases, and how far epsilon is from gradient x input.

In float64, on networks as ``tests/families.py`` builds them.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType

import peer_autolrp
import peer_zennit
import torch
from candidates import Row, tried
from peers import seeds
from subjects import Subject
from torch import Tensor, nn

COMPOSITES = ("epsilon", "epsilon_plus", "epsilon_alpha2_beta1")
RANDOM = ("resnet18", "resnet50", "densenet121")
CONSERVED, EQUAL = 1e-4, 1e-3
Relevance = Callable[[nn.Module, Tensor, str, str, int], Tensor]


def families() -> ModuleType:
    """Return ``tests/families.py``, loaded by its path."""
    path = Path(__file__).parents[1] / "families.py"
    spec = importlib.util.spec_from_file_location("families", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _ours(module: nn.Module, x: Tensor, _: str, composite: str, target: int) -> Tensor:
    from matxai.methods import attribute

    key = f"lrp:{composite}"
    return attribute(module, x, [key], target)[key]


def _zennit(module: nn.Module, x: Tensor, arch: str, composite: str, target: int) -> Tensor:
    chosen = peer_zennit.EPSILON if composite == "epsilon" else peer_zennit.named(composite)
    made = peer_zennit.registered(module, Subject(arch=arch), chosen)
    return made(x.clone(), lambda out: seeds(out, target))[1]


def _autolrp(module: nn.Module, x: Tensor, _: str, composite: str, target: int) -> Tensor:
    from autolrp import LRPConfig

    with torch.no_grad():
        score = module(x)[:, target]
    config = LRPConfig(rule=peer_autolrp.rules(composite))
    (found,) = peer_autolrp.relevance(module, x, config, [target])
    return found.as_subclass(Tensor) * score.view(-1, *(1,) * (x.ndim - 1))  # its relevance starts at 1


LIBRARIES: dict[str, Relevance] = {"matxai": _ours, "zennit": _zennit, "autolrp": _autolrp}


@dataclass(frozen=True)
class Case:
    """One network, its input and the class that is explained; every library gets a copy of the network."""

    name: str
    module: nn.Module
    x: Tensor
    target: int

    def relevance(self, who: str, composite: str) -> Tensor:
        """Return a library's relevance at the input."""
        return LIBRARIES[who](deepcopy(self.module), self.x, self.name, composite, self.target).detach()

    def score(self) -> Tensor:
        """Return the class's scores (B,)."""
        with torch.no_grad():
            return self.module(self.x)[:, self.target]

    def sums(self, who: str, composite: str) -> Row:
        """Return sum R / score and sum abs R / abs score, the mean over the samples."""
        flat, score = self.relevance(who, composite).flatten(1), self.score()
        return {
            "value": float((flat.sum(1) / score).mean()),
            "magnitude": float((flat.abs().sum(1) / score.abs()).mean()),
        }

    def distance(self, who: str) -> Row:
        """Return the relative L2 of an epsilon map to gradient x input, their cosine, and sum R / score."""
        here = self.x.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(self.module(here)[:, self.target].sum(), here)
        got, want = self.relevance(who, "epsilon"), gradient * self.x
        cosine = torch.nn.functional.cosine_similarity(got.flatten(), want.flatten(), dim=0)
        return {
            "value": float((got - want).norm() / want.norm()),
            "cosine": float(cosine),
            "sum": float(got.sum() / self.score().sum()),
        }


def conservation(names: Iterable[str]) -> Iterator[Row]:
    """Give sum R / score and sum abs R / abs score of every family without biases, for each composite and library."""
    known = families()
    for name in names:
        x = known.images(name)
        module = known.unbiased(known.build(name), x)
        case = Case(name, module, x, int(module(x)[0].argmax()))
        for composite in COMPOSITES:
            found = {who: tried(partial(case.sums, who, composite)) for who in LIBRARIES}
            yield {"net": name, "composite": composite, "aim": CONSERVED, "candidates": found}


def epsilon(names: Iterable[str]) -> Iterator[Row]:
    """Give how far epsilon maps are from gradient x input, on nets with random batch-norm statistics."""
    known = families()
    for name in names:
        for dtype in (torch.float64, torch.float32):
            case = Case(name, known.shaken(known.build(name)).to(dtype), known.images(name, dtype=dtype), 3)
            found = {who: tried(partial(case.distance, who)) for who in LIBRARIES}
            yield {"net": name, "dtype": str(dtype).removeprefix("torch."), "aim": EQUAL, "candidates": found}
