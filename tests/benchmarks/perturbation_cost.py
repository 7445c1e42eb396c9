"""What a perturbation check costs beside the bare batched passes of the same network. It asserts nothing.

One region of an image, five fills, 64 matched controls: matched places, fills, preprocessing and passes on one side, as
many prepared tensors through the module in chunks of the same size on the other, in interleaved rounds with changing
order. The image is in memory: reading it is no part of either. On the CPU the processor's time is compared, which other
programs on the machine stretch less than the clock's; beside it stands what the check took over what its own passes
took in the same run.

    python tests/benchmarks/perturbation_cost.py
    python tests/benchmarks/perturbation_cost.py --controls 8 --rounds 5 --image 768x1024
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # the modules beside it, also where PYTHONSAFEPATH is set

import numpy as np
import torch
from scipy import ndimage

import matxai
from matxai.checks import perturb
from matxai.checks.asking import chunk_size
from matxai.checks.fills import IMAGE_FILLS, fills
from matxai.checks.fills.ground import Ground
from matxai.checks.fills.spot import Spot
from matxai.signals import labelled

AIM = 1.25
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--arch", default="resnet50", help="a classifier of torchvision")
    add("--size", type=int, default=224, help="what the network receives, pixels along each side")
    add("--image", default="224x224", help="rows and columns of the image in the file")
    add("--region", type=float, default=0.05, help="share of the image that the region covers")
    add("--controls", type=int, default=64)
    add("--rounds", type=int, default=3, help="pairs of one check and its bare passes")
    add("--threads", type=int, default=1, help="threads of PyTorch; 0 leaves them as they are")
    add("--device", default="cpu")
    add("--json", type=Path, help="where to write the figures")
    return parser.parse_args(arguments)


def subject(options: argparse.Namespace) -> tuple[Any, Any, np.ndarray]:
    """Return the model, an image with grain, and a region in its middle that is no rectangle."""
    import torchvision

    torch.manual_seed(0)
    net = torchvision.models.get_model(options.arch, weights=None).eval().to(options.device)
    model = matxai.load_model(
        net, kind="2d", channels=3, scale="dtype", size=[options.size] * 2, mean=MEAN, std=STD,
        classes=[str(k) for k in range(1000)],
    )  # fmt: skip
    rows, columns = (int(n) for n in options.image.split("x"))
    rng = np.random.default_rng(0)
    grain = 120 + 40 * ndimage.gaussian_filter(rng.standard_normal((rows, columns, 3)), (4, 4, 0)) * 8
    image = np.clip(np.rint(grain + 6 * rng.standard_normal(grain.shape)), 0, 255).astype(np.uint8)
    y, x = np.mgrid[:rows, :columns]
    radius = np.sqrt(options.region * rows * columns / np.pi)
    disc = (y - rows * 0.45) ** 2 + (x - columns * 0.55) ** 2 <= radius**2
    return model, labelled(image, ("y", "x", "c")), disc


def clock(device: str) -> float:
    """Return seconds: of the processor for the CPU, else of the clock once the device has done its work."""
    if device == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def seconds(call: Callable[[], object], device: str) -> float:
    """Return how long a call takes."""
    started = clock(device)
    call()
    return clock(device) - started


class Passes:
    """Adds up the time of a module's own forwards."""

    def __init__(self, module: torch.nn.Module, device: str) -> None:
        self.total, self._started = 0.0, 0.0
        module.register_forward_pre_hook(lambda *_: self._begin(device))
        module.register_forward_hook(lambda *_: self._end(device))

    def _begin(self, device: str) -> None:
        self._started = clock(device)

    def _end(self, device: str) -> None:
        self.total += clock(device) - self._started


def bare(model: Any, batch: torch.Tensor, passes: int, size: int) -> None:
    """Run so many prepared samples through the module in chunks."""
    with torch.inference_mode():
        for first in range(0, passes, size):
            model.module(batch[: min(size, passes - first)])


def by_fill(signal: Any, mask: np.ndarray, controls: int) -> dict[str, float]:
    """Return milliseconds for each fill and place, the first place apart: it is solved once for the shape."""
    found = {}
    for name in IMAGE_FILLS:
        ground, spot = Ground.of(signal.values, spatial=2), Spot.of(mask)
        spot.shape._kept.clear()
        fills[name].of(ground, spot, np.random.default_rng(0))
        moved = [spot.moved(np.array([0, k % 8])) for k in range(max(1, controls))]
        started = time.perf_counter()
        for one in moved:
            fills[name].of(ground, one, np.random.default_rng(0))
        found[name] = 1e3 * (time.perf_counter() - started) / len(moved)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = parse(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    model, signal, mask = subject(options)
    size = chunk_size(model, signal.size)
    batch = model.preprocessing.apply(np.repeat(signal.values[None], size, axis=0), signal).to(options.device)
    first = perturb(model, signal, mask, controls=1)  # imports and first calls are nobody's
    bare(model, batch, size, size)
    passes = 1 + len(IMAGE_FILLS) * (1 + options.controls)

    def check() -> None:
        found = perturb(model, signal, mask, controls=options.controls)
        assert found.asked == passes - 1

    pairs, inside = [], []
    own_passes = Passes(model.module, options.device)
    for number in range(options.rounds):
        ways = [check, lambda: bare(model, batch, passes, size)]
        order = (0, 1) if number % 2 == 0 else (1, 0)
        taken = {}
        for k in order:
            own_passes.total = 0.0
            taken[k] = seconds(ways[k], options.device)
            inside += [taken[k] / own_passes.total] if k == 0 else []
        pairs.append((taken[0], taken[1]))
        ratios = f"ratio {taken[0] / taken[1]:.3f}, over its own passes {inside[-1]:.3f}"
        print(f"round {number + 1}: check {taken[0]:.2f} s, bare {taken[1]:.2f} s, {ratios}", flush=True)
    ratio = statistics.median(a / b for a, b in pairs)
    own = by_fill(signal, mask, options.controls)
    where = f"{options.device}, {torch.get_num_threads()} thread(s)"
    print(f"{options.arch} at {options.size}, image {options.image}, {where}")
    print(f"{len(IMAGE_FILLS)} fills, {options.controls} controls: {passes} passes in chunks of {size}")
    print("fill, ms for each place: " + ", ".join(f"{n} {ms:.2f}" for n, ms in own.items()))
    print(f"check over its own passes in the same run: {statistics.median(inside):.3f} (median)")
    print(f"ratio {ratio:.3f} (median of {len(pairs)} pairs), aim {AIM}: {'reached' if ratio <= AIM else 'MISSED'}")
    if options.json:
        figures = {
            "format": "matxai-perturbation-cost",
            "version": 1,
            "pairs": pairs,
            "inside": inside,
            "ratio": ratio,
            "aim": AIM,
        }
        figures |= {"passes": passes, "chunk": size, "fills_ms": own, "fills": list(first[0].fills)}
        options.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
