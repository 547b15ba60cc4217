"""What a good file means."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kinds import ENVIRON, find

from orchestrator.config import Config, SecretRef, json_schema, load_file, load_mapping, vector_space
from orchestrator.config.checks import count, duration_s, http_url
from orchestrator.config.yaml import parse_yaml
from orchestrator.errors import ConfigError

WHOLE = """\
version: 1
providers:
  openai: {kind: openai, api_key: {env: OPENAI_API_KEY}, limits: {tpm: 2M}}
  claude: {kind: anthropic, api_key: {file: anthropic.key}, region: eu, retention: 30d, trains: false}
  cohere: {kind: cohere, api_key: {env: CO_API_KEY}, headers: {X-Team: search, x-sign: {env: CO_API_KEY}}}
  ollama: {kind: ollama, base_url: "http://10.0.0.5:11434/v1/"}
  azure: {kind: azure, base_url: https://r.openai.azure.com, api_version: 2024-10-21, api_key: {env: AZURE_KEY}}
deployments:
  gpt-mini: {provider: openai, model: gpt-4o-mini, limits: {rpm: 500, tpm: 200k, concurrency: 50}}
  haiku: {provider: claude, model: claude-haiku-4-5, defaults: {max_output_tokens: 2k}}
  llama: {provider: ollama, model: llama3.2, price: {input: 0, output: 0.15}}
  te3: {provider: openai, model: text-embedding-3-small, dimensions: 1024}
  te3-eu: {provider: azure, model: prod-embed, dimensions: 1024, priced_as: openai/text-embedding-3-small}
  ranker: {provider: cohere, model: rerank-v3.5}
routes:
  answer:
    task: chat
    pick: {weighted: {haiku: 1, gpt-mini: 9}}
    then: [llama]
    deadline: 1m30s
    defaults: {temperature: 0.2, max_output_tokens: 800, stop: END}
  search: {task: embed, pick: [te3, te3-eu]}
  rank: {task: rerank, pick: ranker, unsupported: error}
deadline: 20
log: {path: logs/calls.jsonl}
"""


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A file with every section, and the secret that it needs."""
    (tmp_path / "anthropic.key").write_text("sk-ant\n")
    file = tmp_path / "orchestrator.yaml"
    file.write_text(WHOLE)
    return file


def load(file: Path, **environ: str) -> Config:
    """Load with the test's kinds and environment."""
    return load_file(file, find=find, environ=ENVIRON | environ)


def mapping(routes: Any, **top: Any) -> Config:
    """Load a mapping with these routes."""
    return load_mapping({"version": 1, "routes": routes, **top}, find=find, environ=ENVIRON)


def test_the_whole_file_is_read(whole: Path) -> None:
    """Every key of the design ends up in its field, in its unit, with paths absolute and defaults applied."""
    config = load(whole)
    answer = config.routes["answer"]
    assert (answer.pick.rule, answer.pick.names, answer.pick.weights) == ("weighted", ("gpt-mini", "haiku"), (9.0, 1.0))
    assert (answer.then, answer.deadline, answer.defaults.stop, answer.unsupported) == (
        ("llama",),
        90.0,
        ("END",),
        "warn",
    )
    assert (config.routes["rank"].deadline, config.routes["rank"].unsupported) == (20.0, "error")
    limits = config.deployments["gpt-mini"].limits
    assert limits is not None
    assert (limits.rpm, limits.tpm, limits.concurrency, limits.rpd) == (500, 200_000, 50, None)
    assert config.deployments["llama"].price == {"input": Decimal(0), "output": Decimal("0.15")}
    assert config.providers["ollama"].base_url == "http://10.0.0.5:11434/v1"
    assert config.providers["azure"].settings == {"api_version": "2024-10-21"}
    assert config.providers["cohere"].headers == {"x-team": "search", "x-sign": SecretRef("env", "CO_API_KEY")}
    assert config.providers["claude"].trains is False
    assert config.log.path == str(whole.parent / "logs/calls.jsonl")
    assert (config.source, config.files, config.warnings) == (whole, (whole,), ())
    key = config.providers["claude"].api_key
    assert key is not None
    assert key.open(ENVIRON).reveal() == "sk-ant"


def test_a_mapping_takes_the_same_keys(whole: Path) -> None:
    """What YAML says, a mapping made in code says too, with the same hash."""
    raw = parse_yaml(WHOLE.encode(), "x").value
    made = load_mapping(raw, find=find, environ=ENVIRON, directory=whole.parent)
    assert made.config_hash == load(whole).config_hash
    assert made.log.path == str(whole.parent / "logs/calls.jsonl")
    assert made.source is None


def test_yaml_scalars_have_their_1_2_meaning() -> None:
    """`no`, `on`, `1_000`, `0o17`, `1:30` and `1e3` are what YAML 1.2 says, and keys are always text."""
    scalars = b"no, yes, on, off, y, ~, True, 0o17, 0x1F, 010, 1e3, 1_000, 1:30, 2024-01-01, -.5, '1'"
    text = b"a: [" + scalars + b"]\nno: 1\n404: 2\n1e3: 3\n"
    value = parse_yaml(text, "x").value
    expected = ["no", "yes", "on", "off", "y", None, True, 15, 31, 10, 1000.0, "1_000", "1:30", "2024-01-01", -0.5, "1"]
    assert value["a"] == expected
    assert list(value) == ["a", "no", "404", "1e3"]


def test_a_long_number_cannot_stall_the_parser() -> None:
    """Digits beyond any use stay text, so converting them costs nothing."""
    assert parse_yaml(b"a: " + b"9" * 100_000, "x").value["a"] == "9" * 100_000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("1m30s", 90), ("500ms", 0.5), ("1h", 3600), ("1.5s", 1.5), (2, 2), (0.25, 0.25), ("1d", 86400)],
)
def test_durations(text: Any, seconds: float) -> None:
    """Durations are in words or in seconds."""
    assert duration_s(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "s", "30", "30 s", "30s1m", "1m1m", "-1s", 0, -1, True, None, "25h", "1e3s", float("nan"), "٣s"]
)
def test_what_is_no_duration(text: Any) -> None:
    """Anything else, zero, negative, or longer than a day is refused."""
    with pytest.raises(ValueError, match="expected a duration"):
        duration_s(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("200k", 200_000), ("2M", 2_000_000), ("1_000", 1000), ("1.5k", 1500), (7, 7), (2e6, 2_000_000), ("1G", 10**9)],
)
def test_sizes(text: Any, size: int) -> None:
    """Sizes are numbers or in words."""
    assert count(text) == size


