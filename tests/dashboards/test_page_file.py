"""The report as a file: exact, small, shut off from the network, and proof against what a log says."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from datetime import UTC, datetime
from decimal import Decimal

import demo_log
import pytest

from orchestrator.dashboards import roll_up
from orchestrator.dashboards.page import page_data, render

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def written(tmp_path, calls):
    path = tmp_path / "calls.jsonl"
    path.write_bytes(demo_log.json_lines(calls))
    return roll_up([str(path)], engine="python")


def data_of(html):
    """What the page would read."""
    kind, text = re.search(r'<script type="([^"]+)" id="data">(.*?)</script>', html, re.DOTALL).groups()
    return json.loads(gzip.decompress(base64.b64decode(text)) if kind == "application/gzip" else text)


def test_dollars_in_the_page_are_the_lines_own_to_the_last_digit(tmp_path):
    """The whole numbers in the page, in its unit, are the sum of the lines' decimals."""
    calls = demo_log.lines(days=5, per_day=40)
    calls[0] |= {"cost_usd": Decimal("123456789.123456789012345678"), "attempts": None}
    data = data_of(render(page_data(written(tmp_path, calls), generated=NOW)))
    paid = [each.get("cost_usd") for call in calls for each in call["attempts"] or [call]]
    assert Decimal(sum(map(int, data["measures"]["cost_usd"]))).scaleb(-data["scale"]) == sum(filter(None, paid))


def test_a_page_of_fifty_tenants_stays_below_two_megabytes(tmp_path):
    """30 days by 7 models, 50 tenants and 4 features make a page of less than 2 MB, its own code less than 150 kB."""
    calls = demo_log.lines(per_day=700, tenants=[f"tenant-{number}" for number in range(50)])
    html = render(page_data(written(tmp_path, calls), generated=NOW))
    payload = re.search(r'id="data">(.*?)</script>', html, re.DOTALL)[1]
    assert len(html) < 2_000_000
    assert len(html) - len(payload) < 150_000


def test_the_policy_allows_the_pages_own_script_and_style_and_nothing_else(tmp_path):
    """The digests in the policy are those of the script and the style; no address of another place is in the page."""
    html = render(page_data(written(tmp_path, demo_log.lines(days=2, per_day=20)), generated=NOW))
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)[1]
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)[1]
    script = re.search(r"<script>(.*?)</script>", html, re.DOTALL)[1]
    digests = [base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in (script, style)]
    assert policy == (
        f"default-src 'none'; script-src 'sha256-{digests[0]}'; style-src 'sha256-{digests[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )
    assert set(re.findall(r"https?://[^'\" )]+", html)) == {"http://www.w3.org/2000/svg"}


def test_a_name_cannot_end_the_element_that_holds_the_data(tmp_path):
    """A tenant called like a closing tag is data all the same."""
    calls = demo_log.lines(days=2, per_day=10)
    calls[0]["tenant"] = "</script><script>alert(1)</script>"
    html = render(page_data(written(tmp_path, calls), generated=NOW), title="<b>&</b>")
    assert html.count("</script>") == 2
    assert calls[0]["tenant"] in data_of(html)["keys"]["tenant"]["values"]
    assert "<h1>&lt;b&gt;&amp;&lt;/b&gt;</h1>" in html


@pytest.mark.parametrize("usd", ["5", "0.005", "1E+3", "0.000000000000000000000001"])
def test_budgets_are_in_the_pages_unit(tmp_path, usd):
    """A budget of any number of digits is a whole number of the unit."""
    calls = demo_log.lines(days=1, per_day=10)
    for call in calls:
        for one in [call, *(call["attempts"] or [])]:
            one["budgets"][0]["limit_usd"] = Decimal(usd)
    data = page_data(written(tmp_path, calls), generated=NOW)
    company = next(one for one in data["budgets"] if one["budget"] == "Company")
    assert Decimal(int(company["limit_usd"])).scaleb(-data["scale"]) == Decimal(usd)


def test_a_log_without_calls_makes_a_page(tmp_path):
    """No line of a call is no error of the page."""
    assert data_of(render(page_data(written(tmp_path, []), generated=NOW)))["rows"] == 0
