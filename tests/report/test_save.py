"""Charts as files."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import altair as alt
import pytest

from mlbench.errors import MisuseError, MlbenchError
from mlbench.report.save import save

CHART = (
    alt.vconcat(
        alt.Chart(alt.InlineData(values=[{"x": 1, "y": 2, "name": "</script><b>"}]))
        .mark_point()
        .encode(x="x:Q", y="y:Q", tooltip="name:N")
        .properties(title="A <b>older title")
    )
)  # fmt: skip


class References(HTMLParser):
    """Collects what a page would fetch, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched.extend(value or "" for name, value in attrs if name in {"src", "href"})


def test_html_is_whole_in_itself(tmp_path: Path) -> None:
    save(CHART, tmp_path / "chart.html")
    text = (tmp_path / "chart.html").read_text()
    page = References()
    page.feed(text)
    assert page.fetched == []
    assert page.tags.count("script") == 2
    assert "b" not in page.tags
    assert "<title>A &lt;b&gt;older title</title>" in text
    assert not re.search(r"""import\s*\(?["']https?:""", text)


def test_each_suffix_is_what_it_says(tmp_path: Path) -> None:
    for name in ("chart.png", "chart.pdf", "chart.svg", "chart.JSON"):
        save(CHART, tmp_path / name)
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG\r\n")
    assert (tmp_path / "chart.pdf").read_bytes().startswith(b"%PDF-")
    root = ET.fromstring((tmp_path / "chart.svg").read_text())  # noqa: S314
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    spec = json.loads((tmp_path / "chart.JSON").read_text())
    assert spec["vconcat"][0]["mark"] == {"type": "point"}
    assert "vega-lite/v6" in spec["$schema"]


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "chart.json"
    target.write_text("old")
    with target.open() as reader:
        save(CHART, target)
        assert reader.read() == "old"
    assert json.loads(target.read_text())["vconcat"]
    assert list(tmp_path.iterdir()) == [target]


def test_an_unknown_suffix_is_refused_with_the_known(tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match=r"'\.gif' .*\.html, \.svg, \.png, \.pdf, \.json"):
        save(CHART, tmp_path / "chart.gif")
    with pytest.raises(MisuseError, match="no suffix in chart"):
        save(CHART, tmp_path / "chart")


def test_a_place_that_cannot_be_written_is_named_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(MlbenchError, match=r"nowhere/chart\.json cannot be written: No such"):
        save(CHART, tmp_path / "nowhere" / "chart.json")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(MlbenchError, match="cannot be written: Is a directory"):
        save(CHART, tmp_path / "folder.json")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.json"]
