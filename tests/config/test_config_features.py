"""`profile`, `require`, sizes and spaces of vectors, and models that are retired."""

from __future__ import annotations

import textwrap
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import validator_for
from kinds import ENVIRON, find
from mistakes import deployment, message, route

from orchestrator.config import json_schema, load_file, load_mapping
from orchestrator.config.yaml import parse_yaml

FEATURES = """\
version: 1
providers:
  openai: {kind: openai, api_key: {env: OPENAI_API_KEY}, region: us}
  claude: {kind: anthropic, api_key: {env: ANTHROPIC_API_KEY}}
deployments:
  mini: {provider: openai, model: gpt-4o-mini}
  old: {provider: openai, model: gpt-3.5-turbo}
  own: {provider: openai, model: our-own}
  haiku: {provider: claude, model: claude-haiku-4-5}
routes:
"""


def required(pick: str, *require: str) -> str:
    """A file whose route, on line 11, picks these and requires that."""
    return FEATURES + f"  a: {{task: chat, pick: {pick}, require: [{', '.join(require)}]}}\n"


WANTS = "does not meet `require` of route 'a'"
STATED = "if so, say profile:"
MISTAKES = [
    (
        required("[mini, old]", "tools", "vision"),
        f"o.yaml:11: routes.a.pick[1]: 'old' {WANTS}: gpt-3.5-turbo of kind 'openai' has no vision",
    ),
    (
        required("old", "json_schema", "{context_tokens: 100k}"),
        (
            f"o.yaml:11: routes.a.pick: 'old' {WANTS}: gpt-3.5-turbo of kind 'openai' has no json_schema; "
            f"context_tokens of gpt-3.5-turbo is 16,385, less than 100,000"
        ),
    ),
    (
        required("own", "tools"),
        (
            f"o.yaml:11: routes.a.pick: 'own' {WANTS}: it is not known whether our-own has tools; {STATED} "
            f"{{tools: true}} on the deployment"
        ),
    ),
    (
        required("own", "vision", "{context_tokens: 8k}"),
        (
            f"o.yaml:11: routes.a.pick: 'own' {WANTS}: it is not known whether our-own has vision; {STATED} "
            f"{{media: [image]}} on the deployment; it is not known whether our-own has context_tokens of "
            f"8,000; {STATED} {{context_tokens: 8000}} on the deployment"
        ),
    ),
    (
        required("mini", "reasoning", "{max_output_tokens: 20k}"),
        (
            f"o.yaml:11: routes.a.pick: 'mini' {WANTS}: gpt-4o-mini of kind 'openai' has no reasoning; "
            f"max_output_tokens of gpt-4o-mini is 16,384, less than 20,000"
        ),
    ),
    (
        required("mini", "{region: eu}"),
        f"o.yaml:11: routes.a.pick: 'mini' {WANTS}: provider 'openai' is in region 'us', not 'eu'",
    ),
    (
        required("haiku", "{region: eu}"),
        (
            f"o.yaml:11: routes.a.pick: 'haiku' {WANTS}: the region of provider 'claude' is not known; if it "
            f"is 'eu', say region: eu there"
        ),
    ),
    (
        required("mini", "visoin"),
        (
            "o.yaml:11: routes.a.require: expected one of audio, forced_tools, json_schema, parallel_tools, "
            "pdf, reasoning, tools, video, vision, context_tokens, max_output_tokens, region; found "
            "'visoin'; did you mean 'vision'?"
        ),
    ),
    (
        required("mini", "context_tokens"),
        "o.yaml:11: routes.a.require: 'context_tokens' needs a value, such as {context_tokens: 100k}",
    ),
    (
        required("mini", "{context_tokens: lots}"),
        "o.yaml:11: routes.a.require.context_tokens: expected a size such as 500, 200k or 2M, found 'lots'",
    ),
    (
        deployment("profile: {tool: true}"),
        "o.yaml:8: deployments.d.profile.tool: unknown key 'tool'; did you mean 'tools'?",
    ),
    (
        deployment("profile: {refuses: [temprature]}"),
        (
            "o.yaml:8: deployments.d.profile.refuses: expected one of parallel_tool_calls, "
            "reasoning_effort, seed, stop, temperature, top_p; found 'temprature'; did you mean "
            "'temperature'?"
        ),
    ),
    (
        deployment("profile: {media: [picture]}"),
        (
            "o.yaml:8: deployments.d.profile.media: expected audio, image, pdf, video or a media type such "
            "as image/png, found 'picture'"
        ),
    ),
    (
        deployment("profile: {retires_on: soon}"),
        "o.yaml:8: deployments.d.profile.retires_on: expected a day such as 2027-01-31, found 'soon'",
    ),
    (
        route("task: embed, pick: te3, defaults: {dimensions: 4000}"),
        "o.yaml:9: routes.a.pick: 'te3' cannot give 4000 dimensions: text-embedding-3-small gives up to 1536",
    ),
]


