"""Who may import whom: the order of the design, read from the source itself."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RANK = {
    "_version": 0, "errors": 0, "registry": 0.5, "opaque": 0.5,
    "signals": 1, "regions": 1, "reference": 1,
    "modelcard": 2, "engine": 3, "methods": 4, "explanation": 5, "checks": 6, "report": 7, "jobs": 8, "cli": 9,
}  # fmt: skip
FORBIDDEN = {
    "engine": {"signals", "regions", "reference", "modelcard"},
    "methods": {"signals", "modelcard"},
    "regions": {"signals"},
}
HEAVY = {"torch", "torchvision", "matplotlib", "qtpy", "PySide6", "PyQt6", "napari", "pyqtgraph"}


def imports(path: Path) -> list[tuple[str, bool]]:
    """(module, inside a function?) for every import outside ``if TYPE_CHECKING``."""
    found: list[tuple[str, bool]] = []

    def visit(node: ast.AST, inside: bool) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.orelse:
                visit(child, inside)
            return
        if isinstance(node, ast.Import):
            found.extend((alias.name, inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 or path.suffix == ".pyi", f"{path}: relative import"
            found.append((node.module or "", inside))
            if node.module == "matxai":
                found.extend((f"matxai.{alias.name}", inside) for alias in node.names)
        inside = inside or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for child in ast.iter_child_nodes(node):
            visit(child, inside)

    visit(ast.parse(path.read_text(encoding="utf-8")), False)
    return found


LIBRARY = sorted((ROOT / "matxai").rglob("*.py"))


@pytest.mark.parametrize("path", LIBRARY, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_downward_only(path: Path) -> None:
    part = path.relative_to(ROOT / "matxai").parts[0].removesuffix(".py")
    if part in {"__init__", "__main__"}:
        return
    for module, _ in imports(path):
        assert not module.startswith(("napari_matxai", "matxai_datasets", "matxai_models")), f"{path} names {module}"
        names = module.split(".")
        if names[0] != "matxai" or len(names) == 1 or names[1] not in RANK:
            continue
        target = names[1]
        assert RANK[target] < RANK[part] or target == part, f"{path.relative_to(ROOT)} imports upward: {module}"
        assert target not in FORBIDDEN.get(part, set()), f"{path.relative_to(ROOT)} may not know {module}"


@pytest.mark.parametrize(("folder", "allowed"), [
    ("datasets/matxai_datasets", {"signals", "reference", "errors", "registry", "_version"}),
    ("models/matxai_models", {"signals", "reference", "modelcard", "errors", "registry", "_version"}),
])  # fmt: skip
def test_what_comes_along_imports_little(folder: str, allowed: set[str]) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    for path in files:
        for module, _ in imports(path):
            names = module.split(".")
            if names[0] == "matxai" and len(names) > 1:
                assert names[1] in allowed, f"{path.relative_to(ROOT)} imports {module}"
            if folder.startswith("datasets"):
                assert names[0] != "matxai_models", f"{path.relative_to(ROOT)} imports {module}"


def test_nothing_under_the_library_imports_a_gui_at_module_level() -> None:
    for path in LIBRARY:
        for module, inside in imports(path):
            name = module.split(".")[0]
            assert name not in HEAVY - {"torch", "torchvision", "matplotlib"}, f"{path.relative_to(ROOT)}: {module}"
            if name == "matplotlib":
                assert inside or path.parts[-2] in {"report", "sections"}, f"{path.relative_to(ROOT)}: {module}"


def test_a_public_function_and_a_package_never_share_a_name() -> None:
    import matxai

    packages = {p.name for p in (ROOT / "matxai").iterdir() if p.is_dir()}
    assert packages.isdisjoint(set(matxai.__all__) - {"methods"})


def test_nothing_that_a_package_exports_is_named_as_a_package_in_it() -> None:
    """Else the name is the package or the object, by what was imported first."""
    seen = 0
    for file in sorted((ROOT / "matxai").rglob("__init__.py")):
        packages = {p.name for p in file.parent.iterdir() if (p / "__init__.py").is_file()}
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "submod_attrs":
                exported = {name for names in ast.literal_eval(node.value).values() for name in names}
                assert packages.isdisjoint(exported), f"{file}: {sorted(packages & exported)}"
                seen += len(exported)
    assert seen > 50
