"""Figures on a page: drawn whole, drawn in parts, or named with the reason."""

from __future__ import annotations

from typing import Any

import pytest

from mlbench.errors import MisuseError, NothingToDrawError
from mlbench.report.figures import FIGURES, Figure, Options
from mlbench.report.material import Material
from mlbench.report.page.paint import painted
from mlbench.report.page.popups import Popups
from mlbench.report.page.sections import figures
from mlbench.report.page.sql import frames
from mlbench.report.page.study import Study
from mlbench.store.paths import StorePaths
from tests.report.page.outline import Element, parsed


class Chart:
    """Stands for what Altair makes."""

    def to_dict(self) -> dict[str, Any]:
        return {"mark": "point"}


class OneKind(Figure):
    """A figure that can show classification, and no other problem beside it."""

    def draw(self, material: Material, options: Options | None = None) -> Any:
        kinds = material.runs["kind"].unique().to_list()
        if len(kinds) > 1:
            raise MisuseError("too many lines")
        if kinds == ["regression"]:
            raise NothingToDrawError("no such runs")
        return Chart()


@pytest.fixture
def study(store: StorePaths) -> Study:
    return Study(Material(store, where="seed < 2"), Popups(store))


def drawn(study: Study) -> Element:
    return parsed(figures.section(study).body)


def test_a_figure_that_is_too_much_is_drawn_for_each_kind_of_problem(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "FIGURES", {"lines": OneKind("lines", "all lines", "none")})
    root = drawn(study)
    caption = root.one("figure").one("figcaption").text
    assert caption.startswith("lines of classification : all lines.")
    assert "--where '(seed < 2) AND kind =" in caption
    assert root.one("dt").text == "lines of regression"
    assert root.one("dd").text == "all lines: no such runs"


def test_a_figure_of_one_kind_that_is_too_much_says_so(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Never(Figure):
        def draw(self, material: Material, options: Options | None = None) -> Any:
            raise MisuseError("too many lines; choose with --where")

    monkeypatch.setattr(figures, "FIGURES", {"lines": Never("lines", "all lines", "none")})
    root = drawn(Study(Material(study.material.paths, where="shots = 1"), study.popups))
    assert root.one("dt").text == "lines"
    assert root.one("dd").text == "all lines: too many lines; choose with --where"


def test_a_bug_in_a_figure_is_not_hidden(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Figure):
        def draw(self, material: Material, options: Options | None = None) -> Any:
            raise KeyError("score")

    monkeypatch.setattr(figures, "FIGURES", {"lines": Broken("lines", "all lines", "none")})
    with pytest.raises(KeyError):
        drawn(study)


def test_every_figure_says_of_what_it_is_drawn(study: Study) -> None:
    assert set(figures.SOURCES) == set(FIGURES)
    names = set(frames(study.material))
    assert all(names.issuperset(sources) for sources in figures.SOURCES.values())


def test_colours_of_paper_become_those_of_the_page_but_data_stay() -> None:
    spec = {
        "data": {"values": [{"series": "white"}]},
        "mark": {"type": "point", "fill": "white", "color": "#123456"},
        "encoding": {"fill": {"scale": {"domain": ["black"], "range": ["white", "#abcdef"]}}},
        "config": {"background": "white", "text": {"fontSize": 9}},
    }
    made = painted(spec)
    assert made["data"] == spec["data"]
    assert made["mark"] == {"type": "point", "fill": "var(--paper)", "color": "#123456"}
    scale = made["encoding"]["fill"]["scale"]
    assert scale == {"domain": ["black"], "range": ["var(--paper)", "#abcdef"]}
    assert made["config"]["background"] == "transparent"
    assert made["config"]["text"] == {"color": "var(--ink)", "fontSize": 9}
