"""`orchestrator import-litellm`: every key of the source is used or reported, and the result loads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from orchestrator.cli.app import app
from orchestrator.cli.litellm_import.converting import Imported, convert
from orchestrator.config import Config, load_file
from orchestrator.config.tree import dotted
from orchestrator.config.yaml import parse_yaml

BASE = """\
model_list:
  - {model_name: gpt, litellm_params: {model: openai/gpt-4o-mini, api_key: os.environ/OPENAI_API_KEY}}
"""
OTHER = "  - {model_name: sonnet, litellm_params: {model: anthropic/claude-sonnet-4-5, api_key: os.environ/AKEY}}\n"
SOURCES = {
    "fallbacks": BASE + OTHER + "litellm_settings: {fallbacks: [{gpt: [sonnet]}], default_fallbacks: [sonnet]}\n",
    "context": BASE
    + OTHER
    + "router_settings: {context_window_fallbacks: [{gpt: [sonnet]}], content_policy_fallbacks: [{gpt: [sonnet]}]}\n",
    "lost_fallback": BASE + "litellm_settings: {fallbacks: [{gpt: [nobody]}, {nobody: [gpt]}]}\n",
    "weights": """\
model_list:
  - model_name: gpt
    litellm_params: {model: gpt-4o, api_key: os.environ/K1, weight: 9, rpm: 100, tpm: 200000}
  - model_name: gpt
    litellm_params: {model: gpt-4o, api_key: os.environ/K2, weight: 1, order: 1, itpm: 5, otpm: 6, tpm: 9}
  - model_name: gpt
    litellm_params: {model: azure/spare, api_base: os.environ/BASE, order: 2, max_parallel_requests: 4}
""",
    "azure": """\
model_list:
  - model_name: gpt
    litellm_params:
      model: azure/my-deployment
      api_base: https://my-resource.openai.azure.com
      api_key: os.environ/AZURE_API_KEY
      api_version: "2024-10-21"
    model_info: {base_model: azure/gpt-4o, id: abc, mode: chat}
""",
    "bedrock": """\
model_list:
  - model_name: claude
    litellm_params:
      model: bedrock/converse/anthropic.claude-3-5-sonnet-20240620-v1:0
      aws_region_name: us-east-1
      aws_access_key_id: os.environ/AWS_ID
      aws_secret_access_key: wJalrXUtnFEMIverysecret
      aws_role_name: some-role
""",
    "vertex": """\
model_list:
  - model_name: gemini
    litellm_params:
      {model: vertex_ai/gemini-2.5-pro, vertex_project: p-1, vertex_location: europe-west4, vertex_credentials: /c.json}
  - {model_name: flash, litellm_params: {model: gemini/gemini-2.5-flash, api_key: os.environ/GEMINI_API_KEY}}
""",
    "wildcard": BASE + "  - {model_name: '*', litellm_params: {model: 'openai/*', api_key: os.environ/K}}\n",
    "aliases": BASE
    + "router_settings: {model_group_alias: {gpt-4: gpt, small: {model: gpt, hidden: true}, lost: nobody}}\n",
    "redis": BASE + "router_settings: {redis_host: cache.internal, redis_port: 6379, routing_strategy: least-busy}\n",
    "redis_secret": BASE
    + "router_settings: {redis_host: os.environ/RH, redis_port: os.environ/RP, redis_password: hunter2}\n",
    "budgets": BASE
    + "router_settings: {provider_budget_config: {openai: {budget_limit: 1, time_period: 1d}}}\n"
    + "litellm_settings: {max_budget: 10, budget_duration: 30d}\n",
    "more_budgets": """\
model_list:
  - model_name: gpt
    litellm_params: {model: openai/gpt-4o, api_key: os.environ/K, max_budget: 10, budget_duration: 24h}
  - {model_name: gpt, litellm_params: {model: openai/gpt-4o, api_key: os.environ/K}}
  - {model_name: mini, litellm_params: {model: openai/gpt-4o-mini, api_key: os.environ/K}}
router_settings:
  provider_budget_config:
    openai: {budget_limit: 50, time_period: 1d}
    anthropic: {budget_limit: 50, time_period: 1d}
