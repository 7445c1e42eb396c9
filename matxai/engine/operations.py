"""The table of tensor functions: what each does to values, matched by identity. What is done about it lives elsewhere.

A function comes to the capture as ``torch.relu``, ``Tensor.relu_``, ``F.relu`` or, from exported programs, as an
overload such as ``aten.relu.default``; all of them are one row here. A row says how LRP sees the operation:

``RULE``   a stand-in function follows the composite;
``PLAIN``  relevance divided by input passes by the plain gradient (sums, views, pools, piecewise linear functions);
``RATIO``  an elementwise function: (f(x) - f(0)) / x in the place of the slope;
``PRODUCT`` a product: plain with a constant, a gate with a live operand;
``REFUSED`` no rule: LRP says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


class Passage(Enum):
    """How LRP passes an operation."""

    RULE = "rule"
    PLAIN = "plain"
    RATIO = "ratio"
    PRODUCT = "product"
    REFUSED = "refused"


class Sign(Enum):
    """What an operation makes of values that are known to be non-negative."""

    ANY = "any"
    """Nothing is known of the result."""
    KEEPS = "keeps"
    """Non-negative if all live operands are."""
    NONNEGATIVE = "nonnegative"
    """Never negative."""


@dataclass(frozen=True)
class Row:
    """One kind of operation as one spelling of it: see the module's docstring.

    Attributes
    ----------
    kind
        The name in the trace.
    base
        The canonical name, the same for all spellings: ``"relu"``.
    parameters
        Names of the arguments after the first, with their defaults, for reading geometry out of a call.
    in_place
        Whether this spelling writes into its first argument.
    """

    kind: str
    base: str
    passage: Passage
    sign: Sign = Sign.ANY
    parameters: Mapping[str, Any] = field(default_factory=dict)
    in_place: bool = False

    def read(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the call's arguments after the first by name, defaults filled in."""
        bound = dict(self.parameters)
        bound.update(zip(self.parameters, args[1:], strict=False))
        bound.update({k: v for k, v in kwargs.items() if k in bound})
        return bound


TABLE: dict[Callable[..., Any], Row] = {}

_CONV = {"weight": None, "bias": None, "stride": 1, "padding": 0, "dilation": 1, "groups": 1}
_TRANSPOSED = {"weight": None, "bias": None, "stride": 1, "padding": 0, "output_padding": 0, "groups": 1, "dilation": 1}
_ANY_CONV = {
    "weight": None, "bias": None, "stride": 1, "padding": 0, "dilation": 1, "transposed": False, "output_padding": 0,
    "groups": 1,
}  # fmt: skip
_BATCH_NORM = {"running_mean": None, "running_var": None, "weight": None, "bias": None, "training": False,
               "momentum": 0.1, "eps": 1e-5}  # fmt: skip
_ATEN_BATCH_NORM = {"weight": None, "bias": None, "running_mean": None, "running_var": None, "training": False,
                    "momentum": 0.1, "eps": 1e-5}  # fmt: skip
_ATEN_EVAL_NORM = {k: v for k, v in _ATEN_BATCH_NORM.items() if k != "training"}
_MAX_POOL = {"kernel_size": None, "stride": None, "padding": 0, "dilation": 1, "ceil_mode": False}
_AVERAGE_POOL = {"kernel_size": None, "stride": None, "padding": 0, "ceil_mode": False, "count_include_pad": True,
                 "divisor_override": None}  # fmt: skip
_INTERPOLATE = {"size": None, "scale_factor": None, "mode": "nearest", "align_corners": None}
_PAD = {"pad": None, "mode": "constant", "value": None}
_REDUCE = {"dim": None, "keepdim": False}
_LP_POOL = {"norm_type": 2.0, "kernel_size": None, "stride": None, "ceil_mode": False}
_LAYER_NORM = {"normalized_shape": None, "weight": None, "bias": None, "eps": 1e-5}
_INSTANCE_NORM = {"running_mean": None, "running_var": None, "weight": None, "bias": None, "use_input_stats": True,
                  "momentum": 0.1, "eps": 1e-5}  # fmt: skip
