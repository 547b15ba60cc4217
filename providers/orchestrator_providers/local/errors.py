"""What goes wrong while a model is loaded or run, as our errors. No text that was sent is in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.errors import CallTimeout, ConfigError, OrchestratorError, ServerError

__all__ = ["INSTALL", "failures", "not_loaded"]

INSTALL = "pip install 'model-orchestrator[local]'"


def not_loaded(model: str, error: Exception) -> ConfigError:
    """The model's files are missing, damaged or not what this release knows."""
    why = type(error).__name__
    return ConfigError(f"model {model!r} cannot be loaded ({why}); reinstall it: {INSTALL}", scope="deployment")


@contextmanager
def failures() -> Iterator[None]:
    """Let nothing out but our errors and cancellation."""
    try:
        yield
    except OrchestratorError:
        raise
    except TimeoutError as error:
        raise CallTimeout("not done before the deadline", kind="deadline") from error
    except Exception as error:  # noqa: BLE001 - not even as the cause: a tokenizer's exception can quote the text
        raise ServerError(f"the model failed with {type(error).__name__}", retryable=False) from None
