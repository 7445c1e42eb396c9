"""The one way of registering: names offered when misspelt, no hiding, files found without being named."""

from __future__ import annotations

import importlib
import sys

import pytest

from matxai.errors import MatxaiError, MethodError
from matxai.registry import Registry


def test_unknown_names_are_answered_with_the_nearest() -> None:
    r: Registry[int] = Registry("fill", error=MethodError)
    r.add("blur", 1)
    with pytest.raises(MethodError, match=r"There is no fill 'blurr'\. Did you mean 'blur'\?"):
        r["blurr"]


def test_two_members_of_one_name_are_refused() -> None:
    r: Registry[int] = Registry("fill")
    r.add("a", 1)
    with pytest.raises(ValueError, match="registered already"):
        r.add("a", 2)


def test_a_new_file_in_the_package_is_found(tmp_path, monkeypatch) -> None:
    package = tmp_path / "found_here"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from matxai.registry import Registry\nkinds = Registry('kind', package='found_here')\n"
    )
    (package / "first.py").write_text("from found_here import kinds\nkinds.add('first', 1)\n")
    (package / "second.py").write_text("from found_here import kinds\nkinds.add('second', 2)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    kinds = __import__("found_here").kinds
    importlib.import_module("found_here.second")  # an import beforehand must not change the order
    assert list(kinds) == ["first", "second"]
    assert kinds["first"] == 1
    with pytest.raises(MatxaiError, match="There is no kind 'x'"):
        kinds["x"]
    for name in [m for m in sys.modules if m.startswith("found_here")]:
        del sys.modules[name]
