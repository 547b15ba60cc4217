"""What the keys for the bad case mean: choosing, timeouts, retries, breakers, shared state."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from kinds import ENVIRON, find

from orchestrator.config import (
    BreakerConfig,
    Config,
    PickConfig,
    RetryConfig,
    SecretRef,
    StoreConfig,
    TimeoutsConfig,
    WhenConfig,
    canonical,
    json_schema,
    load_file,
    load_mapping,
)
from orchestrator.config.yaml import parse_yaml
from orchestrator.errors import ConfigError

WHOLE = """\
version: 1
timeouts: {connect: 2s, stall: 20s}
retry: {attempts: 6, per_deployment: 3, max_wait: 1m}
breaker: {failures: 3, ratio: 0.25, calls: 20, window: 1m, open: 10s, longest: 2m, probes: 1, ramp: 5s}
store: {redis: {url: {env: REDIS_URL}, prefix: llm, expected_processes: 4}}
providers:
  openai: {kind: openai, api_key: {env: OPENAI_API_KEY}, limits: {rpm: 9, learn: true}}
routes:
  answer:
    task: chat
    pick: {fastest: [openai/a, openai/b]}
    then: [openai/c]
    sticky: tags.session
    timeouts: {first_token: 3m}
    retry: {attempts: 2}
    when:
      - {tenant: [b, a], tags: {env: prod, tier: [silver, gold]}, pick: {least_busy: [openai/c, openai/d]}}
      - {tags: {tier: gold}, pick: openai/e, then: openai/a}
      - {tenant: c, pick: {weighted: {openai/a: 1, openai/b: 3}}, then: []}
  cheap: {task: chat, pick: {cheapest: [openai/a, openai/b]}}
  search: {task: embed, pick: openai/te3}
"""
ENV = ENVIRON | {"REDIS_URL": "rediss://:hunter2@cache:6380/1"}


def load(directory: Path, text: str = WHOLE, **environ: str) -> Config:
    """The configuration of a file with this text."""
    file = directory / "o.yaml"
    file.write_text(text)
    return load_file(file, find=find, environ=ENV | environ)


def mapping(**top: Any) -> Config:
    """A mapping with one route of one deployment, if no other is given."""
    return load_mapping({"version": 1, "routes": {"a": "openai/m"}, **top}, find=find, environ=ENV)


def test_a_file_without_these_keys_has_the_published_defaults() -> None:
    """Nothing written means: in this process, a breaker, four attempts, and three timeouts."""
    config = mapping()
    route = config.routes["a"]
    assert (config.store, config.store.kind, config.store.url) == (StoreConfig(), "memory", None)
    assert config.breaker == BreakerConfig(
        failures=5, ratio=0.5, calls=10, window=30, open=15, longest=300, probes=2, ramp=30
    )
    assert (
        config.timeouts
        == route.timeouts
        == TimeoutsConfig(connect=5.0, first_token=60.0, stall=30.0)
        == TimeoutsConfig()
    )
    expected = RetryConfig(attempts=4, per_deployment=2, base=0.25, throttled_base=1.0, cap=20.0, max_wait=30.0)
    assert config.retry == route.retry == expected == RetryConfig()
    assert (route.when, route.sticky) == ((), None)


def test_the_rules_of_pick_are_read(tmp_path: Path) -> None:
    """Fastest, least busy and cheapest keep their names in order; the other picks follow the first choice."""
    config = load(tmp_path)
    assert config.routes["answer"].pick == PickConfig(rule="fastest", names=("openai/a", "openai/b"))
    assert config.routes["cheap"].pick == PickConfig(rule="cheapest", names=("openai/a", "openai/b"))
    assert config.routes["search"].pick == PickConfig(rule="ordered", names=("openai/te3",))


def test_cases_are_read_in_their_order(tmp_path: Path) -> None:
    """A case has its conditions as tuples, its own pick, and the route's `then` without what it picks already."""
    first, second, third = load(tmp_path).routes["answer"].when
    assert first == WhenConfig(
        tenant=("a", "b"),
        tags={"env": ("prod",), "tier": ("gold", "silver")},
        pick=PickConfig(rule="least_busy", names=("openai/c", "openai/d")),
        then=(),
    )
    assert (second.tenant, second.tags) == ((), {"tier": ("gold",)})
    assert (second.pick.names, second.then) == (("openai/e",), ("openai/a",))
    assert (third.pick.rule, third.pick.names, third.pick.weights) == ("weighted", ("openai/b", "openai/a"), (3, 1))
    assert third.then == ()


def test_a_case_without_then_has_that_of_the_route() -> None:
    """What stands in the route's `then` follows the case's pick too."""
    route = {"task": "chat", "pick": "openai/a", "then": ["openai/b"], "when": [{"tenant": "t", "pick": "openai/c"}]}
    assert mapping(routes={"a": route}).routes["a"].when[0].then == ("openai/b",)


