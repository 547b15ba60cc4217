"""Every mistake that the keys for the bad case can hold, with the message a person reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from kinds import ENVIRON, find
from mistakes import message, route, top

from orchestrator.config import load_file, load_mapping
from orchestrator.errors import ConfigError

HIDDEN = "hunter2"
STORE = "expected memory or {redis: {url: {env: REDIS_URL}}}, found"
LITERAL = "a literal secret is refused; give the whole URL as {env: NAME}"
SCHEMES = "expected a URL that begins with redis://, rediss:// or unix://"
CASE = "expected a case such as {tenant: acme, pick: …}, found"
SPACES = (
    "'openai/text-embedding-3-large' (text-embedding-3-large, 3072 dimensions) and 'te3' (text-embedding-3-small,"
    " 1536 dimensions) give different vector spaces: vectors of both in one index cannot be compared, and nobody"
    " would notice"
)


def redis(body: str) -> str:
    """A file whose Redis, on line 3, is this."""
    return top(f"store: {{redis: {{{body}}}}}")


def chat(body: str) -> str:
    """A file whose route picks one of two deployments and has these further keys, on line 9."""
    return route(f"task: chat, pick: [mini, openai/x], {body}")


def when(body: str) -> str:
    """A file whose route has these cases, on line 9."""
    return route(f"task: chat, pick: mini, then: [openai/x], when: [{body}]")


MISTAKES: list[tuple[str, str]] = [
    # store
    (top("store: memroy"), f"o.yaml:3: store: {STORE} 'memroy'; did you mean 'memory'?"),
    (top("store: redis"), f"o.yaml:3: store: {STORE} 'redis'"),
    (top(f"store: redis://:{HIDDEN}@h"), f"o.yaml:3: store: {STORE} a URL"),
    (top("store: {}"), f"o.yaml:3: store: {STORE} an empty mapping"),
    (top("store: [memory]"), f"o.yaml:3: store: {STORE} a list"),
    (top("store:"), "o.yaml:3: store: this key has no value; leave it out instead"),
    (top("store: {env: NOPE}"), "o.yaml:3: store: environment variable NOPE is not set"),
    (top("store: {reds: {}}"), "o.yaml:3: store.reds: unknown key 'reds'; did you mean 'redis'?"),
    (
        top(f"store: {{redis: redis://:{HIDDEN}@h}}"),
        "o.yaml:3: store.redis: expected a mapping with a url, found a URL",
    ),
    (redis(""), "o.yaml:3: store.redis.url: this key is missing; write url: {env: REDIS_URL}"),
    (redis(f"url: redis://:{HIDDEN}@h"), f"o.yaml:3: store.redis.url: {LITERAL}"),
    (redis(f"url: 'redis://h/0?password={HIDDEN}'"), f"o.yaml:3: store.redis.url: {LITERAL}"),
    (redis(f"url: 'unix://me:{HIDDEN}@/run/redis.sock'"), f"o.yaml:3: store.redis.url: {LITERAL}"),
    (redis(f"url: {{env: NOPE, default: 'redis://:{HIDDEN}@h'}}"), f"o.yaml:3: store.redis.url: {LITERAL}"),
    (redis("url: http://h"), f"o.yaml:3: store.redis.url: {SCHEMES}"),
    (redis("url: 'redis://'"), "o.yaml:3: store.redis.url: the URL names no server"),
    (redis("url: 'unix://'"), "o.yaml:3: store.redis.url: the URL names no server"),
    (redis("url: redis://h:99999"), "o.yaml:3: store.redis.url: expected a URL with a valid host and port"),
    (
        redis("url: 'redis://a b'"),
        "o.yaml:3: store.redis.url: a URL must be visible ASCII without spaces or backslashes",
    ),
    (redis("url: 5"), "o.yaml:3: store.redis.url: expected a URL such as redis://127.0.0.1:6379, found 5"),
    (redis("url: {env: NOPE}"), "o.yaml:3: store.redis.url: environment variable NOPE is not set"),
    (redis("url: {env: CO_API_KEY}"), f"o.yaml:3: store.redis.url: the secret in variable CO_API_KEY: {SCHEMES}"),
    (redis("url: redis://h, prefx: a"), "o.yaml:3: store.redis.prefx: unknown key 'prefx'; did you mean 'prefix'?"),
    (
        redis("url: redis://h, kind: memory"),
        "o.yaml:3: store.redis.kind: unknown key 'kind'; known here: expected_processes, prefix, url",
    ),
    (
        redis("url: redis://h, prefix: 'a{b}'"),
        "o.yaml:3: store.redis.prefix: expected up to 100 letters, digits and any of _ . : -",
    ),
    (
        redis("url: redis://h, expected_processes: 0"),
        "o.yaml:3: store.redis.expected_processes: expected a whole number from 1 to 10000, found 0",
    ),
    # breaker
    (top("breaker: on"), "o.yaml:3: breaker: expected off, or a mapping such as {failures: 5}, found 'on'"),
    (top("breaker: true"), "o.yaml:3: breaker: expected off, or a mapping such as {failures: 5}, found true"),
    (top("breaker: {failurs: 3}"), "o.yaml:3: breaker.failurs: unknown key 'failurs'; did you mean 'failures'?"),
    (top("breaker: {failures: 1.5}"), "o.yaml:3: breaker.failures: expected a whole number, found 1.5"),
    (top("breaker: {ratio: 0}"), "o.yaml:3: breaker.ratio: expected a number from 0.01 to 1, found 0"),
    (
        top("breaker: {window: forever}"),
        "o.yaml:3: breaker.window: expected a duration such as 30s, 1m30s or 500ms, found 'forever'",
    ),
    (
        top("breaker: {open: 1m, longest: 30s}"),
        "o.yaml:3: breaker.longest: expected at least `open`, which is 60s, found '30s'",
    ),
    # timeouts
    (top("timeouts: 5"), "o.yaml:3: timeouts: expected a mapping such as {first_token: 30s}, found 5"),
    (top("timeouts: {connct: 3}"), "o.yaml:3: timeouts.connct: unknown key 'connct'; did you mean 'connect'?"),
    (
        top("timeouts: {stall: 0}"),
        "o.yaml:3: timeouts.stall: expected a duration of more than 0 and at most one day, found 0",
    ),
    (
        chat("timeouts: {connect: 3}"),
        "o.yaml:9: routes.a.timeouts.connect: routes share connections; give connect under `timeouts` at the top",
    ),
    (chat("timeouts: {stal: 3}"), "o.yaml:9: routes.a.timeouts.stal: unknown key 'stal'; did you mean 'stall'?"),
    (
        chat("timeouts: soon"),
        "o.yaml:9: routes.a.timeouts: expected a mapping such as {first_token: 30s}, found 'soon'",
    ),
    (
        route("task: embed, pick: te3, timeouts: {stall: 3}"),
        "o.yaml:9: routes.a.timeouts.stall: no effect on embed, which has no stream; it is an option of chat",
    ),
    (
        route("task: rerank, pick: cohere/r, timeouts: {first_token: 3}"),
        "o.yaml:9: routes.a.timeouts.first_token: no effect on rerank, which has no stream; it is an option of chat",
    ),
    # retry
    (
        top("retry: off"),
        "o.yaml:3: retry: expected a mapping such as {attempts: 3}, found 'off'; {attempts: 1} is no retry",
    ),
    (top("retry: {attempts: 11}"), "o.yaml:3: retry.attempts: expected a whole number from 1 to 10, found 11"),
    (top("retry: {attempts: 0}"), "o.yaml:3: retry.attempts: expected a whole number from 1 to 10, found 0"),
    (
        top("retry: {per_deployment: 0}"),
        "o.yaml:3: retry.per_deployment: expected a whole number from 1 to 10, found 0",
    ),
    (
        top("retry: {per_deployment: 5}"),
        "o.yaml:3: retry.per_deployment: expected at most `attempts`, which is 4, found 5",
    ),
    (
        top("retry: {per_deployment: 3, attempts: 2}"),
        "o.yaml:3: retry.per_deployment: expected at most `attempts`, which is 2, found 3",
    ),
    (top("retry: {bse: 1}"), "o.yaml:3: retry.bse: unknown key 'bse'; did you mean 'base'?"),
    (
        chat("retry: {attempts: 3, per_deployment: 4}"),
        "o.yaml:9: routes.a.retry.per_deployment: expected at most `attempts`, which is 3, found 4",
    ),
    (
        chat("retry: {attempts: 1, base: 1s}"),
        "o.yaml:9: routes.a.retry.base: no effect: no deployment is asked twice (per_deployment is 1)",
    ),
    # sticky
    (
        route("task: chat, pick: mini, then: openai/x, sticky: tenant"),
        "o.yaml:9: routes.a.sticky: no effect: every pick of this route is one deployment",
    ),
    (
        chat("sticky: tennant"),
        "o.yaml:9: routes.a.sticky: expected tenant, user or tags.NAME, found 'tennant'; did you mean 'tenant'?",
    ),
    (route("task: chat, pick: [mini, mini], sticky: user"), "o.yaml:9: routes.a.pick[1]: 'mini' is named twice"),
    (chat("sticky: tags."), "o.yaml:9: routes.a.sticky: expected tenant, user or tags.NAME, found 'tags.'"),
    (chat("sticky: true"), "o.yaml:9: routes.a.sticky: expected tenant, user or tags.NAME, found true"),
    # pick
    (
        route("task: chat, pick: {fastest: [mini]}"),
        "o.yaml:9: routes.a.pick.fastest: 'fastest' has no effect on one deployment; write pick: mini",
    ),
    (
        route("task: chat, pick: {least_busy: mini}"),
        "o.yaml:9: routes.a.pick.least_busy: 'least_busy' has no effect on one deployment; write pick: mini",
    ),
    (
        route("task: chat, pick: {cheapest: []}"),
        "o.yaml:9: routes.a.pick.cheapest: the list is empty; name at least one deployment",
    ),
    (
        route("task: chat, pick: {fastest: {mini: 1}}"),
        "o.yaml:9: routes.a.pick.fastest: expected a list of deployments, found a mapping",
    ),
    (
        route("task: chat, pick: {fastst: [mini]}"),
        "o.yaml:9: routes.a.pick.fastst: unknown rule 'fastst'; did you mean 'fastest'?",
    ),
    (
        route("task: chat, pick: {random: [mini]}"),
        "o.yaml:9: routes.a.pick.random: unknown rule 'random'; did you mean 'weighted'?",
    ),
    (
        route("task: chat, pick: {least_busy: [mini, mini]}"),
        "o.yaml:9: routes.a.pick.least_busy[1]: 'mini' is named twice",
    ),
    (
        route("task: chat, pick: {cheapest: [mini, mni]}"),
        "o.yaml:9: routes.a.pick.cheapest[1]: no deployment 'mni'; did you mean 'mini'?",
    ),
    # when
    (
        chat("when: {tenant: a, pick: mini}"),
        "o.yaml:9: routes.a.when: expected a list of cases such as {tenant: acme, pick: …}, found a mapping",
    ),
    (when("x"), f"o.yaml:9: routes.a.when[0]: {CASE} 'x'"),
    (
        when("{pick: mini}"),
        "o.yaml:9: routes.a.when[0]: no condition; give tenant, tags or both (without one it is the route's own pick)",
    ),
    (
        when("{tenant: a}"),
        ("o.yaml:9: routes.a.when[0].pick: this key is missing; write pick: vendor/model, or a deployment's name"),
    ),
    (
        when("{tenent: a, pick: mini}"),
        "o.yaml:9: routes.a.when[0].tenent: unknown key 'tenent'; did you mean 'tenant'?",
    ),
    (when("{tenant: [], pick: mini}"), "o.yaml:9: routes.a.when[0].tenant: the list is empty; give at least one value"),
    (
        when("{tenant: 5, pick: mini}"),
        "o.yaml:9: routes.a.when[0].tenant: expected text, found 5; quote it to make it text",
    ),
    (
        when("{tenant: {env: NOPE}, pick: mini}"),
        "o.yaml:9: routes.a.when[0].tenant: environment variable NOPE is not set",
    ),
    (
        when("{tags: {}, pick: mini}"),
        "o.yaml:9: routes.a.when[0].tags: expected values by tag, such as {tier: gold}, found none",
    ),
    (when("{tags: gold, pick: mini}"), "o.yaml:9: routes.a.when[0].tags: expected a mapping, found 'gold'"),
    (
        when("{tags: {tier: 1}, pick: mini}"),
        "o.yaml:9: routes.a.when[0].tags.tier: expected text, found 1; quote it to make it text",
    ),
    (when("{tags: {tier: [a, a]}, pick: mini}"), "o.yaml:9: routes.a.when[0].tags.tier: 'a' is given twice"),
    (
        when("{tags: {' ': a}, pick: mini}"),
        "o.yaml:9: routes.a.when[0].tags: expected text on one line, found none",
    ),
    (
        when("{tenant: a, pick: mni}"),
        "o.yaml:9: routes.a.when[0].pick: no deployment 'mni'; did you mean 'mini'?",
    ),
    (
        when("{tenant: a, pick: mini, then: [mni]}"),
        "o.yaml:9: routes.a.when[0].then[0]: no deployment 'mni'; did you mean 'mini'?",
    ),
    (
        when("{tenant: a, pick: mini, then: [mini]}"),
        "o.yaml:9: routes.a.when[0].then[0]: 'mini' is in pick too; a deployment is tried in one place",
    ),
    (
        when("{tenant: a, pick: {fastest: [mini]}}"),
        "o.yaml:9: routes.a.when[0].pick.fastest: 'fastest' has no effect on one deployment; write pick: mini",
    ),
    (
        when("{tenant: a, pick: cohere/c, deadline: 3s}"),
        "o.yaml:9: routes.a.when[0].deadline: unknown key 'deadline'; known here: pick, tags, tenant, then",
    ),
    (
        when(", ".join(f"{{tenant: t{i}, pick: mini}}" for i in range(257))),
        "o.yaml:9: routes.a.when: expected at most 256 cases, since each call tries them in order",
    ),
    (
        route("task: rerank, pick: cohere/r, when: [{tenant: a, pick: cohere/s, then: mini}]"),
        "o.yaml:9: routes.a.when[0].then: 'mini' cannot rerank: kind 'openai' has chat, embed",
    ),
    (
        route("task: rerank, pick: mini, when: [{tenant: a, pick: cohere/r, then: mini}]"),
        "o.yaml:9: routes.a.pick: 'mini' cannot rerank: kind 'openai' has chat, embed",
    ),
    (
        route("task: embed, pick: te3, when: [{tenant: a, pick: openai/text-embedding-3-large}]"),
        f"o.yaml:9: routes.a.when[0].pick: {SPACES}",
    ),
]


@pytest.mark.parametrize(("text", "expected"), MISTAKES, ids=[expected[:70] for _, expected in MISTAKES])
def test_a_mistake_in_the_bad_case_is_named_with_its_place(tmp_path: Path, text: str, expected: str) -> None:
    """Each mistake gives one line: file, line, key, what was found, and the nearest known name."""
    found = message(tmp_path, text)
    assert found == expected
    assert HIDDEN not in found


NEVER = [
    ("{tenant: a}", "{tenant: a}"),
    ("{tenant: [b, a]}", "{tenant: a}"),
    ("{tenant: a}", "{tenant: a, tags: {tier: gold}}"),
    ("{tags: {tier: [gold, silver]}}", "{tags: {tier: silver, plan: x}, tenant: a}"),
    ("{tags: {tier: gold}}", "{tags: {tier: gold}, tenant: [a, b]}"),
]
SOMETIMES = [
    ("{tenant: a}", "{tenant: [a, b]}"),
    ("{tenant: a}", "{tags: {tier: gold}}"),
    ("{tenant: a, tags: {tier: gold}}", "{tenant: a}"),
    ("{tags: {tier: gold}}", "{tags: {tier: silver}}"),
    ("{tags: {tier: gold}}", "{tags: {plan: gold}}"),
    ("{tags: {tenant: a}}", "{tenant: a}"),
]


def two_cases(earlier: str, later: str) -> str:
    """A file whose second case, on line 12, follows one that has nothing to do with it and this earlier one."""
    cases = [case.removesuffix("}") + ", pick: mini}" for case in ("{tenant: other}", earlier, later)]
    return route("task: chat, pick: mini, when: [\n" + ",\n".join(cases) + "]")


@pytest.mark.parametrize(("earlier", "later"), NEVER)
def test_a_case_that_an_earlier_one_covers_is_an_error(tmp_path: Path, earlier: str, later: str) -> None:
    """The same or weaker conditions before it take every call: the case can never match, and the line says so."""
    expected = "o.yaml:12: routes.a.when[2]: no effect: when[1] takes every call that this is for"
    assert message(tmp_path, two_cases(earlier, later)) == expected


@pytest.mark.parametrize(("earlier", "later"), SOMETIMES)
def test_a_case_that_can_match_is_fine(tmp_path: Path, earlier: str, later: str) -> None:
    """An earlier case that leaves some of its calls over takes nothing away."""
    file = tmp_path / "o.yaml"
    file.write_text(two_cases(earlier, later))
    assert len(load_file(file, find=find, environ=ENVIRON).routes["a"].when) == 3


@pytest.mark.parametrize("url", [f"http://:{HIDDEN}@h", f"redis://:{HIDDEN}@", f"{HIDDEN}", f"redis://:{HIDDEN}@h:x"])
def test_the_address_in_a_variable_is_checked_and_not_shown(url: str) -> None:
    """A variable with something else than a Redis URL is a mistake at load, and its value is in no message."""
    for reference in ({"env": "REDIS"}, {"env": "REDIS", "default": "redis://h"}):
        raw = {"version": 1, "routes": {"a": "openai/m"}, "store": {"redis": {"url": reference}}}
        with pytest.raises(ConfigError, match=r"store\.redis\.url") as caught:
            load_mapping(raw, find=find, environ=ENVIRON | {"REDIS": url})
        assert HIDDEN not in str(caught.value) + repr(caught.value)