@pytest.mark.parametrize(("text", "expected"), MISTAKES, ids=[expected[:80] for _, expected in MISTAKES])
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, expected: str) -> None:
    """Each mistake names file, line, route, deployment, what it lacks or what is not known, and how to state that."""
    assert message(tmp_path, text) == expected


def load(tmp_path: Path, text: str, today: date | None = None) -> Any:
    file = tmp_path / "o.yaml"
    file.write_text(textwrap.dedent(text))
    return load_file(file, find=find, environ=ENVIRON, today=today)


def test_what_every_candidate_has_is_no_mistake(tmp_path: Path) -> None:
    """Requirements that all candidates meet load, in whichever order they are written, with one meaning."""
    one = load(tmp_path, required("[mini, haiku]", "vision", "tools", "json_schema", "{context_tokens: 128k}"))
    other = load(tmp_path, required("[mini, haiku]", "{context_tokens: 128000}", "tools", "vision", "json_schema"))
    assert one.config_hash == other.config_hash
    assert one.routes["a"].require.features == ("json_schema", "tools", "vision")


def test_a_profile_states_what_is_not_known(tmp_path: Path) -> None:
    """What the error says to write makes the file load."""
    text = required("own", "tools", "vision", "reasoning", "{context_tokens: 8k}").replace(
        "model: our-own",
        "model: our-own, profile: {tools: true, media: [image], reasoning: always, context_tokens: 8k}",
    )
    assert load(tmp_path, text).deployments["own"].profile.context_tokens == 8000


def test_only_what_a_case_reaches_is_checked_once(tmp_path: Path) -> None:
    """Deployments of `then` and `when` must meet the requirements too; others need not."""
    text = FEATURES + (
        "  a: {task: chat, pick: mini, then: [old], when: [{tenant: t, pick: own}], require: [vision]}\n"
    )
    lines = message(tmp_path, text).splitlines()
    assert [line.split(": ")[1] for line in lines] == ["routes.a.then[0]", "routes.a.when[0].pick"]


SPACES = {
    "version": 1,
    "providers": {"p": {"kind": "openai", "api_key": {"env": "OPENAI_API_KEY"}}},
    "routes": {"search": {"task": "embed", "pick": ["a", "b"]}},
}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"model": "voyage-4"}, {"model": "voyage-4-lite"}),
        ({"model": "text-embedding-3-small"}, {"model": "text-embedding-3-small", "dimensions": 1536}),
        ({"model": "x", "profile": {"space": "s"}}, {"model": "y", "profile": {"space": "s"}}),
    ],
)
def test_models_that_share_a_space_may_share_a_route(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Names that hide one space, and a size that is the model's own anyway, are no mixture."""
    deployments = {"a": {"provider": "p", **one}, "b": {"provider": "p", **other}}
    assert load_mapping(SPACES | {"deployments": deployments}, find=find, environ=ENVIRON).routes


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        (date(2026, 9, 22), []),
        (date(2026, 9, 23), ["'gpt-4' will be retired by its vendor on 2026-10-23, in 30 days; name its successor"]),
        (
            date(2026, 10, 23),
            [
                "'gpt-4' was retired by its vendor on 2026-10-23: calls to it fail or soon will; name its successor",
            ],
        ),
    ],
)
def test_a_model_that_is_retired_is_a_warning(tmp_path: Path, today: date, expected: list[str]) -> None:
    """Thirty days before its retirement, and after it, a model is warned of with its place; loading goes on."""
    text = FEATURES.replace("gpt-4o-mini", "gpt-4") + "  a: mini\n"
    found = [one for one in load(tmp_path, text, today).warnings if ".model: " in one]
    assert found == [f"{tmp_path}/o.yaml:6: deployments.mini.model: {line}" for line in expected]


def test_the_editor_schema_knows_both_keys() -> None:
    """The published schema takes the forms that the loader takes, and no others."""
    schema = validator_for(json_schema())
    good = required("mini", "tools", "{context_tokens: 100k}", "{region: eu}").replace(
        "model: our-own", "model: our-own, profile: {media: [image], efforts: [low], retires_on: '2027-01-31'}"
    )
    assert schema.is_valid(_plain(good))
    assert not schema.is_valid(_plain(required("mini", "visoin")))
    assert not schema.is_valid(_plain(good.replace("efforts: [low]", "efforts: [lots]")))


def _plain(text: str) -> Any:
    return parse_yaml(text.encode(), "o.yaml").value
