"""What a deployment of this kind can do, and in which format."""

from __future__ import annotations

from orchestrator.errors import ConfigError
from orchestrator.spec.provider import ChatCodec, Codecs, Target
from orchestrator_providers.bedrock.converse import ConverseChat
from orchestrator_providers.bedrock.embed import embed_codec
from orchestrator_providers.bedrock.invoke import ClaudeInvoke, NovaInvoke
from orchestrator_providers.bedrock.profile import short_name
from orchestrator_providers.bedrock.rerank import BedrockRerank

__all__ = ["bind"]

_CHAT_APIS = ("converse", "invoke")


def bind(target: Target) -> Codecs:
    """The codecs of one deployment.

    Raises:
        ConfigError: an unknown `chat_api`.
    """
    return Codecs(chat=_chat_codec(target), embed=embed_codec(target), rerank=BedrockRerank(target))


def _chat_codec(target: Target) -> ChatCodec:
    api = target.settings.get("chat_api", "converse")
    if api not in _CHAT_APIS:
        raise ConfigError(f"{api!r} is no chat_api; known: {', '.join(_CHAT_APIS)}", key="chat_api")
    name = short_name(target.model)
    if api == "invoke" and name.startswith("anthropic."):
        return ClaudeInvoke(target)
    if api == "invoke" and name.startswith("amazon.nova"):
        return NovaInvoke(target)
    return ConverseChat(target)
