"""The rows of vendors that speak OpenAI's wire."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from orchestrator.registry import find, kinds
from orchestrator.spec.provider import Wire
from orchestrator_providers.openai import WIRE
from orchestrator_providers.vendors import WIRES

ROWS = [WIRE, *WIRES.values()]
LOCAL = {"infinity", "vllm", "lmstudio", "llamacpp", "mistralrs"}


@pytest.mark.parametrize("kind", sorted(WIRES))
def test_every_row_is_found_by_its_kind(kind: str) -> None:
    """The name in the file is the name of the row."""
    assert find(kind) is WIRES[kind]
    assert WIRES[kind].profile.kind == kind
    assert kind in kinds()


@pytest.mark.parametrize("wire", ROWS, ids=lambda wire: wire.profile.kind)
def test_a_row_with_an_address_has_its_prices_only_there(wire: Wire) -> None:
    """Prices hold at the vendor's own hosts, and the default address is one of them."""
    profile = wire.profile
    host = urlsplit(profile.base_url or "").hostname or ""
    if profile.kind in LOCAL:
        assert (host, profile.prices, profile.hosts, profile.key_required) == ("127.0.0.1", None, (), False)
    elif profile.base_url is not None:
        assert profile.base_url.startswith("https://")
        assert any(host.endswith(known) if known.startswith(".") else host == known for known in profile.hosts)
        assert profile.prices
        assert profile.api_key_env


@pytest.mark.parametrize("kind", ["openai_compatible", "cloudflare", "databricks", "snowflake"])
def test_kinds_whose_address_is_the_accounts_have_none(kind: str) -> None:
    """Where the address holds the account or server, the file must give it."""
    assert WIRES[kind].profile.base_url is None


def test_a_kind_without_a_rerank_endpoint_does_not_list_the_task() -> None:
    """Only vendors with the endpoint can be asked to rerank."""
    assert {wire.profile.kind for wire in ROWS if "rerank" in wire.profile.tasks} == {
        "openai_compatible",
        "infinity",
        "together",
        "vllm",
        "llamacpp",
        "voyage",
        "jina",
    }
