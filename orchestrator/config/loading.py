"""From a file or a mapping to a `Config`: every mistake found, with its place, before anything is used."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from orchestrator import registry
from orchestrator.config import checks
from orchestrator.config.budget_list import check_budgets, read_budgets
from orchestrator.config.crosschecks import check_deployment, check_price_keys, check_route
from orchestrator.config.features import model_profile
from orchestrator.config.files import FileReader, content_hash, from_python, merged
from orchestrator.config.fingerprint import config_hash
from orchestrator.config.habits import mapping_expected
from orchestrator.config.log import LogConfig
from orchestrator.config.near import no_deployment, no_provider
from orchestrator.config.outline import check_outline
from orchestrator.config.paths import check_paths
from orchestrator.config.providers import Definition, Find, Kinds, one_line_provider, read_provider
from orchestrator.config.references import MISSING, References
from orchestrator.config.requirements import misuse, retirement
from orchestrator.config.routes import Route, read_route
from orchestrator.config.schema import Config, DeploymentConfig, ProviderConfig, Settings
from orchestrator.config.shared_state import read_otel, read_store
from orchestrator.config.tree import KeyPath, Problem, Problems, Tree, dotted, shown
from orchestrator.config.validating import validated
from orchestrator.errors import ConfigError
from orchestrator.spec.provider import Profile
from orchestrator.types.call import Task

__all__ = ["load_file", "load_mapping"]

_SECTIONS = ("providers", "deployments", "routes")
_TOP_KEYS = (*_SECTIONS, *Settings.model_fields, "extends")


def load_file(
    path: str | os.PathLike[str],
    *,
    find: Find = registry.find,
    environ: Mapping[str, str] | None = None,
    check_secrets: bool = True,
    today: date | None = None,
    reader: FileReader | None = None,
) -> Config:
    """Load and check a YAML file with the base it extends.

    Args:
        path: the file; relative paths in it are relative to the file that names them.
        find: gives the provider kind of a name.
        environ: the environment variables; `os.environ` by default.
        check_secrets: also read every secret that a route reaches, to see that it is there.
        today: the day by which models are retired; the real one by default.
        reader: reads it, and knows the places of its keys afterwards; a new one by default.

    Raises:
        ConfigError: lists every mistake, each with file, line, key and the nearest known name. `files` are those that
            were read or sought.
    """
    reader = reader or FileReader()
    source = Path(path)
    try:
        tree = reader.read(source)
        loaded = _Loader(tree, find, environ, source.parent, check_secrets=check_secrets, today=today).load()
    except ConfigError as error:
        error.files = tuple(str(file) for file in reader.files)
        raise
    return loaded.with_origin(
        source=source.absolute(), files=tuple(reader.files), content_hash=content_hash(reader.contents)
    )


def load_mapping(
    mapping: Mapping[str, Any],
    *,
    find: Find = registry.find,
    environ: Mapping[str, str] | None = None,
    directory: str | os.PathLike[str] = ".",
    check_secrets: bool = True,
    today: date | None = None,
) -> Config:
    """Check a mapping with the keys of the file. Relative paths in it are relative to `directory`.

    Raises:
        ConfigError: as `load_file`, without lines.
    """
    base = Path(directory)
    reader = FileReader()
    tree = from_python(mapping)
    if isinstance(tree.value, dict) and "extends" in tree.value:
        tree = merged(reader.read_base(tree.value.pop("extends"), base), tree)
    loaded = _Loader(tree, find, environ, base, check_secrets=check_secrets, today=today).load()
    return loaded.with_origin(files=tuple(reader.files), content_hash=content_hash(reader.contents))


@dataclass(slots=True)
class _Section:
    """Definitions of one section, and the names that routes reach."""

    defined: dict[str, Definition]
    reached: set[str] = field(default_factory=set)


def _raw(defined: Mapping[str, Definition]) -> dict[str, Any]:
    return {name: definition.raw for name, definition in defined.items()}


class _Loader:
    """One load. Each step notes its mistakes and goes on with what is left."""

    def __init__(
        self,
        tree: Tree,
        find: Find,
        environ: Mapping[str, str] | None,
        directory: Path,
        *,
        check_secrets: bool,
        today: date | None,
    ) -> None:
        self._tree = tree
        self._directory = directory
        self._problems = Problems(tree)
        self._kinds = Kinds(find)
        environment = os.environ if environ is None else environ
        self._deployment_section = _Section({})
        self._provider_section = _Section({})
        self._today = today or datetime.now(UTC).date()
        self._warnings: list[str] = []
        self._check_files = check_secrets
        self._references = References(self._problems, environment, self._directory_of, check_secrets=check_secrets)

    def load(self) -> Config:
        check_outline(self._tree.value, _TOP_KEYS, self._problems)
        settings = self._settings()
        routes = {
            name: read_route(name, raw, settings, self._references, self._problems)
            for name, raw in self._entries("routes").items()
        }
        if not routes:
            self._problems.add(("routes",), "no route is defined; write routes: {NAME: vendor/model}")
        self._deployment_section = self._section("deployments")
        self._provider_section = self._section("providers")
        for route in routes.values():
            for name, path in route.names.items():
                self._reach(name, path)
        deployments = self._deployments()
        providers = self._providers()
        self._cross_check(routes, deployments, providers)
        check_budgets(settings.budgets, routes, providers, self._problems)
        self._check_budget_store(settings)
        if self._check_files:
            reached = {name: providers[name] for name in self._provider_section.reached if name in providers}
            check_paths(settings, reached, self._directory_of, self._problems)
        self._problems.raise_any()
        return self._config(settings, routes, deployments, providers)

    def _check_budget_store(self, settings: Settings) -> None:
        if settings.budgets and settings.store.kind == "memory" and settings.log.path is None:
            place = self._tree.place(("budgets",))
            text = "what was spent is forgotten when the process ends: log.path would keep it"
            self._warnings.append(Problem(place, "budgets", text).line())

    def _directory_of(self, path: KeyPath) -> Path:
        file = self._tree.place(path).file
        return (Path(file).parent if file else self._directory).absolute()

    def _settings(self) -> Settings:
        apart = (*_SECTIONS, "store", "otel", "budgets")
        raw = {key: value for key, value in self._tree.value.items() if key not in apart}
        data = self._resolved(raw, (), reached=True)
        if "store" in self._tree.value:
            store = read_store(self._tree.value["store"], ("store",), self._references, self._problems)
            data |= {"store": store} if store else {}
        if "otel" in self._tree.value:
            otel = read_otel(self._tree.value["otel"], ("otel",), self._references, self._problems)
            data |= {"otel": otel} if otel else {}
        if "budgets" in self._tree.value:
            path = ("budgets",)
            data["budgets"] = read_budgets(self._tree.value["budgets"], path, self._references, self._problems)
        return validated(Settings, data, (), self._problems, known=_TOP_KEYS) or Settings(version=1)

    def _resolved(self, raw: dict[str, Any], path: KeyPath, *, reached: bool) -> dict[str, Any]:
        pairs = {key: self._references.resolve(value, (*path, key), reached=reached) for key, value in raw.items()}
        return {key: value for key, value in pairs.items() if value is not MISSING}

    def _entries(self, section: str) -> dict[str, Any]:
        found = self._tree.value.get(section, {})
        if not isinstance(found, dict):
            self._problems.add((section,), f"expected a mapping of names, found {shown(found)}")
            return {}
        for name in found:
            self._check_name(name, section)
        return found

    def _check_name(self, name: str, section: str) -> None:
        try:
            checks.name(name)
            if "/" in name and section == "deployments":
                raise ValueError("a deployment's name has no '/': that is the one-line form vendor/model")
        except ValueError as error:
            self._problems.add((section, name), str(error))

    def _section(self, section: str) -> _Section:
        return _Section({name: Definition(raw, (section, name)) for name, raw in self._entries(section).items()})

    def _reach(self, name: str, path: KeyPath) -> None:
        """Note that a route uses the deployment; make it, and its provider, if the name is a one-line form."""
        defined = self._deployment_section.defined
        if name not in defined and "/" not in name:
            self._problems.add(path, no_deployment(name, _raw(defined), _raw(self._provider_section.defined)))
            return
        if name not in defined:
            vendor, _, model = name.partition("/")
            if not vendor.strip() or not model.strip():
                self._problems.add(path, f"{shown(name)} is half of a one-line form; write vendor/model")
                return
            defined[name] = Definition({"provider": vendor, "model": model}, path, one_line=True)
            self._reach_vendor(vendor, path)
        self._deployment_section.reached.add(name)

    def _reach_vendor(self, vendor: str, path: KeyPath) -> None:
        # A provider of that name and kind is the account meant: a second one would escape its limits.
        known = self._provider_section.defined.get(vendor)
        if known is None:
            made = one_line_provider(vendor, path, self._kinds, self._references, self._problems)
            self._provider_section.defined[vendor] = made
        elif isinstance(known.raw, dict) and known.raw.get("kind") != vendor:
            message = f"provider {shown(vendor)} of this file is not of kind {shown(vendor)}"
            instead = f"define a deployment: {{provider: {vendor}, model: …}}"
            self._problems.add(path, f"{message}; {instead}")

    def _deployments(self) -> dict[str, DeploymentConfig]:
        section, found = self._deployment_section, {}
        for name, definition in section.defined.items():
            deployment = self._deployment(definition, reached=name in section.reached)
            if deployment is None:
                continue
            found[name] = deployment
            known = self._provider_section.defined
            if deployment.provider not in known:
                self._problems.add(definition.at("provider"), no_provider(deployment.provider, _raw(known)))
            elif name in section.reached:
                self._provider_section.reached.add(deployment.provider)
        return found

    def _deployment(self, definition: Definition, *, reached: bool) -> DeploymentConfig | None:
        if not isinstance(definition.raw, dict):
            self._problems.add(definition.path, mapping_expected(definition.path, definition.raw))
            return None
        data = self._resolved(definition.raw, definition.path, reached=reached)
        check_price_keys(data, definition.path, self._problems)
        return validated(DeploymentConfig, data, definition.path, self._problems)

    def _providers(self) -> dict[str, ProviderConfig]:
        section = self._provider_section
        pairs = {
            name: read_provider(
                definition, self._kinds, self._references, self._problems, reached=name in section.reached
            )
            for name, definition in section.defined.items()
        }
        return {name: provider for name, provider in pairs.items() if provider is not None}

    def _cross_check(
        self,
        routes: dict[str, Route],
        deployments: dict[str, DeploymentConfig],
        providers: dict[str, ProviderConfig],
    ) -> None:
        ready = {
            name: (deployment, provider, profile)
            for name, deployment in deployments.items()
            if (provider := providers.get(deployment.provider)) is not None
            and (profile := self._kinds.profile(provider.kind)) is not None
        }
        tasks: dict[str, set[Task]] = {}
        for name, route in routes.items():
            if route.config is not None:
                check_route(route.config, ("routes", name), route.names, ready, self._problems)
                for used in route.names:
                    tasks.setdefault(used, set()).add(route.config.task)
        for name in tasks.keys() & ready.keys():
            deployment, _, profile = ready[name]
            self._warn_of_model(name, deployment, profile, tasks[name])
            definition = self._deployment_section.defined[name]
            check_deployment(deployment, definition, frozenset(tasks[name]), profile, self._problems)

    def _warn_of_model(self, name: str, deployment: DeploymentConfig, kind: Profile, tasks: set[Task]) -> None:
        known = model_profile(deployment.model, deployment.priced_as, deployment.profile, kind)
        path = self._deployment_section.defined[name].at("model")
        for message in (retirement(deployment.model, known, self._today), misuse(deployment.model, known, tasks)):
            if message:
                self._warnings.append(Problem(self._tree.place(path), dotted(path), message).line())

    def _config(
        self,
        settings: Settings,
        routes: dict[str, Route],
        deployments: dict[str, DeploymentConfig],
        providers: dict[str, ProviderConfig],
    ) -> Config:
        made = Config(
            **{key: getattr(settings, key) for key in Settings.model_fields},
            providers={name: providers[name] for name in providers if name in self._provider_section.reached},
            deployments={name: deployments[name] for name in deployments if name in self._deployment_section.reached},
            routes={name: route.config for name, route in routes.items() if route.config is not None},
            warnings=(
                *self._unused(self._provider_section),
                *self._unused(self._deployment_section),
                *sorted(self._warnings),
            ),
        )
        return self._located(made).with_origin(config_hash=config_hash(made))

    def _unused(self, section: _Section) -> Iterator[str]:
        for name, definition in section.defined.items():
            if name not in section.reached:
                place = self._tree.place(definition.path)
                yield Problem(place, dotted(definition.path), "no route uses it").line()

    def _log(self, log: LogConfig) -> LogConfig:
        update: dict[str, Any] = {}
        if log.path:
            update["path"] = str(self._directory_of(("log", "path")) / log.path)
        if log.content.path:
            path = str(self._directory_of(("log", "content", "path")) / log.content.path)
            update["content"] = log.content.model_copy(update={"path": path})
        return log.model_copy(update=update)

    def _located(self, config: Config) -> Config:
        """The same with absolute paths. The hash is taken before: it must not depend on where the file lies."""
        update: dict[str, Any] = {"providers": {}}
        for name, provider in config.providers.items():
            where = self._directory_of(("providers", name, "ca_file"))
            ca_file = {"ca_file": str(where / provider.ca_file)} if provider.ca_file else {}
            update["providers"][name] = provider.model_copy(update=ca_file)
        update["log"] = self._log(config.log)
        if config.prices.file:
            path = self._directory_of(("prices", "file")) / config.prices.file
            update["prices"] = config.prices.model_copy(update={"file": str(path)})
        return config.model_copy(update=update)
