"""`{env: NAME}`, `{env: NAME, default: …}` and `{file: path}`: values that stand elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from orchestrator.config import checks
from orchestrator.config.secrets import SecretRef
from orchestrator.config.tree import FromEnv, KeyPath, Problems, is_reference, nearest, shown
from orchestrator.config.words import such_as
from orchestrator.errors import ConfigError

__all__ = ["MISSING", "References"]

MISSING: Any = object()
"""A value that could not be had. What went wrong was noted, or does not matter where no route leads."""

_CONTAINERS = frozenset({"defaults", "limits", "price", "tags", "weighted"})
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


_LIKE_A_VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*_(KEY|TOKEN|SECRET)")
_FOREIGN = re.compile(
    r"\$\{(?P<a>\w+)(:?[-?].*)?\}|\$(?P<b>[A-Za-z_]\w*)|os\.environ/(?P<c>\w+)|\{\{\s*(env\.)?(?P<d>\w+)\s*\}\}"
    r"|%(?P<e>\w+)%|env:(?P<f>[A-Z][A-Z0-9_]+)"
)
_MOST_VARIABLES = 500


def _foreign(text: str) -> str | None:
    """The variable that other tools would fill in for this text; the whole of it, since ours stands for a value."""
    found = _FOREIGN.fullmatch(text)
    return next(filter(None, found.groupdict().values()), None) if found else None


def _no_variable(name: str) -> str:
    variable = _foreign(name)
    if variable is not None:
        return f"write the name alone: {{env: {variable}}}"
    return "what follows env is not the name of an environment variable; name the variable, not its value"


def _no_value(key: str) -> str:
    if key[:1].isdigit():
        return "this key has no value; if it belongs to the value before it, that has a point, or is quoted"
    if ":" in key:
        return "a space is missing after the colon"
    return "this key has no value; leave it out instead"


def _of_one_vendor(name: str, other: str) -> bool:
    """Whether they begin alike: most names end alike, and another vendor's key would be no help."""
    return bool(get_close_matches(name.partition("_")[0], [other.partition("_")[0]], cutoff=0.7))