litellm_settings:
  max_internal_user_budget: 3
  internal_user_budget_duration: monthly
  max_end_user_budget: 1
  tag_budget_config:
    "product:chat-bot": {max_budget: 10, budget_duration: 1h}
    red: {max_budget: 2, budget_duration: 2d}
  default_internal_user_params:
    {max_budget: 5, budget_duration: 1mo, model_max_budget: {gpt: {budget_limit: "0.5", time_period: daily}}}
  default_team_params: {max_budget: 0, budget_duration: 1d}
  default_team_settings: [{team_id: red, max_budget: 7, budget_duration: 60m}]
  default_key_generate_params: {max_budget: 1.5, model_max_budget: {gpt: {budget_limit: 1, time_period: 1d}}}
""",
    "shared_budgets": BASE
    + "router_settings:\n  redis_url: os.environ/REDIS_URL\n"
    + "  provider_budget_config: {openai: {budget_limit: 1, time_period: hourly}}\n",
    "cooldown": BASE + "router_settings: {allowed_fails: 3, cooldown_time: 30, num_retries: 2, timeout: 30}\n",
    "no_cooldown": BASE + "router_settings: {disable_cooldowns: true, cooldown_time: 30}\n",
    "timeouts": BASE
    + "litellm_settings: {request_timeout: 600, num_retries: 3, stream_timeout: 20, drop_params: true}\n"
    + "router_settings: {timeout: 30, num_retries: 12, retry_after: 5, retry_policy: {TimeoutErrorRetries: 2}}\n",
    "caching": BASE
    + "litellm_settings: {cache: true, cache_params: {type: redis, host: localhost, port: 6379, ttl: 600}}\n",
    "proxy": BASE
    + "general_settings: {master_key: sk-hunter2, database_url: 'postgresql://me:hunter2@db/x', alerting: [slack]}\n"
    + "environment_variables: {OPENAI_API_KEY: hunter2}\n"
    + "litellm_settings: {success_callback: [langfuse], set_verbose: false, callbacks: []}\n",
    "options": """\
model_list:
  - model_name: own
    litellm_params:
      model: openai/house-7b
      api_base: http://127.0.0.1:8000/v1
      api_key: hunter2
      temperature: 0.2
      max_tokens: 800
      timeout: 30
      tags: [gold]
      extra_headers: {x-team: red, authorization: hunter2}
      extra_body: {top_k: 5}
      input_cost_per_token: 0.0000001
      output_cost_per_token: 2.0e-07
      unknown_one: {a: [1, 2]}
    model_info: {max_input_tokens: 8000, supports_function_calling: true, supports_vision: false}
""",
    "embeddings": """\
model_list:
  - {model_name: emb, litellm_params: {model: text-embedding-3-small, dimensions: 512}, model_info: {mode: embedding}}
  - {model_name: rank, litellm_params: {model: cohere/rerank-v3.5, api_key: os.environ/CO}, model_info: {mode: rerank}}
  - {model_name: draw, litellm_params: {model: openai/dall-e-3}, model_info: {mode: image_generation}}
""",
    "through_litellm": """\
model_list:
  - model_name: watson
    litellm_params: {model: watsonx/ibm/granite-13b, project_id: os.environ/P, api_key: os.environ/W}
