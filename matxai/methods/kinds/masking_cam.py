"""CAMs that try a layer's channels out, one by one: Score-CAM keeps what one shows, Ablation-CAM goes without it."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from matxai.errors import LayerError, MethodError, nearest
from matxai.methods import cam
from matxai.methods.kinds.gradient_cam import CELL
from matxai.methods.layered import LayerMaps, activations
from matxai.methods.method import About, Reduced, Setting, methods
from matxai.methods.sampled import MASK_BUDGET, copies_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from matxai.engine import Captured, Needs

TAIL_BUDGET = 4096
"""Runs of what follows a layer: each is a small part of a forward."""


@dataclass(frozen=True)
class MaskingMaps(LayerMaps):
    """A class activation map whose weights are what the score does when channels are tried out.

    Attributes
    ----------
    budget
        How many channels are tried out, over all layers of the call; ``None``: the call's, else the method's default.
        Where a layer has more, each sample's most active ones (by the mean magnitude over space) are, and the others
        weigh nothing: a note says so.
    """

    budget: int | None = None

    samples: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.budget is not None and self.budget < 1:
            raise MethodError(f"The budget of {self.key} is {self.budget}; it is the number of channels, 1 or more.")

    @property
    def most(self) -> int:
        """How many channels are tried out at most."""
        return self.budget or TAIL_BUDGET

    def needs(self) -> Needs:
        """Ask for activations, and runs of what follows the layers; two for each layer check them."""
        from matxai.engine import Needs

        return Needs(activations=True, tails=self.most)

    @abstractmethod
    def scores(self, captured: Captured, setting: Setting, name: str, chosen: Tensor) -> Tensor:
        """Return the scores (T, n, B) with the chosen channels (B, n) tried out."""

    @abstractmethod
    def weights(self, scores: Tensor, clean: Tensor) -> Tensor:
        """Return the weights (T, n, B) of the channels from their scores and the clean ones (T, 1, B)."""

    def chosen(self, captured: Captured, setting: Setting, name: str) -> Tensor:
        """Return the channels that are tried out, (B, n), in their order."""
        import torch

        A = activations(captured, setting, name)
        count = min(A.shape[1], max(1, self.most // len(setting.layers)))
        if count == A.shape[1]:
            return torch.arange(count, device=A.device).expand(len(A), count)
        active = A.abs().mean(dim=cam.spatial(A))
        return active.topk(count, dim=1).indices.sort(dim=1).values

    def signed(self, captured: Captured, setting: Setting, name: str) -> tuple[Tensor, Tensor | None]:
        """Return ``sum_k w_k A_k``, ``(..., B, *spatial)``."""
        A = activations(captured, setting, name)
        chosen = self.chosen(captured, setting, name)
        found = self.scores(captured, setting, name, chosen).double()
        clean = copies_of(setting).scores[:, None].double()
        w = self.weights(found, clean).transpose(1, 2)
        full = w.new_zeros(len(w), *A.shape[:2]).scatter(2, chosen.expand(len(w), *chosen.shape), w)
        found = cam.weighted(full.to(A.dtype), A)
        return found if captured.targets is not None else found[0], None

    def reduce(self, captured: Captured, setting: Setting) -> Reduced:
        """Return ``(..., B, L, *spatial)``, and how many channels were tried out."""
        from dataclasses import replace

        counts = {n: self.chosen(captured, setting, n).shape[1] for n in setting.layers}
        notes = tuple(
            f"{self.key} tried {count} of the {total} channels of layer '{n}' out, each sample's most active ones;"
            " budget= allows more."
            for n, count in counts.items()
            if count < (total := activations(captured, setting, n).shape[1])
        )
        reduced = super().reduce(captured, setting)
        return replace(reduced, notes=(*reduced.notes, *notes), figures={"channels": sum(counts.values())})


@methods.register("score_cam")
@dataclass(frozen=True)
class ScoreCAM(MaskingMaps):
    """Score-CAM: each channel weighs what the score makes of what the channel shows.

    A channel, scaled to [0, 1] over space, is a mask ``H_k``; ``S_k`` is the score when only what the mask shows is
    left; the weights are ``softmax_k(S_k)`` and the map ``sum_k w_k A_k``.

    ``score_cam`` lays the mask over the layer itself (all its channels times ``H_k``) and runs only what follows it.
    ``score_cam:input`` is the paper's: the mask is brought to the input's size and laid over the input, which takes a
    whole forward for each channel (512 by default). The first is the default since it tries all channels of a layer
    out at the price of a few forwards (a channel of ResNet-50's last stage costs less than a hundredth of one), and
    shows the network no image with soft edges that it has never seen; its masks work where the layer's cells are, so
    what lies outside of a mask still reaches the cells inside by their receptive fields.

    Attributes
    ----------
    mask
        ``"layer"`` or ``"input"``: what is masked.
    budget
        See the base: by default 4096 channels, 512 where the input is masked.

    References
    ----------
    Wang et al., Score-CAM, CVPR Workshops 2020, arXiv:1910.01279, eqs. 7 to 9 and algorithm 1.
    """

    mask: str = "layer"

    kind: ClassVar[str] = "score_cam"
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {"input": {"mask": "input"}}
    about: ClassVar[About] = About(
        question="Which channels keep the score up by themselves, and where do they look?",
        resolution=CELL,
        guarantee="Its weights are scores, no gradients: the same for every model with the same outputs.",
        misleads="The softmax of large scores leaves one channel, of small ones all alike: the map hangs on the scale"
        " of the scores. Weights are never negative, so there is no evidence against the target.",
        paper="Wang et al. 2020, arXiv:1910.01279",
        models="any with a spatial layer",
        cost="1 F and one run of what follows the layer for each channel (under 0.01 F each behind the last stage of a"
        " ResNet-50); score_cam:input: one forward for each of at most 512 channels",
        verified="grad-cam's ScoreCAM (score_cam:input); whole forwards with a masked layer (score_cam)",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mask not in ("layer", "input"):
            raise MethodError(f"score_cam masks no '{self.mask}'. {nearest(str(self.mask), ('layer', 'input'))}")

    @property
    def most(self) -> int:
        """How many channels are tried out at most."""
        return self.budget or (MASK_BUDGET if self.mask == "input" else TAIL_BUDGET)

    def needs(self) -> Needs:
        """Ask for activations, and copies or runs of what follows the layers."""
        from matxai.engine import Needs

        return Needs(activations=True, copies=self.most) if self.mask == "input" else super().needs()

    def scores(self, captured: Captured, setting: Setting, name: str, chosen: Tensor) -> Tensor:
        """Return the scores (T, n, B) of what each channel shows."""
        import torch

        from matxai.engine.place import resample

        copies = copies_of(setting)
        A = activations(captured, setting, name)
        if self.mask == "input":
            if name not in setting.places:
                msg = f"The cells of layer '{name}' do not lie along the input's axes, so none of it can be masked."
                raise LayerError(msg)
            blocks = copies.blocks(chosen.shape[1], self.key)
        else:
            tail = copies.tail(name)
            blocks = tail.blocks(chosen.shape[1], self.key)
        found = []
        for block in blocks:
            at = chosen[:, block.start : block.stop]
            shown = A.gather(1, at.reshape(*at.shape, *(1,) * (A.ndim - 2)).expand(*at.shape, *A.shape[2:]))
            if self.mask == "input":
                masks = cam.unit_masks(resample(shown, setting.places[name], setting.size))
                found.append(copies.score(_over(masks, captured.input)))
            else:
                found.append(tail.scores(_at_layer(_over(cam.unit_masks(shown), A), captured, setting, name)))
        return torch.cat(found, 1)

    def weights(self, scores: Tensor, clean: Tensor) -> Tensor:  # noqa: ARG002 - what the score loses is not asked
        """Return the softmax over the channels; what the baseline scores cancels."""
        return scores.softmax(dim=1)


@methods.register("ablation_cam")
@dataclass(frozen=True)
class AblationCAM(MaskingMaps):
    """Ablation-CAM: each channel weighs what the score loses, relative to itself, when the channel is set to 0.

    ``w_k = (y - y_k) / |y|`` with ``y`` the score and ``y_k`` the one without channel k. The paper has ``y`` in the
    denominator: the same for scores above 0; below it would turn evidence for the target into evidence against it.

    References
    ----------
    Desai and Ramaswamy, Ablation-CAM, WACV 2020, doi:10.1109/WACV45572.2020.9093360, eqs. 3 and 4.
    """

    kind: ClassVar[str] = "ablation_cam"
    about: ClassVar[About] = About(
        question="Which channels does the score fall without, and where do they look?",
        resolution=CELL,
        guarantee="Its weights are measured losses of the score, no gradients; with one linear layer behind the layer's"
        " mean it is CAM over the score.",
        misleads="0 is a special value only behind a ReLU: elsewhere it is an activation like any other. Channels that"
        " stand in for one another seem useless each.",
        paper="Desai and Ramaswamy 2020, doi:10.1109/WACV45572.2020.9093360",
        models="any with a spatial layer",
        cost="1 F and one run of what follows the layer for each channel (under 0.01 F each behind the last stage of a"
        " ResNet-50)",
        verified="grad-cam's AblationCAM; CAM in closed form",
    )

    def scores(self, captured: Captured, setting: Setting, name: str, chosen: Tensor) -> Tensor:
        """Return the scores (T, n, B) without each channel."""
        import torch

        tail = copies_of(setting).tail(name)
        A = activations(captured, setting, name)
        found = []
        for block in tail.blocks(chosen.shape[1], self.key):
            at = chosen[:, block.start : block.stop].t()
            kept = A.new_ones(*at.shape, A.shape[1]).scatter_(2, at.unsqueeze(2), 0)
            without = A * kept.reshape(*kept.shape, *(1,) * (A.ndim - 2))
            found.append(tail.scores(_at_layer(without, captured, setting, name)))
        return torch.cat(found, 1)

    def weights(self, scores: Tensor, clean: Tensor) -> Tensor:
        """Return the losses relative to the score's magnitude; 0 where the score is 0."""
        size = clean.abs()
        return ((clean - scores) / size.where(size > 0, 1.0)).where(size > 0, 0.0)


def _over(masks: Tensor, what: Tensor) -> Tensor:
    """Return ``what`` (B, C, *spatial) under each mask (B, n, *spatial), as (n, B, C, *spatial), in its own type."""
    return (masks.transpose(0, 1).unsqueeze(2) * what).to(what.dtype)


def _at_layer(cells: Tensor, captured: Captured, setting: Setting, name: str) -> Tensor:
    """Return activations (n, B, K, *spatial) as the layer itself has them, in its own layout and type."""
    clean = captured.places[name].tensor
    return setting.layouts[name].restored(cells, clean).to(clean.dtype)
