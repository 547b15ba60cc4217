"""Reranking by InvokeModel: Cohere's format, which Amazon's own reranker takes too."""

from __future__ import annotations

from dataclasses import replace

import orjson

from orchestrator.errors import OrchestratorError
from orchestrator.spec.provider import Encoded, Target
from orchestrator.spec.transport import HttpReply, HttpRequest
from orchestrator.types.retrieval import RerankRequest, RerankResult
from orchestrator_providers.bedrock.errors import read_failure
from orchestrator_providers.bedrock.profile import KIND, endpoint, vendor
from orchestrator_providers.bedrock.usage import read_header_usage
from orchestrator_providers.cohere.rerank import CohereRerank
from orchestrator_providers.shared.writing import write_json

__all__ = ["BedrockRerank"]

_COHERE_VERSION = 2


class BedrockRerank:
    """Reranking of one deployment."""

    __slots__ = ("_inner", "_is_amazon", "_url")

    def __init__(self, target: Target) -> None:
        self._url = endpoint(target, "invoke")
        self._inner = CohereRerank(target)
        self._is_amazon = vendor(target.model) == "amazon"

    def encode(self, request: RerankRequest) -> Encoded:
        """See `Codec.encode`."""
        own = (request.options.provider_options or {}).get(KIND) or {}
        if not self._is_amazon:
            own = {"api_version": _COHERE_VERSION, **own}
        options = replace(request.options, provider_options={"cohere": own})
        body = orjson.loads(self._inner.encode(replace(request, options=options)).request.body)
        del body["model"]
        return Encoded(HttpRequest(self._url, write_json(body)))

    def decode(self, reply: HttpReply) -> RerankResult:
        """See `Codec.decode`. AWS bills by the query and does not state how many an answer counts as."""
        found = self._inner.decode(reply)
        return replace(found, usage=read_header_usage(reply.headers) or found.usage)

    def error(self, reply: HttpReply) -> OrchestratorError:
        """See `Codec.error`."""
        return read_failure(reply)
