"""Spectra: the time of LRP and Grad-CAM on many of them beside zennit and captum, in interleaved pairs; no assertions.

    python tests/benchmarks/spectra_ratios.py --json spectra.json
    python tests/benchmarks/spectra_ratios.py --spectra 32 --points 512 --rounds 3

Ours and the peer's call follow each other, the first of the two by turns; a pair's ratio is ours over theirs, and the
figure is the median of the ratios. Each call takes the whole set in one batch, on a network with frozen weights.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

import matxai

Call = Callable[[Tensor], object]


class Block(nn.Module):
    """Two convolutions with batch norms, and the way past them; the sum is a module, as zennit needs it."""

    def __init__(self, channels: int, joined: nn.Module) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv1d(channels, channels, 5, padding=2), nn.BatchNorm1d(channels)
        self.conv2, self.bn2 = nn.Conv1d(channels, channels, 5, padding=2), nn.BatchNorm1d(channels)
        self.relu1, self.relu2, self.joined = nn.ReLU(), nn.ReLU(), joined

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum, rectified."""
        deep = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        return self.relu2(self.joined(torch.stack([deep, x], dim=-1)))


class Total(nn.Module):
    """The sum over the last axis."""

    def forward(self, x: Tensor) -> Tensor:
        """Return it."""
        return x.sum(-1)


def plain() -> nn.Module:
    """Return a stack of convolutions."""
    return nn.Sequential(
        nn.Conv1d(1, 16, 9, padding=4), nn.ReLU(), nn.MaxPool1d(4), nn.Conv1d(16, 32, 7, padding=3), nn.ReLU(),
        nn.MaxPool1d(4), nn.Conv1d(32, 64, 5, padding=2), nn.ReLU(), nn.AdaptiveAvgPool1d(8), nn.Flatten(),
        nn.Linear(512, 10),
    )  # fmt: skip


def residual(joined: type[nn.Module] = Total) -> nn.Module:
    """Return two residual blocks behind a strided convolution."""
    return nn.Sequential(
        nn.Conv1d(1, 16, 9, stride=4, padding=4), nn.BatchNorm1d(16), nn.ReLU(), Block(16, joined()),
        Block(16, joined()), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(16, 10),
    )  # fmt: skip


NETS = {"plain": (plain, "6"), "residual": (residual, "4.conv2")}


def made(name: str) -> nn.Module:
    """Return a network with fixed random weights, frozen."""
    torch.manual_seed(0)
    return NETS[name][0]().eval().requires_grad_(False)


def ours(name: str, method: str) -> Call:
    """Return our call."""
    module, layer = made(name), NETS[name][1]
    layers = [layer] if method == "grad_cam" else None
    return lambda x: matxai.attribute(module, x, methods=[method], target=3, layers=layers)


def zennit_lrp(name: str) -> Call:
    """Return zennit's call with the same composite, registered once."""
    from zennit import composites, rules
    from zennit.attribution import Gradient
    from zennit.canonizers import SequentialMergeBatchNorm
    from zennit.layer import Sum
    from zennit.types import Activation, AvgPool, BatchNorm, Convolution

    torch.manual_seed(0)
    module = (residual(Sum) if name == "residual" else plain()).eval().requires_grad_(False)
    layers = [
        (Activation, rules.Pass()), (Sum, rules.Norm()), (AvgPool, rules.Norm()), (BatchNorm, rules.Pass()),
        (Convolution, rules.ZPlus()), (nn.Linear, rules.Epsilon()),
    ]  # fmt: skip
    composite = composites.LayerMapComposite(layers, canonizers=[SequentialMergeBatchNorm()])
    attributor = Gradient(module, composite)
    attributor.__enter__()
    eye = torch.eye(10)
    return lambda x: attributor(x.clone(), lambda out: out * eye[[3] * len(out)].to(out))[1]


def captum_lrp(name: str) -> Call:
    """Return captum's call: LRP with its own rules at the same kinds of layers, where it can treat the network."""
    from captum.attr import LRP
    from captum.attr._utils.lrp_rules import Alpha1_Beta0_Rule, EpsilonRule, IdentityRule

    module = made(name)
    for part in module.modules():
        if isinstance(part, nn.Conv1d):
            part.rule = Alpha1_Beta0_Rule()
        elif isinstance(part, nn.BatchNorm1d | nn.AdaptiveAvgPool1d | nn.Linear):
            part.rule = EpsilonRule()
        elif isinstance(part, nn.Flatten | Total):
            part.rule = IdentityRule()
    return lambda x: LRP(module).attribute(x.clone().requires_grad_(), target=3)


def captum_cam(name: str) -> Call:
    """Return captum's Grad-CAM, rectified and brought to the input's size as ours is."""
    from captum.attr import LayerAttribution, LayerGradCam

    module = made(name)
    cam = LayerGradCam(module, module.get_submodule(NETS[name][1]))
    size = LayerAttribution.interpolate
    return lambda x: size(cam.attribute(x, target=3, relu_attributions=True), x.shape[2:], interpolate_mode="linear")


RACES: dict[str, dict[str, Callable[[str], Call]]] = {
    "lrp:epsilon_plus": {"zennit": zennit_lrp, "captum": captum_lrp},
    "grad_cam": {"captum": captum_cam},
}


def timed(call: Call, x: Tensor) -> float:
    """Return the seconds of one call."""
    start = time.perf_counter()
    call(x)
    return time.perf_counter() - start


def raced(one: Call, other: Call, x: Tensor, rounds: int) -> list[tuple[float, float]]:
    """Return the seconds of both calls in each round, the first by turns, after one call of each."""
    timed(one, x), timed(other, x)
    pairs = []
    for i in range(rounds):
        calls = (one, other) if i % 2 == 0 else (other, one)
        first, second = (timed(c, x) for c in calls)
        pairs.append((first, second) if i % 2 == 0 else (second, first))
    return pairs


def main() -> None:
    """Race, print a table, and write the samples."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spectra", type=int, default=256)
    parser.add_argument("--points", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="threads of PyTorch; 0 leaves them as they are")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    x = torch.rand(options.spectra, 1, options.points, generator=torch.Generator().manual_seed(1)) + 0.01
    rows = []
    print(f"{options.spectra} spectra of {options.points} points, {options.rounds} rounds, seconds as medians")
    for net in NETS:
        for method, peers in RACES.items():
            for peer, make in peers.items():
                row: dict[str, object] = {"net": net, "method": method, "peer": peer}
                try:
                    pairs = raced(ours(net, method), make(net), x, options.rounds)
                except Exception as error:
                    row["failed"] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
                    print(f"{net:9} {method:17} {peer:7} not done: {row['failed'][:90]}")
                    rows.append(row)
                    continue
                own, theirs = (statistics.median(p[k] for p in pairs) for k in (0, 1))
                ratio = statistics.median(a / b for a, b in pairs)
                rows.append({**row, "pairs": pairs, "ours": own, "theirs": theirs, "ratio": ratio})
                print(f"{net:9} {method:17} {peer:7} ours {own:.3f} theirs {theirs:.3f} ratio {ratio:.3f}")
    if options.json:
        found = {p: importlib.metadata.version(p) for p in ("torch", "zennit", "captum") if _there(p)}
        about = {
            "python": platform.python_version(),
            "cpus": os.cpu_count(),
            "threads": torch.get_num_threads(),
            **found,
        }
        report = {"format": "matxai-spectra-benchmark", "version": 1, "environment": about,
                  "spectra": options.spectra, "points": options.points, "rows": rows}  # fmt: skip
        options.json.write_text(json.dumps(report, indent=1))


def _there(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    main()
