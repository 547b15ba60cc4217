"""Every module says what it offers: sorted, complete, and true."""

from __future__ import annotations

import ast
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

import orchestrator
import orchestrator_providers

ROOTS = [Path(module.__path__[0]) for module in (orchestrator, orchestrator_providers)]
MODULES = [path for root in ROOTS for path in sorted(root.rglob("*.py")) if path.name != "__main__.py"]
PRIVATE = {"TypeVar", "TypeVarTuple", "ParamSpec"}


def dotted(path):
    root = next(root for root in ROOTS if root in path.parents or root == path.parent)
    name = ".".join(path.relative_to(root.parent).with_suffix("").parts)
    return name.removesuffix(".__init__")


def exported(tree):
    """The list in `__all__`, None if the module has none."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            return ast.literal_eval(node.value)
    return None


def defined(tree):
    """Public functions, classes and constants that the module itself defines at its top level."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign) and not is_type_variable(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def is_type_variable(value):
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in PRIVATE


def rank(name):
    """Constants, then classes, then functions, each by the alphabet: the order that the linter keeps as well."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2), name


def imported_elsewhere():
    """`(module, name)` pairs that other modules of ours import."""
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                yield from ((node.module, alias.name, dotted(path)) for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_lists_are_sorted_and_true(path):
    """A module's `__all__` is sorted, names nothing twice, and everything it names exists."""
    names = exported(ast.parse(path.read_text()))
    if names is None:
        return
    assert names == sorted(set(names), key=rank)
    name = dotted(path)
    if name.startswith("orchestrator_providers.litellm") and find_spec("litellm") is None:
        pytest.skip("litellm is not installed")
    module = import_module(name)
    assert [one for one in names if not hasattr(module, one)] == []


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_modules_with_definitions_have_a_list(path):
    """A module that defines something public has an `__all__`, and every class in it that is not private is named."""
    tree = ast.parse(path.read_text())
    public = [name for name in defined(tree) if not name.startswith("_")]
    names = exported(tree)
    assert names is not None or not public
    classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")}
    assert classes <= set(names or ())


def test_nothing_private_crosses_modules():
    """No module of ours imports another's underscored name: what others need has a public name."""
    crossing = {
        (module, name, importer)
        for module, name, importer in imported_elsewhere()
        if module.partition(".")[0] in {"orchestrator", "orchestrator_providers"} and name.startswith("_")
    }
    assert crossing == {("orchestrator", "__version__", importer) for _, _, importer in crossing}


def test_what_others_use_is_listed():
    """A name that another module imports is in the `__all__` of the module that defines it."""
    trees = {dotted(path): ast.parse(path.read_text()) for path in MODULES}
    unlisted = {
        f"{module}.{name}"
        for module, name, _ in imported_elsewhere()
        if module in trees
        and exported(trees[module]) is not None
        and name in set(defined(trees[module]))
        and name not in exported(trees[module])
        and not name.startswith("__")
    }
    assert "\n".join(sorted(unlisted)) == ""
