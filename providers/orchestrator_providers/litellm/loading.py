"""Imports litellm: late, once per process, in a thread, and without a trace in the application.

litellm keeps its settings in module globals. A process that opens this engine hands them over: callbacks, caching,
retries and logging of litellm are off, also for the application's own calls to litellm.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from orchestrator.errors import ConfigError
from orchestrator_providers.litellm.quieting import inside, quiet_loggers, unchanged_loggers

__all__ = ["INSTALL", "load", "require"]

INSTALL = 'pip install "model-orchestrator[litellm]"'
_MALWARE = frozenset({"1.82.7", "1.82.8"})  # PYSEC-2026-2: a credential stealer
_ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else a GET to GitHub at import
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",  # else another one at the first Anthropic call
    "LITELLM_MODE": "PRODUCTION",  # else it loads the project's .env
    "LITELLM_LOG": "ERROR",
}
_GLOBALS: dict[str, Any] = {
    "suppress_debug_info": True,
    "turn_off_message_logging": True,
    "redact_messages_in_exceptions": True,
    "redact_user_api_key_info": True,
    "set_verbose": False,
    "cache": None,
    "num_retries": None,
    "DEFAULT_MAX_RETRIES": 0,  # what `max_retries=0` falls back to in embeddings, where it counts as not given
    "default_fallbacks": None,
    "drop_params": False,
}
_CALLBACKS = (
    "callbacks",
    "input_callback",
    "success_callback",
    "failure_callback",
    "service_callback",
    "_async_success_callback",
    "_async_failure_callback",
)

_lock = threading.Lock()
_module: Any = None


def _installed_version() -> str:
    from importlib.metadata import version  # noqa: PLC0415 - costs tens of milliseconds, wanted only here

    return version("litellm")


def require(find: Callable[[str], Any] = find_spec, version: Callable[[], str] = _installed_version) -> None:
    """Check that litellm can be imported, without importing it.

    Raises:
        ConfigError: not installed (gives the command), or one of the two releases that carried malware.
    """
    if find("litellm") is None:
        raise ConfigError(f"kind 'litellm' needs a package that is not installed: {INSTALL}")
    found = version()
    if found in _MALWARE:
        raise ConfigError(
            f"litellm {found} carried malware (PYSEC-2026-2): treat this machine's credentials as stolen, "
            f"remove that release, then {INSTALL}"
        )


def load() -> Any:
    """The litellm module, ready to call. Blocks for seconds the first time; call it from a thread."""
    global _module
    if _module is None:
        with _lock:
            if _module is None:
                _module = _import()
    return _module


def _fresh_lock() -> None:
    # A fork during the import leaves the child a lock that nobody will ever release.
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_fresh_lock)


def _import() -> Any:
    with _environment(), unchanged_loggers(), _warning_filters(), inside():
        litellm = import_module("litellm")
        _switch_off(litellm)
        _warm(litellm)
    quiet_loggers()
    return litellm


def _switch_off(litellm: Any) -> None:
    for name, value in _GLOBALS.items():
        setattr(litellm, name, value)
    for name in _CALLBACKS:
        setattr(litellm, name, [])
    quiet_loggers()


def _warm(litellm: Any) -> None:
    # What this loads would otherwise be loaded inside the first call, fetched without the environment above, or warned
    # about without the filters of litellm. A release that lost one of these only makes the first call slower.
    chat = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "-"}], "mock_response": "-"}
    with suppress(Exception):
        import_module("openai.resources")  # half a second, else on the event loop
    with suppress(Exception):
        import_module("litellm.anthropic_beta_headers_manager").reload_beta_headers_config()
    with suppress(Exception):
        litellm.completion(**chat)
    with suppress(Exception):
        list(litellm.completion(**chat, stream=True, stream_options={"include_usage": True}))


@contextmanager
def _environment() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in _ENVIRONMENT}
    os.environ.update(_ENVIRONMENT)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _warning_filters() -> Iterator[None]:
    # In place: `catch_warnings` swaps the list, and would lose what another thread adds in these seconds.
    before = list(warnings.filters)
    warnings.simplefilter("ignore", DeprecationWarning)
    try:
        yield
    finally:
        warnings.filters[:] = before  # type: ignore[index]
