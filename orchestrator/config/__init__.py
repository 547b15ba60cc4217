"""The file: which models answer, in what order, under which limits, at what price.

Imported when a client is built, not before: pydantic and the YAML reader take about a tenth of a second.
"""

from orchestrator.config.crosschecks import vector_space
from orchestrator.config.editor import json_schema
from orchestrator.config.features import ProfileConfig, RequireConfig, model_profile
from orchestrator.config.fingerprint import canonical
from orchestrator.config.loading import load_file, load_mapping
from orchestrator.config.picking import PickConfig, WhenConfig
from orchestrator.config.reloading import Watcher
from orchestrator.config.resilience import BreakerConfig, RetryConfig, StoreConfig, TimeoutsConfig
from orchestrator.config.schema import (
    Config,
    DefaultsConfig,
    DeploymentConfig,
    LimitsConfig,
    LogConfig,
    ProviderConfig,
    RouteConfig,
    Unsupported,
)
from orchestrator.config.secrets import SecretRef

__all__ = [
    "BreakerConfig",
    "Config",
    "DefaultsConfig",
    "DeploymentConfig",
    "LimitsConfig",
    "LogConfig",
    "PickConfig",
    "ProfileConfig",
    "ProviderConfig",
    "RequireConfig",
    "RetryConfig",
    "RouteConfig",
    "SecretRef",
    "StoreConfig",
    "TimeoutsConfig",
    "Unsupported",
    "Watcher",
    "WhenConfig",
    "canonical",
    "json_schema",
    "load_file",
    "load_mapping",
    "model_profile",
    "vector_space",
]