def test_what_only_a_case_names_is_reached(tmp_path: Path) -> None:
    """Deployments of a case's pick and then are in the configuration, are no warning, and need their secrets."""
    config = load(tmp_path)
    assert {"openai/d", "openai/e"} <= config.deployments.keys()
    assert config.warnings == ()
    route = {"task": "chat", "pick": "openai/a", "when": [{"tenant": "t", "pick": "openai/b", "then": "cohere/c"}]}
    with pytest.raises(ConfigError, match="CO_API_KEY is not set"):
        load_mapping({"version": 1, "routes": {"a": route}}, find=find, environ={"OPENAI_API_KEY": "k"})


def test_conditions_take_variables_and_a_tag_may_be_called_env() -> None:
    """`{env: NAME}` stands for a value; under `tags`, `env` is the name of a tag."""
    case = {"tenant": {"env": "WHO"}, "tags": {"env": {"env": "STAGE", "default": "prod"}}, "pick": "openai/b"}
    routes = {"a": {"task": "chat", "pick": "openai/a", "when": [case]}}
    config = load_mapping({"version": 1, "routes": routes}, find=find, environ=ENV | {"WHO": "acme"})
    assert config.routes["a"].when[0].tenant == ("acme",)
    assert config.routes["a"].when[0].tags == {"env": ("prod",)}


@pytest.mark.parametrize("key", ["tenant", "user", "tags.session", "tags.a.b"])
def test_sticky_names_what_calls_share(key: str) -> None:
    """Tenant, user or a tag; it has an effect as soon as one pick of the route, also of a case, has two names."""
    pair = {"fastest": ["openai/a", "openai/b"]}
    assert mapping(routes={"a": {"task": "chat", "pick": pair, "sticky": key}}).routes["a"].sticky == key
    route = {"task": "chat", "pick": "openai/a", "sticky": key, "when": [{"tenant": "t", "pick": pair}]}
    assert mapping(routes={"a": route}).routes["a"].sticky == key


def test_timeouts_of_a_route_lie_over_those_of_the_top(tmp_path: Path) -> None:
    """A route's own keys win, the top's fill in, and the built-in ones are under both."""
    config = load(tmp_path)
    assert config.timeouts == TimeoutsConfig(connect=2.0, first_token=60.0, stall=20.0)
    assert config.routes["answer"].timeouts == TimeoutsConfig(connect=2.0, first_token=180.0, stall=20.0)
    assert config.routes["search"].timeouts == config.timeouts


def test_retry_of_a_route_lies_over_that_of_the_top(tmp_path: Path) -> None:
    """Merged key by key; fewer attempts per call take the inherited attempts per deployment with them."""
    config = load(tmp_path)
    assert config.retry == RetryConfig(attempts=6, per_deployment=3, max_wait=60.0)
    assert config.routes["answer"].retry == RetryConfig(attempts=2, per_deployment=2, max_wait=60.0)
    assert config.routes["cheap"].retry == config.retry
    assert mapping(retry={"attempts": 1}).retry.per_deployment == 1
    more = {"task": "chat", "pick": "openai/a", "retry": {"per_deployment": 5}}
    assert mapping(retry={"attempts": 5}, routes={"a": more}).routes["a"].retry.per_deployment == 5


def test_the_breaker_is_read(tmp_path: Path) -> None:
    """Every key is in its field, durations in seconds; a longer `open` takes the default of `longest` with it."""
    assert load(tmp_path).breaker == BreakerConfig(
        failures=3, ratio=0.25, calls=20, window=60, open=10, longest=120, probes=1, ramp=5
    )
    longer = mapping(breaker={"open": "10m"}).breaker
    assert longer is not None
    assert longer.longest == 600.0


@pytest.mark.parametrize("line", ["off", "'off'", "false", "{env: B}", "{env: NO, default: off}"])
def test_the_breaker_can_be_off(tmp_path: Path, line: str) -> None:
    """`off` is text in YAML 1.2, and means what it says; so does false, and both from a variable."""
    text = f"version: 1\nroutes: {{a: openai/m}}\nbreaker: {line}\n"
    for value in ("off", "false"):
        assert load(tmp_path, text, B=value).breaker is None


def test_limits_may_be_learnt(tmp_path: Path) -> None:
    """`learn` is a flag of limits, off unless it is written."""
    limits = load(tmp_path).providers["openai"].limits
    assert limits is not None
    assert (limits.learn, limits.rpm) == (True, 9)
    providers = {"openai": {"kind": "openai", "api_key": {"env": "OPENAI_API_KEY"}, "limits": {"rpm": 9}}}
    written = mapping(providers=providers).providers["openai"].limits
    assert written is not None
    assert written.learn is False


