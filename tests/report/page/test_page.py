"""The page as a document: what is on it, and that everything on it leads somewhere."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from mlbench.errors import NothingToDrawError
from mlbench.report.figures import FIGURES
from mlbench.report.material import Material
from mlbench.report.page import page
from mlbench.store.paths import StorePaths
from tests.fake_runs import FakeRun
from tests.gallery import Made, fill
from tests.report.page.conftest import HOSTILE
from tests.report.page.outline import Element, parsed


@pytest.fixture
def paths(tmp_path: Path) -> StorePaths:
    return StorePaths(tmp_path / "runs.duckdb")


def test_every_link_and_button_leads_to_one_place(root: Element) -> None:
    names = [each.attributes["id"] for each in root.all() if "id" in each.attributes]
    assert len(names) == len(set(names))
    links = [str(each.attributes["href"]) for each in root.all("a")]
    assert all(link.startswith("#") and link[1:] in names for link in links)
    buttons = [
        b.attributes["popovertarget"] for b in root.all("button") if "hidden" not in b.attributes
    ]
    assert buttons
    assert set(buttons) <= set(names)
    boxes = {each.attributes["id"] for each in root.all("div") if "popover" in each.attributes}
    assert boxes == set(buttons)


def test_contents_name_every_section_in_order(root: Element) -> None:
    listed = [each.text for each in root.one("nav").all("a")]
    assert listed == [each.text for each in root.one("main").all("h2")]
    assert listed == [
        "What was run",
        "On what it was run",
        "Tables",
        "Figures",
        "Paired comparisons",
        "Running times",
        "Statistics",
        "Provenance",
    ]


def test_tables_have_captions_and_every_head_a_scope(root: Element) -> None:
    tables = list(root.all("table"))
    assert len(tables) > 10
    for table in tables:
        assert table.one("caption").text
        heads = list(table.all("th"))
        assert all(each.attributes.get("scope") for each in heads)
        for row in table.one("tbody").all("tr"):
            assert len(list(row.all("th"))) == 1


def test_headings_skip_no_level(root: Element) -> None:
    levels = [int(each.name[1]) for each in root.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_runs_are_counted_by_technique_data_budget_and_status(
    store: StorePaths, root: Element
) -> None:
    runs = Material(store).runs
    table = next(root.one("section", id="runs").all("table"))
    heads = [each.text for each in table.one("thead").all("th")]
    counted = dict.fromkeys(heads[6:], 0)
    for row in table.one("tbody").all("tr"):
        cells = [each.text for each in row.all("th", "td")]
        for status, cell in zip(heads[6:], cells[6:], strict=True):
            counted[status] += 0 if cell == "–" else int(cell)
    assert counted == {s: len(runs.filter(status=s)) for s in runs["status"].unique()}


def test_runs_that_did_not_finish_are_listed_with_their_reasons(root: Element) -> None:
    section = root.one("section", id="runs").text
    assert "Failed: 1" in section
    assert "the loss of task 37 has no gradient; lower inner_lr" in section
    assert "50 meta-steps in a row were not finite, the last at task 212" in section
    assert "Interrupted: 2" in section


@pytest.mark.usefixtures("no_figures")
def test_incomplete_data_are_said_first_and_beside_the_data(paths: StorePaths) -> None:
    run = FakeRun()
    run.write(paths, run.whole(incomplete={"mini": "60 of 600 images a class"}))
    root = parsed(page(Material(paths)))
    first = next(root.one("main").all())
    assert first.attributes["role"] == "note"
    assert "Incomplete data in 1 run: mini: 60 of 600 images a class" in first.text
    assert "no: 60 of 600 images a class" in root.one("section", id="origin").text


@pytest.mark.usefixtures("no_figures")
def test_what_was_recorded_last_may_be_lacking_and_is_told(paths: StorePaths) -> None:
    fill(paths, [Made(algorithm="maml")])
    root = parsed(page(Material(paths), troubles=("the database is held by duckdb (PID 7)",)))
    alarm = root.one("div", role="note")
    assert "may lack what was recorded last: the database is held by duckdb (PID 7)" in alarm.text


def test_the_origin_of_the_numbers_is_told(root: Element) -> None:
    section = root.one("section", id="origin").text
    for thing in ("nimbus", "Epyc", "2.15.0", "3.11.7", "0" * 40):
        assert thing in section


def test_every_run_has_its_row_with_command_settings_and_files(
    store: StorePaths, root: Element
) -> None:
    section = root.one("section", id="provenance")
    rows = list(section.one("tbody").all("tr"))
    runs = Material(store).runs.sort("started", "run_id")
    assert [row.one("th").text for row in rows] == runs["run_id"].to_list()
    row = next(row for row in rows if row.one("th").text.startswith("maml-mini"))
    assert "mlbench run maml --train mini" in row.text
    settings, files = [
        root.one("div", id=str(button.attributes["popovertarget"])).text
        for button in row.all("button")
    ]
    assert "train_steps 5" in settings
    assert f"algorithms/maml.py {'a' * 64}" in files


def test_figures_are_drawn_or_named_with_the_reason(root: Element) -> None:
    section = root.one("section", id="figures")
    drawn = [each.one("figcaption").one("strong").text for each in section.all("figure")]
    named = [each.text for each in section.all("dt")]
    assert sorted(drawn + named) == sorted(FIGURES)
    assert "learning-curves" in drawn
    for figure in section.all("figure"):
        spec = json.loads(figure.one("script", type="application/json").text)
        assert "vega-lite" in spec["$schema"]


@pytest.mark.slow
def test_a_figure_that_cannot_be_drawn_says_why(paths: StorePaths) -> None:
    fill(paths, [Made(algorithm="maml")])
    section = parsed(page(Material(paths))).one("section", id="figures")
    named = [each.text for each in section.all("dt")]
    assert "figure-3.3" in named
    assert "mlbench run" in section.one("dl").text


def test_vega_is_there_once_and_only_where_there_are_charts(
    text: str, root: Element, paths: StorePaths
) -> None:
    assert len([each for each in root.all("script") if "type" not in each.attributes]) == 2
    assert text.count("window.vegaEmbed=") == 1
    fill(paths, [Made(algorithm="maml", status="failed", error="no loss", until=0.0)])
    scripts = list(parsed(page(Material(paths))).all("script"))
    assert len(scripts) == 1
    assert len(scripts[0].text) < 5_000


@pytest.mark.slow
def test_the_same_runs_give_the_same_page(paths: StorePaths) -> None:
    fill(paths, [Made(algorithm=name, eval_datasets=()) for name in ("maml", "turtle")])
    assert page(Material(paths)) == page(Material(paths))


@pytest.mark.usefixtures("no_figures")
def test_a_condition_narrows_the_page_and_is_told(store: StorePaths) -> None:
    root = parsed(page(Material(store, where="algorithm = 'maml' AND train_dataset = 'cub'")))
    assert "2 runs of 1 technique" in root.one("section", id="runs").text
    assert "algorithm = 'maml' AND train_dataset = 'cub'" in root.one("section", id="runs").text
    assert len(list(root.one("section", id="provenance").one("tbody").all("tr"))) == 2
    assert "nothing to compare" in root.one("section", id="comparisons").text


@pytest.mark.usefixtures("no_figures")
def test_a_page_of_runs_that_came_to_nothing_tells_of_them(paths: StorePaths) -> None:
    fill(paths, [Made(algorithm="maml", status="failed", error="no loss", until=0.3)])
    root = parsed(page(Material(paths)))
    assert "no loss" in root.one("section", id="runs").text
    assert "nothing to tabulate" in root.one("section", id="tables").text
    assert "no time to tell" in root.one("section", id="times").text
    assert not list(root.all("figure"))


@pytest.mark.usefixtures("no_figures")
def test_running_times_say_how_many_runs_were_stacked_where_some_were(
    paths: StorePaths, root: Element
) -> None:
    one = Made(algorithm="maml", eval_datasets=(), validation_tasks=2, test_tasks=2)
    fill(paths, [one, *(replace(one, seed=seed, stacked=2, seconds=1.0) for seed in (1, 2))])
    times = parsed(page(Material(paths))).one("section", id="times")
    rows = [[cell.text for cell in row.all("th", "td")] for row in times.all("tr")]
    place = rows[0].index("stacked")
    assert [row[place] for row in rows[1:]] == ["1", "2"]
    assert "stacked" not in root.one("section", id="times").text


def test_a_store_without_runs_says_what_to_type(paths: StorePaths, store: StorePaths) -> None:
    with pytest.raises(NothingToDrawError, match=r"has no run yet; make one: mlbench run .* --db"):
        page(Material(paths))
    with pytest.raises(NothingToDrawError, match=r"no run in .* 'seed > 999' holds; widen --where"):
        page(Material(store, where="seed > 999"))


def test_hostile_names_are_text_and_nothing_else(hostile_text: str) -> None:
    root = parsed(hostile_text)
    assert not list(root.all("img"))
    scripts = list(root.all("script"))
    figures = len(list(root.all("figure")))
    assert len(scripts) == 2 + figures
    assert root.one("title").text == f"A {HOSTILE} study"
    for anchor in ("runs", "tables", "times", "provenance"):
        assert HOSTILE in root.one("section", id=anchor).text
