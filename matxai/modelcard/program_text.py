"""The texts inside a ``torch.export`` program, and the small grammars that they must match before PyTorch sees them.

PyTorch evaluates symbolic sizes as Python (through sympy), imports the modules that the description of an input's
structure names, compiles the guards, and writes node names into source code. Each of these texts is read here with a
grammar of its own; what does not match is refused.
"""

from __future__ import annotations

import json
import re
from typing import Any

SYMBOL = re.compile(r"(?:zuf|u|s|f|z)\d{1,5}\Z")
NAME = re.compile(r"(?!__)[A-Za-z_][A-Za-z0-9_]{0,511}\Z|\Z")
DOTTED = re.compile(r"[A-Za-z0-9_.\-+/:@ ]{0,1024}\Z", re.ASCII)
TEXT = re.compile(r"[\w ,.\->:%=()\[\]<*']{0,2000}\Z", re.ASCII)
VERSION = re.compile(r"[0-9A-Za-z.+<=_\-]{0,64}\Z")
FLOAT = re.compile(r"-?Infinity\Z|NaN\Z")
DIALECTS = frozenset({"", "ATEN", "TRAINING", "EDGE"})

FUNCTIONS = frozenset({
    "Mod", "PythonMod", "FloorDiv", "CleanDiv", "CeilDiv", "ModularIndexing", "Max", "Min", "floor", "ceiling", "Abs",
    "CeilToInt", "FloorToInt", "TruncToInt", "TruncToFloat", "RoundToInt", "ToFloat", "IntTrueDiv", "FloatTrueDiv",
    "Identity",
    "Add", "Mul", "Pow", "Integer", "Rational", "Equality", "Unequality", "StrictLessThan", "LessThan",
    "StrictGreaterThan", "GreaterThan", "Eq", "Ne", "Lt", "Le", "Gt", "Ge", "And", "Or", "Not", "Where",
})  # fmt: skip
ASSUMPTIONS = frozenset({
    "integer", "positive", "nonnegative", "negative", "nonpositive", "zero", "nonzero", "real", "finite", "even", "odd",
})  # fmt: skip
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d{1,19}(?:\.\d{1,19})?)(?![\w.])|(?P<word>[A-Za-z_]\w*)|'(?P<quoted>[\w.+\-]{1,40})'"
    r"|(?P<power>\*\*)|(?P<op>//|[<>=!]=|[-+*/%<>&|~])|(?P<mark>[(),=]))",
    re.ASCII,
)
_DECIMAL = re.compile(r"-?\d{1,19}(\.\d{1,19})?([eE][-+]?\d{1,2})?\Z")
_BINARY = frozenset({"+", "-", "*", "/", "//", "%", "<", ">", "<=", ">=", "==", "!=", "&", "|"})
_CONSTANTS = frozenset({"True", "False", "true", "false"})