def test_the_store_is_read(tmp_path: Path) -> None:
    """Redis has a URL by reference, a prefix and the processes expected; `memory` is the default, written out."""
    store = load(tmp_path).store
    assert (store.kind, store.prefix, store.expected_processes) == ("redis", "llm", 4)
    assert store.url == SecretRef("env", "REDIS_URL")
    assert mapping(store="memory").store == StoreConfig()
    assert mapping(store={"env": "WHERE", "default": "memory"}).store == StoreConfig()


@pytest.mark.parametrize(
    "url", ["redis://127.0.0.1:6379/0", "rediss://cache.internal", "unix:///run/redis.sock?db=1", "redis://[::1]:6379"]
)
def test_an_address_without_a_password_may_be_written_out(url: str) -> None:
    """Servers that need no credential are named as they are, or by a default for a variable."""
    store = mapping(store={"redis": {"url": url}}).store
    assert (store.url, store.prefix, store.expected_processes) == (url, "orchestrator", 1)
    assert mapping(store={"redis": {"url": {"env": "NO", "default": url}}}).store.url == url


def test_the_address_may_come_from_a_file(tmp_path: Path) -> None:
    """`{file: …}` is relative to the file that says it, and must hold a Redis URL."""
    (tmp_path / "redis.url").write_text("redis://:hunter2@h\n")
    text = "version: 1\nroutes: {a: openai/m}\nstore: {redis: {url: {file: redis.url}}}\n"
    url = load(tmp_path, text).store.url
    assert isinstance(url, SecretRef)
    assert url.open().reveal() == "redis://:hunter2@h"
    (tmp_path / "redis.url").write_text("hunter2\n")
    with pytest.raises(ConfigError, match=r"the secret in file redis\.url: expected a URL") as caught:
        load(tmp_path, text)
    assert "hunter2" not in str(caught.value)


def test_a_build_machine_needs_no_address() -> None:
    """Without the check of secrets, a reference is enough."""
    raw = {"version": 1, "routes": {"a": "ollama/m"}, "store": {"redis": {"url": {"env": "NO_SUCH"}}}}
    loaded = load_mapping(raw, find=find, environ={}, check_secrets=False)
    assert loaded.store.url == SecretRef("env", "NO_SUCH")


def test_the_address_of_the_store_is_in_no_repr_and_no_hash() -> None:
    """Neither a password from a variable nor a written address shows, and neither changes the hash."""
    reference = {"redis": {"url": {"env": "REDIS_URL", "default": "redis://h"}}}
    config = mapping(store=reference)
    assert config.store.url == ENV["REDIS_URL"]
    written = mapping(store={"redis": {"url": "redis://cache.internal"}})
    for made in (config, written):
        shown = repr(made) + str(made) + json.dumps(canonical(made), default=str)
        assert "hunter2" not in shown
        assert "cache" not in shown
    assert config.config_hash == written.config_hash
    assert canonical(mapping(store={"redis": {"url": {"env": "REDIS_URL"}}}))["store"]["url"] == {"env": "REDIS_URL"}


def test_a_mapping_and_a_file_mean_the_same(tmp_path: Path) -> None:
    """The same keys from code give the same hash."""
    raw = parse_yaml(WHOLE.encode(), "x").value
    assert load_mapping(raw, find=find, environ=ENV).config_hash == load(tmp_path).config_hash


SAME = [
    ("[b, a]", "[a, b]"),
    ("[silver, gold]", "[gold, silver]"),
    ("first_token: 3m", "first_token: 180"),
    ("failures: 3, ratio: 0.25", "ratio: 0.25, failures: 3"),
    ("{attempts: 2}", "{attempts: 2, per_deployment: 2}"),
    ("timeouts: {first_token: 3m}", "timeouts: {first_token: 3m, stall: 20}"),
]
OTHER = [
    ("{fastest:", "{least_busy:"),
    ("{fastest: [openai/a, openai/b]}", "[openai/a, openai/b]"),
    ("tags.session", "user"),
    ("first_token: 3m", "first_token: 4m"),
    ("attempts: 2", "attempts: 3"),
    ("connect: 2s", "connect: 3s"),
    ("env: prod", "env: test"),
    ("tenant: c", "tenant: d"),
    ("learn: true", "learn: false"),
    ("failures: 3", "failures: 4"),
    ("prefix: llm", "prefix: other"),
    ("store: {redis: {url: {env: REDIS_URL}, prefix: llm, expected_processes: 4}}\n", ""),
]


@pytest.mark.parametrize(("old", "new"), SAME)
def test_another_spelling_has_the_same_hash(tmp_path: Path, old: str, new: str) -> None:
    """The order of alternatives and of keys, units, and writing out what is inherited do not change the meaning."""
    assert old in WHOLE
    assert load(tmp_path, WHOLE.replace(old, new)).config_hash == load(tmp_path).config_hash


