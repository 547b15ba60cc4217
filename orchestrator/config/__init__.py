"""The file: which models answer, in what order, under which limits, at what price.

Imported when a client is built, not before: pydantic and the YAML reader take about a tenth of a second.
"""

from orchestrator.config.crosschecks import vector_space
from orchestrator.config.editor import json_schema
from orchestrator.config.fingerprint import canonical
from orchestrator.config.loading import load_file, load_mapping
from orchestrator.config.reloading import Watcher
from orchestrator.config.schema import (
    Config,
    DefaultsConfig,
    DeploymentConfig,
    LimitsConfig,
    LogConfig,
    PickConfig,
    ProviderConfig,
    RouteConfig,
    Unsupported,
)
from orchestrator.config.secrets import SecretRef

__all__ = [
    "Config",
    "DefaultsConfig",
    "DeploymentConfig",
    "LimitsConfig",
    "LogConfig",
    "PickConfig",
    "ProviderConfig",
    "RouteConfig",
    "SecretRef",
    "Unsupported",
    "Watcher",
    "canonical",
    "json_schema",
    "load_file",
    "load_mapping",
    "vector_space",
]
