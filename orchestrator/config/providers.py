"""One entry under `providers`, or the provider that a one-line form stands for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from orchestrator.config.habits import mapping_expected
from orchestrator.config.references import MISSING, References
from orchestrator.config.schema import ProviderConfig
from orchestrator.config.tree import KeyPath, Problems
from orchestrator.config.validating import report_unknown, validated
from orchestrator.errors import ConfigError
from orchestrator.spec.provider import EngineFactory, Profile, Wire

__all__ = ["Definition", "Find", "Kinds", "one_line_provider", "read_provider"]

Find: TypeAlias = Callable[[str], Wire | EngineFactory]

_ENGINE_KEYS = ("headers", "proxy", "ca_file")
_ADDED = ("/chat/completions", "/completions", "/embeddings", "/messages", "/responses", "/rerank")
_AZURE = (".openai.azure.com", ".cognitiveservices.azure.com")


@dataclass(frozen=True, slots=True)
class Definition:
    """Raw data of a provider or deployment. A one-line form is written at one path, so all its mistakes stand there."""

    raw: Any
    path: KeyPath
    one_line: bool = False

    def at(self, key: str) -> KeyPath:
        """Where a key of it is, or would be, written."""
        return self.path if self.one_line else (*self.path, key)


class Kinds:
    """Provider kinds by name, each looked up once."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._known: dict[str, Wire | EngineFactory | str] = {}

    def get(self, kind: str, path: KeyPath, problems: Problems) -> Wire | EngineFactory | None:
        """The kind, or None after noting that there is none."""
        found = self._looked_up(kind)
        if isinstance(found, str):
            problems.add(path, found)
            return None
        return found

    def profile(self, kind: str) -> Profile | None:
        """The kind's facts, or None if there is no such kind."""
        found = self._looked_up(kind)
        return None if isinstance(found, str) else found.profile

    def _looked_up(self, kind: str) -> Wire | EngineFactory | str:
        if kind not in self._known:
            try:
                self._known[kind] = self._find(kind)
            except ConfigError as error:
                self._known[kind] = error.message
        return self._known[kind]


def one_line_provider(
    vendor: str, path: KeyPath, kinds: Kinds, references: References, problems: Problems
) -> Definition:
    """The provider of that kind with the vendor's usual variable: the first that is set, or else the first."""
    raw: dict[str, Any] = {"kind": vendor}
    kind = kinds.get(vendor, path, problems)
    if kind is not None and kind.profile.api_key_env:
        variables = kind.profile.api_key_env
        usual = next(filter(references.has, variables), variables[0] if kind.profile.key_required else None)
        raw |= {"api_key": {"env": usual}} if usual else {}
    return Definition(raw, path, one_line=True)


def read_provider(
    definition: Definition, kinds: Kinds, references: References, problems: Problems, *, reached: bool
) -> ProviderConfig | None:
    """The provider; None after mistakes were noted."""
    raw, path = definition.raw, definition.path
    if not isinstance(raw, dict):
        problems.add(path, mapping_expected(path, raw))
        return None
    name = references.resolve(raw["kind"], definition.at("kind"), reached=reached) if "kind" in raw else None
    kind = kinds.get(str(name), definition.at("kind"), problems) if isinstance(name, str) else None
    profile = kind.profile if kind else None
    own = [key for key in raw if profile and key in profile.settings]
    # Without its kind an entry's own keys cannot be told from mistakes.
    common = [key for key in raw if key in ProviderConfig.model_fields or (profile and key not in own)]
    data = _resolved({key: raw[key] for key in common}, definition, references, problems, reached=reached)
    if "settings" in data:
        report_unknown((*path, "settings"), [key for key in ProviderConfig.model_fields if key != "settings"], problems)
    data["settings"] = {
        key: value
        for key in own
        if (value := _setting(raw[key], (*path, key), profile, references, reached=reached)) is not MISSING
    }
    known = profile.settings if profile else ()
    if "kind" not in raw and isinstance(other := raw.get("type", raw.get("vendor")), str):
        problems.add(definition.at("kind"), f"this key is missing; write kind: {other}")
    provider = validated(ProviderConfig, data, path, problems, known=known)
    if provider and kind:
        _check(provider, kind, definition, problems)
    return provider


