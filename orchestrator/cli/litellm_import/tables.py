"""What LiteLLM's names are called here, and where to look for what has no counterpart."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "BEGINNINGS",
    "KINDS",
    "OPTIONS",
    "PRICES",
    "REASONS",
    "SECTIONS",
    "SETTINGS",
    "STRATEGIES",
    "TASKS",
    "VARIABLES",
]

KINDS: Mapping[str, str] = {
    "anthropic": "anthropic",
    "azure": "azure",
    "bedrock": "bedrock",
    "cerebras": "cerebras",
    "cohere": "cohere",
    "cohere_chat": "cohere",
    "custom_openai": "openai_compatible",
    "dashscope": "alibaba",
    "databricks": "databricks",
    "deepseek": "deepseek",
    "fireworks_ai": "fireworks",
    "gemini": "google",
    "groq": "groq",
    "hosted_vllm": "vllm",
    "infinity": "infinity",
    "jina_ai": "jina",
    "lm_studio": "lmstudio",
    "mistral": "mistral",
    "moonshot": "moonshot",
    "nvidia_nim": "nvidia_nim",
    "ollama": "ollama",
    "ollama_chat": "ollama",
    "openai": "openai",
    "openai_like": "openai_compatible",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "together_ai": "together",
    "vertex_ai": "vertex",
    "voyage": "voyage",
    "xai": "xai",
    "zai": "zai",
}
"""LiteLLM's vendors that are spoken to here without it. The others go through `kind: litellm`."""

BEGINNINGS: Mapping[str, str] = {
    "chatgpt-": "openai",
    "claude-": "anthropic",
    "command-": "cohere",
    "gpt-": "openai",
    "o1": "openai",
    "o3": "openai",
    "o4": "openai",
    "rerank-": "cohere",
    "text-embedding-": "openai",
}
"""Models that LiteLLM takes without a vendor in front."""

SETTINGS: Mapping[str, Mapping[str, str]] = {
    "azure": {key: key for key in ("api_version", "tenant_id", "client_id", "client_secret")},
    "bedrock": {
        "aws_region_name": "aws_region",
        "aws_access_key_id": "access_key_id",
        "aws_secret_access_key": "secret_access_key",
        "aws_session_token": "session_token",
        "aws_profile_name": "profile",
    },
    "vertex": {"vertex_project": "project", "vertex_location": "location", "vertex_credentials": "credentials_file"},
}
"""Keys of `litellm_params` that are settings of a provider of that kind; for `litellm` they keep their names."""

OPTIONS: Mapping[str, str] = {
    "dimensions": "dimensions",
    "max_completion_tokens": "max_output_tokens",
    "max_tokens": "max_output_tokens",
    "parallel_tool_calls": "parallel_tool_calls",
    "reasoning_effort": "reasoning_effort",
    "seed": "seed",
    "stop": "stop",
    "temperature": "temperature",
    "top_p": "top_p",
}

PRICES: Mapping[str, str] = {
    "cache_creation_input_token_cost": "cache_write",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
    "cache_read_input_token_cost": "cache_read",
    "input_cost_per_audio_token": "input_audio",
    "input_cost_per_token": "input",
    "output_cost_per_audio_token": "output_audio",
    "output_cost_per_reasoning_token": "reasoning",
    "output_cost_per_token": "output",
}

VARIABLES: Mapping[str, str] = {
    "azure": "AZURE_API_KEY",
    "cohere": "COHERE_API_KEY",
    "databricks": "DATABRICKS_API_KEY",
    "huggingface": "HUGGINGFACE_API_KEY",
    "nvidia_nim": "NVIDIA_NIM_API_KEY",
    "together": "TOGETHERAI_API_KEY",
}
"""The variables that LiteLLM reads where they are others than ours."""

TASKS: Mapping[str, str] = {"chat": "chat", "completion": "chat", "embedding": "embed", "rerank": "rerank"}

STRATEGIES: Mapping[str, str] = {
    "cost-based-routing": "cheapest",
    "latency-based-routing": "fastest",
    "least-busy": "least_busy",
    "simple-shuffle": "weighted",
    "usage-based-routing": "least_busy",
    "usage-based-routing-v2": "least_busy",
}

_CACHE = "answers are not cached; vendors' prompt caches are used, and `sticky` on a route keeps them warm"
_BUDGET = "look at `budgets` in the documentation of the file, and write it there"
_LOGS = "every call is a log line; look at `log`, `otel` and `sinks=` in the documentation of costs and logs"
_TAGS = "look at `when` of a route, which picks by tenant and tags"
_RETRY = "which errors are tried again is decided by their class; look at `retry` and the page on reliability"
_HEALTH = "breakers find out from the calls themselves; look at `breaker`, and at `orchestrator check --live`"

REASONS: Mapping[str, str] = {
    "alerting": _LOGS,
    "alerting_args": _LOGS,
    "allowed_fails_policy": "the breaker counts failures of all kinds that may pass; look at `breaker`",
    "background_health_checks": _HEALTH,
    "blocked": "leave the deployment out of the routes",
    "budget_duration": _BUDGET,
    "budget_rollover": "what is left of a budget is not carried into its next window",
    "cache": _CACHE,
    "cache_params": _CACHE,
    "cache_responses": _CACHE,
    "cache_kwargs": _CACHE,
    "caching_groups": _CACHE,
    "callbacks": _LOGS,
    "content_policy_fallbacks": "a refusal by a content filter is an error of the call, and no other model is asked",
    "enable_pre_call_checks": "limits and context are always checked before sending",
    "enable_tag_filtering": _TAGS,
    "failure_callback": _LOGS,
    "guardrails": "there are none; check what goes in and out in your application",
    "health_check_interval": _HEALTH,
    "id": "deployments are called by their names under `deployments`",
    "include": "import the files that it names too; one base file can stand under `extends`",
    "json_logs": _LOGS,
    "default_max_internal_user_budget": _BUDGET,
    "default_soft_budget": "look at `alert_at` of a budget",
    "max_budget": _BUDGET,
    "max_end_user_budget": _BUDGET,
    "max_end_user_budget_id": _BUDGET,
    "max_user_budget": _BUDGET,
    "model_max_budget": _BUDGET,
    "soft_budget": "look at `alert_at` of a budget",
    "max_fallbacks": "look at `retry: {attempts: …}`, which bounds them",
    "mock_response": "look at `orchestrator.testing`, which answers in place of vendors",
    "model_group_retry_policy": _RETRY,
    "num_retries": "retries are the route's: look at `retry` there",
    "optional_pre_call_checks": "limits and context are always checked before sending",
    "provider_budget_config": _BUDGET,
    "retry_after": "look at `retry: {base: …}`; what a vendor asks for is always waited for",
    "retry_policy": _RETRY,
    "set_verbose": _LOGS,
    "stream_timeout": "look at `timeouts: {stall: …}` of the route",
    "success_callback": _LOGS,
    "tag_regex": _TAGS,
    "tags": _TAGS,
    "timeout": "it bounds one attempt; here `deadline` of the route bounds the whole call",
}

SECTIONS: Mapping[str, str] = {
    "environment_variables": "set the variable where the process runs; the file holds no values of variables",
    "general_settings": "it is a setting of LiteLLM's proxy, and this is a library inside your application",
    "litellm_settings": "nothing here has that meaning; look for it in the page on moving from LiteLLM",
    "model_list": "nothing here has that meaning; if the vendor takes it in requests, see `defaults.provider_options`",
    "router_settings": "nothing here has that meaning; look for it in the pages on routes and reliability",
}
