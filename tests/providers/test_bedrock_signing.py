"""Bedrock's credentials: signatures as botocore makes them, keys from the file, and what botocore finds by itself."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import AuthenticationFailed, ConfigError
from orchestrator.spec.auth import Grant, HeaderSigner, Secret
from orchestrator.spec.provider import Target
from orchestrator.spec.transport import HttpRequest
from orchestrator_providers.bedrock import WIRE
from orchestrator_providers.bedrock.profile import endpoint, locate
from orchestrator_providers.bedrock.signing import AwsSigner, ChainSource, make_signer
from orchestrator_providers.bedrock.sigv4 import Credential, RequestSigner

NOW = 1_790_000_000.25
BASE = {"content-type": "application/json", "accept": "application/json"}
URL = "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.anthropic.claude-x-v1%3A0/converse"


def _sign(url: str, body: bytes, credential: Credential, **headers: str) -> dict[str, str]:
    signer = RequestSigner("us-east-1", "bedrock", lambda: NOW)
    return signer.sign(HttpRequest(url, body), BASE | headers, credential)


def _by_botocore(url: str, body: bytes, credential: Credential, headers: Mapping[str, str]) -> str:
    """What botocore signs for the same request at the same time."""
    auth = pytest.importorskip("botocore.auth")
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    signer = auth.SigV4Auth(
        Credentials(credential.key_id, credential.secret_key, credential.token), "bedrock", "us-east-1"
    )
    request = AWSRequest(method="POST", url=url, data=body, headers=dict(headers))
    when = datetime.fromtimestamp(NOW, UTC)
    request.context["timestamp"] = when.strftime("%Y%m%dT%H%M%SZ")
    # As `add_auth` does, but at our time.
    signer._modify_request_before_signing(request)
    signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    signer._inject_signature_to_request(request, signature)
    return str(request.headers["Authorization"])


_VISIBLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
_MODELS = st.one_of(
    st.sampled_from(["anthropic.claude-v2:1", "arn:aws:bedrock:us-east-1:012345678901:inference-profile/us.x.y-v1:0"]),
    # But for two names that no segment of a URL can have.
    st.text(st.characters(codec="utf-8", exclude_categories=("C",)), min_size=1, max_size=30).filter(
        lambda model: model not in {".", ".."}
    ),
)


_BASES = ("https://Bedrock.example", "http://127.0.0.1:8080", "https://h.test:443/some/path", "http://h.test")
_CREDENTIALS = st.builds(Credential, _VISIBLE, _VISIBLE, st.none() | _VISIBLE)
_GUARDS = st.none() | st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)


@given(_MODELS, st.binary(max_size=200), _CREDENTIALS, _GUARDS, st.sampled_from(_BASES))
def test_a_signature_is_botocores(
    model: str, body: bytes, credential: Credential, guard: str | None, base: str
) -> None:
    """For any model, body, credential, host and header of AWS's, our signature is what botocore makes of them."""
    target = Target(profile=WIRE.profile, provider="p", deployment="d", model=model, base_url=base)
    url = endpoint(target, "converse")
    headers = {} if guard is None else {"x-amzn-bedrock-guardrailidentifier": guard}
    signed = _sign(url, body, credential, **headers)
    sent = {"content-type": BASE["content-type"], **headers}
    assert signed["authorization"] == _by_botocore(url, body, credential, sent)
    assert signed.get("x-amz-security-token") == credential.token
    assert signed["accept"] == "application/json"


