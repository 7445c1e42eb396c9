"""Architectures by name: what a card means by ``matxai:defect_resnet`` or ``torchvision:resnet18``.

Every builder takes the number of scores and input channels from the card and returns a module with random weights; no
weights are ever fetched. A new matxai architecture is one row of :data:`MATXAI`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matxai.errors import MissingDependencyError, ModelError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import nn

_KINDS = ("1d", "2d", "3d")


def _defect_resnet(classes: int, channels: int, kind: str, **options: Any) -> nn.Module:
    from matxai_models.networks import DefectResNet

    return DefectResNet(classes, channels, kind, **_widths(options))


def _unet(classes: int, channels: int, kind: str, **options: Any) -> nn.Module:
    from matxai_models.networks import UNet

    return UNet(classes, channels, kind, **_widths(options))


def _widths(options: dict[str, Any]) -> dict[str, Any]:
    """Read lists and numbers from a card, where options are words: ``matxai:unet?widths=8,16,32``."""
    read: dict[str, Any] = {}
    for name, value in options.items():
        if isinstance(value, str):
            numbers = [int(w) for w in value.split(",")]
            read[name] = numbers if name in _LISTS else numbers[0]
        else:
            read[name] = value
    return read


_LISTS = ("widths", "strides", "kernels")


def _of_spectra(network: str) -> Callable[..., nn.Module]:
    """Return the builder of a network that takes one axis alone."""

    def build(classes: int, channels: int, kind: str, **options: Any) -> nn.Module:
        from matxai_models import networks_1d

        if kind != "1d":
            msg = f"it takes 1d input, and the card says {kind}"
            raise ValueError(msg)
        module: nn.Module = getattr(networks_1d, network)(classes, channels, **_widths(options))
        return module

    return build


MATXAI: Mapping[str, Callable[..., nn.Module]] = {
    "defect_resnet": _defect_resnet,
    "unet": _unet,
    "cnn_1d": _of_spectra("CNN1d"),
    "resnet_1d": _of_spectra("ResNet1d"),
    "inception_1d": _of_spectra("Inception1d"),
    "transformer_1d": _of_spectra("Transformer1d"),
}


def matxai_architecture(name: str, *, classes: int, channels: int, kind: str = "2d", **options: object) -> nn.Module:
    """Build one of the package's own networks.

    Parameters
    ----------
    name
        ``"defect_resnet"`` or ``"unet"`` for any kind; ``"cnn_1d"``, ``"resnet_1d"``, ``"inception_1d"`` or
        ``"transformer_1d"`` for spectra and waveforms.
    classes
        Number of scores (for a U-Net at every position, the background's included).
    channels
        Input channels.
    kind
        ``"1d"``, ``"2d"`` or ``"3d"``.
    **options
        ``widths``: channels of each level, as numbers or as a word such as ``"8,16,32"``; for spectra also what
        :mod:`matxai_models.networks_1d` names (``strides``, ``kernel``, ``patch``, ...).

    Raises
    ------
    ModelError
        If there is no such network, kind or option, or a number is not positive.
    """
    if name not in MATXAI:
        msg = f"There is no architecture 'matxai:{name}'. {nearest(name, MATXAI)}"
        raise ModelError(msg)
    _check_numbers(f"matxai:{name}", classes, channels)
    if kind not in _KINDS:
        msg = f"The architecture 'matxai:{name}' has no kind {kind!r}; it has 1d, 2d and 3d."
        raise ModelError(msg)
    try:
        return MATXAI[name](classes, channels, kind, **options)
    except (TypeError, ValueError) as error:
        msg = f"The architecture 'matxai:{name}' cannot be built with {options}: {error}."
        raise ModelError(msg) from error


def torchvision_architecture(
    name: str, *, classes: int, channels: int, kind: str = "2d", **options: object
) -> nn.Module:
    """Build one of torchvision's networks with other numbers of classes and input channels.

    The first convolution is exchanged where the number of channels is not the network's own.

    Parameters
    ----------
    name
        As in ``torchvision.models.list_models()``; quantized models are refused.
    classes
        Number of scores (for segmentation and detection with the background's).
    channels
        Input channels.
    kind
        ``"2d"`` for images; ``"3d"`` for torchvision's video networks.
    **options
        Passed on to torchvision's builder.

    Raises
    ------
    ModelError
        If there is no such network, it has another kind, or its builder refuses an option.
    """
    import torchvision

    known = torchvision.models.list_models()
    if name not in known or name.startswith("quantized_"):
        msg = f"There is no architecture 'torchvision:{name}'. {nearest(name, known, label='Some of those there are')}"
        raise ModelError(msg)
    _check_numbers(f"torchvision:{name}", classes, channels)
    family = torchvision.models.get_model_builder(name).__module__
    own = "3d" if ".video." in family else "2d"
    if kind != own:
        msg = f"The architecture 'torchvision:{name}' takes {own} input, and the card says {kind}."
        raise ModelError(msg)
    without: dict[str, object] = {"weights": None}
    if ".segmentation." in family or ".detection." in family:
        without["weights_backbone"] = None
    if name in ("googlenet", "inception_v3"):
        without["init_weights"] = False  # the slow truncated-normal draw is overwritten by the card's weights anyway
        without["aux_logits"] = options.pop("aux_logits", False)
    if ".optical_flow." in family:
        msg = f"The architecture 'torchvision:{name}' compares two images and has no classes; it cannot be used here."
        raise ModelError(msg)
    try:
        module: nn.Module = torchvision.models.get_model(name, **without, num_classes=classes, **options)
    except (TypeError, ValueError) as error:
        msg = f"The architecture 'torchvision:{name}' cannot be built with {options}: {error}."
        raise ModelError(msg) from error
    _set_channels(module, channels, name)
    return module


def timm_architecture(name: str, *, classes: int, channels: int, kind: str = "2d", **options: object) -> nn.Module:
    """Build one of timm's networks for images, without its weights; needs the extra ``zoo``.

    Parameters
    ----------
    name
        As in ``timm.list_models()``, also with the tag of its weights (``resnet50.a1_in1k``).
    classes, channels
        Numbers of scores and of input channels.
    kind
        ``"2d"``; timm has no others.
    **options
        Passed on to ``timm.create_model``.

    Raises
    ------
    MissingDependencyError
        If timm is not installed.
    ModelError
        If there is no such network, or its builder refuses an option.
    """
    try:
        import timm
    except ImportError as error:
        msg = f"The architecture 'timm:{name}' needs the package timm. Install it with: pip install \"matxai[zoo]\""
        raise MissingDependencyError(msg) from error
    known = timm.list_models()
    if name.partition(".")[0] not in known:
        msg = f"There is no architecture 'timm:{name}'. {nearest(name, known, label='Some of those there are')}"
        raise ModelError(msg)
    _check_numbers(f"timm:{name}", classes, channels)
    if kind != "2d":
        msg = f"The architecture 'timm:{name}' takes 2d input, and the card says {kind}."
        raise ModelError(msg)
    if any(option.startswith(("pretrained", "checkpoint")) for option in options):  # they fetch or unpickle
        msg = f"The architecture 'timm:{name}' is built without weights, which the card names; leave their options out."
        raise ModelError(msg)
    try:
        module: nn.Module = timm.create_model(name, pretrained=False, num_classes=classes, in_chans=channels, **options)
    except (TypeError, ValueError, RuntimeError) as error:
        msg = f"The architecture 'timm:{name}' cannot be built with {options}: {error}."
        raise ModelError(msg) from error
    return module


def _check_numbers(name: str, classes: int, channels: int) -> None:
    for what, number in (("classes", classes), ("channels", channels)):
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            msg = f"The architecture '{name}' needs a number of {what} of 1 or more, and was given {number!r}."
            raise ModelError(msg)


def _set_channels(module: nn.Module, channels: int, name: str) -> None:
    """Exchange the first convolution for one with ``channels`` inputs, if it has another number."""
    from torch import nn

    convolutions = [(p, m) for p, m in module.named_modules() if isinstance(m, (nn.Conv2d, nn.Conv3d))]
    if not convolutions:
        msg = f"The architecture 'torchvision:{name}' has no convolution at its input; channels cannot be changed."
        raise ModelError(msg)
    path, child = convolutions[0]
    if child.in_channels == channels:
        return
    if child.groups != 1:
        msg = f"The first convolution of 'torchvision:{name}' is grouped; channels cannot be changed."
        raise ModelError(msg)
    new = type(child)(
        channels,
        child.out_channels,
        child.kernel_size,  # type: ignore[arg-type]
        stride=child.stride,  # type: ignore[arg-type]
        padding=child.padding,  # type: ignore[arg-type]
        dilation=child.dilation,  # type: ignore[arg-type]
        bias=child.bias is not None,
        padding_mode=child.padding_mode,
    )
    parent, _, leaf = path.rpartition(".")
    setattr(module.get_submodule(parent), leaf, new)
    transform = getattr(module, "transform", None)
    if transform is not None and hasattr(transform, "image_mean"):  # detectors normalise inside, with three numbers
        transform.image_mean, transform.image_std = [0.5] * channels, [0.25] * channels
    if getattr(module, "transform_input", False):  # Inception and GoogLeNet re-scale three channels inside
        module.transform_input = False  # type: ignore[assignment]
