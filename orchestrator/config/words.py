"""Words that other libraries have for what the file calls by another name, and examples of what belongs under a key.

Only for messages: none of these words is taken.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

__all__ = ["meant", "such_as"]

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_MEANT: Mapping[str, tuple[str, ...]] = {
    "amount": ("usd",),
    "api_base": ("base_url",),
    "api_key_env": ("api_key",),
    "auth_token": ("api_key",),
    "block": ("deny",),
    "budget_duration": ("window",),
    "completion": ("chat", "output"),
    "completions": ("chat",),
    "concurrent_requests": ("concurrency",),
    "daily": ("day",),
    "dollars": ("usd",),
    "duration": ("window",),
    "embedding": ("embed",),
    "embeddings": ("embed",),
    "endpoint": ("base_url",),
    "fallback": ("then",),
    "fallbacks": ("then",),
    "filename": ("path",),
    "file": ("path",),
    "generate": ("chat",),
    "hourly": ("hour",),
    "key": ("api_key",),
    "latency": ("fastest",),
    "limit": ("usd",),
    "lowest_cost": ("cheapest",),
    "lowest_latency": ("fastest",),
    "max_budget": ("usd",),
    "max_completion_tokens": ("max_output_tokens",),
    "max_concurrency": ("concurrency",),
    "max_parallel_requests": ("concurrency",),
    "max_tokens": ("max_output_tokens",),
    "model_id": ("model",),
    "model_name": ("model",),
    "monthly": ("month",),
    "name": ("model",),
    "num_retries": ("attempts",),
    "max_retries": ("attempts",),
    "period": ("window",),
    "prompt": ("input",),
    "random": ("weighted",),
    "ranking": ("rerank",),
    "reject": ("deny",),
    "requests_per_day": ("rpd",),
    "requests_per_minute": ("rpm",),
    "reranking": ("rerank",),
    "responses": ("chat",),
    "round_robin": ("weighted",),
    "shuffle": ("weighted",),
    "simple_shuffle": ("weighted",),
    "token": ("api_key",),
    "tokens_per_day": ("tpd",),
    "tokens_per_minute": ("tpm",),
    "type": ("kind",),
    "url": ("base_url",),
    "vendor": ("kind",),
    "customer": ("tenant",),
}

_SUCH_AS: Mapping[str, str] = {
    "content": "{redact: [email]}",
    "defaults": "{temperature: 0.2}",
    "headers": "{x-team: search}",
    "kind": "kind: openai",
    "limits": "{rpm: 500, tpm: 200k}",
    "log": "{path: calls.jsonl}",
    "model": "model: gpt-4o-mini",
    "otel": "{endpoint: 'http://127.0.0.1:4318'}",
    "pick": "pick: vendor/model, or a deployment's name",
    "price": "{input: 0.15, output: 0.60}, in USD per million tokens",
    "profile": "{context_tokens: 128k}",
    "provider": "provider: NAME, one of those under `providers`",
    "provider_options": "{openai: {logprobs: true}}, by the kind of the provider",
    "retry": "{attempts: 3}",
    "rotate": "{daily: true}",
    "task": "task: chat",
    "timeouts": "{first_token: 30s}",
    "url": "url: {env: REDIS_URL}",
    "usd": "usd: 5",
    "version": "version: 1",
    "window": "window: day",
}


def meant(name: str, known: Collection[str]) -> str | None:
    """The known name that is written otherwise here (`Max-Tokens`, `maxTokens`), or by another word elsewhere."""
    plain = _HUMP.sub("_", name).replace("-", "_").replace(" ", "_").lower()
    return next((one for one in (plain, *_MEANT.get(plain, ())) if one in known and one != name), None)


def such_as(key: str) -> str:
    """`, such as …` for what belongs under a key of the file; empty where there is nothing to say."""
    example = _SUCH_AS.get(key)
    return f" such as {example}" if example else ""
