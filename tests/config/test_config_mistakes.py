"""Every mistake that the file can hold, with the message a person reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from kinds import ENVIRON, find
from mistakes import HEAD, deployment, message, provider, route

from orchestrator.config import load_file, load_mapping
from orchestrator.errors import ConfigError

KEY = "kind: openai, api_key: {env: OPENAI_API_KEY}"
SECRET = "sk-live-0123456789abcdef"
META = "is a cloud metadata address, which no model is served from"
LITERAL = "a literal secret is refused; use {env: NAME} or {file: path}"
VISIBLE = "a header's value must be visible ASCII, without control characters or space at either end"

PROVIDER_KEYS = (
    "api_key, base_url, ca_file, discount, headers, kind, limits, priced_as, proxy, region, retention, trains"
)
DEPLOYMENT_KEYS = "defaults, dimensions, discount, limits, model, price, priced_as, profile, provider"
ROUTE_KEYS = (
    "deadline, defaults, log_content, pick, repair, require, retry, sticky, task, then, timeouts, unsupported, when"
)
SPACES = (
    "'openai/text-embedding-3-large' (text-embedding-3-large, 3072 dimensions) and 'te3' (text-embedding-3-small,"
    " 1536 dimensions) give different vector spaces: vectors of both in one index cannot be compared, and nobody"
    " would notice"
)

MISTAKES: list[tuple[str, str]] = [
    # the top
    ("", "o.yaml:1: the file is empty; `orchestrator init` writes one to begin with"),
    ("- a\n", "o.yaml:1: expected keys such as version: 1 and routes:, found a list"),
    ("routes: {a: openai/m}\n", "o.yaml:1: version: this key is missing; write version: 1"),
    ("version: 2\nroutes: {a: openai/m}\n", "o.yaml:1: version: expected 1, found 2"),
    ("version: 1\n", "o.yaml:1: routes: no route is defined; write routes: {NAME: vendor/model}"),
    (
        "version: 1\nroutes: {a: openai/m}\nlogs: {to: stdout}\n",
        "o.yaml:3: logs: unknown key 'logs'; did you mean 'log'?",
    ),
    (
        "version: 1\nroutes: {a: openai/m}\nbudgets: 5\n",
        "o.yaml:3: budgets: expected a list of budgets such as {per: tenant, usd: 5, window: day}, found 5",
    ),
    ("version: 1\nroutes: {a: openai/m}\nlog: {}\n", "o.yaml:3: log: give exactly one of path and to"),
    (
        "version: 1\nroutes: {a: openai/m}\nlog: {to: stdot}\n",
        "o.yaml:3: log.to: expected stdout, stderr, logging or none, found 'stdot'; did you mean 'stdout'?",
    ),
    (
        "version: 1\nroutes: {a: openai/m}\nunsupported: off\n",
        "o.yaml:3: unsupported: expected warn or error, found 'off'",
    ),
    (
        "version: 1\nroutes: {a: openai/m}\ndeadline: soon\n",
        "o.yaml:3: deadline: expected a duration such as 30s, 1m30s or 500ms, found 'soon'",
    ),
    (
        "version: 1\nroutes: {a: openai/m}\ndeadline: 0\n",
        "o.yaml:3: deadline: expected a duration of more than 0 and at most one day, found 0",
    ),
    (
        "version: 1\nroutes: {a: openai/m}\ndeadline: .inf\n",
        "o.yaml:3: deadline: expected a duration such as 30s, 1m30s or 500ms, found inf",
    ),
    (
        "version: 1\nroutes: {a: openai/m}\ndeadline:\n",
        "o.yaml:3: deadline: this key has no value; leave it out instead",
    ),
    # YAML
    ("version: 1\nversion: 1\nroutes: {a: openai/m}\n", "o.yaml:2: version: duplicate key; it is in line 1 too"),
    (
        "version: 1\nroutes: {a: &x openai/m}\n",
        "o.yaml:2: routes.a: anchors (&) are not supported; write it out, or use `extends`",
    ),
    (
        "version: !!int 1\nroutes: {a: openai/m}\n",
        "o.yaml:1: version: tags (!) are not supported; write the value alone, or {env: NAME}",
    ),
    (
        "version: 1\nroutes: {? [a] : openai/m}\n",
        "o.yaml:2: routes: a key must be plain text; if these are braces of a template, fill it in before",
    ),
    ("version: 1\n---\nversion: 1\n", "o.yaml:2: more than one document; take out the line ---"),
    # providers
    (provider("kind: opnai"), "o.yaml:3: providers.p.kind: unknown provider kind 'opnai'; did you mean 'openai'?"),
    (provider("base_url: http://h"), "o.yaml:3: providers.p.kind: this key is missing; write kind: openai"),
    (
        provider("kind: openai"),
        "o.yaml:3: providers.p.api_key: kind 'openai' needs a credential, such as api_key: {env: OPENAI_API_KEY}",
    ),
    (provider(f"kind: openai, api_key: {SECRET}"), f"o.yaml:3: providers.p.api_key: {LITERAL}"),
    (
        provider("kind: openai, api_key: {env: NO_SUCH}"),
        "o.yaml:3: providers.p.api_key: environment variable NO_SUCH is not set",
    ),
    (
        provider(f"kind: openai, api_key: {{env: {SECRET}}}"),
        (
            "o.yaml:3: providers.p.api_key: what follows env is not the name of an environment variable;"
            " name the variable, not its value"
        ),
    ),
    (
        provider(f"kind: openai, api_key: {{env: NO_SUCH, default: {SECRET}}}"),
        "o.yaml:3: providers.p.api_key: a secret is exactly {env: NAME} or {file: path}, and has no default",
    ),
    (
        provider("kind: openai, api_key: {file: none.key}"),
        "o.yaml:3: providers.p.api_key: secret file none.key is missing or not a regular file",
    ),
    (provider(KEY + ", bas_url: x"), "o.yaml:3: providers.p.bas_url: unknown key 'bas_url'; did you mean 'base_url'?"),
    (
        provider("kind: azure, api_key: {env: AZURE_KEY}"),
        "o.yaml:3: providers.p.base_url: kind 'azure' has no address of its own; give its base_url",
    ),
    (
        provider(KEY + ", base_url: ftp://h"),
        "o.yaml:3: providers.p.base_url: expected a URL that begins with http:// or https://",
    ),
    (
        provider(KEY + ", base_url: 'file:///etc/passwd'"),
        "o.yaml:3: providers.p.base_url: expected a URL that begins with http:// or https://",
    ),
    (
        provider(KEY + ", base_url: http://me:pw@h"),
        "o.yaml:3: providers.p.base_url: a URL must not hold credentials; they go under api_key or headers",
    ),
    (
        provider(KEY + ", base_url: 'http://h/v1?key=1'"),
        "o.yaml:3: providers.p.base_url: a URL must not have a query or fragment here",
    ),
    (
        provider(KEY + ", base_url: http://169.254.169.254/v1"),
        f"o.yaml:3: providers.p.base_url: 169.254.169.254 {META}",
    ),
    (provider(KEY + ", base_url: 'http://[fe80::1]/v1'"), f"o.yaml:3: providers.p.base_url: fe80::1 {META}"),
    (provider(KEY + ", base_url: http://2852039166"), f"o.yaml:3: providers.p.base_url: 2852039166 {META}"),
    (
        provider(KEY + ", base_url: 'http://[::ffff:169.254.169.254]'"),
        f"o.yaml:3: providers.p.base_url: ::ffff:169.254.169.254 {META}",
    ),
    (
        provider(KEY + ", base_url: http://Metadata.Google.Internal./x"),
        f"o.yaml:3: providers.p.base_url: metadata.google.internal {META}",
    ),
    (
        provider(KEY + f", headers: {{Authorization: Bearer {SECRET}}}"),
        f"o.yaml:3: providers.p.headers.Authorization: {LITERAL}",
    ),
    (provider(KEY + ", headers: {cookie: a=b}"), f"o.yaml:3: providers.p.headers.cookie: {LITERAL}"),
    (provider(KEY + r', headers: {x-a: "v\r\nx-b: 1"}'), f"o.yaml:3: providers.p.headers.x-a: {VISIBLE}"),
    (provider(KEY + ", headers: {x-a: clé}"), f"o.yaml:3: providers.p.headers.x-a: {VISIBLE}"),
    (provider(KEY + ", headers: {x a: v}"), "o.yaml:3: providers.p.headers.x a: not a header name"),
    (
        provider(KEY + ", headers: {Host: v}"),
        "o.yaml:3: providers.p.headers.Host: header 'host' is written by the library",
    ),
    (provider(KEY + ", headers: {X-A: v, x-a: w}"), "o.yaml:3: providers.p.headers.x-a: header 'x-a' is given twice"),
    (
        provider(KEY + ", headers: {authorization: {env: OPENAI_API_KEY}}"),
        "o.yaml:3: providers.p.api_key: no effect beside the header 'authorization'; give one of them",
    ),
    (
        provider(KEY + ", proxy: http://me:pw@proxy"),
        "o.yaml:3: providers.p.proxy: a literal secret is refused; give the whole URL as {env: NAME}",
    ),
    (
        provider(KEY + ", base_url: http://h, ca_file: ca.pem"),
        "o.yaml:3: providers.p.ca_file: no effect on a base_url that begins with http:",
    ),
    (
        provider("kind: litellm, proxy: http://h"),
        "o.yaml:3: providers.p.proxy: no effect: kind 'litellm' makes its own connections",
    ),
    (provider(KEY + ", trains: 'no'"), "o.yaml:3: providers.p.trains: expected true or false, found 'no'"),
    (provider(KEY + ", region: 5"), "o.yaml:3: providers.p.region: expected text, found 5; quote it to make it text"),
    (
        provider(KEY + ", settings: {a: 1}"),
        f"o.yaml:3: providers.p.settings: unknown key 'settings'; known here: {PROVIDER_KEYS}",
    ),
    # deployments
    (
        HEAD + "  d: {provider: openia, model: m}\nroutes: {a: d}\n",
        "o.yaml:8: deployments.d.provider: no provider 'openia'; did you mean 'openai'?",
    ),
    (
        HEAD + "  d: {provider: openai}\nroutes: {a: d}\n",
        "o.yaml:8: deployments.d.model: this key is missing; write model: gpt-4o-mini",
    ),
    (
        HEAD + "  d: openai/m\nroutes: {a: d}\n",
        (
            "o.yaml:8: deployments.d: expected a mapping such as {provider: openai, model: gpt-4o-mini}, found"
            " 'openai/m'"
        ),
    ),
    (
        HEAD + "  x/y: {provider: openai, model: m}\nroutes: {a: mini}\n",
        "o.yaml:8: deployments.x/y: a deployment's name has no '/': that is the one-line form vendor/model",
    ),
    (
        HEAD + "  d: {provider: openai, model: 1e3}\nroutes: {a: d}\n",
        "o.yaml:8: deployments.d.model: expected text, found 1000.0; quote it to make it text",
    ),
    (
        deployment("limits: {rpm: 200q}"),
        "o.yaml:8: deployments.d.limits.rpm: expected a size such as 500, 200k or 2M, found '200q'",
    ),
    (
        deployment("limits: {rpm: -1}"),
        "o.yaml:8: deployments.d.limits.rpm: expected a whole number of at least 1, found -1",
    ),
    (
        deployment("limits: {rps: 5}"),
        "o.yaml:8: deployments.d.limits.rps: unknown key 'rps'; write rpm: requests per minute",
    ),
    (deployment("limits: {learn: 5}"), "o.yaml:8: deployments.d.limits.learn: expected true or false, found 5"),
    (
        deployment("limits: {tpm: 1k, input_tpm: 1k}"),
        "o.yaml:8: deployments.d.limits: give tpm, or input_tpm and output_tpm, not both",
    ),
    (
        deployment("dimensions: 512"),
        "o.yaml:8: deployments.d.dimensions: no effect: only chat routes use this deployment",
    ),
    (
        deployment("defaults: {top_n: 3}"),
        "o.yaml:8: deployments.d.defaults.top_n: no effect on chat; it is an option of rerank",
    ),
    (
        deployment("price: {input: -1}"),
        ("o.yaml:8: deployments.d.price.input: expected USD per million tokens, a number such as 0.15, found -1"),
    ),
    (
        deployment("price: {inptu: 1}"),
        "o.yaml:8: deployments.d.price.inptu: unknown key 'inptu'; did you mean 'input'?",
    ),
    (
        deployment("price: {input: 1}, priced_as: openai"),
        "o.yaml:8: deployments.d.priced_as: no effect beside `price`; give one of them",
    ),
    (
        deployment("deadline: 3s"),
        "o.yaml:8: deployments.d.deadline: unknown key 'deadline'; it is a key of an entry of `routes`",
    ),
    (
        deployment("dimensions: {env: sk-1}"),
        (
            "o.yaml:8: deployments.d.dimensions: what follows env is not the name of an environment variable;"
            " name the variable, not its value"
        ),
    ),
    (deployment("price: {}"), "o.yaml:8: deployments.d.price: no price is given"),
    (
        deployment("price: {input: cheap}"),
        ("o.yaml:8: deployments.d.price.input: expected USD per million tokens, a number such as 0.15, found 'cheap'"),
    ),
    (
        deployment("limits: 5"),
        "o.yaml:8: deployments.d.limits: expected a mapping such as {rpm: 500, tpm: 200k}, found 5",
    ),
    (deployment("defaults: {seed: 1.5}"), "o.yaml:8: deployments.d.defaults.seed: expected a whole number, found 1.5"),
    (
        deployment("defaults: {stop: []}"),
        "o.yaml:8: deployments.d.defaults.stop: expected text or a list of texts, none empty",
    ),
    (
        deployment("dimensions: 5, defaults: {dimensions: 5}").replace("{a: d}", "{a: {task: embed, pick: d}}"),
        "o.yaml:8: deployments.d.defaults.dimensions: given twice; `dimensions` of the deployment is enough",
    ),
    (
        deployment("limits: {output_tpm: 5}").replace("{a: d}", "{a: {task: embed, pick: d}}"),
        "o.yaml:8: deployments.d.limits.output_tpm: no effect: embed has no output tokens",
    ),
    (provider("kind: openai, api_key: {file: ''}"), "o.yaml:3: providers.p.api_key: what follows file is not a path"),
    (
        provider("kind: openai, api_key: 5"),
        "o.yaml:3: providers.p.api_key: expected a secret, found 5; use {env: NAME} or {file: path}",
    ),
    (
        provider(KEY + ", headers: 5"),
        "o.yaml:3: providers.p.headers: expected a mapping such as {x-team: search}, found 5",
    ),
    (provider(KEY + ", headers: {x-a: 5}"), "o.yaml:3: providers.p.headers.x-a: expected text, found 5"),
    (provider(KEY + r', region: "e\tu"'), "o.yaml:3: providers.p.region: control characters"),
    (
        provider(KEY + ", base_url: http://h\xe9"),
        "o.yaml:3: providers.p.base_url: a URL must be visible ASCII without spaces or backslashes",
    ),
    (
        HEAD + "  ' d': {provider: openai, model: m}\nroutes: {a: mini}\n",
        "o.yaml:8: deployments. d: a name has at most 200 characters and no space at either end",
    ),
    ("version: 1\nextends: [a, b]\nroutes: {a: openai/m}\n", "o.yaml:2: extends: expected the path of one file"),
    # routes
    (
        route("task: chat, pick: {weighted: {mini: 1}, ordered: [te3]}"),
        "o.yaml:9: routes.a.pick: expected one rule, found 2; keep one of weighted, ordered",
    ),
    (
        route("task: chat, pick: 5"),
        "o.yaml:9: routes.a.pick: expected the name of a deployment, or a list of them, found 5",
    ),
    (route("task: chat, pick: [5]"), "o.yaml:9: routes.a.pick[0]: expected the name of a deployment, found 5"),
    (HEAD + "routes: [a]\n", "o.yaml:8: routes: expected a mapping of names, found a list"),
    (route("pick: mini"), "o.yaml:9: routes.a.task: this key is missing; write task: chat"),
    (
        route("task: chat"),
        ("o.yaml:9: routes.a.pick: this key is missing; write pick: vendor/model, or a deployment's name"),
    ),
    (
        route("task: chta, pick: mini"),
        "o.yaml:9: routes.a.task: expected chat, embed or rerank, found 'chta'; did you mean 'chat'?",
    ),
    (route("task: chat, pick: mni"), "o.yaml:9: routes.a.pick: no deployment 'mni'; did you mean 'mini'?"),
    (
        route("task: chat, pick: mini, then: [zz]"),
        "o.yaml:9: routes.a.then[0]: no deployment 'zz'; deployments: mini, te3",
    ),
    (route("task: chat, pick: []"), "o.yaml:9: routes.a.pick: the list is empty; name at least one deployment"),
    (route("task: chat, pick: [mini, mini]"), "o.yaml:9: routes.a.pick[1]: 'mini' is named twice"),
    (
        route("task: chat, pick: mini, then: [mini]"),
        "o.yaml:9: routes.a.then[0]: 'mini' is in pick too; a deployment is tried in one place",
    ),
    (
        route("task: chat, pick: {weighted: {mini: 0, openai/x: 1}}"),
        "o.yaml:9: routes.a.pick.weighted.mini: expected a weight above 0, found 0",
    ),
    (
        route("task: chat, pick: {weighted: {mini: 1}}"),
        "o.yaml:9: routes.a.pick.weighted: a weight has no effect on one deployment; write pick: mini",
    ),
    (
        route("task: chat, pick: {weighted: {}}"),
        "o.yaml:9: routes.a.pick.weighted: expected weights by deployment, such as {a: 9, b: 1}, found none",
    ),
    (
        route("task: chat, pick: {wieghted: {mini: 1}}"),
        "o.yaml:9: routes.a.pick.wieghted: unknown rule 'wieghted'; did you mean 'weighted'?",
    ),
    (
        route("task: chat, pick: mini, require: [x]"),
        (
            "o.yaml:9: routes.a.require: expected one of audio, forced_tools, json_schema, parallel_tools, pdf,"
            " reasoning, tools, video, vision, context_tokens, max_output_tokens, region; found 'x'"
        ),
    ),
    (
        route("task: chat, pick: openai/"),
        "o.yaml:9: routes.a.pick: 'openai/' is half of a one-line form; write vendor/model",
    ),
    (route("task: chat, pick: /m"), "o.yaml:9: routes.a.pick: '/m' is half of a one-line form; write vendor/model"),
    (
        route("task: chat, pick: opnai/m"),
        "o.yaml:9: routes.a.pick: unknown provider kind 'opnai'; did you mean 'openai'?",
    ),
    (route("task: rerank, pick: mini"), "o.yaml:9: routes.a.pick: 'mini' cannot rerank: kind 'openai' has chat, embed"),
    (
        route("task: chat, pick: mini, defaults: {dimensions: 5}"),
        "o.yaml:9: routes.a.defaults.dimensions: no effect on chat; it is an option of embed",
    ),
    (
        route("task: chat, pick: mini, defaults: {temperature: 5}"),
        "o.yaml:9: routes.a.defaults.temperature: expected a number from 0 to 2, found 5",
    ),
    (
        route("task: chat, pick: mini, defaults: {provider_options: {cohere: {}}}"),
        "o.yaml:9: routes.a.defaults.provider_options.cohere: no effect: the kinds reached from here are openai",
    ),
    (
        route("task: chat, pick: mini, deadline: {env: NOPE}"),
        "o.yaml:9: routes.a.deadline: environment variable NOPE is not set",
    ),
    (
        route("task: chat, pick: mini, deadline: {env: NOPE, dfault: 3}"),
        "o.yaml:9: routes.a.deadline: a reference is {env: NAME} or {env: NAME, default: scalar}",
    ),
    (
        route("task: embed, pick: [te3, openai/text-embedding-3-large]"),
        f"o.yaml:9: routes.a.pick[1]: {SPACES}",
    ),
    (
        "version: 1\nextends: base.yaml\nroutes: {a: openai/m}\n",
        "o.yaml:2: extends: base.yaml: cannot be read: No such file or directory",
    ),
]


@pytest.mark.parametrize(("text", "expected"), MISTAKES, ids=[expected[:70] for _, expected in MISTAKES])
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, expected: str) -> None:
    """Each mistake gives one line: file, line, key, what was found, and the nearest known name."""
    found = message(tmp_path, text)
    assert found == expected
    assert SECRET not in found


def test_all_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    """A file with several mistakes lists each with its line, in the order in which they are written."""
    text = HEAD + "  d: {provider: nobody, model: m, limits: {rpm: x}}\n"
    text += "routes:\n  a:\n    task: chat\n    pick: [d, e]\n    colour: red\n"
    assert message(tmp_path, text).splitlines() == [
        "o.yaml:8: deployments.d.limits.rpm: expected a size such as 500, 200k or 2M, found 'x'",
        "o.yaml:12: routes.a.pick[1]: no deployment 'e'; deployments: d, mini, te3",
        f"o.yaml:13: routes.a.colour: unknown key 'colour'; known here: {ROUTE_KEYS}",
    ]


def test_the_error_carries_file_line_and_key(tmp_path: Path) -> None:
    """Code can read where the first mistake is."""
    file = tmp_path / "o.yaml"
    file.write_text(route("task: chat, pick: mni"))
    with pytest.raises(ConfigError) as caught:
        load_file(file, find=find, environ=ENVIRON)
    assert (caught.value.file, caught.value.line, caught.value.key) == (str(file), 9, "routes.a.pick")


def test_a_mapping_has_keys_but_no_lines() -> None:
    """The same mistakes in a mapping made in code are named by their key path."""
    with pytest.raises(ConfigError) as caught:
        load_mapping(
            {"version": 1, "routes": {"a": {"task": "chat", "pick": "openai/m", "colour": 1}}},
            find=find,
            environ=ENVIRON,
        )
    assert str(caught.value).startswith("routes.a.colour: unknown key 'colour'; known here:")
    assert caught.value.line is None


def test_a_missing_file_is_a_config_error(tmp_path: Path) -> None:
    """A path that leads nowhere, or to no regular file, is said and not raised as an OSError."""
    for path, why in ((tmp_path / "none.yaml", "No such file or directory"), (tmp_path, "it is a directory")):
        with pytest.raises(ConfigError, match=why) as caught:
            load_file(path, find=find, environ=ENVIRON)
        assert caught.value.file == str(path)


def test_no_secret_is_ever_repeated(tmp_path: Path) -> None:
    """A credential in the wrong place, or from a variable of the wrong kind, is described and not shown."""
    environ = ENVIRON | {"WRONG": SECRET}
    for body in (f"limits: {{rpm: {SECRET}}}", "limits: {rpm: {env: WRONG}}", f"dimensions: {SECRET}"):
        file = tmp_path / "o.yaml"
        file.write_text(deployment(body))
        with pytest.raises(ConfigError) as caught:
            load_file(file, find=find, environ=environ)
        assert SECRET not in str(caught.value) + repr(caught.value)