def _check_key(key: str) -> None:
    if key.lower().startswith("bearer "):
        raise ValueError("it begins with 'Bearer', which the library adds; set what follows")


def _setting(value: Any, path: KeyPath, profile: Profile | None, references: References, *, reached: bool) -> Any:
    if profile is None or path[-1] not in profile.secret_settings:
        return references.resolve(value, path, reached=reached)
    return references.secret(value, path, reached=reached) or MISSING


def _resolved(
    raw: dict[str, Any], definition: Definition, references: References, problems: Problems, *, reached: bool
) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key, value in raw.items():
        where = definition.at(key)
        found: Any
        if key == "api_key":
            found = references.secret(value, where, reached=reached, check=_check_key)
        elif key == "headers":
            found = references.headers(value, where, reached=reached)
        else:
            found = references.resolve(value, where, reached=reached)
        if found is not MISSING:
            data[key] = found
    proxy = raw.get("proxy")
    if isinstance(proxy, str) and "@" in proxy:
        data.pop("proxy")
        problems.add(definition.at("proxy"), "a literal secret is refused; give the whole URL as {env: NAME}")
    return data


def _check(provider: ProviderConfig, kind: Wire | EngineFactory, definition: Definition, problems: Problems) -> None:
    profile = kind.profile
    if isinstance(kind, EngineFactory):
        for key in _ENGINE_KEYS:
            if getattr(provider, key):
                problems.add(definition.at(key), f"no effect: kind {profile.kind!r} makes its own connections")
    elif not provider.base_url and kind.locate is not None:
        _check_location(provider, kind.locate, definition, problems)
    elif not provider.base_url and not profile.base_url:
        problems.add(definition.at("base_url"), f"kind {profile.kind!r} has no address of its own; give its base_url")
    _check_address(provider, profile, definition, problems)
    if provider.ca_file and (provider.base_url or "").startswith("http:"):
        problems.add(definition.at("ca_file"), "no effect on a base_url that begins with http:")
    _check_credential(provider, profile, definition, problems)


def _check_address(provider: ProviderConfig, profile: Profile, definition: Definition, problems: Problems) -> None:
    """What of an address the library adds itself, and another kind's."""
    parts = urlsplit(provider.base_url or "")
    added = next((end for end in _ADDED if parts.path.endswith(end)), None)
    if added is not None:
        problems.add(definition.at("base_url"), f"leave {added} away: each request adds what it needs")
    elif profile.kind == "openai" and (parts.hostname or "").endswith(_AZURE) and "/v1" not in parts.path:
        problems.add(definition.at("base_url"), "this is an address of Azure; write kind: azure")


def _check_location(
    provider: ProviderConfig, locate: Callable[[Mapping[str, Any]], str], definition: Definition, problems: Problems
) -> None:
    try:
        locate(provider.settings | ({"region": provider.region} if provider.region else {}))
    except ConfigError as error:
        problems.add(definition.path, error.message)


def _check_credential(provider: ProviderConfig, profile: Profile, definition: Definition, problems: Problems) -> None:
    in_header = profile.auth_header in provider.headers
    if provider.api_key and in_header:
        problems.add(definition.at("api_key"), f"no effect beside the header {profile.auth_header!r}; give one of them")
    if provider.api_key or in_header or not profile.key_required:
        return
    variable = profile.api_key_env[0] if profile.api_key_env else "NAME"
    hint = f"needs a credential, such as api_key: {{env: {variable}}}"
    problems.add(definition.at("api_key"), f"kind {profile.kind!r} {hint}")
