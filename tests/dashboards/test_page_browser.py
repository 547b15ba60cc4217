"""The report in a real browser: what a reader sees, in any theme and at any size, with keys or a pointer."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import demo_log
import pytest
from browser import browsing, path_or_skip

from orchestrator.dashboards import roll_up
from orchestrator.dashboards.page import page_data, render

HOSTILE = "<img src=x onerror=alert(1)>"
FIGURE = "document.querySelector('[data-figure={}]').dataset.exact"

CONTRAST = """(() => {
  const parse = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => parse(color).slice(0, 3).map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if ((parse(color)[3] ?? 1) === 1) return color;
    }
  };
  const ratio = (one, other) => { const [low, high] = [light(one), light(other)].sort((a, b) => a - b); return (high + .05) / (low + .05); };
  const found = [];
  for (const element of document.querySelectorAll('body *')) {
    if (!element.checkVisibility() || ['SCRIPT', 'OPTION', 'OPTGROUP', 'METER'].includes(element.tagName)) continue;
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    const style = getComputedStyle(element);
    const color = element instanceof SVGElement ? style.fill : style.color;
    if (own && ratio(color, behind(element)) < 4.5) found.push([element.outerHTML.slice(0, 80), ratio(color, behind(element))]);
    if (element.matches('.swatch, rect.bar') && !element.closest('[aria-pressed=false]')) {
      const paint = element.matches('rect') ? style.fill : style.backgroundColor;
      if (ratio(paint, behind(element.parentElement)) < 3) found.push([element.outerHTML.slice(0, 80), ratio(paint, behind(element.parentElement))]);
    }
  }
  return found;
})()"""  # noqa: E501


def calls_of_the_month():
    """The demo's lines, and one by a tenant, a route, a model and a tag that would be markup."""
    calls = demo_log.lines(per_day=50)
    calls[3] |= dict.fromkeys(("tenant", "route", "request_model", "deployment", "error_type"), HOSTILE)
    calls[3] |= {"attempts": None, "tags": {HOSTILE: HOSTILE, "feature": HOSTILE}, "cost_usd": Decimal("1.5")}
    return calls


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The rollup, and the file of its page."""
    path_or_skip()
    folder = tmp_path_factory.mktemp("report")
    (folder / "calls.jsonl").write_bytes(demo_log.json_lines(calls_of_the_month()))
    rollup = roll_up([str(folder / "calls.jsonl")], engine="python")
    generated = datetime(2026, 11, 23, 12, tzinfo=UTC)
    (folder / "report.html").write_text(render(page_data(rollup, generated=generated)))
    return rollup, folder / "report.html"


def on_page(path, visit, **look):
    """Run `visit(page)` on the open report; nothing may be complained about, nothing asked for but the file."""

    async def run():
        async with browsing() as page:
            await page.open(path, **look)
            await visit(page)
            assert page.errors == []
            assert set(page.requests) == {path.as_uri()}

    asyncio.run(run())


def cost(**wanted):
    """Dollars of the calls, added up here."""
    calls = [call for call in calls_of_the_month() if all(call[name] == value for name, value in wanted.items())]
    return sum((each["cost_usd"] or Decimal(0) for call in calls for each in call["attempts"] or [call]), Decimal(0))


def test_totals_are_the_logs_and_filters_change_them_to_the_digit(report):
    """The page's dollars are the sum of the lines, whole and filtered by tenant, route, both, and by period."""

    async def visit(page):
        async def shown():
            return Decimal(await page.evaluate(FIGURE.format("cost")))

        assert await shown() == cost() == report[0].totals.sums.cost_usd
        assert await page.evaluate(FIGURE.format("saved")) == report[0].totals.saved_usd
        await page.choose("tenant", "acme")
        assert await shown() == cost(tenant="acme")
        await page.choose("route", "extract")
        assert await shown() == cost(tenant="acme", route="extract")
        table = await page.evaluate(
            "[...document.querySelectorAll('#cost-table tbody tr')].map((row) => row.children[1].dataset.exact)"
        )
        assert sum(Decimal(one) for one in table if one) == cost(tenant="acme", route="extract")
        await page.evaluate("document.getElementById('reset').click()")
        assert await shown() == cost()
        await page.choose("to", "Oct 25")
        first = [call for call in calls_of_the_month() if call["ts"].startswith("2026-10-25")]
        assert await page.evaluate(FIGURE.format("calls")) == str(len(first))

    on_page(report[1], visit)


def test_names_of_the_log_are_shown_as_text(report):
    """A model called like markup is a cell's text, and no element of the page comes from it."""

    async def visit(page):
        names = "[...document.querySelectorAll('#cost-table tbody th')].map((cell) => cell.textContent)"
        for dimension in ("model", "deployment", "route", "tenant", "tag feature"):
            await page.choose("by", dimension)
            assert HOSTILE in await page.evaluate(names)
        assert await page.evaluate("document.querySelectorAll('img').length") == 0

    on_page(report[1], visit)


@pytest.mark.parametrize(("width", "dark"), [(390, False), (390, True), (1280, False), (1280, True)])
def test_it_fits_and_is_legible(report, width, dark):
    """No sideways scroll, text at 4.5 to 1 and marks at 3 to 1 at least, on a phone and a desk, light and dark."""

    async def visit(page):
        assert await page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        assert await page.evaluate(CONTRAST) == []

    on_page(report[1], visit, width=width, dark=dark)