_ATEN_INSTANCE_NORM = {k: _INSTANCE_NORM[k] for k in (
    "weight", "bias", "running_mean", "running_var", "use_input_stats", "momentum", "eps")}  # fmt: skip
_ATEN_GROUP_NORM = dict.fromkeys(("weight", "bias", "N", "C", "HxW", "group", "eps"))
_SDPA = {"key": None, "value": None, "attn_mask": None, "dropout_p": 0.0, "is_causal": False, "scale": None,
         "enable_gqa": False}  # fmt: skip
_SDPA_CPU = {"key": None, "value": None, "dropout_p": 0.0, "is_causal": False, "attn_mask": None, "scale": None}
_MULTI_HEAD = {
    "key": None, "value": None, "embed_dim_to_check": 0, "num_heads": 1, "in_proj_weight": None, "in_proj_bias": None,
    "bias_k": None, "bias_v": None, "add_zero_attn": False, "dropout_p": 0.0, "out_proj_weight": None,
    "out_proj_bias": None, "training": True, "key_padding_mask": None, "need_weights": True, "attn_mask": None,
    "use_separate_proj_weight": False, "q_proj_weight": None, "k_proj_weight": None, "v_proj_weight": None,
    "static_k": None, "static_v": None, "average_attn_weights": True, "is_causal": False,
}  # fmt: skip

_PLACES = (torch, torch.Tensor, F, torch._C._nn, torch.special, torch.linalg)
_DUNDERS = {
    "add": ("__add__", "__radd__"), "sub": ("__sub__",), "mul": ("__mul__", "__rmul__"),
    "div": ("__truediv__",), "reciprocal_div": ("__rtruediv__", "__rdiv__"), "matmul": ("__matmul__", "__rmatmul__"),
    "neg": ("__neg__",), "abs": ("__abs__",), "pow": ("__pow__",), "rpow": ("__rpow__",),
    "getitem": ("__getitem__",), "rsub": ("__rsub__",),
}  # fmt: skip
_IN_PLACE_DUNDERS = {
    "add": ("__iadd__",), "sub": ("__isub__",), "mul": ("__imul__",), "div": ("__itruediv__", "__idiv__"),
    "pow": ("__ipow__",), "write": ("__setitem__",),
}  # fmt: skip


def _spellings(base: str) -> Iterable[tuple[Callable[..., Any], bool]]:
    """Yield each function that goes by this name in PyTorch, and whether it writes into its first argument."""
    for name, in_place in ((base, False), (base + "_", True)):
        for place in _PLACES:
            found = getattr(place, name, None)
            if callable(found):
                yield found, in_place
        packet = getattr(torch.ops.aten, name, None)
        if packet is not None:
            yield packet, in_place
            for overload in packet.overloads():
                yield getattr(packet, overload), in_place
    for dunders, in_place in ((_DUNDERS, False), (_IN_PLACE_DUNDERS, True)):
        for name in dunders.get(base, ()):
            found = getattr(torch.Tensor, name, None)
            if found is not None:
                yield found, in_place


def _list(
    kind: str,
    names: str,
    passage: Passage,
    sign: Sign = Sign.ANY,
    parameters: Mapping[str, Any] | None = None,
) -> None:
    for base in names.split():
        for function, in_place in _spellings(base):
            if function not in TABLE:
                TABLE[function] = Row(kind, base, passage, sign, parameters or {}, in_place)


P, S = Passage, Sign
# linear operations and norms, which have rules of their own
_list("convolution", "conv1d conv2d conv3d", P.RULE, parameters=_CONV)
_list("transposed_convolution", "conv_transpose1d conv_transpose2d conv_transpose3d", P.RULE, parameters=_TRANSPOSED)
_list("convolution", "convolution", P.RULE, parameters=_ANY_CONV)
_list("linear", "linear", P.RULE, parameters={"weight": None, "bias": None})
TABLE[F.batch_norm] = Row("batch_norm", "batch_norm", P.RULE, parameters=_BATCH_NORM)
_several: tuple[Any, ...] = (torch.batch_norm, torch.ops.aten.batch_norm.default, torch.ops.aten.batch_norm)
for _function in _several:
    TABLE[_function] = Row("batch_norm", "batch_norm", P.RULE, parameters=_ATEN_BATCH_NORM)
