"""Which row prices a model: by kind, for the ids that vendors take."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from orchestrator.config import load_mapping
from orchestrator.pricing import bundled
from orchestrator.registry import find
from orchestrator.tariffs import tariff
from orchestrator.types.usage import Usage

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
USAGE = Usage(input_tokens=1, output_tokens=1)

TABLE: dict[str, dict[str, str | None]] = yaml.safe_load(
    Path(__file__).with_name("rows_table.yaml").read_text(encoding="utf-8")
)
ROWS = [(kind, model, row) for kind, models in TABLE.items() for model, row in models.items()]


@pytest.mark.parametrize(("kind", "model", "row"), ROWS, ids=[f"{kind}: {model}" for kind, model, _ in ROWS])
def test_a_model_is_priced_by_its_row(kind: str, model: str, row: str | None) -> None:
    """The kind's vendor and the id that is sent lead to that row, and to no namesake's."""
    vendor = find(kind).profile.prices
    assert vendor is not None
    found = bundled().find(vendor, model)
    assert (found and found.name) == row


def test_every_kind_with_prices_is_in_the_table() -> None:
    """A vendor that is added to the library gets its rows here, if the book has any of it."""
    from orchestrator_providers.vendors import WIRES

    priced = {name.partition("/")[0] for name in bundled()}
    kinds = {kind for kind, wire in WIRES.items() if wire.profile.prices in priced}
    assert kinds - TABLE.keys() == set()


def test_a_deployment_of_any_name_is_priced_as_its_base_model() -> None:
    """Azure's deployments have names of one's own: `priced_as` says which model they are, its zone included."""
    for priced_as, row, served in (
        ("azure/gpt-5.1", "openai/gpt-5.1", "openai/gpt-4o"),
        ("azure/eu/gpt-5.1", "azure/eu/gpt-5.1", "azure/eu/gpt-4o-2024-11-20"),
        ("openai/gpt-4o", "openai/gpt-4o", "openai/gpt-4o"),
    ):
        data = {
            "version": 1,
            "providers": {"p": {"kind": "azure", "resource": "r"}},
            "deployments": {"d": {"provider": "p", "model": "team-7-prod", "priced_as": priced_as}},
            "routes": {"r": {"task": "chat", "pick": "d"}},
        }
        config = load_mapping(data, environ={})
        price_of = tariff(config.providers["p"], config.deployments["d"], find("azure"))
        assert price_of(USAGE, None, NOW).price_row == row
        assert price_of(USAGE, "gpt-4o-2024-11-20", NOW).price_row == served
