"""What `matxai leakage` costs: 170 images of 128 x 128 with two artefacts, a small net, everything on.

    python tests/benchmarks/leak_cost.py [--images 170] [--threads 2]

Prints seconds of the clock and of the processor. The aim is one minute on two cores; on a machine that does other work
at the same time the processor's seconds are what compares.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from matxai_datasets.planting import plant
from scipy import ndimage
from torch import nn

import matxai
from matxai.checks.labelled import LabelledSet
from matxai.checks.leak import examine
from matxai.signals import labelled

AIM = 60.0


def pictures(n: int) -> LabelledSet:
    """Three textures in groups of nine, with an info bar that tells the class and a label that does not."""
    rng = np.random.default_rng(0)
    groups = np.arange(n) // 9
    labels = groups % 3
    signals = []
    for k, y in enumerate(labels.tolist()):
        texture = ndimage.gaussian_filter(rng.normal(0, 1, (128, 128)), [1 + y, 2])
        values = (120 + 40 * texture / texture.std()).clip(0, 255).astype(np.uint8)
        values = plant(values, "info_bar", y, k).pixels
        values = plant(values, "label", int(rng.integers(3)), k).pixels
        signals.append(labelled(np.asarray(values), ("y", "x")))
    return LabelledSet(tuple(map(str, range(n))), labels, ("fine", "middle", "coarse"), signals.__getitem__, groups)


def net() -> nn.Module:
    """A small untrained classifier: what it says does not change what asking costs."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for channels, made in ((1, 8), (8, 16), (16, 32)):
        layers += [nn.Conv2d(channels, made, 3, 2, 1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 3))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=170)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    data = pictures(given.images)
    model = matxai.load_model(net(), kind="2d", channels=1, classes=list(data.classes), scale="dtype")
    clock, processor = time.perf_counter(), time.process_time()
    found = examine(model, data)
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    print("| artefact or factor | answer | images | donors |\n| --- | --- | --- | --- |")
    for f in found.findings:
        print(f"| {f.name} | {f.verdict.answer} | {f.verdict.n} | {f.test.donors if f.test else '–'} |")
    print(
        f"\n{found.facts['passes']} predictions for the exchanges; {clock:.1f} s, processor {processor:.1f} s; ", end=""
    )
    print(f"the aim is {AIM:.0f} s: {'reached' if clock <= AIM else 'missed'}")


if __name__ == "__main__":
    main()