@pytest.mark.parametrize(("old", "new"), OTHER)
def test_another_meaning_has_another_hash(tmp_path: Path, old: str, new: str) -> None:
    """Every one of these keys counts."""
    assert old in WHOLE
    assert load(tmp_path, WHOLE.replace(old, new)).config_hash != load(tmp_path).config_hash


def test_no_breaker_is_not_the_usual_breaker() -> None:
    """Off has a hash of its own, and the defaults written out have none."""
    assert mapping(breaker="off").config_hash != mapping().config_hash
    assert mapping(breaker={"failures": 5}).config_hash == mapping().config_hash


def test_extends_merges_mappings_and_replaces_cases(tmp_path: Path) -> None:
    """Timeouts, retry and store merge with the base, a list of cases replaces it, and one rule replaces another."""
    (tmp_path / "base.yaml").write_text(WHOLE)
    text = (
        "extends: base.yaml\ntimeouts: {stall: 5s}\nretry: {attempts: 8}\nbreaker: off\n"
        "store: {redis: {prefix: mine}}\nroutes:\n  answer:\n    retry: {cap: 9s}\n"
        "    pick: {cheapest: [openai/a, openai/b]}\n    when: [{tenant: z, pick: openai/a}]\n"
    )
    config = load(tmp_path, text)
    answer = config.routes["answer"]
    assert config.timeouts == TimeoutsConfig(connect=2.0, stall=5.0)
    assert (config.retry.attempts, config.retry.per_deployment) == (8, 3)
    assert (answer.retry.attempts, answer.retry.cap, answer.timeouts.stall) == (2, 9.0, 5.0)
    assert (config.breaker, config.store.prefix, config.store.url) == (None, "mine", SecretRef("env", "REDIS_URL"))
    assert ([case.tenant for case in answer.when], answer.pick.rule) == ([("z",)], "cheapest")
    assert load(tmp_path, "extends: base.yaml\nstore: memory\n").store == StoreConfig()


def test_a_mistake_in_a_case_has_the_line_of_the_case(tmp_path: Path) -> None:
    """The line is that of the key within the case, not of the route."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, WHOLE.replace("pick: openai/e", "pick: nobody"))
    assert (caught.value.line, caught.value.key) == (18, "routes.answer.when[1].pick")


GOOD_FOR_EDITORS = [
    {"store": "memory", "breaker": "off"},
    {"breaker": False, "store": {"redis": {"url": "redis://h"}}},
    {"store": {"redis": {"url": {"file": "redis.url"}, "expected_processes": 2}}, "retry": {"attempts": {"env": "N"}}},
]
BAD_FOR_EDITORS = [
    {"store": "redis"},
    {"store": {"redis": {}}},
    {"store": {"redis": {"url": "redis://:pw@h"}}},
    {"store": {"redis": {"url": "redis://h", "kind": "memory"}}},
    {"breaker": "on"},
    {"breaker": {"failurs": 3}},
    {"timeouts": {"connct": 3}},
    {"retry": {"attempts": 11}},
    {"routes": {"a": {"task": "chat", "pick": "x", "timeouts": {"connect": 3}}}},
    {"routes": {"a": {"task": "chat", "pick": {"fastest": ["x"]}}}},
    {"routes": {"a": {"task": "chat", "pick": {"fastest": ["x", "y"], "cheapest": ["x", "y"]}}}},
    {"routes": {"a": {"task": "chat", "pick": "x", "sticky": "tennant"}}},
    {"routes": {"a": {"task": "chat", "pick": "x", "when": [{"pick": "y"}]}}},
    {"routes": {"a": {"task": "chat", "pick": "x", "when": [{"tenant": "t"}]}}},
    {"routes": {"a": {"task": "chat", "pick": "x", "when": [{"tenant": "t", "pick": "y", "colour": 1}]}}},
]


def test_editors_know_these_keys() -> None:
    """The JSON Schema takes the whole file and every form, refuses mistakes, and describes every key."""
    import jsonschema_rs

    schema = json_schema()
    check = jsonschema_rs.validator_for(schema)
    assert [error.message for error in check.iter_errors(parse_yaml(WHOLE.encode(), "x").value)] == []
    least = {"version": 1, "routes": {"a": "openai/m"}}
    assert all(check.is_valid(least | good) for good in GOOD_FOR_EDITORS)
    assert [bad for bad in BAD_FOR_EDITORS if check.is_valid(least | bad)] == []
    models = ("BreakerConfig", "RedisConfig", "RetryConfig", "RouteTimeoutsConfig", "TimeoutsConfig", "WhenConfig")
    for model in models:
        fields = schema["$defs"][model]["properties"].items()
        assert [key for key, field in fields if "description" not in field] == [], model
    assert schema["$defs"]["RetryConfig"]["properties"]["per_deployment"]["default"] == 2
