"""What is explained in the benchmark: an untrained network in evaluation mode, its layers, and a batch of noise."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torchvision
from torch import Tensor, nn

DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16, "float16": torch.float16}
LAYERS = {
    "resnet": ("layer1", "layer2", "layer3", "layer4"),
    "vgg16": ("features.8", "features.15", "features.22", "features.29"),
    "densenet": ("features.denseblock1", "features.denseblock2", "features.denseblock3", "features"),
}


@dataclass(frozen=True)
class Subject:
    """Network, sizes and the numbers that every candidate is called with.

    Attributes
    ----------
    arch
        A classification network of torchvision of which ``LAYERS`` knows four layers.
    size
        Pixels along each side of the image.
    device, dtype
        Where and in what it runs.
    target
        The class that is explained.
    samples
        Steps, noisy copies or masks of the methods that sample.
    low, high
        Bounds of the box rule.
    """

    arch: str = "resnet50"
    size: int = 224
    device: str = "cpu"
    dtype: torch.dtype = torch.float32
    target: int = 3
    samples: int = 8
    low: float = -3.0
    high: float = 3.0

    @property
    def layers(self) -> tuple[str, ...]:
        """Four layers, the shallowest first."""
        for prefix, names in LAYERS.items():
            if self.arch.startswith(prefix):
                return names
        raise SystemExit(f"No layers are known of {self.arch!r}; name a network that begins with {', '.join(LAYERS)}.")

    @property
    def last(self) -> str:
        """The layer of the CAMs that read one."""
        return self.layers[-1]

    @property
    def masks(self) -> int:
        """Masked copies of the methods that need no gradient: sixteen times the samples."""
        return 16 * self.samples

    @property
    def window(self) -> int:
        """Pixels along each side of an occluding patch: sixteen of them cover the image."""
        return max(1, self.size // 4)

    def network(self) -> nn.Module:
        """Return the network with random batch-norm statistics, its parameters frozen."""
        torch.manual_seed(0)
        module = torchvision.models.get_model(self.arch, weights=None).eval()
        return shaken(module).requires_grad_(requires_grad=False).to(self.device, self.dtype)

    def images(self, batch: int) -> Tensor:
        """Return noise (B, 3, size, size), the same at every call."""
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(batch, 3, self.size, self.size, generator=generator)
        return x.to(self.device, self.dtype)

    def zones(self) -> Tensor:
        """Return a four by four grid of zones by their numbers, (1, 1, size, size)."""
        line = torch.arange(self.size, device=self.device) * 4 // self.size
        return (4 * line[:, None] + line)[None, None]

    def synchronise(self) -> None:
        """Wait until the device has done what it was asked to do."""
        if self.device.startswith("cuda"):
            torch.cuda.synchronize()


def shaken(module: nn.Module) -> nn.Module:
    """Give every batch norm statistics, weights and shifts that are not the neutral ones."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
                part.running_mean.normal_(0, 0.1, generator=generator)
                part.running_var.uniform_(0.5, 1.5, generator=generator)
                part.weight.uniform_(0.5, 1.5, generator=generator)
                part.bias.normal_(0, 0.1, generator=generator)
    return module