def test_an_address_is_the_one_botocore_uses() -> None:
    """Host and path of a model, an ARN among them, are those of botocore's own client."""
    session = pytest.importorskip("botocore.session").Session()
    client = session.create_client(
        "bedrock-runtime", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    seen: list[str] = []

    def stop(request: Any, **_: Any) -> Any:
        seen.append(request.url)
        raise InterruptedError

    client.meta.events.register("before-send.bedrock-runtime.*", stop)
    for model in ("anthropic.claude-v2:1", "arn:aws:bedrock:eu-central-1:012345678901:inference-profile/eu.a.b-v1:0"):
        with pytest.raises(InterruptedError):
            client.converse(modelId=model, messages=[])
        base = locate({"region": "eu-central-1"})
        target = Target(profile=WIRE.profile, provider="p", deployment="d", model=model, base_url=base)
        assert endpoint(target, "converse") == seen[-1]


def test_the_key_of_a_day_is_made_once() -> None:
    """The next day's signature has its own key, and many secrets do not fill the memory."""
    now = [NOW]
    signer = RequestSigner("us-east-1", "bedrock", lambda: now[0])
    request = HttpRequest(URL, b"{}")
    first = signer.sign(request, BASE, Credential("k", "s"))
    assert signer.sign(request, BASE, Credential("k", "s")) == first
    now[0] += 86_400
    assert signer.sign(request, BASE, Credential("k", "s"))["authorization"] != first["authorization"]
    for number in range(50):
        signer.sign(request, BASE, Credential("k", f"s{number}"))
    assert len(signer._keys) <= 8


def _secret(values: list[str]) -> Secret:
    left = iter(values)
    last = [values[-1]]
    return Secret(lambda: next(left, last[0]), source="env: X")


def _grant(secret: Secret | None = None, **settings: Any) -> Grant:
    return Grant(headers=BASE, secret=secret, settings={"region": "us-east-1"} | settings, time=lambda: NOW)


def test_an_api_key_is_a_bearer_token() -> None:
    """With an api_key nothing is signed and no region is needed: it is sent as it is."""
    signer = make_signer(Grant(headers=BASE, secret=_secret(["bedrock-key"]), settings={}, time=lambda: NOW))
    assert isinstance(signer, HeaderSigner)
    headers = signer.sign(HttpRequest(URL, b"{}", {"accept": "x"}))
    assert headers == {"content-type": "application/json", "accept": "x", "authorization": "Bearer bedrock-key"}


def test_a_gateways_own_credential_is_left_alone() -> None:
    """An `authorization` among the file's headers is for whoever answers there: nothing is signed over it."""
    headers = {**BASE, "authorization": "Basic abc"}
    signer = make_signer(Grant(headers=headers, secret=None, settings={}, time=lambda: NOW))
    assert signer.sign(HttpRequest(URL, b"{}")) == headers


def test_static_keys_are_read_again_after_a_refusal() -> None:
    """Keys of the file sign at once; after a refusal all are read again, and only a change makes one more try."""
    key, token = _secret(["s1", "s1", "s2"]), _secret(["t1", "t1", "t2"])
    signer = make_signer(_grant(access_key_id=_secret(["AKIA1"]), secret_access_key=key, session_token=token))
    asyncio.run(signer.prepare())  # type: ignore[attr-defined]
    first = signer.sign(HttpRequest(URL, b"{}"))
    assert first["x-amz-security-token"] == "t1"
    assert first["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIA1/")
    assert signer.refresh() is False
    assert signer.refresh() is True
    assert signer.sign(HttpRequest(URL, b"{}"))["x-amz-security-token"] == "t2"


@pytest.mark.parametrize("given", [("access_key_id",), ("secret_access_key",), ("session_token",)])
def test_half_a_static_credential_is_an_error(given: tuple[str, ...]) -> None:
    """A key without its other half is a mistake in the file, not a reason to look elsewhere."""
    with pytest.raises(ConfigError, match="both access_key_id and secret_access_key"):
        make_signer(_grant(**{name: _secret(["x"]) for name in given}))


def test_without_botocore_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where botocore would have to look for credentials and is not installed, the install command is in the error."""
    monkeypatch.setitem(sys.modules, "botocore", None)
    with pytest.raises(ConfigError, match=r"pip install 'model-orchestrator\[bedrock\]'"):
        make_signer(_grant())
    assert make_signer(_grant(access_key_id=_secret(["AKIA"]), secret_access_key=_secret(["s"])))


class _Chain:
    """Stands for botocore's credentials that expire."""

    def __init__(self) -> None:
        self.fetched = 0
        self.left_s = 3600

    def refresh_needed(self, refresh_in: int | None = None) -> bool:
        return self.left_s < (900 if refresh_in is None else refresh_in)

    def get_frozen_credentials(self) -> Any:
        if self.refresh_needed():
            self.left_s = 3600
        self.fetched += 1
        return SimpleNamespace(access_key="AKIA", secret_key="s", token=f"t{self.fetched}")


def _tokens(signer: AwsSigner, *steps: Callable[[], object]) -> Iterator[str]:
    for step in (lambda: None, *steps):
        step()
        asyncio.run(signer.prepare())
        yield signer.sign(HttpRequest(URL, b"{}"))["x-amz-security-token"]


def test_expiring_credentials_are_renewed_ahead_of_their_end() -> None:
    """What botocore finds is asked for once, again when its end is near, and anew after a refusal."""
    chain = _Chain()
    opened: list[int] = []
    now = [NOW]
    source = ChainSource(lambda: opened.append(1) or chain, lambda: now[0])
    signer = AwsSigner(_grant(), source, "us-east-1")
    assert opened == []

    def near_its_end() -> None:
        chain.left_s = 100

    def refused_later() -> None:
        assert signer.refresh() is False, "just fetched: the refusal has another reason"
        now[0] += 61
        assert signer.refresh() is True
        assert signer.refresh() is False

    found = list(_tokens(signer, lambda: None, near_its_end, lambda: None, refused_later))
    assert found == ["t1", "t1", "t2", "t2", "t3"]
    assert len(opened) == 2


def test_calls_wait_for_no_one_while_their_credential_is_good() -> None:
    """While one call renews, the others go on with what they have."""
    chain = _Chain()
    signer = AwsSigner(_grant(), ChainSource(lambda: chain, lambda: NOW), "us-east-1")
    asyncio.run(signer.prepare())
    chain.left_s = 100
    with signer._lock:  # another call is at it
        asyncio.run(asyncio.wait_for(signer.prepare(), 5))
    assert chain.fetched == 1
    assert signer.sign(HttpRequest(URL, b"{}"))["x-amz-security-token"] == "t1"


@pytest.mark.parametrize("found", [None, SimpleNamespace(get_frozen_credentials=lambda: None)])
def test_no_credentials_is_a_failed_authentication(found: Any) -> None:
    """Where botocore finds nothing, the call fails as a credential that is missing."""
    signer = AwsSigner(_grant(), ChainSource(lambda: found, lambda: NOW), "us-east-1")
    with pytest.raises(AuthenticationFailed, match="no AWS credentials"):
        asyncio.run(signer.prepare())
    with pytest.raises(AuthenticationFailed):
        signer.sign(HttpRequest(URL, b"{}"))


def test_what_botocore_raises_never_shows() -> None:
    """A failure inside botocore is named by its class alone: its text may hold paths and commands."""

    def broken() -> Any:
        raise OSError("/home/someone/.aws secret")

    signer = AwsSigner(_grant(), ChainSource(broken, lambda: NOW), "us-east-1")
    with pytest.raises(AuthenticationFailed) as caught:
        asyncio.run(signer.prepare())
    assert "someone" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_real_chain_finds_a_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`profile` names a section of AWS's own files, read when the first call is made."""
    pytest.importorskip("botocore")
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    signer = make_signer(_grant(profile="work"))
    file.write_text("[work]\naws_access_key_id = AKIAWORK\naws_secret_access_key = s\n")
    asyncio.run(signer.prepare())  # type: ignore[attr-defined]
    assert "Credential=AKIAWORK/" in signer.sign(HttpRequest(URL, b"{}"))["authorization"]


def test_a_secret_shows_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    """Neither a repr nor a log line holds a key or a token."""
    caplog.set_level(logging.DEBUG)
    credential = Credential("AKIA1", "very-secret", "very-token")
    _sign(URL, b"{}", credential)
    shown = repr(credential) + caplog.text
    assert "very-secret" not in shown
    assert "very-token" not in shown


def test_the_address_follows_the_region() -> None:
    """The provider's region, or `aws_region` where that says something else, makes the address."""
    assert locate({"region": "us-east-1"}) == "https://bedrock-runtime.us-east-1.amazonaws.com"
    assert locate({"region": "eu", "aws_region": "eu-west-3"}) == "https://bedrock-runtime.eu-west-3.amazonaws.com"
    assert locate({"region": "us-gov-west-1"}) == "https://bedrock-runtime.us-gov-west-1.amazonaws.com"
    assert locate({"region": "cn-north-1"}) == "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"
    with pytest.raises(ConfigError, match="needs its region"):
        locate({})
    with pytest.raises(ConfigError, match="aws_region"):
        locate({"region": "eu"})
    with pytest.raises(ConfigError):
        locate({"region": "evil.test/x-1"})