@pytest.mark.parametrize(
    "text", ["", "k", "2m", "1.5", "1 k", 0, -5, 1.5, True, None, float("inf"), 10**16, "9999999G", "_1", "1__0"]
)
def test_what_is_no_size(text: Any) -> None:
    """Fractions, zero, negative and unbounded sizes are refused."""
    with pytest.raises(ValueError, match="expected a"):
        count(text)


@pytest.mark.parametrize(
    "url",
    [
        "http://h:99999",
        "http://",
        "http:///x",
        "https://h\\@x",
        "http://h/\n",
        "//h",
        "http://0xa9.0xfe.0xa9.0xfe",
        "http://0251.0376.0251.0376",
        "http://169.254.169.254.",
        "http://h#x",
        "http://h?",
        "javascript:1",
        "http://[fd00:ec2::254]",
    ],
)
def test_what_is_no_base_url(url: str) -> None:
    """Metadata services in any spelling, odd schemes, credentials and control characters are refused."""
    with pytest.raises(ValueError):  # noqa: PT011 the table of mistakes has the messages
        http_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/v1",
        "http://10.1.2.3",
        "http://[::1]:80/v1",
        "https://api.openai.com/v1",
        "http://gpu-box.lan/v1",
        "http://192.168.0.9",
    ],
)
def test_own_servers_are_fine(url: str) -> None:
    """Loopback and private addresses are where operators' own servers live."""
    assert http_url(url + "/") == url


def test_the_one_line_form_makes_deployment_and_provider() -> None:
    """`vendor/model` is split at the first slash and takes the vendor's usual variable."""
    config = mapping({"answer": "openai/org/gpt-4o", "rank": {"task": "rerank", "pick": "cohere/rerank-v3.5"}})
    assert config.routes["answer"].task == "chat"
    assert config.deployments["openai/org/gpt-4o"].model == "org/gpt-4o"
    assert config.deployments["openai/org/gpt-4o"].provider == "openai"
    assert config.providers["openai"].api_key == SecretRef("env", "OPENAI_API_KEY")
    assert config.providers["cohere"].api_key == SecretRef("env", "CO_API_KEY")
    assert mapping({"a": "ollama/llama3.2"}).providers["ollama"].api_key is None


def test_the_one_line_form_takes_the_first_variable_that_is_set() -> None:
    """A vendor with two usual variables uses the one that is there; if none is, the error names the first."""
    raw = {"version": 1, "routes": {"a": "openai/m"}}
    config = load_mapping(raw, find=find, environ={"OPENAI_KEY": "k"})
    assert config.providers["openai"].api_key == SecretRef("env", "OPENAI_KEY")
    with pytest.raises(ConfigError, match="OPENAI_API_KEY is not set"):
        load_mapping(raw, find=find, environ={})