class References:
    """Resolves references against one environment.

    Args:
        problems: where mistakes are noted.
        environ: the environment variables. One that is set but empty counts as not set.
        directory: what a relative path at a key path is relative to.
        check_secrets: read every secret that is reached, to see that it is there.
    """

    def __init__(
        self,
        problems: Problems,
        environ: Mapping[str, str],
        directory: Callable[[KeyPath], Path],
        *,
        check_secrets: bool,
    ) -> None:
        self._problems = problems
        self._environ = environ
        self._directory = directory
        self._check_secrets = check_secrets

    def has(self, variable: str) -> bool:
        """Whether the variable is set and not empty."""
        return bool(self._environ.get(variable))

    def resolve(self, value: Any, path: KeyPath, *, reached: bool) -> Any:
        """The value with all references replaced. What is missing is left out, and noted if it is reached."""
        if path[-1] == "provider_options":
            return value
        if isinstance(value, list):
            found = [self.resolve(item, (*path, index), reached=reached) for index, item in enumerate(value)]
            return [item for item in found if item is not MISSING]
        if not isinstance(value, dict):
            return self._scalar(value, path)
        if "env" in value and path[-1] not in _CONTAINERS and not isinstance(value["env"], dict):
            return self._variable(value, path, reached=reached)
        pairs = {key: self.resolve(item, (*path, key), reached=reached) for key, item in value.items()}
        return {key: item for key, item in pairs.items() if item is not MISSING}

    def _scalar(self, value: Any, path: KeyPath) -> Any:
        variable = _foreign(value) if isinstance(value, str) and path[-2:-1] != ("stop",) else None
        if value is None:
            self._problems.add(path, _no_value(str(path[-1])))
        elif variable is not None:
            self._problems.add(path, f"variables are not filled in like this; write {{env: {variable}}}")
        return MISSING if value is None or variable is not None else value

    def _variable(self, value: dict[str, Any], path: KeyPath, *, reached: bool) -> Any:
        variable = value["env"]
        if not is_reference(value) or "file" in value or isinstance(value.get("default"), dict | list):
            self._problems.add(path, "a reference is {env: NAME} or {env: NAME, default: scalar}")
            return MISSING
        if not _VARIABLE.fullmatch(variable):
            self._problems.add(path, _no_variable(variable))
            return MISSING
        if self.has(variable):
            return FromEnv.of(variable, self._environ[variable])
        if value.get("default") is not None:
            return value["default"]
        if reached:
            self._problems.add(path, f"environment variable {variable} is not set{self._set(variable, path)}")
        else:
            self._problems.mute(path)
        return MISSING

    def secret(
        self, value: Any, path: KeyPath, *, reached: bool, check: Callable[[str], object] | None = None
    ) -> SecretRef | None:
        """The reference to a credential; None after a mistake was noted.

        `check` raises `ValueError`, in words that do not repeat it, for a credential that is there but of no use.
        """
        if not is_reference(value):
            self._problems.add(path, self._no_secret(value))
            return None
        if len(value) != 1:
            self._problems.add(path, "a secret is exactly {env: NAME} or {file: path}, and has no default")
            return None
        (kind, name), *_ = value.items()
        if kind == "env" and not _VARIABLE.fullmatch(name):
            self._problems.add(path, _no_variable(name))
            return None
        if not name or not name.isprintable():
            self._problems.add(path, "what follows file is not a path")
            return None
        made = SecretRef(kind, name, directory=str(self._directory(path)))
        return made if not reached or self._usable(made, path, check) else None

    def _no_secret(self, value: Any) -> str:
        if isinstance(value, dict) and len(value) == 1 and (one := next(iter(value))).startswith(("env:", "file:")):
            return f"a space is missing after {one.partition(':')[0]}:"
        if not isinstance(value, str):
            return f"expected a secret, found {shown(value)}; use {{env: NAME}} or {{file: path}}"
        variable = _foreign(value) or (value if value in self._environ or _LIKE_A_VARIABLE.fullmatch(value) else None)
        if variable is not None:
            return f"a variable is named like this: {{env: {variable}}}"
        return "a literal secret is refused; use {env: NAME} or {file: path}"

    def _set(self, variable: str, path: KeyPath) -> str:
        """`; did you mean …?` if a variable with a near name is set, or that a .env file is there and is not read."""
        named = [name for name in self._environ if name.isupper() and _of_one_vendor(name, variable)]
        near = nearest(variable, named) if len(named) <= _MOST_VARIABLES else ""
        if "did you mean" in near:
            return f"{near.removesuffix('?')}, which is set?"
        beside = (self._directory(path) / ".env").is_file()
        return "; .env is not read: `set -a; . ./.env` exports what stands in it" if beside else ""

    def _usable(self, reference: SecretRef, path: KeyPath, check: Callable[[str], object] | None) -> bool:
        if not self._check_secrets:
            return True
        try:
            secret = reference.open(self._environ)
            if check is not None:
                check(secret.reveal())
        except ConfigError as error:
            unset = reference.kind == "env" and reference.name not in self._environ
            self._problems.add(path, error.message + (self._set(reference.name, path) if unset else ""))
            return False
        except ValueError as error:
            self._problems.add(path, f"{reference.described()}: {error}")
            return False
        return True

    def headers(self, value: Any, path: KeyPath, *, reached: bool) -> dict[str, str | SecretRef]:
        """Header fields by lower-case name. `{env:}` and `{file:}` are secrets, unless they have a default."""
        if not isinstance(value, dict):
            self._problems.add(path, f"expected a mapping{such_as('headers')}, found {shown(value)}")
            return {}
        found: dict[str, str | SecretRef] = {}
        for key, item in value.items():
            try:
                name = checks.header_name(key)
                if name in found:
                    raise ValueError(f"header {name!r} is given twice")
                field = self._header(name, item, (*path, key), reached=reached)
            except ValueError as error:
                self._problems.add((*path, key), str(error))
                continue
            if field is not None:
                found[name] = field
        return found

    def _header(self, name: str, value: Any, path: KeyPath, *, reached: bool) -> str | SecretRef | None:
        if name in checks.SECRET_HEADERS or (is_reference(value) and "default" not in value):
            return self.secret(value, path, reached=reached)
        resolved = self.resolve(value, path, reached=reached)
        return None if resolved is MISSING else checks.header_value(resolved)
