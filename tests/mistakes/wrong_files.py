"""Files with one mistake each, as people make them. What `orchestrator check` says of each is in `screens/`."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["AREAS", "ENVIRON", "GOOD", "WrongFile"]

GOOD = """\
version: 1
providers:
  openai: {kind: openai, api_key: {env: OPENAI_API_KEY}}
  claude:
    kind: anthropic
    api_key: {env: ANTHROPIC_API_KEY}
  cohere: {kind: cohere, api_key: {env: COHERE_API_KEY}}
deployments:
  gpt-mini: {provider: openai, model: gpt-4o-mini, limits: {rpm: 500}}
  haiku: {provider: claude, model: claude-haiku-4-5}
  te3: {provider: openai, model: text-embedding-3-small}
  ranker: {provider: cohere, model: rerank-v3.5}
routes:
  answer:
    task: chat
    pick: gpt-mini
    then: haiku
    deadline: 30s
    defaults: {temperature: 0.2, max_output_tokens: 800}
  search: {task: embed, pick: te3}
  rank: {task: rerank, pick: ranker}
log: {path: calls.jsonl}
"""
ENVIRON = {
    "OPENAI_API_KEY": "sk-test-0123456789abcdef",
    "ANTHROPIC_API_KEY": "sk-ant-0123456789abcdef",
    "COHERE_API_KEY": "co-0123456789abcdef",
}


@dataclass(frozen=True, slots=True)
class WrongFile:
    """A file with a mistake in it; None as `content`: no file at all.

    `without` is a package that is not installed, `beside` an empty file in the same directory.
    """

    title: str
    content: bytes | None
    environ: dict[str, str | None] = field(default_factory=dict)
    without: str = ""
    name: str = "orchestrator.yaml"
    beside: str = ""


def bare(title: str, content: str | bytes, **further: object) -> WrongFile:
    """A whole file."""
    return WrongFile(title, content.encode() if isinstance(content, str) else content, **further)  # type: ignore[arg-type]


def wrong(title: str, right: str, mistaken: str, **further: object) -> WrongFile:
    """The good file with one piece of it replaced."""
    assert GOOD.count(right) == 1, f"{title}: {right!r} is there {GOOD.count(right)} times"
    return bare(title, GOOD.replace(right, mistaken), **further)


def added(title: str, line: str, **further: object) -> WrongFile:
    """The good file with a line at its end."""
    return bare(title, f"{GOOD}{line}\n", **further)


OPENAI = "openai: {kind: openai, api_key: {env: OPENAI_API_KEY}}"
MINI = "{provider: openai, model: gpt-4o-mini, limits: {rpm: 500}}"
HAIKU = "{provider: claude, model: claude-haiku-4-5}"
TE3 = "{provider: openai, model: text-embedding-3-small}"
DEFAULTS = "defaults: {temperature: 0.2, max_output_tokens: 800}"
LOG = "log: {path: calls.jsonl}"
LITELLM = """\
model_list:
  - model_name: gpt-4o
    litellm_params: {model: openai/gpt-4o, api_key: os.environ/OPENAI_API_KEY}