""",
    "strategies": BASE + BASE.splitlines()[1] + "\nrouter_settings: {routing_strategy: usage-based-routing-v2}\n",
}


def walked(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every scalar's path, and that of every empty mapping or list."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    inner = [leaf for key, item in pairs for leaf in walked(item, (*path, key))]
    return iter(inner or [path])


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "config.yaml"


def imported(source: Path, name: str) -> Imported:
    source.write_text(SOURCES[name])
    return convert(source)


def loaded(result: Imported, tmp_path: Path) -> Config:
    path = tmp_path / "orchestrator.yaml"
    path.write_text(result.text)
    variables = dict.fromkeys(("BASE", "P", "RH", "RP"), "https://a.openai.azure.com")
    return load_file(path, environ=variables, check_secrets=False)


@pytest.mark.parametrize("name", SOURCES)
def test_every_key_is_used_or_reported(name: str, source: Path, tmp_path: Path) -> None:
    """No key of the source is dropped in silence, none is both used and reported, and the result loads as it is."""
    result = imported(source, name)
    reported = [note.key for note in result.notes]
    for leaf in walked(parse_yaml(source.read_bytes(), "x").value):
        key = dotted(leaf)
        noted = any(key == one or key.startswith((f"{one}.", f"{one}[")) for one in reported)
        assert noted != (leaf in result.used), key
    assert all(note.line for note in result.notes)
    assert all(note.reason for note in result.notes)
    assert loaded(result, tmp_path).routes


@pytest.mark.parametrize("name", SOURCES)
def test_no_secret_is_copied_or_repeated(name: str, source: Path) -> None:
    """Literal credentials of the source are neither in the result nor in a note."""
    result = imported(source, name)
    for text in (result.text, *(note.reason for note in result.notes)):
        assert "hunter2" not in text
        assert "verysecret" not in text


def test_a_group_becomes_a_weighted_pick_with_its_later_orders_last(source: Path, tmp_path: Path) -> None:
    """Weights are kept, and deployments of a later order wait until the first are spent."""
    config = loaded(imported(source, "weights"), tmp_path)
    route = config.routes["gpt"]
    assert (route.pick.names, route.then) == (("gpt",), ("gpt-2", "gpt-3"))
    assert config.deployments["gpt"].limits is not None
    assert config.deployments["gpt"].limits.rpm == 100
    assert config.deployments["gpt-2"].limits is not None
    assert config.deployments["gpt-2"].limits.input_tpm == 5


def test_fallbacks_become_then(source: Path, tmp_path: Path) -> None:
    """A fallback's deployments are tried, in order, when the group's own are spent."""
    assert loaded(imported(source, "fallbacks"), tmp_path).routes["gpt"].then == ("sonnet",)
    assert loaded(imported(source, "context"), tmp_path).routes["gpt"].then == ("sonnet",)


def test_aliases_are_routes(source: Path, tmp_path: Path) -> None:
    """An alias answers as its group does; one of a group that is not there is reported."""
    result = imported(source, "aliases")
    assert {"gpt", "gpt-4", "small"} == loaded(result, tmp_path).routes.keys()
    assert any("nobody" in note.reason for note in result.notes)


def test_azure_keeps_version_address_and_price(source: Path, tmp_path: Path) -> None:
    """The API version is a setting of the provider, and the base model says the price."""
    config = loaded(imported(source, "azure"), tmp_path)
    provider = config.providers["azure"]
    assert (provider.kind, provider.settings["api_version"]) == ("azure", "2024-10-21")
    assert provider.base_url == "https://my-resource.openai.azure.com"
    assert config.deployments["gpt"].priced_as == "azure/gpt-4o"


def test_a_key_that_litellm_finds_itself_is_looked_for_in_the_same_variable(source: Path, tmp_path: Path) -> None:
    """Without `api_key` the variable is the one that LiteLLM reads, so that nothing has to be set anew."""
    provider = loaded(imported(source, "weights"), tmp_path).providers["azure"]
    assert provider.api_key is not None
    assert provider.api_key.name == "AZURE_API_KEY"


def test_prices_are_exact_per_million(source: Path, tmp_path: Path) -> None:
    """A price per token becomes one per million without a rounding error."""
    price = loaded(imported(source, "options"), tmp_path).deployments["own"].price
    assert price is not None
    assert {name: str(amount.normalize()) for name, amount in price.items()} == {"input": "0.1", "output": "0.2"}


def test_retries_timeouts_and_cooldown_are_taken_over(source: Path, tmp_path: Path) -> None:
    """Numbers of the router stand where they have the same meaning; two that say one thing are told apart."""
    config = loaded(imported(source, "cooldown"), tmp_path)
    assert config.routes["gpt"].retry.attempts == 3
    assert config.routes["gpt"].deadline == 30
    assert config.breaker is not None
    assert (config.breaker.failures, config.breaker.open) == (4, 30)
    assert loaded(imported(source, "no_cooldown"), tmp_path).breaker is None
    notes = {note.key: note.reason for note in imported(source, "timeouts").notes}
    assert "router_settings says it too" in notes["litellm_settings.request_timeout"]


def test_budgets_come_along_with_their_windows(source: Path, tmp_path: Path) -> None:
    """Budgets of the whole, of providers, deployments, tags, users, teams and models, each for whom it was."""
    config = loaded(imported(source, "more_budgets"), tmp_path)
    found = {budget.name: budget for budget in config.budgets}
    assert {name: (float(one.usd), one.window, one.per) for name, one in found.items()} == {
        "user-month": (3, "month", "user"),
        "openai-day": (50, "day", "all"),
        "gpt-day": (10, "day", "all"),
        "tag-product-chat-bot-hour": (10, "hour", "all"),
        "user-month-2": (5, "month", "user"),
        "user-gpt-day": (0.5, "day", "user"),
        "tenant-red-hour": (7, "hour", "all"),
    }
    assert found["tag-product-chat-bot-hour"].only.tags == {"product": ("chat-bot",)}
    assert found["user-gpt-day"].only.route == ("gpt",)
    assert found["tenant-red-hour"].only.tenant == ("red",)
    assert config.log.path is not None


def test_a_deployment_with_a_budget_has_a_provider_of_its_own(source: Path, tmp_path: Path) -> None:
    """Only what that deployment spends counts on its budget, and all of it on that of LiteLLM's provider."""
    config = loaded(imported(source, "more_budgets"), tmp_path)
    own = config.deployments["gpt"].provider
    assert [name for name, one in config.deployments.items() if one.provider == own] == ["gpt"]
    found = {budget.name: budget.only.provider for budget in config.budgets}
    assert found["gpt-day"] == (own,)
    assert set(found["openai-day"]) == {one.provider for one in config.deployments.values()}