_list("batch_norm", "_native_batch_norm_legit_no_training", P.RULE, parameters=_ATEN_EVAL_NORM)
# norms that take their statistics from the tensor itself
_list("norm", "layer_norm native_layer_norm", P.RULE, parameters=_LAYER_NORM)
_list("norm", "rms_norm _fused_rms_norm", P.RULE, parameters={"normalized_shape": None, "weight": None, "eps": None})
_list("norm", "group_norm", P.RULE, parameters={"num_groups": 1, "weight": None, "bias": None, "eps": 1e-5})
_list(
    "norm", "native_group_norm", P.RULE, parameters=dict.fromkeys(["weight", "bias", "N", "C", "HxW", "group", "eps"])
)
TABLE[F.instance_norm] = Row("norm", "instance_norm", P.RULE, parameters=_INSTANCE_NORM)
_list("norm", "instance_norm", P.RULE, parameters=_ATEN_INSTANCE_NORM)
_list("norm", "normalize", P.RULE, parameters={"p": 2.0, "dim": 1, "eps": 1e-12})
_list("norm", "local_response_norm", P.RULE, parameters={"size": 1, "alpha": 1e-4, "beta": 0.75, "k": 1.0})
TABLE[torch.ops.aten._native_batch_norm_legit.no_stats] = Row(
    "norm", "_native_batch_norm_legit", P.RULE, parameters={"weight": None, "bias": None, "training": True,
                                                            "momentum": 0.1, "eps": 1e-5})  # fmt: skip
# activations
_list("relu", "relu", P.RULE, S.NONNEGATIVE)
_list("activation", "relu6 hardsigmoid sigmoid exp square sqrt cosh", P.RATIO, S.NONNEGATIVE)
_list("activation", "softplus", P.RATIO, S.NONNEGATIVE, {"beta": 1.0, "threshold": 20.0})
_list("activation", "hardtanh", P.RATIO, S.KEEPS, {"min_val": -1.0, "max_val": 1.0})
_list("activation", "elu", P.RATIO, S.KEEPS, {"alpha": 1.0, "scale": 1.0, "input_scale": 1.0})
_list("activation", "hardswish silu tanh selu mish softsign expm1 log1p sinh asinh atan arctan arcsinh erf", P.RATIO,
      S.KEEPS)  # fmt: skip
_list("activation", "sin tan asin arcsin cos logsigmoid log_sigmoid tanhshrink", P.RATIO)
_list("activation", "gelu", P.RATIO, S.KEEPS, {"approximate": "none"})
_list("activation", "celu", P.RATIO, S.KEEPS, {"alpha": 1.0})
_list("activation", "hardshrink softshrink", P.RATIO, S.KEEPS, {"lambd": 0.5})
_list("activation", "threshold _threshold", P.RATIO, S.ANY, {"threshold": 0.0, "value": 0.0})
_list("power", "pow", P.RATIO, S.KEEPS, {"exponent": None})
_list("power", "rpow", P.RATIO, S.NONNEGATIVE, {"base": None})
_list("singular", "log log2 log10 reciprocal rsqrt reciprocal_div", P.RULE)
_list("glu", "glu", P.RULE, parameters={"dim": -1})
_list("piecewise", "leaky_relu prelu _prelu_kernel rrelu rrelu_with_noise rrelu_with_noise_functional maximum max "
      "minimum min amax amin fmax fmin nan_to_num", P.PLAIN, S.KEEPS)  # fmt: skip
