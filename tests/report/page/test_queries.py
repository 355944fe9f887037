"""Behind every number is a query that runs, and that gives that number."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator
from typing import Any

import polars as pl
import pytest

from mlbench.report.figures import Figure, Options
from mlbench.report.material import Material
from mlbench.report.page import page
from mlbench.report.page.sections import figures
from mlbench.report.page.sql import Expression, filled, literal, matching
from mlbench.store.connection import read
from mlbench.store.paths import StorePaths
from mlbench.store.user_sql import check_reads_only, choose_runs, sql
from tests.report.page.outline import Element, parsed


def behind(root: Element, button: Element) -> str:
    """Return the query that a button opens."""
    return query_in(root.one("div", id=str(button.attributes["popovertarget"])))


def query_in(box: Element) -> str:
    """Return the query in a box, with its line breaks."""
    (query,) = box.one("pre").one("code").children
    assert isinstance(query, str)
    return query


def answers(store: StorePaths, texts: Iterable[str]) -> Iterator[pl.DataFrame]:
    """Yield what queries give, as ``mlbench sql`` does, but with the database opened once."""
    with read(store) as connection:
        for text in texts:
            check_reads_only(connection, text)
            yield connection.execute(text).pl()


def texts_of(root: Element) -> list[str]:
    """Return every query of a page."""
    boxes = [box for box in root.all("div") if "popover" in box.attributes]
    return [query_in(box) for box in boxes if box.one("h3").text == "SQL"]


def query_buttons(root: Element, anchor: str) -> list[Element]:
    section = root.one("section", id=anchor)
    return [
        button for button in section.all("button") if button.attributes.get("class") == "number"
    ]


def number(text: str) -> float:
    """Return a number as it is printed."""
    return float(text.rstrip("*").replace("−", "-").replace("+", ""))


class AllFrames(Figure):
    """A figure that is drawn of nothing, quickly."""

    def draw(self, material: Material, options: Options | None = None) -> Any:
        return self

    def to_dict(self) -> dict[str, Any]:
        return {}


def test_every_query_on_the_page_runs(store: StorePaths, root: Element) -> None:
    texts = texts_of(root)
    assert len(texts) > 50
    for frame in answers(store, texts):
        assert len(frame) > 0


@pytest.mark.parametrize("comment", ["", " -- those that matter"])
def test_queries_of_a_narrowed_page_stay_within_it(
    store: StorePaths, monkeypatch: pytest.MonkeyPatch, comment: str
) -> None:
    monkeypatch.setattr(figures, "FIGURES", {"new": AllFrames("new", "a figure", "none")})
    where = f"train_dataset = 'mini' AND seed = 0 AND algorithm <> 'lstm'{comment}"
    root = parsed(page(Material(store, where=where)))
    chosen = set(choose_runs(store, where))
    for frame in answers(store, texts_of(root)):
        assert len(frame) > 0
        if "run_id" in frame.columns:
            assert set(frame["run_id"]) <= chosen
    assert len(texts_of(root)) > 20


def test_the_median_of_a_cells_query_is_the_cell(store: StorePaths, root: Element) -> None:
    tables = [
        table
        for table in root.one("section", id="tables").all("table")
        if "median over runs" in table.one("caption").text
    ]
    assert tables
    for table in tables:
        buttons = [b for b in table.all("button") if b.attributes.get("class") == "number"]
        assert buttons
        frames = answers(store, (behind(root, button) for button in buttons))
        for button, frame in zip(buttons, frames, strict=True):
            median = statistics.median(frame["score"])
            assert number(button.text) == pytest.approx(median, abs=5.1e-4, rel=5.1e-4)


def test_the_mean_of_a_pairs_query_is_the_difference(store: StorePaths, root: Element) -> None:
    buttons = query_buttons(root, "comparisons")
    assert len(buttons) > 5
    frames = answers(store, (behind(root, button) for button in buttons))
    for button, frame in zip(buttons, frames, strict=True):
        mean = statistics.fmean(frame["difference"])
        assert number(button.text) == pytest.approx(mean, abs=5.1e-4, rel=5.1e-4)


@pytest.mark.slow
def test_the_median_of_a_times_query_is_the_time(store: StorePaths, root: Element) -> None:
    units = {"s": 1.0, "min": 60.0, "h": 3600.0}
    checked = 0
    buttons = query_buttons(root, "times")
    frames = answers(store, (behind(root, button) for button in buttons))
    for button, frame in zip(buttons, frames, strict=True):
        value, _, unit = button.text.partition(" ")
        if unit in units:
            seconds = statistics.median(frame["seconds"])
            assert float(value) * units[unit] == pytest.approx(seconds, rel=5.1e-3)
            checked += 1
    assert checked > 5


def test_a_count_is_the_number_of_runs_that_its_query_lists(
    store: StorePaths, root: Element
) -> None:
    buttons = query_buttons(root, "runs")
    frames = answers(store, (behind(root, button) for button in buttons))
    for button, listed in zip(buttons, frames, strict=True):
        assert int(button.text.split()[0]) == len(listed)


def test_literals_are_what_they_were(store: StorePaths) -> None:
    for value in ("it's", 'a "b"', "back\\slash", "x'); DROP TABLE episodes; --", "θ", 7, None):
        frame = sql(store, f"SELECT {literal(value)} AS value")
        assert frame["value"].to_list() == [value]
    frame = sql(store, f"SELECT unnest({literal(['a', 'b'])}) AS value")
    assert frame["value"].to_list() == ["a", "b"]
    assert sql(store, f"SELECT unnest({literal([])}) AS value").is_empty()


def test_parameters_are_filled_in_once() -> None:
    assert filled("a = $a AND b IN $runs", a="$runs", runs=["x"]) == "a = '$runs' AND b IN ['x']"
    assert filled("$a", a=Expression("(SELECT 1)")) == "(SELECT 1)"
    assert matching(ways=None, shots=1, budget="q") == "ways IS NULL AND shots = 1 AND budget = 'q'"
