"""Invertible transforms of waveforms into frequencies, or times and frequencies, as tight frames. Tensors in and out.

Each analyses ``x`` into coefficients ``c = A x`` with ``A^T A = 1``: the synthesis ``x = A^T c`` is exact. Put in front
of a model as a virtual layer, it hands relevance ``R = x g`` on to the coefficients as ``c (A g)``, losing none, as
``sum c (A g) = x^T A^T A g = x^T g`` (Vielhaben et al., arXiv:2303.06365, who use the DFT and the STFT).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matxai.errors import MethodError
from matxai.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

USUAL_FRAMES = 32
"""About how many frames a waveform is cut into where nobody says how long they are."""


@dataclass(frozen=True)
class Frame(ABC):
    """One transform for waveforms of ``length`` points.

    Attributes
    ----------
    length
        Points of the waveform.
    hop
        Points from one frame to the next; the length itself where there is one frame.
    """

    length: int
    hop: int

    @abstractmethod
    def analyse(self, x: Tensor) -> Tensor:
        """Return the coefficients ``(..., parts, frequencies, frames)`` of waveforms ``(..., length)``."""

    @abstractmethod
    def synthesise(self, c: Tensor) -> Tensor:
        """Return the waveforms ``(..., length)`` of coefficients, the inverse and the transpose of :meth:`analyse`."""

    @property
    @abstractmethod
    def frequencies(self) -> list[float]:
        """Centre of each frequency bin, in cycles per point."""

    @property
    @abstractmethod
    def centres(self) -> list[float]:
        """Centre of each frame, in points."""

    def relevance(self, x: Tensor, gradient: Tensor) -> Tensor:
        """Return the relevance of each frequency and frame ``(..., frequencies, frames)`` for ``R = x * gradient``."""
        return (self.analyse(x) * self.analyse(gradient)).sum(-3)


frames: Registry[type[Frame]] = Registry("transform into frequencies", error=MethodError)
"""All transforms by name."""


def frame_of(name: str, length: int, hop: int | None = None) -> Frame:
    """Return a transform for waveforms of so many points.

    Parameters
    ----------
    name
        ``dft`` (frequencies alone), ``mdct`` or ``stft``.
    length
        Points of the waveform.
    hop
        Points from frame to frame, even, and at most half of the length; by default about 32 frames.

    Raises
    ------
    MethodError
        If there is no such transform, or the waveform is too short for the frames.
    """
    kind = frames[name]
    if kind is DFT:
        if hop is not None:
            raise MethodError("The DFT takes the whole waveform at once; a frame's length belongs to mdct and stft.")
        return DFT(length, length)
    wanted = max(2 * round(length / USUAL_FRAMES / 2), 4) if hop is None else hop
    if wanted % 2 or not 4 <= wanted <= length // 2:
        raise MethodError(f"Frames advance by an even number of points from 4 to half of {length}, not by {wanted}.")
    return kind(length, wanted)


@frames.register("dft")
@dataclass(frozen=True)
class DFT(Frame):
    """The real discrete Fourier transform, orthonormal: cosine and sine of each frequency are its two parts."""

    def analyse(self, x: Tensor) -> Tensor:
        """Return ``(..., 2, frequencies, 1)``."""
        import torch

        c = torch.fft.rfft(x, norm="ortho") * self._weights(x)
        return torch.stack([c.real, c.imag], -2)[..., None]

    def synthesise(self, c: Tensor) -> Tensor:
        """Return ``(..., length)``."""
        import torch

        part = c[..., 0]
        waves = torch.complex(part[..., 0, :], part[..., 1, :]) / self._weights(part)
        found: Tensor = torch.fft.irfft(waves, n=self.length, norm="ortho")
        return found

    def _weights(self, like: Tensor) -> Tensor:
        """Square root of 2 for frequencies that stand for two; 1 for zero and for half of the sampling rate."""
        weights = like.new_full((self.length // 2 + 1,), math.sqrt(2))
        weights[0] = 1.0
        if self.length % 2 == 0:
            weights[-1] = 1.0
        return weights

    @property
    def frequencies(self) -> list[float]:
        """From 0 to half a cycle per point."""
        return [k / self.length for k in range(self.length // 2 + 1)]

    @property
    def centres(self) -> list[float]:
        """The middle."""
        return [(self.length - 1) / 2]


@dataclass(frozen=True)
class Lapped(Frame):
    """Frames of two hops each that overlap by half, under a sine window; the ends are padded with one hop of zeros."""

    @property
    def count(self) -> int:
        """Number of frames."""
        return math.ceil(self.length / self.hop) + 1

    @property
    def centres(self) -> list[float]:
        """The first frame lies half before the waveform."""
        return [k * self.hop - 0.5 for k in range(self.count)]

    def cut(self, x: Tensor) -> Tensor:
        """Return windowed frames ``(..., frames, 2 hop)``."""
        import torch

        after = (self.count + 1) * self.hop - self.hop - self.length
        padded = torch.nn.functional.pad(x, (self.hop, after))
        return padded.unfold(-1, 2 * self.hop, self.hop) * self.window(x)

    def joined(self, parts: Tensor) -> Tensor:
        """Return the overlap-add of frames ``(..., frames, 2 hop)``, the transpose of :meth:`cut`."""
        import torch

        hop = self.hop
        shown = parts * self.window(parts)
        whole = parts.new_zeros((*parts.shape[:-2], self.count + 1, hop))
        whole[..., :-1, :] += shown[..., :hop]
        whole[..., 1:, :] += shown[..., hop:]
        return torch.flatten(whole, -2)[..., hop : hop + self.length]

    def window(self, like: Tensor) -> Tensor:
        """Return the sine window: its squares, overlapped by half, are 1 everywhere."""
        import torch

        n = torch.arange(2 * self.hop, dtype=torch.float64, device=like.device)
        return torch.sin(math.pi * (n + 0.5) / (2 * self.hop)).to(like.dtype)


@frames.register("mdct")
@dataclass(frozen=True)
class MDCT(Lapped):
    """The modified discrete cosine transform: real, and no more coefficients than points (but for one frame).

    Princen and Bradley, IEEE Trans. ASSP 34, 1153 (1986).
    """

    def analyse(self, x: Tensor) -> Tensor:
        """Return ``(..., 1, hop, frames)``."""
        return (self.cut(x) @ self._basis(x)).transpose(-1, -2).unsqueeze(-3)

    def synthesise(self, c: Tensor) -> Tensor:
        """Return ``(..., length)``."""
        return self.joined(c.squeeze(-3).transpose(-1, -2) @ self._basis(c).transpose(0, 1))

    def _basis(self, like: Tensor) -> Tensor:
        import torch

        n = torch.arange(2 * self.hop, dtype=torch.float64, device=like.device)[:, None]
        k = torch.arange(self.hop, dtype=torch.float64, device=like.device)[None, :]
        angle = math.pi / self.hop * (n + 0.5 + self.hop / 2) * (k + 0.5)
        return (torch.cos(angle) * math.sqrt(2 / self.hop)).to(like.dtype)

    @property
    def frequencies(self) -> list[float]:
        """Half-way between multiples of one over two frames."""
        return [(k + 0.5) / (2 * self.hop) for k in range(self.hop)]


@frames.register("stft")
@dataclass(frozen=True)
class STFT(Lapped):
    """The short-time Fourier transform: twice as many coefficients as points; no frequency leaks into a mirror."""

    def analyse(self, x: Tensor) -> Tensor:
        """Return ``(..., 2, hop + 1, frames)``."""
        found = DFT(2 * self.hop, 2 * self.hop).analyse(self.cut(x))  # (..., frames, 2, hop + 1, 1)
        return found[..., 0].movedim(-3, -1)

    def synthesise(self, c: Tensor) -> Tensor:
        """Return ``(..., length)``."""
        return self.joined(DFT(2 * self.hop, 2 * self.hop).synthesise(c.movedim(-1, -3)[..., None]))

    @property
    def frequencies(self) -> list[float]:
        """From 0 to half a cycle per point."""
        return [k / (2 * self.hop) for k in range(self.hop + 1)]