def test_budgets_that_have_no_counterpart_are_said(source: Path) -> None:
    """A window of two days, no window, no dollars, keys and a vendor without models are each a note at its key."""
    notes = {note.key: note.reason for note in imported(source, "more_budgets").notes}
    start = "litellm_settings."
    assert "an hour, a day or a month" in notes[start + "tag_budget_config.red.max_budget"]
    assert "`budgets`" in notes[start + "max_end_user_budget"]
    assert "no amount of dollars" in notes[start + "default_team_params.max_budget"]
    assert "instead" in notes[start + "default_key_generate_params.model_max_budget"]
    assert "of anthropic" in notes["router_settings.provider_budget_config.anthropic"]


def test_vendors_that_only_litellm_speaks_to_go_through_it(source: Path, tmp_path: Path) -> None:
    """A vendor without a wire here keeps its model string under kind litellm."""
    config = loaded(imported(source, "through_litellm"), tmp_path)
    assert config.providers["litellm"].kind == "litellm"
    assert config.deployments["watson"].model == "watsonx/ibm/granite-13b"


def test_the_command_writes_the_file_and_says_the_rest(source: Path, tmp_path: Path) -> None:
    """-o writes the file, notes go to standard error with lines, and a file that is there is not written over."""
    source.write_text(SOURCES["proxy"])
    output = tmp_path / "orchestrator.yaml"
    arguments = ["import-litellm", str(source), "-o", str(output)]
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert "line 3  general_settings.master_key: it is a setting of LiteLLM's proxy" in result.stderr
    assert result.stdout == ""
    assert output.read_text().startswith("# Made from LiteLLM's config.yaml")
    assert CliRunner().invoke(app, arguments).exit_code == 2
    assert CliRunner().invoke(app, [*arguments, "--force"]).exit_code == 0
    told = json.loads(CliRunner().invoke(app, ["import-litellm", str(source), "--json"]).stdout)
    assert told["text"] == output.read_text()
    assert {"line", "key", "reason"} == told["notes"][0].keys()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("model_list: []\n", "no model of `model_list` can be called here"),
        ("model_list: [{model_name: a, litellm_params: {model: 'openai/*'}}]\n", "can be called here"),
        ("a: &x 1\n", "anchors"),
        ("- 1\n", "no model"),
    ],
)
def test_what_cannot_be_converted_is_one_screen(source: Path, text: str, says: str) -> None:
    """A source without any model, or one that is not plain YAML, is refused with exit code 2."""
    source.write_text(text)
    result = CliRunner().invoke(app, ["import-litellm", str(source)], env={"COLUMNS": "300"})
    assert result.exit_code == 2
    assert says in result.stderr
