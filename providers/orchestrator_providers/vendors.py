"""Vendors that speak OpenAI's wire, as rows of data.

`prices` is the provider id that genai-prices uses where it knows the vendor (`x-ai`, `moonshotai`), else the name in
LiteLLM's price list; None where nothing is sold. A row without recorded traffic says `tested=False`.
"""

from __future__ import annotations

from typing import Any

from orchestrator.errors import AuthenticationFailed, ContentFiltered, ContextTooLong, Overloaded
from orchestrator.spec.provider import Profile, Wire
from orchestrator.types.call import Task
from orchestrator_providers.openai.codec import bind
from orchestrator_providers.openai.errors import JINA_ERRORS
from orchestrator_providers.openai.profile import IMAGES, Quirks
from orchestrator_providers.shared.classify import error_kind

__all__ = ["WIRES"]

_CHAT: tuple[Task, ...] = ("chat",)
_RETRIEVAL: tuple[Task, ...] = ("embed", "rerank")
_CHAT_EMBED: tuple[Task, ...] = ("chat", "embed")
_ALL: tuple[Task, ...] = ("chat", "embed", "rerank")
_NO_MEDIA: frozenset[str] = frozenset()
_SOUND = frozenset({"audio/wav", "audio/mpeg", "audio/mp3"})
_PDF = frozenset({"application/pdf"})


def _row(kind: str, tasks: tuple[Task, ...], env: str = "", *, quirks: Quirks | None = None, **facts: Any) -> Wire:
    profile = Profile(
        kind=kind,
        tasks=frozenset(tasks),
        api_key_env=(env,) if env else (),
        quirks=quirks or Quirks(),
        schema_by_tool="chat" in tasks,
        **({"media": IMAGES, "otel_name": kind} | facts),
    )
    return Wire(profile=profile, bind=bind)


def _local(kind: str, tasks: tuple[Task, ...], port: int, **facts: Any) -> Wire:
    """A server of one's own: no key, no price, and often no finish reason before `[DONE]`."""
    quirks = Quirks(default_path="/v1", finish_optional=True, returns_reasoning="text")
    url = f"http://127.0.0.1:{port}/v1"
    return _row(kind, tasks, base_url=url, key_required=False, quirks=quirks, media=IMAGES | _SOUND, **facts)


_MAX_COMPLETION = "max_completion_tokens"

