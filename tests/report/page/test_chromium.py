"""The page in a browser: what is drawn, on which screens, by which keys, without complaint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.report.page.chromium import Chromium, chromium, find

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find() is None, reason="no Chromium is installed here, so no page was opened in a browser"
    ),
]
CHARTS = "document.querySelectorAll('figure[data-chart]').length"
DRAWN = """[...document.querySelectorAll('figure[data-chart]')].filter((figure) =>
    figure.querySelectorAll('svg .role-mark path, svg .role-mark rect, svg .role-mark line').length
).length"""
NUMBER = "document.querySelector('#tables button.number')"
PHONE = 360


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(scope="module")
def file(text: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(text)
    return path


@pytest.fixture
def tab(browser: Chromium, file: Path) -> Chromium:
    """Return a browser with the page opened as on a desk, and nothing held against it."""
    browser.complaints.clear()
    browser.warnings.clear()
    browser.fetched.clear()
    browser.media()
    browser.width(1280)
    browser.open(file)
    return browser


def test_every_chart_is_drawn_and_nothing_is_complained_of(tab: Chromium) -> None:
    assert tab.value(CHARTS) > 3
    assert tab.value(DRAWN) == tab.value(CHARTS)
    assert tab.complaints == []


def test_no_technique_has_two_colours_in_one_chart(tab: Chromium) -> None:
    # Of panels that disagree Vega-Lite takes the colours of the first, and says so.
    assert [warning for warning in tab.warnings if "Conflicting" in warning] == []


def test_nothing_is_fetched_but_the_page(tab: Chromium, file: Path) -> None:
    assert set(tab.fetched) == {file.as_uri()}


def test_a_phone_shows_it_all_without_scrolling_the_page_sideways(
    tab: Chromium, file: Path
) -> None:
    tab.width(PHONE)
    tab.open(file)
    assert tab.value("document.documentElement.scrollWidth") <= PHONE
    tab.value("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert tab.value("document.documentElement.scrollWidth") <= PHONE
    wide = "[...document.querySelectorAll('.scroll')].filter((b) => b.scrollWidth > b.clientWidth)"
    assert tab.value(f"{wide}.length") > 0
    assert tab.value("getComputedStyle(document.body).fontSize") == "16px"
    assert tab.complaints == []


def test_a_query_opens_and_closes_by_keys(tab: Chromium) -> None:
    tab.value(f"{NUMBER}.focus()")
    tab.key("Enter")
    opened = "document.querySelector(':popover-open pre')?.textContent ?? ''"
    assert "SELECT" in tab.value(opened)
    box = "document.querySelector(':popover-open').getBoundingClientRect()"
    assert tab.value(f"{box}.height") > 50
    tab.key("Tab")
    assert tab.value("!!document.activeElement.closest(':popover-open')")
    tab.key("Escape")
    assert tab.value(opened) == ""
    assert tab.value(f"document.activeElement === {NUMBER}")


def test_charts_follow_the_colours_of_a_dark_page(tab: Chromium, file: Path) -> None:
    tab.media(prefers_color_scheme="dark")
    tab.open(file)
    assert tab.value(lightness("document.body", "backgroundColor")) < 60
    title = "document.querySelector('figure[data-chart] svg .role-axis-title text')"
    assert tab.value(lightness(title, "fill")) > 180
    assert tab.complaints == []


def lightness(element: str, name: str) -> str:
    """Return an expression for the mean of red, green and blue of a colour."""
    colour = f"getComputedStyle({element}).{name}.match(/\\d+/g).slice(0, 3).map(Number)"
    return f"{colour}.reduce((sum, part) => sum + part) / 3"


def test_what_is_closed_on_the_screen_is_open_on_paper(tab: Chromium, tmp_path: Path) -> None:
    closed = "document.querySelectorAll('main details:not([open])').length"
    before = tab.value(closed)
    tab.value("window.seen = []")
    tab.value(f"addEventListener('beforeprint', () => window.seen.push({closed}))")
    tab.pdf(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    assert before > 0
    assert tab.value("window.seen") == [0]
    assert tab.value(closed) == before


def test_without_scripts_all_but_the_charts_is_there(browser: Chromium, file: Path) -> None:
    browser.complaints.clear()
    browser.width(1280)
    browser.open(file, script=False)
    try:
        told = "document.querySelector('#figures noscript')?.textContent ?? ''"
        assert "JavaScript, which is off" in browser.value(told)
        assert browser.value("document.querySelectorAll('#tables td').length") > 5
        browser.value(f"{NUMBER}.focus()")
        browser.key("Enter")
        assert "SELECT" in browser.value("document.querySelector(':popover-open pre').textContent")
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


def test_hostile_names_do_nothing(browser: Chromium, hostile_text: str, tmp_path: Path) -> None:
    browser.complaints.clear()
    path = tmp_path / "report.html"
    path.write_text(hostile_text)
    browser.open(path)
    assert browser.value(DRAWN) == browser.value(CHARTS) > 0
    assert browser.value("'pwned' in window") is False
    assert browser.value("document.images.length") == 0
    assert browser.value("document.documentElement.textContent.includes('<img src=x')")
    assert browser.complaints == []
