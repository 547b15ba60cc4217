"""Binds a deployment. A server holds one model, which either embeds or ranks; requests do not name it."""

from __future__ import annotations

from orchestrator.spec.provider import Codecs, Target
from orchestrator_providers.tei.embed import TeiEmbed
from orchestrator_providers.tei.rerank import TeiRerank

__all__ = ["bind"]


def bind(target: Target) -> Codecs:
    """The codecs of one deployment."""
    return Codecs(embed=TeiEmbed(target), rerank=TeiRerank(target))