_list("step", "sign sgn floor ceil round trunc heaviside", P.REFUSED)
_list("piecewise", "abs", P.PLAIN, S.NONNEGATIVE)
_list("clamp", "clamp clamp_min clamp_max clip", P.RATIO, S.KEEPS, {"min": None, "max": None})
# pools, sums, interpolation
_list("max_pool", "max_pool1d max_pool2d max_pool3d", P.PLAIN, S.KEEPS, _MAX_POOL)
_list(
    "max_pool",
    "max_pool1d_with_indices max_pool2d_with_indices max_pool3d_with_indices",
    P.PLAIN,
    S.KEEPS,
    _MAX_POOL,
)
_list("average_pool", "avg_pool1d avg_pool2d avg_pool3d", P.PLAIN, S.KEEPS, _AVERAGE_POOL)
_list(
    "adaptive_pool",
    "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d _adaptive_avg_pool2d _adaptive_avg_pool3d "
    "adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d adaptive_max_pool1d_with_indices "
    "adaptive_max_pool2d_with_indices adaptive_max_pool3d_with_indices",
    P.PLAIN,
    S.KEEPS,
    {"output_size": None},
)
_list("select", "fractional_max_pool2d fractional_max_pool3d fractional_max_pool2d_with_indices "
      "fractional_max_pool3d_with_indices max_unpool1d max_unpool2d max_unpool3d", P.PLAIN, S.KEEPS)  # fmt: skip
_list("lp_pool", "lp_pool1d lp_pool2d lp_pool3d", P.RULE, S.KEEPS, _LP_POOL)
_list("interpolate", "interpolate upsample upsample_nearest upsample_bilinear", P.PLAIN, S.KEEPS, _INTERPOLATE)
for _name in ("nearest1d", "nearest2d", "nearest3d", "linear1d", "bilinear2d", "trilinear3d"):
    _list("interpolate", f"upsample_{_name}", P.PLAIN, S.KEEPS, {"output_size": None})
for _name in ("nearest_exact1d", "nearest_exact2d", "nearest_exact3d", "bilinear2d_aa"):
    _list("interpolate", f"_upsample_{_name}", P.PLAIN, S.KEEPS, {"output_size": None})
_list("interpolate", "upsample_bicubic2d _upsample_bicubic2d_aa", P.PLAIN, S.ANY, {"output_size": None})
_list("grid_sample", "grid_sample grid_sampler grid_sampler_2d grid_sampler_3d", P.PLAIN, S.ANY, {"grid": None})
_list("mean", "mean", P.PLAIN, S.KEEPS, _REDUCE)
_list("sum", "sum cumsum nansum", P.PLAIN, S.KEEPS, _REDUCE)
_list(
    "norm_of", "vector_norm norm linalg_vector_norm linalg_norm", P.PLAIN, S.NONNEGATIVE
)  # of degree 1: gradient times input is the norm itself
_list("statistic", "var std var_mean std_mean logsumexp prod cumprod", P.RULE)
_list("add", "add", P.PLAIN, S.KEEPS)
_list("add", "sub subtract rsub neg negative diff", P.PLAIN, S.ANY)
_list("cat", "cat concat concatenate stack hstack vstack dstack", P.PLAIN, S.KEEPS, {"dim": 0})
_list("pad", "pad constant_pad_nd", P.PLAIN, S.KEEPS, _PAD)
_list("pad", "reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d "
      "replication_pad3d _pad_circular", P.PLAIN, S.KEEPS)  # fmt: skip
# views, copies, selections
_list(
    "view",
    "view reshape flatten unflatten squeeze unsqueeze permute transpose t movedim moveaxis swapaxes swapdims expand "
    "contiguous clone to type float double half bfloat16 alias _to_copy "
    "atleast_1d atleast_2d atleast_3d adjoint ravel unsafe_view _unsafe_view cpu cuda positive requires_grad",
    P.PLAIN,
    S.KEEPS,
)
_list("view_as", "expand_as view_as reshape_as type_as", P.PLAIN, S.KEEPS)
_list("identity", "dropout dropout1d dropout2d dropout3d alpha_dropout feature_dropout feature_alpha_dropout", P.PLAIN,
      S.KEEPS)  # fmt: skip