def test_keys_reach_every_filter_and_a_legend(report):
    """Tab walks through the theme, the seven filters and on to the legend, whose button hides its series."""

    async def visit(page):
        seen = []
        for _ in range(24):
            await page.press("Tab", 9)
            seen.append(await page.evaluate("document.activeElement.id || document.activeElement.dataset.series || ''"))
        for name in ("theme", "from", "to", "route", "model", "tenant", "tag", "status", "reset", "by"):
            assert name in seen
        before = await page.evaluate("document.querySelectorAll('#cost rect.c1').length")
        await page.evaluate("document.querySelector('#cost .legend button').focus()")
        await page.press("Enter", 13)
        await page.until("document.querySelector('#cost .legend button').getAttribute('aria-pressed') === 'false'")
        assert await page.evaluate("document.activeElement === document.querySelector('#cost .legend button')")
        assert before > 0 == await page.evaluate("document.querySelectorAll('#cost rect.c1').length")

    on_page(report[1], visit)


def test_every_chart_has_a_name_a_sentence_and_a_table(report):
    """A screen reader gets each chart's title and summary, and its numbers as a table."""

    async def visit(page):
        charts = await page.evaluate(
            "[...document.querySelectorAll('main svg[role=img]')].map((svg) => svg.getAttribute('aria-labelledby')"
            ".split(' ').map((id) => document.getElementById(id).textContent.trim().length > 8).concat("
            "svg.nextElementSibling.tagName === 'DETAILS'))"
        )
        assert len(charts) == 6
        assert all(all(chart) for chart in charts)
        await page.evaluate("document.querySelector('#cost details').open = true")
        await page.until("document.querySelectorAll('#cost details tbody tr').length === 30")

    on_page(report[1], visit)


def test_headings_sort_and_budgets_show_what_is_used(report):
    """A press on a heading sorts by it; a budget's spend is that of the lines of its window."""

    async def visit(page):
        calls = "[...document.querySelectorAll('#cost-table tbody td:nth-child(4)')].map((cell) => cell.textContent)"
        await page.evaluate("document.querySelectorAll('#cost-table thead button')[3].click()")
        numbers = [int(text.replace(",", "")) for text in await page.evaluate(calls)]
        assert numbers == sorted(numbers, reverse=True)
        order = await page.evaluate("document.querySelectorAll('#cost-table th')[3].getAttribute('aria-sort')")
        assert order == "descending"
        spent = await page.evaluate(
            "[...document.querySelectorAll('#budgets tbody tr')].find((row) => row.textContent.startsWith('Company'))"
            ".children[3].dataset.exact"
        )
        november = [call for call in calls_of_the_month() if call["ts"].startswith("2026-11")]
        paid = [each["cost_usd"] or Decimal(0) for call in november for each in call["attempts"] or [call]]
        assert Decimal(spent) == sum(paid)

    on_page(report[1], visit)


def test_a_screen_reader_meets_names_for_everything(report):
    """In the browser's accessibility tree each chart is an image with its title, and no control, table or region lacks
    a name; the tables of the charts, once opened, have a row for each day.
    """
    wanted = {"image", "table", "button", "combobox", "region", "meter", "list", "link", "DisclosureTriangle"}

    async def visit(page):
        await page.evaluate("for (const one of document.querySelectorAll('main details')) one.open = true")
        await page.until("[...document.querySelectorAll('main details')].every((one) => one.querySelector('table'))")
        await page.send("Accessibility.enable")
        nodes = (await page.send("Accessibility.getFullAXTree"))["nodes"]
        told = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]]
        unnamed = [role for role, name in told if role in wanted - {"list"} and not name.strip()]
        assert unnamed == []
        charts = [name for role, name in told if role == "image"]
        assert len(charts) == 6
        tables = {name for role, name in told if role == "table"}
        assert all(any(name.startswith(table) for table in tables) for name in charts)
        assert next(name for role, name in told if role == "heading") == "What the calls cost"

    on_page(report[1], visit)


def test_on_paper(report):
    """Printed on A4 it is light whatever the theme, without filters and buttons, and nothing is cut off at the side."""

    async def visit(page):
        await page.send("Emulation.setEmulatedMedia", media="print")
        await page.size(718)
        await page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        seen = "[...document.querySelectorAll({})].filter((one) => one.checkVisibility()).length"
        assert await page.evaluate(seen.format("'.filters, #theme, .skip, summary'")) == 0
        assert await page.evaluate(seen.format("'main svg[role=img]'")) == 6
        background = "getComputedStyle(document.querySelector('.card')).backgroundColor"
        assert await page.evaluate(background) == "rgb(255, 255, 255)"
        wide = (
            "[...document.querySelectorAll('main table, main svg')].filter((one) => one.getBoundingClientRect().right"
        )
        assert await page.evaluate(f"{wide} > document.documentElement.clientWidth + 1).length") == 0
        sheets = await page.send("Page.printToPDF", paperWidth=8.27, paperHeight=11.69, printBackground=True)
        assert sheets["data"].startswith("JVBERi0")

    on_page(report[1], visit, dark=True)
