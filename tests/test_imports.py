"""What the library imports is installed with it, or with an extra that the module names."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OURS = {"orchestrator", "orchestrator_providers"}
FILES = sorted([*ROOT.glob("orchestrator/**/*.py"), *ROOT.glob("providers/**/*.py")])
NOT_RUNTIME = {"all", "dev"}


def distribution(requirement):
    name = re.match(r"[\w.-]+", requirement)
    assert name, requirement
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def with_what_they_need(requirements):
    """These distributions and those that they need without extras of their own."""
    found, todo = set(), [distribution(one) for one in requirements]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            try:
                needed = requires(name) or ()
            except PackageNotFoundError:
                continue
            todo += [distribution(one) for one in needed if "extra ==" not in one]
    return found


LATER_STDLIB = {"compression"}  # from Python 3.14

CORE = with_what_they_need(PROJECT["dependencies"])
EXTRAS = {
    extra: with_what_they_need(requirements)
    for extra, requirements in PROJECT["optional-dependencies"].items()
    if extra not in NOT_RUNTIME
}


def imports(tree, *, typed_only=False):
    """Full names of the modules that run when the code does: also late ones, none for type checkers."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for other in node.orelse:
                yield from imports(ast.Module([other], []))
        elif isinstance(node, ast.Import):
            yield from [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from [node.module or "", *[f"{node.module}.{alias.name}" for alias in node.names]]
        else:
            yield from imports(node)


def providers_of(module):
    """Distributions that a module can come from, by the longest part of its name that says it."""
    known = packages_distributions()
    return {re.sub(r"[-_.]+", "-", name).lower() for name in known.get(module.partition(".")[0], ())}


def outside(path):
    found = {name.partition(".")[0] for name in imports(ast.parse(path.read_text()))}
    return sorted(found - OURS - sys.stdlib_module_names - LATER_STDLIB)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_imported_is_installed(path):
    """Every module from outside, also one imported late, comes with the core or with an extra named in the file."""
    text = path.read_text()
    named = {extra for extra in EXTRAS if f"[{extra}]" in text or f'"{extra}"' in text or extra in path.parts}
    allowed = CORE.union(*[EXTRAS[extra] for extra in named])
    for module in outside(path):
        sources = providers_of(module)
        assert sources, f"{module} is not installed here, so nobody can say where it comes from"
        assert sources & allowed, f"{module} comes with {sorted(sources)}, which no install of this module brings"


def test_the_walk_sees_late_imports():
    """The walk finds imports in functions and try blocks, and passes over those for type checkers."""
    tree = ast.parse(
        "import a\nif TYPE_CHECKING:\n    import b\nelse:\n    import c\n"
        "def f():\n    try:\n        from d.e import f\n    except ImportError:\n        import g\n"
    )
    assert set(imports(tree)) == {"a", "c", "d.e", "d.e.f", "g"}


def test_development_is_not_the_core():
    """What tests alone need is no part of the core: the walk would accept anything otherwise."""
    assert not CORE & {"jsonschema-rs", "pytest", "openai", "litellm", "redis", "httpx2"}
    assert {"fastjsonschema", "aiohttp", "multidict", "pydantic-core"} <= CORE