_list(
    "select",
    "getitem chunk split split_with_sizes tensor_split unbind narrow select slice index index_select gather take "
    "masked_fill masked_select where repeat repeat_interleave tile roll flip fliplr flipud rot90 pixel_shuffle "
    "pixel_unshuffle channel_shuffle unfold fold im2col col2im tril triu diagonal broadcast_to sort topk "
    "index_select take_along_dim _unsafe_index native_channel_shuffle diag diag_embed block_diag msort",
    P.PLAIN,
    S.KEEPS,
)
_list("write", "write copy index_copy index_put fill zero masked_scatter scatter slice_scatter select_scatter "
      "scatter_add index_add _index_put_impl",
      P.PLAIN, S.ANY)  # fmt: skip
_list("constant", "detach", P.PLAIN)
_list(
    "constant",
    "empty_like zeros_like ones_like full_like rand_like randn_like new_empty new_zeros new_ones new_full new_tensor "
    "argmax argmin argsort",
    P.PLAIN,
)
# products
_list("product", "mul multiply", P.PRODUCT, S.KEEPS)
_list("quotient", "div divide true_divide", P.PRODUCT, S.KEEPS)
_list("product_sum", "addcmul addcdiv lerp", P.PRODUCT)
_list("matmul", "matmul mm bmm einsum addmm baddbmm addbmm addmv tensordot mv dot inner", P.PRODUCT)
_list("bilinear", "bilinear", P.PRODUCT, parameters={"input2": None, "weight": None, "bias": None})
_list("softmax", "softmax _softmax _safe_softmax softmin", P.RULE, S.NONNEGATIVE, {"dim": None, "dtype": None})
_list("log_softmax", "log_softmax _log_softmax", P.RULE, S.ANY, {"dim": None, "dtype": None})
_list("attention", "multi_head_attention_forward", P.RULE, parameters=_MULTI_HEAD)
_list("attention", "scaled_dot_product_attention", P.RULE, parameters=_SDPA)
_list("attention", "_scaled_dot_product_flash_attention_for_cpu", P.RULE, parameters=_SDPA_CPU)
_list("attention", "_scaled_dot_product_attention_math", P.RULE, parameters=_SDPA)
_list("attention", "_native_multi_head_attention _transformer_encoder_layer_fwd", P.REFUSED)
_list("recurrent", "lstm gru rnn_tanh rnn_relu lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell", P.RULE)
_list("view", "numpy_T matrix_H mT mH", P.PLAIN, S.KEEPS)
for _property in ("T", "mT", "H", "mH", "real", "data"):
    _get = getattr(torch.Tensor, _property).__get__
    TABLE[_get] = Row("constant" if _property == "data" else "view", _property, P.PLAIN, S.KEEPS)

LINEAR_KINDS = frozenset(
    {"convolution", "transposed_convolution", "linear", "matmul", "bilinear", "attention", "recurrent"}
)
SCORE_ACTIVATIONS = frozenset({"softmax", "_softmax", "log_softmax", "_log_softmax", "sigmoid", "logsigmoid",
                               "log_sigmoid"})  # fmt: skip


def unlisted(function: Callable[..., Any]) -> Row:
    """Return the row of a function that the table does not have: no rule, in place if its name or schema says so."""
    name = getattr(function, "__name__", type(function).__name__)
    schema = getattr(function, "_schema", None)
    in_place = schema.is_mutable if schema is not None else name.endswith("_") and not name.endswith("__")
    return Row("other", name, Passage.REFUSED, in_place=in_place)


def native(base: str) -> Callable[..., Any]:
    """Return the function of this name that computes out of place, whatever spelling the model used."""
    for place in (F, torch):
        found = getattr(place, base, None)
        if callable(found):
            function: Callable[..., Any] = found
            return function
    raise AttributeError(base)