class _Expression:
    """A recursive descent over the tokens of one expression; nothing is evaluated.

    Both ways in which PyTorch writes sizes are read: ``4*s77`` and ``Mul(Integer(4), Symbol('s77', integer=True))``.
    """

    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        end = len(text.rstrip())
        at = 0
        while at < end:
            match = _TOKEN.match(text, at)
            if match is None:
                raise ValueError(text)
            self.tokens.append((str(match.lastgroup), match.group(str(match.lastgroup))))
            at = match.end()
        self.at = 0
        self.powers = 0

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def take(self, *allowed: str) -> tuple[str, str]:
        token = self.peek()
        if token[0] == "end" or (allowed and token[1] not in allowed and token[0] not in allowed):
            raise ValueError(token)
        self.at += 1
        return token

    def expression(self, depth: int) -> None:
        if depth > 40:
            raise ValueError(depth)
        self.term(depth)
        while self.peek()[1] in _BINARY:
            self.take()
            self.term(depth)

    def term(self, depth: int) -> None:
        while self.peek()[1] in {"-", "+", "~"}:
            self.take()
        before = self.powers
        kind, text = self.take("number", "word", "(")
        if text == "(":
            self.expression(depth + 1)
            self.take(")")
        elif kind == "word":
            self.word(text, depth)
        if self.peek()[0] == "power":
            self.take()
            self.power(before)
            self.small(self.take("number")[1])

    def word(self, text: str, depth: int) -> None:
        before = self.powers
        if text in _CONSTANTS or SYMBOL.match(text):
            return
        self.take("(")
        if text in {"Symbol", "Float"}:
            pattern = SYMBOL if text == "Symbol" else _DECIMAL
            if not pattern.match(self.take("quoted")[1]):
                raise ValueError(text)
            while self.take(",", ")")[1] == ",":
                self.take(*(ASSUMPTIONS if text == "Symbol" else {"precision"}))
                self.take("=")
                self.take(*(_CONSTANTS if text == "Symbol" else {"number"}))
            return
        if text not in FUNCTIONS:
            raise ValueError(text)
        self.expression(depth + 1)
        if text == "Pow":
            self.power(before)
            for expected in (",", "Integer", "("):
                self.take(expected)
            if self.peek()[1] == "-":
                self.take()
            self.small(self.take("number")[1])
            self.take(")")
        while self.take(",", ")")[1] == ",":
            self.expression(depth + 1)

    def power(self, before: int) -> None:
        """Refuse a power of a power, and one by more than a digit: 9**9**9 would take for ever."""
        if self.powers != before:
            raise ValueError(before)
        self.powers += 1

    def small(self, exponent: str) -> None:
        if len(exponent) != 1:
            raise ValueError(exponent)


def is_expression(text: str) -> bool:
    """Tell whether a symbolic size is arithmetic on integers and symbols (``s0``, ``u3``), and nothing else.

    Examples
    --------
    >>> is_expression("4*s77 + Max(1, s0//2)**2"), is_expression("Mul(Integer(4), Symbol('s77', integer=True))")
    (True, True)
    >>> is_expression("__import__('os').system('true')")
    False
    """
    if len(text) > 4000:
        return False
    try:
        reader = _Expression(text)
        reader.expression(0)
    except ValueError:
        return False
    return reader.peek()[0] == "end"


# the containers that inputs and outputs are made of, and whether they keep a list of keys
_TREES: dict[str, bool] = {
    "builtins.tuple": False,
    "builtins.list": False,
    "builtins.dict": True,
    "collections.OrderedDict": True,
    "torch.fx.immutable_collections.immutable_list": False,
    "torch.fx.immutable_collections.immutable_dict": True,
}


def clean_tree(text: str) -> str:
    """Return the description of an input's or output's structure, written anew with plain containers only.

    Raises
    ------
    ValueError
        For any other type, and for a context that names objects (PyTorch would import their modules).
    """
    if len(text) > 1_000_000:
        raise ValueError(text[:80])
    protocol, tree = json.loads(text)
    if protocol != 1:
        raise ValueError(protocol)
    return json.dumps([1, _clean_node(tree, 0)])


def _clean_node(node: Any, depth: int) -> dict[str, Any]:
    if depth > 40 or not isinstance(node, dict) or set(node) != {"type", "context", "children_spec"}:
        raise ValueError(str(node)[:80])
    kind, context, children = node["type"], node["context"], node["children_spec"]
    if kind is None and context is None and children == []:
        return node
    if kind not in _TREES or not isinstance(context, str) or not isinstance(children, list):
        raise ValueError(str(kind)[:80])
    plain: Any = json.loads(context)
    keys = plain if isinstance(plain, list) else []
    if isinstance(plain, list) != _TREES[kind] or (plain is not None and not keys and plain != []):
        raise ValueError(context[:80])
    if not all(isinstance(key, str | int) for key in keys):
        raise ValueError(context[:80])
    return {"type": kind, "context": json.dumps(plain), "children_spec": [_clean_node(c, depth + 1) for c in children]}


def clean_stack(text: str) -> str | None:
    """Return the module stack of a node (``key,path,type`` separated by ``;``), ``None`` if it is written otherwise."""
    entries = text.split(";")
    well = len(text) < 20_000 and text.isprintable() and all(entry.count(",") >= 2 for entry in entries)
    if not well or any(entry.count("(") + entry.count("[") for entry in entries):
        return None
    return ";".join(",".join([*entry.split(",")[:2], entry.split(",")[2]]) for entry in entries)
