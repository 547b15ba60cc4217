"""`{env: NAME}`, `{env: NAME, default: …}` and `{file: path}`: values that stand elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from orchestrator.config import checks
from orchestrator.config.secrets import SecretRef
from orchestrator.config.tree import FromEnv, KeyPath, Problems, is_reference, shown
from orchestrator.errors import ConfigError

__all__ = ["MISSING", "References"]

MISSING: Any = object()
"""A value that could not be had. What went wrong was noted, or does not matter where no route leads."""

_CONTAINERS = frozenset({"defaults", "limits", "price", "tags", "weighted"})
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


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
        if value is None:
            self._problems.add(path, "this key has no value; leave it out instead")
            return MISSING
        if isinstance(value, list):
            found = [self.resolve(item, (*path, index), reached=reached) for index, item in enumerate(value)]
            return [item for item in found if item is not MISSING]
        if not isinstance(value, dict):
            return value
        if "env" in value and path[-1] not in _CONTAINERS and not isinstance(value["env"], dict):
            return self._variable(value, path, reached=reached)
        pairs = {key: self.resolve(item, (*path, key), reached=reached) for key, item in value.items()}
        return {key: item for key, item in pairs.items() if item is not MISSING}

    def _variable(self, value: dict[str, Any], path: KeyPath, *, reached: bool) -> Any:
        variable = value["env"]
        if not is_reference(value) or "file" in value or isinstance(value.get("default"), dict | list):
            self._problems.add(path, "a reference is {env: NAME} or {env: NAME, default: scalar}")
            return MISSING
        if not _VARIABLE.fullmatch(variable):
            self._problems.add(path, "what follows env is not the name of an environment variable")
            return MISSING
        if self.has(variable):
            return FromEnv.of(variable, self._environ[variable])
        if value.get("default") is not None:
            return value["default"]
        if reached:
            self._problems.add(path, f"environment variable {variable} is not set")
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
            literal = isinstance(value, str)
            found = "a literal secret is refused" if literal else f"expected a secret, found {shown(value)}"
            self._problems.add(path, f"{found}; use {{env: NAME}} or {{file: path}}")
            return None
        if len(value) != 1:
            self._problems.add(path, "a secret is exactly {env: NAME} or {file: path}, and has no default")
            return None
        (kind, name), *_ = value.items()
        if kind == "env" and not _VARIABLE.fullmatch(name):
            self._problems.add(path, "what follows env is not the name of an environment variable")
            return None
        if not name or not name.isprintable():
            self._problems.add(path, "what follows file is not a path")
            return None
        made = SecretRef(kind, name, directory=str(self._directory(path)))
        return made if not reached or self._usable(made, path, check) else None

    def _usable(self, reference: SecretRef, path: KeyPath, check: Callable[[str], object] | None) -> bool:
        if not self._check_secrets:
            return True
        try:
            secret = reference.open(self._environ)
            if check is not None:
                check(secret.reveal())
        except ConfigError as error:
            self._problems.add(path, error.message)
            return False
        except ValueError as error:
            self._problems.add(path, f"{reference.described()}: {error}")
            return False
        return True

    def headers(self, value: Any, path: KeyPath, *, reached: bool) -> dict[str, str | SecretRef]:
        """Header fields by lower-case name. `{env:}` and `{file:}` are secrets, unless they have a default."""
        if not isinstance(value, dict):
            self._problems.add(path, f"expected a mapping, found {shown(value)}")
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
