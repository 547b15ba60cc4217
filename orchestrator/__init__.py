"""Calls models by task name: routing, retries, limits and exact costs in one YAML file, for any vendor.

    from orchestrator import Orchestrator

    with Orchestrator.from_file("orchestrator.yaml") as llm:
        print(llm.chat("answer", "Which plan includes SSO?").text)

- `Orchestrator` has `chat`, `stream`, `embed` and `rerank`; `AsyncOrchestrator` the same, awaited, and `llm.aio` is the
  asyncio twin of a blocking client. `HttpxTransport` is for those who bring their own HTTP client.
- What goes in: a text, or `Message`s of `Text`, `Media`, `ToolCall` and `ToolResult`; `Tool`s; options by keyword.
- What comes back: `ChatReply`, `EmbedReply`, `RerankReply`, each with `usage` and `cost`; or a `ChatStream` of events,
  of which `TextDelta` has the text.
- `context` names tenant, user, tags and a deadline for all calls of a block.
- Every error is an `OrchestratorError`; the tree is in `help("orchestrator.errors")`.
- `orchestrator.testing` has what tests need: scripted routes, simulated vendors.

On a shell: `orchestrator demo`, `orchestrator check`, `orchestrator chat`; `orchestrator --help` lists all commands.

The clients load when first used, so that importing this package is cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from orchestrator.ambient import context
from orchestrator.errors import (
    AllDeploymentsFailed,
    AuthenticationFailed,
    BudgetExceeded,
    CallTimeout,
    ConfigError,
    ConnectionFailed,
    ContentFiltered,
    ContextTooLong,
    InvalidRequest,
    LogUnavailable,
    MalformedReply,
    OrchestratorError,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    ServerError,
    StreamInterrupted,
    UnsupportedFeature,
)
from orchestrator.heap import uncollected
from orchestrator.types import (
    ChatReply,
    Cost,
    EmbedReply,
    Media,
    Message,
    RerankReply,
    Text,
    TextDelta,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
)

if TYPE_CHECKING:
    from orchestrator.blocking import ChatStream, Orchestrator
    from orchestrator.client import AsyncChatStream, AsyncOrchestrator
    from orchestrator.config import Config
    from orchestrator.transport.httpx import HttpxTransport

__all__ = [
    "AllDeploymentsFailed",
    "AsyncChatStream",
    "AsyncOrchestrator",
    "AuthenticationFailed",
    "BudgetExceeded",
    "CallTimeout",
    "ChatReply",
    "ChatStream",
    "Config",
    "ConfigError",
    "ConnectionFailed",
    "ContentFiltered",
    "ContextTooLong",
    "Cost",
    "EmbedReply",
    "HttpxTransport",
    "InvalidRequest",
    "LogUnavailable",
    "MalformedReply",
    "Media",
    "Message",
    "Orchestrator",
    "OrchestratorError",
    "Overloaded",
    "QuotaExhausted",
    "RateLimited",
    "RerankReply",
    "ServerError",
    "StreamInterrupted",
    "Text",
    "TextDelta",
    "Tool",
    "ToolCall",
    "ToolResult",
    "UnsupportedFeature",
    "Usage",
    "__version__",
    "context",
]

__version__ = "0.1.0"

_LAZY = {
    "AsyncChatStream": "orchestrator.client",
    "AsyncOrchestrator": "orchestrator.client",
    "ChatStream": "orchestrator.blocking",
    "Config": "orchestrator.config",
    "HttpxTransport": "orchestrator.transport.httpx",
    "Orchestrator": "orchestrator.blocking",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        with uncollected():
            value = getattr(import_module(_LAZY[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *[name for name in globals() if name.startswith("__")]})
