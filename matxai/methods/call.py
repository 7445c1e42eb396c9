"""Tensors in, maps out: the methods of a call merged into one plan, run once, and reduced."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from matxai.errors import MatxaiWarning
from matxai.methods.method import Method, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

    from matxai.engine import Plan
    from matxai.methods.calling import Baseline, Bound, Layers
    from matxai.methods.result import Attribution

Methods: TypeAlias = str | Method | Sequence[str | Method]
DEFAULT = ("grad_cam",)


def plan(
    methods: Methods = DEFAULT,
    *,
    low: Bound = None,
    high: Bound = None,
    budget: int | None = None,
) -> Plan:
    """Return the passes that the methods need together; nothing is run.

    Parameters
    ----------
    methods
        Names, ``name:variant``, or objects of :mod:`matxai.methods`.
    low, high
        Bounds of the input, for the box rule.
    budget
        Of methods that sample: how many perturbed copies each may run.

    Returns
    -------
    Plan
        With ``forwards``, ``backwards`` and ``describe()``.

    Raises
    ------
    MethodError
        If a method is unknown, or needs what it was not given.

    Examples
    --------
    >>> import matxai
    >>> passes = matxai.plan(["grad_cam", "saliency", "guided_grad_cam", "lrp"])
    >>> passes.forwards, passes.backwards
    (1, 3)
    """
    from matxai.engine import merge
    from matxai.methods.calling import as_called

    return merge([as_called(m, low, high, budget).needs() for m in resolve(methods)])


def attribute(
    module: nn.Module,
    x: Tensor | tuple[Tensor, ...] | Mapping[str, Tensor],
    methods: Methods = DEFAULT,
    target: Any = None,
    layers: Layers = None,
    *,
    relu: bool = True,
    placement: str = "receptive_field",
    upsample: bool = True,
    output: str | None = None,
    exact: bool = False,
    device: Any = None,
    progress: Any = None,
    cancel: Any = None,
    low: Bound = None,
    high: Bound = None,
    budget: int | None = None,
    tolerance: float | None = None,
    seed: int = 0,
    baseline: Baseline | None = None,
    references: Tensor | None = None,
    inputs: Any = None,
) -> dict[str, Tensor | tuple[Tensor, ...] | dict[str, Tensor]]:
    """Return the maps of one or more methods, computed together: one forward, one backward for each rule.

    Parameters
    ----------
    module
        Any module; it is explained in evaluation mode and is afterwards as it was.
    x
        ``(B, C, L)``, ``(B, C, H, W)`` or ``(B, C, D, H, W)``. Of a model with several inputs: a tuple of batches, as
        positional arguments, or a dictionary, as keywords. All of them are explained: maps of the input come as a tuple
        or dictionary likewise. CAMs lie on the first; methods that run changed copies take one input. Of a model of
        tokens: their indices (B, L), integers; what is explained then is the output (B, E, L) of the embedding that
        the model looks them up in, with its width E as channels: summed over E a map has one value for each token.
    methods
        Names, ``name:variant``, or objects of :mod:`matxai.methods` with their options.
    target
        An index, a callable from output to one score per sample, an object of ``matxai.targets``, one of these for each
        sample, or ``None`` for the top class. Several for every sample are ``matxai.targets.each(3, 5)``.
    layers
        Names as in ``module.named_modules()``, or negative indices from the last convolution; for CAMs alone. By
        default the tensor in front of the pooling or flattening that ends the spatial part.
    relu
        Of CAMs: keep only evidence for the target; ``False`` gives the signed map.
    placement
        Of CAMs: ``"receptive_field"`` or ``"grid"`` (stretched, as other libraries do).
    upsample
        Of CAMs: ``False`` gives a tuple with one map ``(B, *own spatial)`` for each layer.
    output
        Which tensor of a model that returns several.
    exact
        Do without the prepared plan: the output equals the model's own and gradients equal autograd's, bit for bit. By
        default they agree to 1e-5 of the largest value in float32, 1e-12 in float64.
    device
        Where to compute; the module's own device by default.
    progress, cancel
        ``progress(done, total, label)`` is called between passes; ``cancel.is_set()`` is asked.
    low, high
        Smallest and largest value of the input, for the box rule of LRP: a number, or one for each channel.
    budget
        Of methods that sample: how many perturbed copies each may run; by default 64 with gradients, 512 without.
    tolerance
        Of methods that sample: stop once the standard error of the map is below this share of its largest value.
    seed
        Of all random draws.
    baseline
        Of methods that replace parts of the input: what the network sees in the place of an image that is ``"black"``,
        ``"blur"``, ...: a function from the name to a tensor (B, C, *spatial). By default it is made from ``x`` itself;
        black and white are then ``low`` and ``high``.
    references
        Of methods that compare: other inputs (N, C, *spatial) that the model knows. Gradient SHAP draws from them, and
        the baseline ``"mean"`` is their mean.

    inputs
        What goes into the model beside ``x`` without being explained: a tensor, a tuple of positional or a dictionary
        of keyword arguments, integers and flags as well. Tensors with a row for each sample go along with the samples.

    Returns
    -------
    dict
        Keys are the methods as given, in their order. Input-level maps are ``(B, C, *spatial)``, CAMs
        ``(B, L, *spatial)``; several targets are a leading axis. Signed and at true scale, on the input's device and
        dtype (float32 for half precision), without a graph.

    Raises
    ------
    MatxaiError
        In one sentence: :class:`~matxai.errors.MethodError` for methods, others for layers, targets, operations.

    Warns
    -----
    MatxaiWarning
        If a CAM is zero everywhere: there is no positive evidence at its layer. If a region of the input is close to
        the baseline that it is compared with, or the completeness asked for was not reached.
    """
    result = attribution(
        module, x, methods, target, layers, relu=relu, placement=placement, upsample=upsample, output=output,
        exact=exact, device=device, progress=progress, cancel=cancel, low=low, high=high,
        budget=budget, tolerance=tolerance, seed=seed, baseline=baseline, references=references, inputs=inputs,
    )  # fmt: skip
    for empty in result.empty:
        warnings.warn(empty.sentence, MatxaiWarning, stacklevel=2)
    for sentence in result.warnings:
        warnings.warn(sentence, MatxaiWarning, stacklevel=2)
    return result.maps


def attribution(
    module: nn.Module,
    x: Tensor | tuple[Tensor, ...] | Mapping[str, Tensor],
    methods: Methods = DEFAULT,
    target: Any = None,
    layers: Layers = None,
    *,
    relu: bool = True,
    placement: str = "receptive_field",
    upsample: bool = True,
    output: str | None = None,
    exact: bool = False,
    device: Any = None,
    progress: Any = None,
    cancel: Any = None,
    low: Bound = None,
    high: Bound = None,
    budget: int | None = None,
    tolerance: float | None = None,
    seed: int = 0,
    baseline: Baseline | None = None,
    references: Tensor | None = None,
    inputs: Any = None,
    leave_out: bool = False,
) -> Attribution:
    """Return what :func:`attribute` returns, and with it scores, layers, places, passes and what was decided.

    Takes the parameters of :func:`attribute` and raises its errors. With ``leave_out`` methods that this model or input
    does not allow stand in ``left_out`` with the reason, and the others are done.

    Returns
    -------
    Attribution
        ``maps`` is the dictionary of :func:`attribute`; all-zero CAMs stand in ``empty`` and do not warn.
    """
    from matxai.methods.calling import Calling, Wish

    wish = Wish(
        target=target, layers=layers, relu=relu, placement=placement, upsample=upsample, output=output, exact=exact,
        device=device, progress=progress, cancel=cancel, low=low, high=high, budget=budget, tolerance=tolerance,
        seed=seed, baseline=baseline, references=references, leave_out=leave_out,
    )  # fmt: skip
    from matxai.engine.embedded import embedded, is_tokens
    from matxai.engine.inputs import bound

    wanted = resolve(methods)
    alone, first = bound(module, x, inputs)
    if is_tokens(module, first):
        alone, first = embedded(alone, first)
    return Calling(alone, first, wanted, wish, x).result()