router_settings: {num_retries: 2}
"""
SERVER = "openai: {kind: openai_compatible, base_url: %s, api_key: {env: OPENAI_API_KEY}}"


def own_server(url: str) -> str:
    """A provider at this address."""
    return SERVER % url


WHAT_IT_IS = [
    bare("an empty file", ""),
    bare("only comments", "# to do\n"),
    bare("JSON with a comma too many", '{"version": 1, "routes": {"answer": "openai/gpt-4o-mini",}, "logs": 1}\n'),
    bare("TOML", '[providers.openai]\nkind = "openai"\n'),
    bare("an .ini file", "version = 1\nroutes = answer\n"),
    bare("a .env file", "OPENAI_API_KEY=sk-proj-abcdefghijkl0123456789\n"),
    bare("a Python file", "from orchestrator import Orchestrator\nllm = Orchestrator({})\n"),
    bare("a log of calls", '{"ts": "2026-11-23T12:00:00Z", "event": "llm.call"}\n{"ts": "2026-11-23T12:00:01Z"}\n'),
    bare("a configuration of LiteLLM", LITELLM),
    bare("a list at the top", "- answer: openai/gpt-4o-mini\n"),
    bare("a text at the top", "openai/gpt-4o-mini\n"),
    bare("UTF-16, as an editor on Windows saves it", GOOD.encode("utf-16")),
    bare("Latin-1", GOOD.replace("log:", "# für alle\nlog:").encode("latin-1")),
    WrongFile("a file that is not there", None),
    WrongFile("the name of a file that is near another", None, name="orchestrator.yml"),
    WrongFile("a directory", None, name="."),
    bare("a NUL byte", GOOD.replace("chat", "ch\0at")),
    bare("a no-break space, copied from a web page", GOOD.replace("task: chat", "task:\u00a0chat")),
    bare("typographic quotes", GOOD.replace("gpt-4o-mini", "“gpt-4o-mini”")),
    bare("larger than a configuration can be", "#" * 1_100_000),
]

YAML = [
    wrong("a tab", "    task: chat", "\ttask: chat"),
    wrong("a key one space too far in", "    task: chat", "     task: chat"),
    wrong("a key one space too far out", "    then: haiku", "   then: haiku"),
    wrong("a section indented under another", "routes:\n", "  routes:\n"),
    wrong("a route's keys not indented", "  answer:\n    task: chat\n", "  answer:\n  task: chat\n"),
    wrong("no space after a colon", "    pick: gpt-mini", "    pick:gpt-mini"),
    wrong("no colon", "    task: chat", "    task chat"),
    wrong("an equals sign", "    task: chat", "    task = chat"),
    wrong("a brace too few", "limits: {rpm: 500}}", "limits: {rpm: 500}"),
    wrong("a brace too many", "limits: {rpm: 500}}", "limits: {rpm: 500}}}"),
    wrong("a quote too few", "model: gpt-4o-mini", "model: 'gpt-4o-mini"),
    wrong("a duplicate key", "    task: chat", "    task: chat\n    task: embed"),
    wrong("two deployments of one name", "  haiku:", "  gpt-mini:"),
    wrong("a section twice", "log:", "routes:\n  other: openai/gpt-4o-mini\nlog:"),
    added("two documents in one file", "---\nversion: 1"),
    wrong("an anchor", f"gpt-mini: {MINI}", f"gpt-mini: &mini {MINI}"),
    wrong("an alias", f"haiku: {HAIKU}", "haiku: *mini"),
    wrong("a merge key", f"haiku: {HAIKU}", "haiku: {<<: {provider: claude}, model: claude-haiku-4-5}"),
    wrong("a tag", "rpm: 500", "rpm: !!int '500'"),
    wrong("an include", "log: {path: calls.jsonl}", "log: !include log.yaml"),
    wrong("a value that begins with @", "kind: anthropic", "kind: @anthropic"),
    wrong("a template", "kind: anthropic", "kind: {{ kind }}"),
    wrong("a percent sign before a value", "kind: anthropic", "kind: %KIND%"),
    wrong("a key without a value", "    deadline: 30s", "    deadline:"),
    wrong("a section without a value", LOG, "log:"),
    wrong("a list where names belong", "routes:\n  answer:\n", "routes:\n  - answer:\n"),
    wrong("deployments as a list", f"  gpt-mini: {MINI}\n", f"  - gpt-mini: {MINI}\n"),
    wrong("a colon in a value", "model: claude-haiku-4-5", "model: claude: haiku"),
]

VALUES = [
    wrong("another version", "version: 1", "version: 2"),
    wrong("a version as text", "version: 1", "version: '1'"),
    wrong("a version as of a program", "version: 1", "version: 1.0.3"),
    wrong("no version", "version: 1\n", ""),
    wrong("a duration in words", "deadline: 30s", "deadline: 30 seconds"),
    wrong("a duration with another unit", "deadline: 30s", "deadline: 30sec"),
    wrong("a duration in milliseconds without a unit", "deadline: 30s", "deadline: 30000"),
    wrong("a duration of days", "deadline: 30s", "deadline: 48h"),
    wrong("a duration of 0", "deadline: 30s", "deadline: 0"),
    wrong("a negative duration", "deadline: 30s", "deadline: -5s"),
    wrong("a size in words", "rpm: 500", "rpm: 500/min"),
    wrong("a size with a comma", "rpm: 500", "rpm: '10,000'"),
    wrong("a size with a small m", "limits: {rpm: 500}", "limits: {tpm: 2m}"),
    wrong("a limit of 0", "rpm: 500", "rpm: 0"),
    wrong("a limit that is true", "rpm: 500", "rpm: yes"),
    wrong("a number where a text belongs", "model: gpt-4o-mini", "model: 4"),
    wrong("a version of a model that is a number", "model: gpt-4o-mini", "model: 4.1"),
    wrong("a list where a text belongs", "model: gpt-4o-mini", "model: [gpt-4o-mini]"),
    wrong("no, as YAML 1.1 has it", "cohere: {kind", "cohere: {trains: no, kind"),
    wrong("on, as YAML 1.1 has it", LOG, "log: {path: calls.jsonl, required: on}"),
    wrong("a flag as text", LOG, 'log: {path: calls.jsonl, required: "true"}'),
    wrong("a temperature as a word", "temperature: 0.2", "temperature: hot"),
    wrong("a temperature out of range", "temperature: 0.2", "temperature: 20"),
    wrong("a temperature in quotes", "temperature: 0.2", "temperature: '0.2'"),
    wrong("a temperature with a comma", "temperature: 0.2", "temperature: 0,2"),
    wrong("negative tokens", "max_output_tokens: 800", "max_output_tokens: -1"),
    wrong("no such effort", DEFAULTS, "defaults: {reasoning_effort: extreme}"),
    wrong("stop with a number in it", DEFAULTS, "defaults: {stop: ['###', 5]}"),
    wrong("a task that is another word for it", "task: chat", "task: completion"),
    wrong("an embedding task by another word", "task: embed", "task: embedding"),
    wrong("a task with a capital", "task: chat", "task: Chat"),
    added("attempts as a word", "retry: {attempts: many}"),
    added("too many attempts", "retry: {attempts: 100}"),
    added("retry as a number", "retry: 3"),
    added("retry switched off by a word", "retry: off"),
    added("the breaker's ratio in percent", "breaker: {ratio: 50}"),
]

KEYS = [
    wrong("a misspelt key", "    deadline: 30s", "    dedline: 30s"),
    wrong("a misspelt section", "deployments:\n", "deploymnets:\n"),
    wrong("a section in the singular", "routes:\n", "route:\n"),
    wrong("a key with a capital", "    deadline: 30s", "    Deadline: 30s"),
    wrong("a key with a hyphen", "max_output_tokens: 800", "max-output-tokens: 800"),
    wrong("a key in camel case", "max_output_tokens: 800", "maxOutputTokens: 800"),
    wrong("temperature beside model", "model: gpt-4o-mini,", "model: gpt-4o-mini, temperature: 0.2,"),
    wrong("temperature beside pick", "    deadline: 30s", "    temperature: 0.2"),
    wrong("rpm beside model", "limits: {rpm: 500}", "rpm: 500"),
    wrong("a key of the vendor in a deployment", "model: gpt-4o-mini,", "api_key: {env: OPENAI_API_KEY}, model: m,"),
    wrong("base_url in a deployment", "model: gpt-4o-mini,", "base_url: http://127.0.0.1:8000/v1, model: m,"),
    wrong("model in a provider", "kind: openai,", "kind: openai, model: gpt-4o-mini,"),
    wrong("model in a route", "    pick: gpt-mini", "    model: gpt-4o-mini"),
    wrong("provider in a route", "    pick: gpt-mini", "    provider: openai"),
    wrong("log in a route", "    deadline: 30s", "    log: {path: calls.jsonl}"),
    wrong("deadline in a deployment", "model: gpt-4o-mini,", "model: gpt-4o-mini, deadline: 30s,"),
    wrong("timeout: 30", "    deadline: 30s", "    timeout: 30"),
    wrong("max_tokens", "max_output_tokens: 800", "max_tokens: 800"),
    wrong("max_completion_tokens", "max_output_tokens: 800", "max_completion_tokens: 800"),
    wrong("fallbacks", "    then: haiku", "    fallbacks: [haiku]"),
    wrong("fallback", "    then: haiku", "    fallback: haiku"),
    wrong("num_retries", "    deadline: 30s", "    num_retries: 3"),
    wrong("max_retries at the top", LOG, "max_retries: 3"),
    wrong("retries at the top", LOG, "retries: 3"),
    wrong("api_base", "kind: openai,", "kind: openai, api_base: http://127.0.0.1:8000/v1,"),
    wrong("base-url", "kind: openai,", "kind: openai, base-url: http://127.0.0.1:8000/v1,"),
    wrong("url", "kind: openai,", "kind: openai, url: http://127.0.0.1:8000/v1,"),
    wrong("key", "api_key: {env: OPENAI_API_KEY}", "key: {env: OPENAI_API_KEY}"),
    wrong("api_key_env", "api_key: {env: OPENAI_API_KEY}", "api_key_env: OPENAI_API_KEY"),
    wrong("token", "api_key: {env: OPENAI_API_KEY}", "token: {env: OPENAI_API_KEY}"),
    wrong("type instead of kind", "kind: anthropic", "type: anthropic"),
    wrong("name instead of model", "model: gpt-4o-mini", "name: gpt-4o-mini"),
    wrong("model_name instead of model", "model: gpt-4o-mini", "model_name: gpt-4o-mini"),
    wrong("models in a deployment", "model: gpt-4o-mini", "models: [gpt-4o-mini]"),
    wrong("rps", "rpm: 500", "rps: 5"),
    wrong("max_parallel_requests", "rpm: 500", "max_parallel_requests: 5"),
    wrong("system prompt in a route", "    deadline: 30s", "    system: You are helpful."),
    wrong("tools in defaults", DEFAULTS, "defaults: {tools: []}"),
    wrong(
        "an option of another task", "task: embed, pick: te3", "task: embed, pick: te3, defaults: {temperature: 0.2}"
    ),
    wrong("top_k in defaults", DEFAULTS, "defaults: {top_k: 40}"),
    wrong("include_usage of a vendor", DEFAULTS, "defaults: {stream_options: {include_usage: true}}"),
    wrong("provider_options without a kind", DEFAULTS, "defaults: {provider_options: {logprobs: true}}"),
    wrong("provider_options of the provider's name", DEFAULTS, "defaults: {provider_options: {claude: {top_k: 4}}}"),
    added("cache at the top", "cache: {ttl: 5m}"),
    added("logging at the top", "logging: {level: debug}"),
    added("redis at the top", "redis: {url: redis://127.0.0.1:6379}"),
    added("budget at the top", "budget: {usd: 5}"),
    added("tenants at the top", "tenants: [acme]"),
]

NAMES = [
    wrong("a deployment that is not defined", "pick: gpt-mini", "pick: gpt-min"),
    wrong("a deployment by its model", "pick: gpt-mini", "pick: gpt-4o-mini"),
    wrong("a deployment by its provider", "pick: gpt-mini", "pick: openai"),
    wrong("a provider that is not defined", "provider: claude, model", "provider: cluade, model"),
    wrong("a provider by its kind", "provider: claude, model", "provider: anthropic, model"),
    wrong("a kind that is not known", "kind: anthropic", "kind: antropic"),
    wrong("a kind by the name of its model", "kind: anthropic", "kind: claude"),
    wrong("a kind by the name of its product", "kind: anthropic", "kind: gemini"),
    wrong("a kind that nobody knows", "kind: anthropic", "kind: frobnicate"),
    wrong("a vendor of a one-line form that is not known", "pick: gpt-mini", "pick: opnai/gpt-4o-mini"),
    wrong("half of a one-line form", "pick: gpt-mini", "pick: openai/"),
    wrong("a one-line form with a colon", "pick: gpt-mini", "pick: 'openai:gpt-4o-mini'"),
    wrong("a one-line form of a provider of another kind", "pick: gpt-mini", "pick: claude/claude-haiku-4-5"),
    wrong("a model of another vendor", "model: gpt-4o-mini", "model: claude-haiku-4-5"),
    wrong("a vendor's prefix in the model", "model: gpt-4o-mini", "model: openai/gpt-4o-mini"),
    wrong("a misspelt model", "model: gpt-4o-mini", "model: gpt-4o-mni"),
    wrong("a model with spaces and capitals", "model: gpt-4o-mini", "model: GPT-4o mini"),
    wrong("a chat model on an embed route", "pick: te3", "pick: gpt-mini"),
    wrong("an embedding model on a chat route", "pick: gpt-mini", "pick: te3"),
    wrong("a kind that cannot rerank", "pick: ranker", "pick: gpt-mini"),
    wrong("a route without pick", "    pick: gpt-mini\n", ""),
    wrong("a route without task", "    task: chat\n", ""),
    wrong("a route of nothing", "search: {task: embed, pick: te3}", "search: {}"),
    wrong("a route that is a deployment's name", "search: {task: embed, pick: te3}", "search: te3"),
    wrong("picked twice", "    then: haiku", "    then: gpt-mini"),
    wrong("twice in a list", "pick: gpt-mini", "pick: [gpt-mini, gpt-mini]"),
    wrong("an empty list", "pick: gpt-mini", "pick: []"),
    wrong("weights that are words", "pick: gpt-mini", "pick: {weighted: {gpt-mini: high, te3: low}}"),
    wrong("weights that are text", "pick: gpt-mini", "pick: {weighted: {gpt-mini: '9', te3: '1'}}"),
    wrong("weights in percent", "pick: gpt-mini", "pick: {weighted: {gpt-mini: 90%, te3: 10%}}"),
    wrong("weights as a list", "pick: gpt-mini", "pick: {weighted: [gpt-mini, te3]}"),
    wrong("a weight of 0", "pick: gpt-mini", "pick: {weighted: {gpt-mini: 1, te3: 0}}"),
    wrong("weights without a rule", "pick: gpt-mini", "pick: {gpt-mini: 9, te3: 1}"),
    wrong("one weight", "pick: gpt-mini", "pick: {weighted: {gpt-mini: 1}}"),
    wrong("a rule of another library", "pick: gpt-mini", "pick: {round_robin: [gpt-mini, te3]}"),
    wrong("two rules", "pick: gpt-mini", "pick: {fastest: [gpt-mini, te3], cheapest: [gpt-mini, te3]}"),
    wrong("names with commas", "pick: gpt-mini", "pick: gpt-mini, te3"),
    wrong("a misspelt requirement", "    deadline: 30s", "    require: [tool]"),
    wrong("a requirement that is not met", "    deadline: 30s", "    require: [video]"),
    wrong("a region that no provider has", "    deadline: 30s", "    require: [{region: eu}]"),
    wrong("two spaces of vectors", "pick: te3", "pick: [te3, openai/text-embedding-3-large]"),
    wrong("no routes", GOOD[GOOD.index("routes:") :], ""),
]

PROVIDERS = [
    wrong("/chat/completions at the end", OPENAI, own_server("http://127.0.0.1:8000/v1/chat/completions")),
    wrong("/embeddings at the end", OPENAI, own_server("http://127.0.0.1:8000/v1/embeddings")),
    wrong(
        "/v1/messages at the end", "kind: anthropic", "kind: anthropic\n    base_url: http://127.0.0.1:8/v1/messages"
    ),
    wrong("no scheme", OPENAI, own_server("127.0.0.1:8000/v1")),
    wrong("localhost and no scheme", OPENAI, own_server("localhost:8000")),
    wrong("a scheme twice", OPENAI, own_server("http://https://example.com/v1")),
    wrong("one slash", OPENAI, own_server("http:/example.com/v1")),
    wrong("a comma for a dot", OPENAI, own_server("http://127.0.0,1:8000")),
    wrong("a port that is too high", OPENAI, own_server("http://127.0.0.1:80000/v1")),
    wrong("a port that is a word", OPENAI, own_server("http://127.0.0.1:port/v1")),
    wrong("a query in the address", OPENAI, own_server("'http://127.0.0.1:8000/v1?api-version=1'")),
    wrong("a space in the address", OPENAI, own_server("'http://127.0.0.1:8000/v1 '")),
    wrong("a password in the address", OPENAI, own_server("http://me:hunter2@example.com/v1")),
    wrong("an address of no kind of its own", OPENAI, "openai: {kind: openai_compatible}"),
    wrong("kind openai at Azure", OPENAI, OPENAI.replace("kind:", "base_url: https://x.openai.azure.com, kind:")),
    wrong("azure without an address", OPENAI, OPENAI.replace("kind: openai", "kind: azure")),
    wrong("bedrock without a region", "kind: anthropic\n    api_key: {env: ANTHROPIC_API_KEY}", "kind: bedrock"),
    wrong("vertex without a project", OPENAI, "openai: {kind: vertex}"),
    wrong("litellm that is not installed", OPENAI, "openai: {kind: litellm}", without="litellm"),
    wrong("bedrock that is not installed", OPENAI, "openai: {kind: bedrock, region: eu-west-1}", without="botocore"),
    wrong("headers as a list", OPENAI, OPENAI.replace("kind:", "headers: ['x-team: a'], kind:")),
    wrong("a header that is a number", OPENAI, OPENAI.replace("kind:", "headers: {x-team: 7}, kind:")),
    wrong("the key as a header too", OPENAI, OPENAI.replace("kind:", "headers: {authorization: {env: HOME}}, kind:")),
    wrong("ca_file that is not there", OPENAI, OPENAI.replace("kind:", "ca_file: certs/none.pem, kind:")),
    wrong("socks proxy", OPENAI, OPENAI.replace("kind:", "proxy: 'socks5://127.0.0.1:1080', kind:")),
    wrong("verify: false", OPENAI, OPENAI.replace("kind:", "verify: false, kind:")),
    wrong("organization", OPENAI, OPENAI.replace("kind:", "organization: org-1, kind:")),
    wrong("api_version of Azure at OpenAI", OPENAI, OPENAI.replace("kind:", "api_version: 2024-10-21, kind:")),
    wrong("a provider as text", OPENAI, "openai: openai"),
    wrong("a deployment as text", f"gpt-mini: {MINI}", "gpt-mini: openai/gpt-4o-mini"),
    wrong("a provider that no route uses", "routes:\n", "  spare: {provider: openai, model: gpt-4o}\nroutes:\n"),
]

SECRETS = [
    wrong("a literal key", "{env: OPENAI_API_KEY}", "sk-proj-abcdefghijkl0123456789"),
    wrong("a literal key in quotes", "{env: OPENAI_API_KEY}", '"sk-proj-abcdefghijkl0123456789"'),
    wrong("a variable's name alone", "{env: OPENAI_API_KEY}", "OPENAI_API_KEY"),
    wrong("${NAME}", "{env: OPENAI_API_KEY}", "${OPENAI_API_KEY}"),
    wrong("$NAME", "{env: OPENAI_API_KEY}", "$OPENAI_API_KEY"),
    wrong("os.environ/NAME", "{env: OPENAI_API_KEY}", "os.environ/OPENAI_API_KEY"),
    wrong("{{ NAME }}", "{env: OPENAI_API_KEY}", "'{{ OPENAI_API_KEY }}'"),
    wrong("!ENV", "{env: OPENAI_API_KEY}", "!ENV OPENAI_API_KEY"),
    wrong("env: with a dollar", "{env: OPENAI_API_KEY}", "{env: $OPENAI_API_KEY}"),
    wrong("the key after env:", "{env: OPENAI_API_KEY}", "{env: sk-proj-abcdefghijkl0123456789}"),
    wrong("no space after env:", "{env: OPENAI_API_KEY}", "{env:OPENAI_API_KEY}"),
    wrong("environ:", "{env: OPENAI_API_KEY}", "{environ: OPENAI_API_KEY}"),
    wrong("env: of a list", "{env: OPENAI_API_KEY}", "{env: [OPENAI_API_KEY]}"),
    wrong("a default for a secret", "{env: OPENAI_API_KEY}", "{env: OPENAI_API_KEY, default: sk-none}"),
    wrong("a variable that is not set", "{env: OPENAI_API_KEY}", "{env: OPENAI_KEY}"),
    bare("the usual variable not set", GOOD, environ={"OPENAI_API_KEY": None}),
    wrong("a variable that nothing is near", "{env: OPENAI_API_KEY}", "{env: TEAM_CREDENTIAL_OF_HERE}"),
    wrong("a variable that is in .env", "{env: OPENAI_API_KEY}", "{env: TEAM_CREDENTIAL_OF_HERE}", beside=".env"),
    bare("a variable that is empty", GOOD, environ={"OPENAI_API_KEY": ""}),
    bare("a newline at the end of the variable", GOOD, environ={"OPENAI_API_KEY": "sk-abcdefgh\n"}),
    bare("quotes in the variable", GOOD, environ={"OPENAI_API_KEY": "'sk-abcdefgh'"}),
    bare("double quotes in the variable", GOOD, environ={"OPENAI_API_KEY": '"sk-abcdefgh"'}),
    bare("Bearer in the variable", GOOD, environ={"OPENAI_API_KEY": "Bearer sk-abcdefgh"}),
    bare("NAME= in the variable", GOOD, environ={"OPENAI_API_KEY": "OPENAI_API_KEY=sk-abcdefgh"}),
    bare("a placeholder in the variable", GOOD, environ={"OPENAI_API_KEY": "<your key here>"}),
    bare("a typographic dash in the variable", GOOD, environ={"OPENAI_API_KEY": "sk\u2013abcdefgh"}),
    bare("an escape of the shell in the variable", GOOD, environ={"OPENAI_API_KEY": "${KEY}"}),
    wrong("a secret's file that is not there", "{env: OPENAI_API_KEY}", "{file: secrets/openai}"),
    wrong("a secret's file that is a directory", "{env: OPENAI_API_KEY}", "{file: .}"),
    wrong("a secret's file in the home", "{env: OPENAI_API_KEY}", "{file: ~/openai.key}"),
    wrong("env and file", "{env: OPENAI_API_KEY}", "{env: OPENAI_API_KEY, file: key}"),
    wrong("a key in a header", OPENAI, OPENAI.replace("kind:", "headers: {x-api-key: hunter2hunter2}, kind:")),
    wrong("no key at all", OPENAI, "openai: {kind: openai}"),
    wrong("${NAME} in the address", OPENAI, own_server("${BASE_URL}")),
    wrong("os.environ/NAME in the address", OPENAI, own_server("os.environ/BASE_URL")),
    wrong("${NAME} in a model", "model: gpt-4o-mini", "model: ${MODEL}"),
    wrong("an address in a variable that is not one", OPENAI, own_server("{env: HOST}"), environ={"HOST": "example"}),
]

MONEY = [
    wrong("a price in words", MINI, MINI.replace("limits", "price: {input: cheap}, limits")),
    wrong("a price with a currency", MINI, MINI.replace("limits", "price: {input: $0.15, output: $0.60}, limits")),
    wrong("a price with a comma", MINI, MINI.replace("limits", "price: {input: '0,15', output: 1}, limits")),
    wrong("a price per thousand", MINI, MINI.replace("limits", "price: {input: 0.00015, output: 0.0006}, limits")),
    wrong("a price per token", MINI, MINI.replace("limits", "price: {input: 1.5e-7, output: 6e-7}, limits")),
    wrong("a price of an unknown model per token", MINI, "{provider: openai, model: own, price: {input: 2e-7}}"),
    wrong("a price in cents", MINI, MINI.replace("limits", "price: {input: 15, output: 60}, limits")),
    wrong("one price for all", MINI, MINI.replace("limits", "price: 0.15, limits")),
    wrong("a negative price", MINI, MINI.replace("limits", "price: {input: -1, output: 1}, limits")),
    wrong("prices by other names", MINI, MINI.replace("limits", "price: {prompt: 1, completion: 2}, limits")),
    wrong("LiteLLM's price", MINI, MINI.replace("limits", "input_cost_per_token: 1.5e-7, limits")),
    wrong("only the input's price", MINI, MINI.replace("limits", "price: {input: 0.15}, limits")),
    wrong("price and priced_as", MINI, MINI.replace("limits", "price: {input: 1}, priced_as: openai, limits")),
    wrong("priced_as nobody", MINI, MINI.replace("limits", "priced_as: opnai/gpt-4o-mini, limits")),
    wrong("a discount without a percent sign", OPENAI, OPENAI.replace("kind:", "discount: 0.15, kind:")),
    wrong("a discount over 100 %", OPENAI, OPENAI.replace("kind:", "discount: 115%, kind:")),
    added("a budget without an amount", "budgets: [{per: tenant, window: day}]"),
    added("a budget without a window", "budgets: [{per: tenant, usd: 5}]"),
    added("a budget as a number", "budgets: 5"),
    added("a budget with a currency", "budgets: [{usd: $5, window: day}]"),
    added("a budget in euros", "budgets: [{eur: 5, window: day}]"),
    added("a budget of 0", "budgets: [{usd: 0, window: day}]"),
    added("a window that is a duration", "budgets: [{usd: 5, window: 24h}]"),
    added("a window of a week", "budgets: [{usd: 5, window: weekly}]"),
    added("a budget per nobody knows what", "budgets: [{per: customer, usd: 5, window: day}]"),
    added("a budget per tag, half", "budgets: [{per: tag, usd: 5, window: day}]"),
    added("a budget of a route that is not there", "budgets: [{route: answr, usd: 5, window: day}]"),
    added("two budgets of one name", "budgets: [{name: a, usd: 5, window: day}, {name: a, usd: 6, window: month}]"),
    added("on_exceed by another word", "budgets: [{usd: 5, window: day, on_exceed: block}]"),
    added("a price book that is not there", "prices: {file: prices.json}"),
]

STATE = [
    wrong("log as text", LOG, "log: calls.jsonl"),
    wrong("log as a flag", LOG, "log: false"),
    wrong("log to a file and a stream", LOG, "log: {path: calls.jsonl, to: stdout}"),
    wrong("log to a misspelt stream", LOG, "log: {to: stdot}"),
    wrong("log to a file by another key", LOG, "log: {file: calls.jsonl}"),
    wrong("a log in a directory", LOG, "log: {path: .}"),
    wrong("a placeholder in the path", LOG, "log: {path: 'calls-{date}.jsonl'}"),
    wrong("strftime in the path", LOG, "log: {path: calls-%Y-%m-%d.jsonl}"),
    wrong("rotation without a reason", LOG, "log: {path: calls.jsonl, rotate: {keep: 7}}"),
    wrong("rotation in words", LOG, "log: {path: calls.jsonl, rotate: daily}"),
    wrong("a level", LOG, "log: {path: calls.jsonl, level: debug}"),
    wrong("content for all", LOG, "log: {path: calls.jsonl, content: true}"),
    added("store as a URL", "store: redis://127.0.0.1:6379"),
    added("a store that is not known", "store: sqlite"),
    added("redis as text", "store: {redis: redis://127.0.0.1:6379}"),
    added("a misspelt store", "store: memroy"),
    added("redis with a password", "store: {redis: {url: redis://:hunter2@127.0.0.1:6379}}"),
    added("redis by http", "store: {redis: {url: http://127.0.0.1:6379}}"),
    added("redis by host and port", "store: {redis: {host: 127.0.0.1, port: 6379}}"),
    added("redis that is not installed", "store: {redis: {url: redis://127.0.0.1:6379}}", without="redis"),
    added("OpenTelemetry as text", "otel: http://127.0.0.1:4318"),
    added("OpenTelemetry by gRPC's port", "otel: {endpoint: '127.0.0.1:4317'}"),
    added("OpenTelemetry that is not installed", "otel: {endpoint: 'http://127.0.0.1:4318'}", without="opentelemetry"),
    added("extends a file that is not there", "extends: base.yaml"),
    added("extends itself", "extends: orchestrator.yaml"),
    added("extends a list", "extends: [a.yaml, b.yaml]"),
    wrong("sticky by a word", "    deadline: 30s", "    sticky: session"),
    wrong("sticky by a flag", "    deadline: 30s", "    sticky: true"),
    wrong("when as one case", "    deadline: 30s", "    when: {tenant: acme, pick: haiku}"),
    wrong("when without a condition", "    deadline: 30s", "    when: [{pick: haiku}]"),
    wrong("when with an expression", "    deadline: 30s", "    when: [{if: tenant == 'acme', pick: haiku}]"),
    wrong("when without a pick", "    deadline: 30s", "    when: [{tenant: acme}]"),
    wrong("connect in a route", "    deadline: 30s", "    timeouts: {connect: 3}"),
    added("timeouts as one number", "timeouts: 30"),
    added("a misspelt timeout", "timeouts: {read: 30s}"),
    added("breaker switched on", "breaker: on"),
]

AREAS: dict[str, list[WrongFile]] = {
    "what-it-is": WHAT_IT_IS,
    "yaml": YAML,
    "values": VALUES,
    "keys": KEYS,
    "names": NAMES,
    "providers": PROVIDERS,
    "secrets": SECRETS,
    "money": MONEY,
    "state": STATE,
}