def test_the_one_line_form_works_in_every_place_of_a_name() -> None:
    """Pick, list, weights and then all take `vendor/model`, and one account serves them."""
    weighted = {"weighted": {"openai/a": 2, "openai/b": 3}}
    config = mapping(
        {
            "r": {"task": "chat", "pick": weighted, "then": ["anthropic/c"]},
            "s": {"task": "chat", "pick": ["openai/a", "openai/d"]},
        }
    )
    assert sorted(config.deployments) == ["anthropic/c", "openai/a", "openai/b", "openai/d"]
    assert config.routes["r"].pick.names == ("openai/b", "openai/a")
    assert sorted(config.providers) == ["anthropic", "openai"]


def test_a_one_line_form_uses_the_account_of_its_name() -> None:
    """A provider named as its vendor is the account of one-line forms too, so that its limits hold for them."""
    providers = {"openai": {"kind": "openai", "api_key": {"env": "CO_API_KEY"}, "limits": {"rpm": 5}}}
    config = mapping({"a": "openai/m"}, providers=providers)
    assert config.providers["openai"].api_key == SecretRef("env", "CO_API_KEY")
    with pytest.raises(ConfigError, match="is not of kind 'openai'"):
        mapping({"a": "openai/m"}, providers={"openai": {"kind": "ollama"}})


def test_env_stands_for_any_scalar(whole: Path) -> None:
    """A variable takes the type of its field, and a default is used while it is unset or empty."""
    whole.write_text(
        "version: 1\nroutes:\n  a:\n    task: {env: TASK, default: chat}\n    pick: {env: MODEL}\n"
        "    deadline: {env: T}\n"
        "    defaults: {temperature: {env: HEAT}, seed: {env: SEED, default: 7}, parallel_tool_calls: {env: PAR}}\n"
    )
    config = load(whole, MODEL="openai/1e3", T="90", HEAT="0.5", SEED="", PAR="false")
    route = config.routes["a"]
    assert (route.task, route.pick.names, route.deadline) == ("chat", ("openai/1e3",), 90.0)
    assert (route.defaults.temperature, route.defaults.seed, route.defaults.parallel_tool_calls) == (0.5, 7, False)
    assert type(route.pick.names[0]) is str


def test_only_what_routes_reach_is_resolved() -> None:
    """A definition without a route needs no variable and no secret; it is left out, with a warning."""
    config = mapping(
        {"a": "openai/m"},
        providers={
            "spare": {"kind": "cohere", "api_key": {"env": "NOPE"}, "base_url": {"env": "NOPE"}, "region": {"env": "N"}}
        },
        deployments={"old": {"provider": "spare", "model": {"env": "NOPE"}}},
    )
    assert config.warnings == ("providers.spare: no route uses it", "deployments.old: no route uses it")
    assert list(config.providers) == ["openai"]
    assert list(config.deployments) == ["openai/m"]


def test_unused_definitions_are_still_checked() -> None:
    """A misspelt key is a mistake also where no route leads."""
    with pytest.raises(ConfigError, match=r"providers\.spare\.regoin: unknown key"):
        mapping({"a": "openai/m"}, providers={"spare": {"kind": "cohere", "regoin": "eu"}})


def test_extends_puts_one_file_under_another(tmp_path: Path, whole: Path) -> None:
    """Mappings merge deeply, scalars and lists replace, and each path is relative to the file that says it."""
    (tmp_path / "prod").mkdir()
    top = tmp_path / "prod" / "top.yaml"
    top.write_text(
        "extends: ../orchestrator.yaml\ndeployments:\n  gpt-mini: {limits: {rpm: 9}}\n"
        "routes:\n  answer: {then: [], pick: [llama, gpt-mini]}\n  search: {pick: te3}\nlog: {to: stdout}\n"
    )
    config = load(top)
    assert config.files == (top, tmp_path / "prod" / ".." / "orchestrator.yaml")
    limits = config.deployments["gpt-mini"].limits
    assert limits is not None
    assert (limits.rpm, limits.tpm) == (9, 200_000)
    assert (config.routes["answer"].pick.names, config.routes["answer"].then) == (("llama", "gpt-mini"), ())
    assert (config.log.to, config.log.path) == ("stdout", None)
    assert any(w.endswith("orchestrator.yaml:10: deployments.haiku: no route uses it") for w in config.warnings)


