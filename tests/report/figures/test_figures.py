"""What holds for every figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import altair as alt
import pytest

from mlbench.errors import MisuseError, NothingToDrawError
from mlbench.report.figures import FIGURES
from mlbench.report.material import Material
from mlbench.report.palette import look
from mlbench.report.save import spec_of
from mlbench.stats.caveats import caveat
from tests.gallery import Made
from tests.report.figures.specs import Spec, blocks, parts, rows, scale, spec, subtitle

OF_SINE = {"figure-3.2", "figure-3.3"}
COMPUTED = {"aggregate", "bin", "joinaggregate", "window", "density", "regression", "loess"}
COMPOSITE = {"errorband", "errorbar", "boxplot"}


@pytest.fixture(params=list(FIGURES), scope="module")
def drawn(request: pytest.FixtureRequest, pictures: Material, waves: Material) -> Spec:
    name = request.param
    options = {"over": "train_steps"} if name == "scaling" else {}
    return spec(name, waves if name in {*OF_SINE, "scaling"} else pictures, **options)


def test_nothing_is_computed_by_the_chart(drawn: Spec) -> None:
    for part in parts(drawn):
        assert not COMPUTED & part.keys()
        mark = part.get("mark")
        assert (mark.get("type") if isinstance(mark, dict) else mark) not in COMPOSITE


def test_every_axis_of_numbers_says_what_it_is(drawn: Spec) -> None:
    shown = [part["x"] for part in parts(drawn) if isinstance(part.get("x"), dict)]
    assert any("title" in x for x in shown)
    for block in blocks(drawn):
        for panel in block["concat"]:
            titles = [
                part[channel].get("title")
                for part in parts(panel)
                for channel in ("x", "y")
                if isinstance(part.get(channel), dict)
            ]
            assert any(titles)


def test_the_subtitle_counts_the_runs_and_names_the_conditions(drawn: Spec) -> None:
    (block,) = blocks(drawn)
    said = subtitle(block)
    assert "3 runs" in said
    assert "corrected protocol, quick budget: 400 training tasks" in said


def test_what_the_charts_hold_is_plain_json_whatever_its_size(drawn: Spec) -> None:
    values = [value for row in rows(drawn) for value in row.values()]
    assert values
    assert all(
        value is None or isinstance(value, bool | int | float | str | list) for value in values
    )


@pytest.mark.parametrize("name", ["learning-curves", "figure-3.4", "cross-domain"])
def test_techniques_have_their_order_and_colour(pictures: Material, name: str) -> None:
    colours = scale(spec(name, pictures), "stroke")
    assert list(colours.items()) == [
        (look(technique).label, look(technique).colour)
        for technique in ("fo_maml", "maml", "turtle")
    ]


def test_shape_filling_and_dash_tell_techniques_apart_without_colour(pictures: Material) -> None:
    whole = spec("learning-curves", pictures)
    shapes, fills = scale(whole, "shape"), scale(whole, "fill")
    assert shapes == {"FO-MAML": "triangle-up", "MAML": "triangle-up", "TURTLE": "circle"}
    assert (fills["FO-MAML"], fills["MAML"]) == ("white", look("maml").colour)
    dashes = {row["series"]: row["dash"] for row in rows(whole, "dash")}
    assert dashes["MAML"] == []
    assert dashes["FO-MAML"] != []


@pytest.mark.parametrize("name", [name for name in FIGURES if name not in OF_SINE])
def test_without_runs_the_remedy_is_a_command(
    name: str, store: Callable[[Sequence[Made]], Material]
) -> None:
    with pytest.raises(NothingToDrawError, match=r"mlbench run .*--db \S+runs\.duckdb"):
        spec(name, store([]))


@pytest.mark.parametrize("name", sorted(OF_SINE))
def test_figures_of_sine_say_that_they_are(name: str, pictures: Material) -> None:
    with pytest.raises(NothingToDrawError, match="run turtle --train sine"):
        spec(name, pictures)


def test_the_condition_is_named_where_it_leaves_nothing(pictures: Material) -> None:
    none = Material(pictures.paths, where="seed = 77")
    with pytest.raises(NothingToDrawError, match="'seed = 77' holds"):
        spec("figure-3.4", none)


SMALL = Made(algorithm="maml", test_tasks=2, validation_tasks=2, train_tasks=20, validate_every=10)


def test_runs_of_different_settings_are_drawn_apart(
    store: Callable[[Sequence[Made]], Material],
) -> None:
    runs = [SMALL, replace(SMALL, protocol="released", statistic="trimmed")]
    first, second = blocks(spec("cross-domain", store(runs)))
    assert "corrected protocol" in subtitle(first)
    assert "released protocol" in subtitle(second)


def test_more_settings_than_a_figure_shows_are_refused_with_their_number(
    store: Callable[[Sequence[Made]], Material],
) -> None:
    runs = [replace(SMALL, budget=f"b{number}") for number in range(5)]
    with pytest.raises(MisuseError, match=r"5 different settings.*budget b0, b1.*--where"):
        spec("cross-domain", store(runs))


def test_a_crowded_block_is_left_out_and_told_of(
    store: Callable[[Sequence[Made]], Material],
) -> None:
    crowd = [
        replace(SMALL, budget="custom", hyperparameters=(("inner_lr", number / 100),))
        for number in range(21)
    ]
    with pytest.raises(MisuseError, match="21 lines cannot be told apart"):
        spec("figure-3.4", store(crowd))
    (block,) = blocks(spec("figure-3.4", store([SMALL])))
    assert "Left out: 5-way classification, corrected protocol, custom budget" in subtitle(block)


def test_a_technique_under_two_settings_is_two_series(
    store: Callable[[Sequence[Made]], Material],
) -> None:
    runs = [replace(SMALL, hyperparameters=(("hidden", [20] * n),)) for n in (2, 10)]
    colours = scale(spec("learning-curves", store(runs)), "stroke")
    assert list(colours) == ["MAML (hidden=2×20)", "MAML (hidden=10×20)"]
    assert len(set(colours.values())) == 2


def test_a_score_that_is_not_finite_is_not_drawn_and_told_of(
    store: Callable[[Sequence[Made]], Material],
) -> None:
    runs = [SMALL, replace(SMALL, algorithm="turtle", level=float("nan"), status="diverged")]
    whole = spec("cross-domain", store(runs))
    (block,) = blocks(whole)
    assert "Not drawn, having no finite score: TURTLE." in subtitle(block)
    assert {row["score"] for row in rows(whole, "score") if row["series"] == "TURTLE"} == {None}


def test_one_run_has_no_interval_and_the_subtitle_says_so(
    store: Callable[[Sequence[Made]], Material],
) -> None:
    (block,) = blocks(spec("cross-domain", store([SMALL])))
    assert subtitle(block).startswith("One run each, which has no interval.")


def test_few_runs_are_told_of_as_in_tables(
    store: Callable[[Sequence[Made]], Material],
) -> None:
    runs = [replace(SMALL, seed=seed) for seed in range(3)]
    (block,) = blocks(spec("cross-domain", store(runs)))
    assert f"{caveat('median', 3)}." in subtitle(block)
    assert "holds the truth 75 times in 100" in subtitle(block)


def test_a_theme_of_the_process_neither_leaks_in_nor_out(pictures: Material) -> None:
    chart = FIGURES["cross-domain"].draw(pictures)
    plain = spec_of(chart)
    with alt.theme.enable("dark"):
        assert spec_of(chart) == plain
        assert alt.theme.active == "dark"
    assert plain["config"]["background"] == "white"
