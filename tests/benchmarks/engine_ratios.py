"""What the engine costs beside its peers, measured side by side in interleaved rounds. A script; it asserts no time.

Two questions: Grad-CAM on ResNet-50 against the bare forward and partial backward written by hand (aim: at most 1.15),
and LRP (epsilon and z+) on ResNet-50 against zennit with its canonizer (aim: at most 0.7). Each candidate's peak memory
is read in a process of its own, as the resident set beyond the loaded model (on CUDA: as allocated).

    python tests/benchmarks/engine_ratios.py --rounds 7 --batch 4 --json ratios.json
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

TARGET = 3
LAYER = "layer4"
CASES = {
    "grad_cam": {"ours": "matxai_grad_cam", "peer": "bare_grad_cam", "aim": 1.15},
    "lrp_epsilon_plus": {"ours": "matxai_lrp", "peer": "zennit_lrp", "aim": 0.7},
}


def network(device: str, arch: str) -> nn.Module:
    """Return the untrained network with random batch-norm statistics, in evaluation mode, its parameters frozen."""
    import torch
    import torchvision

    torch.manual_seed(0)
    module = torchvision.models.get_model(arch, weights=None).eval()
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
    return module.requires_grad_(requires_grad=False).to(device)


def bare_grad_cam(module: nn.Module, x: Tensor) -> Tensor:
    """Grad-CAM of a ResNet's last block by hand: no graph before the layer, a backward through the head alone."""
    import torch

    with torch.no_grad():
        a = module.maxpool(module.relu(module.bn1(module.conv1(x))))
        a = module.layer4(module.layer3(module.layer2(module.layer1(a))))
    a = a.requires_grad_()
    score = module.fc(torch.flatten(module.avgpool(a), 1))[:, TARGET].sum()
    (g,) = torch.autograd.grad(score, a)
    return (g.mean((2, 3), keepdim=True) * a.detach()).sum(1).relu()


def matxai_grad_cam(module: nn.Module, x: Tensor) -> Tensor:
    """Grad-CAM as a user calls it: target, layer, placed at the input's size."""
    from matxai.methods import attribution

    return attribution(module, x, ["grad_cam"], TARGET, [LAYER]).maps["grad_cam"]


def matxai_lrp(module: nn.Module, x: Tensor) -> Tensor:
    """LRP as a user calls it."""
    from matxai.methods import attribution

    return attribution(module, x, ["lrp:epsilon_plus"], TARGET).maps["lrp:epsilon_plus"]


def zennit_lrp(module: nn.Module, x: Tensor) -> Tensor:
    """The same composite in zennit, with the canonizer that the architecture needs."""
    import torch
    from zennit.attribution import Gradient
    from zennit.composites import EpsilonPlus
    from zennit.torchvision import ResNetCanonizer, VGGCanonizer

    canonizer = ResNetCanonizer() if hasattr(module, "layer4") else VGGCanonizer()
    with Gradient(module, EpsilonPlus(canonizers=[canonizer])) as attributor:
        seed = torch.eye(1000, dtype=x.dtype, device=x.device)[[TARGET] * len(x)]
        _, relevance = attributor(x.clone(), lambda out: seed * out)
    return relevance


CANDIDATES: dict[str, Callable[[nn.Module, Tensor], Tensor]] = {
    f.__name__: f for f in (bare_grad_cam, matxai_grad_cam, matxai_lrp, zennit_lrp)
}


def timed(candidate: str, module: nn.Module, x: Tensor) -> float:
    """Return the seconds of one call."""
    import torch

    start = time.perf_counter()
    CANDIDATES[candidate](module, x)
    if x.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start


def race(options: argparse.Namespace) -> list[dict[str, object]]:
    """Return the seconds of each candidate and the ratios, taken in turns so that both meet the same machine."""
    import torch

    module = network(options.device, options.arch)
    x = torch.randn(options.batch, 3, options.size, options.size, device=options.device)
    results = []
    for name in options.cases:
        case = CASES[name]
        ours, peer = str(case["ours"]), str(case["peer"])
        for candidate in (ours, peer):  # warm up: kernels chosen, the model checked once
            CANDIDATES[candidate](module, x)
        seconds: dict[str, list[float]] = {ours: [], peer: []}
        for i in range(options.rounds):
            for candidate in (ours, peer) if i % 2 == 0 else (peer, ours):
                seconds[candidate].append(timed(candidate, module, x))
        ratios = [a / b for a, b in zip(seconds[ours], seconds[peer], strict=True)]
        results.append(
            {
                "case": name,
                "ours": ours,
                "peer": peer,
                "ours_s": statistics.median(seconds[ours]),
                "peer_s": statistics.median(seconds[peer]),
                "ratio": statistics.median(ratios),
                "ratio_of_best": min(seconds[ours]) / min(seconds[peer]),
                "ratios": ratios,
                "aim": case["aim"],
            }
        )
    return results


def peak_resident() -> int:
    """Return the process's peak resident set in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def resident() -> int:
    """Return the resident set of now in bytes, where the system tells it; else the peak so far."""
    pages = Path("/proc/self/statm")
    return int(pages.read_text().split()[1]) * resource.getpagesize() if pages.exists() else peak_resident()


def weigh(options: argparse.Namespace) -> dict[str, float]:
    """Return one candidate's peak memory beyond the loaded model; meant for a fresh process."""
    import torch

    module = network(options.device, options.arch)
    x = torch.randn(options.batch, 3, options.size, options.size, device=options.device)
    # imports and first-call checks are not the method's memory; so small an image that what is kept of it is nothing
    CANDIDATES[options.weigh](module, x[:1, :, :64, :64])
    if x.is_cuda:
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        CANDIDATES[options.weigh](module, x)
        torch.cuda.synchronize()
        return {"peak_mib": (torch.cuda.max_memory_allocated() - before) / 2**20}
    before = resident()
    CANDIDATES[options.weigh](module, x)
    return {"peak_mib": (peak_resident() - before) / 2**20}


def weighed(candidate: str, options: argparse.Namespace) -> float:
    """Return :func:`weigh` of one candidate from a process of its own."""
    common = [
        "--device",
        options.device,
        "--arch",
        options.arch,
        "--size",
        str(options.size),
        "--batch",
        str(options.batch),
    ]
    command = [sys.executable, __file__, "--weigh", candidate, *common, "--threads", str(options.threads)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout.splitlines()[-1])["peak_mib"])


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the options."""
    import torch

    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--arch", default="resnet50")
    parser.add_argument(
        "--threads", type=int, default=0, help="threads of PyTorch on the CPU; 0 leaves them as they are"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--no-memory", action="store_true", help="leave the peak memory out")
    parser.add_argument("--weigh", choices=list(CANDIDATES), help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main() -> None:
    """Measure, print one line for each case, and write the JSON file."""
    import torch

    options = parse()
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.weigh:
        print(json.dumps(weigh(options)))
        return
    cases = race(options)
    for case in cases:
        if not options.no_memory:
            case["ours_peak_mib"] = weighed(str(case["ours"]), options)
            case["peer_peak_mib"] = weighed(str(case["peer"]), options)
        print(json.dumps({k: v for k, v in case.items() if k != "ratios"}))
    cpu = platform.processor() or platform.machine()
    report = {
        "format": "matxai-benchmark",
        "version": 1,
        "device": torch.cuda.get_device_name() if options.device.startswith("cuda") else cpu,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "arch": options.arch,
        "batch": options.batch,
        "size": options.size,
        "rounds": options.rounds,
        "cases": cases,
    }
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