def test_errors_of_a_base_name_the_base(tmp_path: Path) -> None:
    """A mistake has the place of the file that holds it, and a base may not extend a third file."""
    (tmp_path / "base.yaml").write_text("version: 1\n\nroutes: {a: {task: chat, pick: openai/m, bad: 1}}\n")
    top = tmp_path / "top.yaml"
    top.write_text("extends: base.yaml\n")
    with pytest.raises(ConfigError) as caught:
        load(top)
    assert (caught.value.file, caught.value.line) == (str(tmp_path / "base.yaml"), 3)
    assert caught.value.files == (str(top), str(tmp_path / "base.yaml"))
    (tmp_path / "base.yaml").write_text("extends: top.yaml\n")
    with pytest.raises(ConfigError, match="may not extend another one"):
        load(top)


def test_a_reference_replaces_a_reference(tmp_path: Path) -> None:
    """`{file:}` over `{env:}` is the file, not a mapping of both."""
    (tmp_path / "k").write_text("x\n")
    (tmp_path / "base.yaml").write_text(
        "version: 1\nproviders: {openai: {kind: openai, api_key: {env: GONE}}}\nroutes: {a: openai/m}\n"
    )
    top = tmp_path / "top.yaml"
    top.write_text("extends: base.yaml\nproviders: {openai: {api_key: {file: k}}}\n")
    assert load(top).providers["openai"].api_key == SecretRef("file", "k")


def test_the_hash_is_of_the_meaning(tmp_path: Path, whole: Path) -> None:
    """Key order, comments, spelling of numbers, the file's place and unused definitions do not change it; values do."""
    config = load(whole)
    assert len(config.config_hash) == 16
    other = tmp_path / "elsewhere"
    other.mkdir()
    (other / "anthropic.key").write_text("another secret\n")
    same = other / "x.yaml"
    unused = "deployments:\n  unused: {provider: openai, model: x}\n"
    same.write_text(
        "# hi\n"
        + WHOLE.replace("{haiku: 1, gpt-mini: 9}", "{gpt-mini: 9.0, haiku: 1}")
        .replace("200k", "200000")
        .replace("deployments:\n", unused)
    )
    assert load(same, OPENAI_API_KEY="other").config_hash == config.config_hash
    for old, new in (
        ("200k", "201k"),
        ("gpt-4o-mini", "gpt-4o"),
        ("[te3, te3-eu]", "[te3-eu, te3]"),
        ("0.15", "0.16"),
        ("{env: AZURE_KEY}", "{env: CO_API_KEY}"),
        ("eu, retention", "us, retention"),
    ):
        same.write_text(WHOLE.replace(old, new))
        assert load(same).config_hash != config.config_hash, old


def test_the_vector_space_is_model_and_dimensions() -> None:
    """Hosts' paths, revisions and tags do not make another model; other dimensions make another space."""
    pick = ["openai/text-embedding-3-small", "cohere/x/Text-Embedding-3-small:latest"]
    route = {"task": "embed", "pick": pick}
    config = mapping({"s": route})
    assert vector_space(config.deployments[pick[0]]) == ("text-embedding-3-small", None)
    assert vector_space(config.deployments[pick[1]], config.routes["s"]) == ("text-embedding-3-small", None)
    deployments = {
        "a": {"provider": "openai", "model": "m", "dimensions": 256},
        "b": {"provider": "openai", "model": "m"},
    }
    providers = {"openai": {"kind": "openai", "api_key": {"env": "OPENAI_API_KEY"}}}
    with pytest.raises(ConfigError, match=r"'b' \(m, its own dimensions\) and 'a' \(m, 256 dimensions\)"):
        mapping({"s": {"task": "embed", "pick": ["a", "b"]}}, deployments=deployments, providers=providers)
    both = {"task": "embed", "pick": ["a", "b"], "defaults": {"dimensions": 256}}
    assert mapping({"s": both}, deployments=deployments, providers=providers).routes["s"].defaults.dimensions == 256


def test_secrets_are_in_no_repr(whole: Path) -> None:
    """Neither the configuration nor an opened secret shows a credential, and a proxy's password is in neither."""
    text = WHOLE.replace("trains: false", "proxy: {env: PROXY}")
    whole.write_text(text)
    config = load(whole, PROXY="http://me:hunter2@proxy:3128")
    assert config.providers["claude"].proxy == "http://me:hunter2@proxy:3128"
    key = config.providers["openai"].api_key
    assert key is not None
    shown = repr(config) + repr(key.open(ENVIRON)) + str(config)
    assert "sk-openai" not in shown
    assert "hunter2" not in shown
    assert load(whole, PROXY="http://me:other@proxy:3128").config_hash == config.config_hash


