"""Amazon Bedrock: the Converse API, and embeddings, reranking and some chats by InvokeModel."""

from __future__ import annotations

from orchestrator.spec.provider import Wire
from orchestrator_providers.bedrock.codec import bind
from orchestrator_providers.bedrock.profile import PROFILE, locate
from orchestrator_providers.bedrock.signing import make_signer

__all__ = ["WIRE"]

WIRE = Wire(profile=PROFILE, bind=bind, signer=make_signer, locate=locate)