_ROWS = (
    _row("openai_compatible", _ALL, key_required=False, media=IMAGES | _SOUND | _PDF),
    _row(
        "groq",
        _CHAT,
        "GROQ_API_KEY",
        base_url="https://api.groq.com/openai/v1",
        hosts=("api.groq.com",),
        limit_headers="groq",
        prices="groq",
        quirks=Quirks(max_tokens_field=_MAX_COMPLETION),
    ),
    _row(
        "deepseek",
        _CHAT,
        "DEEPSEEK_API_KEY",
        base_url="https://api.deepseek.com",
        hosts=("api.deepseek.com",),
        prices="deepseek",
        media=_NO_MEDIA,
        quirks=Quirks(
            effort_form="thinking",
            json_schema=False,
            forced_tools="without_reasoning",
            returns_reasoning="text",
            unsupported=frozenset({"seed", "parallel_tool_calls"}),
        ),
    ),
    _row(
        "together",
        _ALL,
        "TOGETHER_API_KEY",
        base_url="https://api.together.xyz/v1",
        hosts=("api.together.xyz", "api.together.ai"),
        prices="together",
        # 403: input and output cap exceed the context; 503: no platform capacity, by their error page.
        quirks=Quirks(statuses={403: error_kind(ContextTooLong), 503: error_kind(Overloaded)}),
    ),
    _row(
        "fireworks",
        _CHAT_EMBED,
        "FIREWORKS_API_KEY",
        base_url="https://api.fireworks.ai/inference/v1",
        hosts=("api.fireworks.ai",),
        limit_headers="fireworks",
        prices="fireworks",
        tested=False,
        # 412: the account is suspended.
        quirks=Quirks(returns_reasoning="text", statuses={412: error_kind(AuthenticationFailed)}),
    ),
    _row(
        "openrouter",
        _CHAT_EMBED,
        "OPENROUTER_API_KEY",
        base_url="https://openrouter.ai/api/v1",
        hosts=("openrouter.ai",),
        prices="openrouter",
        media=IMAGES | _SOUND | _PDF | {"video/*"},
        quirks=Quirks(
            effort_form="object",
            documents="file_or_url",
            returns_reasoning="details",
            # 403: moderation refused the input.
            statuses={403: error_kind(ContentFiltered)},
        ),
    ),
    _row(
        "xai",
        _CHAT,
        "XAI_API_KEY",
        base_url="https://api.x.ai/v1",
        hosts=("api.x.ai",),
        limit_headers="openai",
        prices="x-ai",
        otel_name="x_ai",
        quirks=Quirks(max_tokens_field=_MAX_COMPLETION, output_excludes_reasoning=True),
    ),
    _row(
        "cerebras",
        _CHAT,
        "CEREBRAS_API_KEY",
        base_url="https://api.cerebras.ai/v1",
        hosts=("api.cerebras.ai",),
        limit_headers="per_period",
        charges_output_cap=True,
        prices="cerebras",
        media=_NO_MEDIA,
        quirks=Quirks(max_tokens_field=_MAX_COMPLETION),
    ),
    _row(
        "perplexity",
        _CHAT_EMBED,
        "PERPLEXITY_API_KEY",
        base_url="https://api.perplexity.ai",
        hosts=("api.perplexity.ai",),
        prices="perplexity",
        quirks=Quirks(
            embed_path="/v1/embeddings",
            int8_embeddings=True,
            stream_usage=False,
            output_excludes_reasoning=True,
            tools=False,
            unsupported=frozenset({"seed", "stop"}),
        ),
    ),
    _row(
        "nvidia_nim",
        _CHAT_EMBED,
        "NVIDIA_API_KEY",
        base_url="https://integrate.api.nvidia.com/v1",
        hosts=("integrate.api.nvidia.com",),
        prices="nvidia_nim",
        tested=False,
        quirks=Quirks(input_types={"query": "query", "document": "passage"}),
    ),
    _row(
        "huggingface",
        _CHAT,
        "HF_TOKEN",
        base_url="https://router.huggingface.co/v1",
        hosts=("router.huggingface.co",),
        limit_headers="ietf",
        prices="huggingface",
        quirks=Quirks(returns_reasoning="text"),
    ),
    _row(
        "voyage",
        _RETRIEVAL,
        "VOYAGE_API_KEY",
        base_url="https://api.voyageai.com/v1",
        hosts=("api.voyageai.com",),
        prices="voyageai",
        media=_NO_MEDIA,
        quirks=Quirks(
            dimensions_field="output_dimension",
            top_n_field="top_k",
            embed_batch=1000,
            base64_embeddings=True,
            input_types={"query": "query", "document": "document"},
        ),
    ),
    _row(
        "jina",
        _RETRIEVAL,
        "JINA_API_KEY",
        base_url="https://api.jina.ai/v1",
        hosts=("api.jina.ai",),
        limit_headers="openai",
        prices="jina_ai",
        media=_NO_MEDIA,
        tested=False,
        quirks=Quirks(
            base64_embeddings=True,
            base64_field="embedding_type",
            input_type_field="task",
            # By the third generation's names, which the API took first; `provider_options` can say another.
            input_types={
                "query": "retrieval.query",
                "document": "retrieval.passage",
                "classification": "classification",
                "clustering": "separation",
            },
            embed_fields={"normalized": True},
            rerank_fields={"return_documents": False},
            errors=JINA_ERRORS,
        ),
    ),
    _local("vllm", _ALL, 8000, tested=False),
    _local("lmstudio", _CHAT_EMBED, 1234, tested=False),
    _local("llamacpp", _ALL, 8080),
    _local("mistralrs", _CHAT, 1234),
    # Its third version; the second has everything at the root, which `openai_compatible` reaches.
    _row(
        "infinity",
        _RETRIEVAL,
        base_url="http://127.0.0.1:7997",
        key_required=False,
        media=_NO_MEDIA,
        tested=False,
        quirks=Quirks(embed_path="/v1/embeddings"),
    ),
    _row(
        "alibaba",
        _CHAT_EMBED,
        "DASHSCOPE_API_KEY",
        base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        hosts=(".aliyuncs.com",),
        prices="dashscope",
        quirks=Quirks(unsupported=frozenset({"reasoning_effort"})),
    ),
    _row(
        "moonshot",
        _CHAT,
        "MOONSHOT_API_KEY",
        base_url="https://api.moonshot.ai/v1",
        hosts=("api.moonshot.ai", "api.moonshot.cn"),
        prices="moonshotai",
        quirks=Quirks(
            json_schema=False,
            forced_tools="never",
            returns_reasoning="text",
            unsupported=frozenset({"reasoning_effort", "seed"}),
        ),
    ),
    _row(
        "zai",
        _CHAT,
        "ZAI_API_KEY",
        base_url="https://api.z.ai/api/paas/v4",
        hosts=("api.z.ai",),
        prices="zai",
        quirks=Quirks(
            effort_form="thinking",
            json_schema=False,
            forced_tools="never",
            returns_reasoning="text",
            stream_usage=False,
            unsupported=frozenset({"seed", "parallel_tool_calls"}),
        ),
    ),
    _row(
        "venice",
        _CHAT_EMBED,
        "VENICE_API_KEY",
        base_url="https://api.venice.ai/api/v1",
        hosts=("api.venice.ai",),
        prices="venice",
        quirks=Quirks(returns_reasoning="text"),
    ),
    _row(
        "writer",
        _CHAT,
        "WRITER_API_KEY",
        base_url="https://api.writer.com/v1",
        hosts=("api.writer.com",),
        prices="writer",
        media=_NO_MEDIA,
        quirks=Quirks(chat_path="/chat", unsupported=frozenset({"seed", "parallel_tool_calls", "reasoning_effort"})),
    ),
    _row(
        "doubleword",
        _CHAT_EMBED,
        "DOUBLEWORD_API_KEY",
        base_url="https://api.doubleword.ai/v1",
        hosts=("api.doubleword.ai",),
        prices="doubleword",
        quirks=Quirks(returns_reasoning="text"),
    ),
    _row(
        "crusoe",
        _CHAT,
        "CRUSOE_API_KEY",
        base_url="https://api.inference.crusoecloud.com/v1",
        hosts=("api.inference.crusoecloud.com",),
        prices="crusoe",
    ),
    _row(
        "heroku",
        _CHAT,
        "INFERENCE_KEY",
        base_url="https://us.inference.heroku.com/v1",
        hosts=("inference.heroku.com", ".inference.heroku.com"),
        prices="heroku",
    ),
    # From here on the address holds the account, so the file must give it.
    _row("cloudflare", _CHAT_EMBED, "CLOUDFLARE_API_TOKEN", hosts=("api.cloudflare.com",), prices="cloudflare"),
    _row(
        "databricks",
        _CHAT_EMBED,
        "DATABRICKS_TOKEN",
        hosts=(".databricks.net", ".databricks.com"),
        prices="databricks",
        quirks=Quirks(stream_usage=False),
    ),
    _row(
        "snowflake",
        _CHAT,
        "SNOWFLAKE_TOKEN",
        hosts=(".snowflakecomputing.com",),
        prices="snowflake",
        # Streams end without a reason, whole replies with an empty one.
        quirks=Quirks(max_tokens_field=_MAX_COMPLETION, finish_optional=True),
    ),
)

WIRES: dict[str, Wire] = {row.profile.kind: row for row in _ROWS}
"""One wire per kind, by the name used in the file."""