def test_checking_a_file_needs_no_secrets_when_told(whole: Path) -> None:
    """`check_secrets=False` checks everything else, as a build machine without credentials must."""
    (whole.parent / "anthropic.key").unlink()
    config = load_file(whole, find=find, environ={}, check_secrets=False)
    assert config.providers["openai"].api_key == SecretRef("env", "OPENAI_API_KEY")


def test_the_schema_knows_every_key_and_form(whole: Path) -> None:
    """The JSON Schema accepts the whole file and its short forms, refuses misspelt keys, and describes each field."""
    import jsonschema_rs

    schema = json_schema()
    check = jsonschema_rs.validator_for(schema)
    value = parse_yaml(WHOLE.encode(), "x").value
    assert [error.message for error in check.iter_errors(value)] == []
    short = {"version": 1, "extends": "b.yaml", "deadline": {"env": "T", "default": 3}, "routes": {"a": "openai/m"}}
    assert check.is_valid(short)
    for bad in (
        {"version": 2, "routes": {}},
        short | {"deadlin": 1},
        short | {"routes": {"a": {"task": "chat", "pick": "x", "colour": 1}}},
        short | {"providers": {"p": {"kind": "openai", "api_key": "sk-1"}}},
    ):
        assert not check.is_valid(bad)
    models = [schema, *(model for model in schema["$defs"].values() if model is not None)]
    fields = [(key, field) for model in models for key, field in model["properties"].items()]
    undescribed = {key for key, field in fields if "description" not in field}
    assert undescribed <= {"rule", "names", "weights"}
    assert len(json.dumps(schema)) < 42_000


@given(st.text(max_size=30))
def test_scalars_never_break_the_reader(text: str) -> None:
    """Any text between quotes comes back as it is, or the file is refused."""
    data = b"a: " + json.dumps(text, ensure_ascii=True).encode() + b"\n"
    try:
        assert parse_yaml(data, "x").value == {"a": text}
    except ConfigError:
        assert any(0xD800 <= ord(c) <= 0xDFFF or ord(c) > 0xFFFF for c in text)


def test_five_hundred_deployments_load_quickly(tmp_path: Path) -> None:
    """A file of 500 deployments, all in one route, takes well under a second of CPU."""
    file = tmp_path / "big.yaml"
    deployments = "".join(
        f"  d{i}: {{provider: p{i % 50}, model: m{i}, limits: {{rpm: 500, tpm: 200k}}}}\n" for i in range(500)
    )
    providers = "".join(f"  p{i}: {{kind: openai, api_key: {{env: OPENAI_API_KEY}}}}\n" for i in range(50))
    names = ", ".join(f"d{i}" for i in range(500))
    file.write_text(
        f"version: 1\nproviders:\n{providers}deployments:\n{deployments}routes:\n  a: {{task: chat, pick: [{names}]}}\n"
    )
    start = time.process_time()
    config = load(file)
    taken_s = time.process_time() - start
    assert len(config.deployments) == 500
    assert taken_s < 1.0


def test_paths_are_relative_to_the_file_that_says_them(tmp_path: Path) -> None:
    """A log path and certificates of a base file in another directory lie beside that base."""
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "ca.pem").touch()
    (tmp_path / "shared" / "base.yaml").write_text(
        "version: 1\nlog: {path: calls.jsonl}\nproviders: {p: {kind: ollama, base_url: https://h, ca_file: ca.pem}}\n"
        "deployments: {d: {provider: p, model: m}}\n"
    )
    top = tmp_path / "top.yaml"
    top.write_text("extends: shared/base.yaml\nroutes: {a: d}\n")
    config = load(top)
    assert config.log.path == str(tmp_path / "shared" / "calls.jsonl")
    assert config.providers["p"].ca_file == str(tmp_path / "shared" / "ca.pem")


def test_keys_of_a_mapping_are_text() -> None:
    """A key of another type is a mistake, not a silent conversion; paths may be path objects."""
    with pytest.raises(ConfigError, match="keys are text, found one of type int"):
        mapping({404: "openai/m"})
    assert mapping({"a": "openai/m"}, log={"path": Path("/x/y.jsonl")}).log.path == "/x/y.jsonl"


def test_importing_the_library_does_not_import_this() -> None:
    """Neither pydantic nor the YAML reader is loaded by `import orchestrator`, only with a client."""
    code = "import sys, orchestrator; assert not {'pydantic', 'yaml', 'orchestrator.config'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
