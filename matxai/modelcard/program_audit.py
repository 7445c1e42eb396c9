"""The graph of a ``torch.export`` program, audited: a copy that holds known fields, known operators and harmless texts.

Whatever is not known is refused. What is not needed to run the program and could do harm is left out: guards, traces,
custom metadata. Devices become ``cpu``, so that a program exported on a GPU loads anywhere.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from matxai.errors import UnsafeFileError
from matxai.modelcard.program_text import (
    DIALECTS,
    DOTTED,
    FLOAT,
    NAME,
    TEXT,
    VERSION,
    clean_stack,
    clean_tree,
    is_expression,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_VALUES = 5_000_000

OPERATORS = frozenset(
    [f"_operator.{name}" for name in ("add", "sub", "mul", "floordiv", "truediv", "mod", "neg", "pos", "abs", "eq",
                                      "ne", "lt", "le", "gt", "ge", "and_", "or_", "not_", "getitem")]
    + [f"torch.sym_{name}" for name in ("int", "float", "ite", "max", "min", "not", "sum", "sqrt", "fresh_size")]
    + [f"math.{name}" for name in ("ceil", "floor", "trunc")]
    + ["torch.ops.higher_order.wrap_with_set_grad_enabled", "torch.ops.higher_order.wrap_with_autocast",
       "torch.ops.torchvision.nms.default", "torch.ops.torchvision.roi_align.default",
       "torch.ops.torchvision.deform_conv2d.default"]
)  # fmt: skip
_ATEN = re.compile(r"torch\.ops\.aten\.([A-Za-z0-9_]{1,100})\.([A-Za-z0-9_]{1,100})\Z")
# aten has operators that touch files, and some that trust their arguments' sizes and indices
_FORBIDDEN = re.compile(
    r"from_file|save|_print|warn|nested|sparse|storage|(?<!^_)(?<!^)unsafe|^_?coalesce|_test_|jagged"
)
_TEXT_ARGUMENTS = frozenset({
    "mode", "padding", "rounding_mode", "approximate", "norm", "reduce", "equation", "indexing", "interpolation",
    "side", "UPLO", "driver", "assert_msg", "api_name", "ord", "p", "pad_mode", "padding_side", "activation",
})  # fmt: skip

_SECTIONS = frozenset({
    "graph_module", "graph", "signature", "module_call_graph", "inputs", "outputs", "nodes", "arg", "value", "hint",
    "sizes", "strides", "storage_offset", "schema_version", "input_specs", "output_specs",
    "user_input", "parameter", "buffer", "tensor_constant", "constant_input", "token",
    "user_output", "loss_output", "buffer_mutation", "gradient_to_parameter", "gradient_to_user_input",
    "user_input_mutation", "parameter_mutation",
    "as_none", "as_tensor", "as_tensors", "as_int", "as_ints", "as_float", "as_floats", "as_sym_int", "as_sym_ints",
    "as_scalar_type", "as_memory_format", "as_layout", "as_bool", "as_bools", "as_sym_bool", "as_sym_bools", "as_graph",
    "as_optional_tensors", "as_optional_tensor", "as_sym_float", "as_sym_floats", "as_complex", "as_nested_tensors",
    "as_int_lists", "as_float_lists", "as_expr",
    "kind", "dtype", "requires_grad", "layout", "persistent", "is_single_tensor_return", "is_hop_single_tensor_return",
    "major", "minor", "min_val", "max_val", "index",
})  # fmt: skip
_MAPS: Mapping[str, re.Pattern[str] | None] = {
    "tensor_values": NAME, "sym_int_values": NAME, "sym_bool_values": NAME, "sym_float_values": NAME,
    "range_constraints": None, "opset_version": NAME, "as_string_to_argument": NAME,
}  # fmt: skip
_EMPTY: dict[str, Any] = {"guards_code": [], "treespec_namedtuple_fields": {}, "custom_obj_values": {}}
_REFUSED = {
    "as_custom_obj": "a scripted or custom object",
    "custom_obj": "a scripted or custom object",
    "class_fqn": "a scripted or custom object",
}


def _operator(text: str) -> bool:
    if text in OPERATORS:
        return True
    match = _ATEN.match(text)
    if match is None or _FORBIDDEN.search(match.group(1)):
        return False
    import torch

    packet = getattr(torch.ops.aten, match.group(1), None)
    overload = getattr(packet, match.group(2), None)
    if not isinstance(overload, torch._ops.OpOverload) or overload.namespace != "aten":
        return False
    texts = {a.name for a in overload._schema.arguments if "str" in str(a.type).lower().replace("string", "str")}
    return texts <= _TEXT_ARGUMENTS


def _tree(text: str) -> bool:
    try:
        clean_tree(text)
    except (ValueError, TypeError, RecursionError):
        return False
    return True


def is_path(text: str) -> bool:
    """Tell whether a parameter's name is one, and no way into Python's own attributes (``__class__.forward``)."""
    return DOTTED.match(text) is not None and not any(part.startswith("__") for part in text.split("."))


_TEXTS: Mapping[str, tuple[str, Callable[[str], object]]] = {
    "expr_str": ("the symbolic size", is_expression),
    "target": ("the operator", _operator),
    "as_operator": ("the operator", _operator),
    "name": ("the name", NAME.match),
    "as_name": ("the name", NAME.match),
    "user_input_name": ("the name", NAME.match),
    "forward_arg_names": ("the name", NAME.match),
    "parameter_name": ("the name", is_path),
    "buffer_name": ("the name", is_path),
    "tensor_constant_name": ("the name", is_path),
    "fqn": ("the name", DOTTED.match),
    "as_string": ("the text", TEXT.match),
    "as_strings": ("the text", TEXT.match),
    "in_spec": ("the structure", _tree),
    "out_spec": ("the structure", _tree),
    "verifiers": ("the dialect", DIALECTS.__contains__),
    "torch_version": ("the version", VERSION.match),
    "as_float": ("the number", FLOAT.match),
    "as_floats": ("the number", FLOAT.match),
    "as_float_lists": ("the number", FLOAT.match),
    "real": ("the number", FLOAT.match),
    "imag": ("the number", FLOAT.match),
}


class Audit:
    """One audit of one program; :meth:`clean` gives the copy.

    Parameters
    ----------
    where
        What errors call the program.
    """

    def __init__(self, where: str) -> None:
        self.where = where
        self.values = 0

    def clean(self, value: Any, key: str = "", depth: int = 0) -> Any:
        """Return the audited copy of a value under ``key``.

        Raises
        ------
        UnsafeFileError
            For an unknown field, operator or kind of text, naming it.
        """
        self.values += 1
        if self.values > MAX_VALUES or depth > 200:
            raise UnsafeFileError(f"{self.where} has a graph of more than {MAX_VALUES} values or 200 levels.")
        if isinstance(value, dict):
            return self._mapping(value, key, depth)
        if isinstance(value, list):
            return [self.clean(item, key, depth + 1) for item in value]
        if isinstance(value, str):
            return self._text(value, key)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
            raise UnsafeFileError(f"{self.where} holds the number {value:.3g} under '{key}', beyond 64 bits.")
        return value

    def _text(self, text: str, key: str) -> str:
        label, check = _TEXTS.get(key, ("", None))
        if check is None:
            raise UnsafeFileError(f"{self.where} holds text where a program has none ('{key}': {_short(text)}).")
        if not check(text):
            raise UnsafeFileError(
                f"{self.where} holds {label} {_short(text)}, which is none of those that are known to be harmless; it "
                "was not loaded."
            )
        return clean_tree(text) if key in {"in_spec", "out_spec"} else text

    def _mapping(self, value: dict[str, Any], key: str, depth: int) -> dict[str, Any]:
        if key in _MAPS:
            for name in value:
                pattern = _MAPS[key]
                if not (pattern.match(name) if pattern is not None else is_expression(name)):
                    raise UnsafeFileError(f"{self.where} holds the name {_short(name)} in '{key}', which is none.")
            return {name: self.clean(item, "", depth + 1) for name, item in value.items()}
        result: dict[str, Any] = {}
        for name, item in value.items():
            if name in _REFUSED:
                raise UnsafeFileError(f"{self.where} holds {_REFUSED[name]}, whose code would run when it is loaded.")
            if name == "metadata":
                result[name] = _metadata(item)
            elif name in {"device", "as_device"}:
                result[name] = {"type": "cpu", "index": None} if item is not None else None
            elif name in _EMPTY:
                if name == "custom_obj_values" and item:
                    raise UnsafeFileError(
                        f"{self.where} holds a scripted or custom object, whose code would run when loaded."
                    )
                result[name] = type(_EMPTY[name])()
            elif name in _SECTIONS or name in _MAPS or name in _TEXTS:
                result[name] = self.clean(item, name, depth + 1)
            else:
                raise UnsafeFileError(
                    f"{self.where} has the field {_short(name)}, which is not known; it was not loaded."
                )
        return result


def _metadata(value: Any) -> dict[str, str]:
    """Keep of a node's metadata where in the network it stands; the rest is for debugging."""
    stack = value.get("nn_module_stack") if isinstance(value, dict) else None
    kept = clean_stack(stack) if isinstance(stack, str) else None
    return {"nn_module_stack": kept} if kept else {}


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
