"""Grids in TOML: every combination of choices is a cell, and mistakes are told in one line."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbench.errors import MisuseError
from mlbench.sweep.grid import parse_grid

SMALL = '[[grid]]\nalgorithm = "maml"\ntrain = "sine"\n'


def cells(text: str) -> list[tuple[object, ...]]:
    return [
        (
            cell.request.algorithm,
            cell.request.train,
            cell.request.evals,
            cell.request.shots,
            dict(cell.request.settings),
            cell.seeds,
        )
        for cell in parse_grid(text, "mine.toml").cells
    ]


def test_the_least_grid_is_one_run() -> None:
    assert cells(SMALL) == [("maml", "sine", (), 5, {}, (0,))]


def test_every_combination_of_choices_is_a_cell() -> None:
    text = """
        [[grid]]
        algorithm = ["maml", "turtle"]
        pairs = ["mini -> cub", "cub -> mini, flowers"]
        shots = [1, 5]
        seeds = "0-2,7"
    """
    found = cells(text)
    assert len(found) == 8
    assert found[0] == ("maml", "mini", ("cub",), 1, {}, (0, 1, 2, 7))
    assert found[-1] == ("turtle", "cub", ("mini", "flowers"), 5, {}, (0, 1, 2, 7))
    assert len({cell[:4] for cell in found}) == 8


def test_no_run_is_tested_across_domains_on_its_own() -> None:
    text = '[[grid]]\nalgorithm = "maml"\ntrain = ["mini", "cub"]\neval = ["cub", "mini"]\n'
    assert [(cell[1], cell[2]) for cell in cells(text)] == [("mini", ("cub",)), ("cub", ("mini",))]


def test_a_list_of_settings_is_a_choice_and_a_list_in_it_one_value() -> None:
    text = SMALL + "set = { inner_lr = [0.01, 0.1], hidden = [[20, 20], []], order = 2 }\n"
    found = [cell[4] for cell in cells(text)]
    assert found == [
        {"inner_lr": rate, "hidden": hidden, "order": "2"}
        for rate in ("0.01", "0.1")
        for hidden in ("20,20", "()")
    ]


def test_an_array_of_settings_is_a_choice_of_what_varies_together() -> None:
    text = SMALL + "set = [{ train_steps = 1, test_steps = 1 }, { train_steps = 5, clip = 'none' }]"
    assert [cell[4] for cell in cells(text)] == [
        {"train_steps": "1", "test_steps": "1"},
        {"train_steps": "5", "clip": "none"},
    ]


def test_options_of_the_learner_are_named_in_quotes_or_as_a_table() -> None:
    quoted = SMALL + 'set = { "learner.channels" = 32, learn = true }\n'
    table = SMALL + "set.learner.channels = 32\nset.learn = true\n"
    for text in (quoted, table):
        assert cells(text)[0][4] == {"learner.channels": "32", "learn": "true"}


def test_tables_override_the_defaults_and_settings_add_to_them() -> None:
    text = """
        [defaults]
        train = "sine"
        seeds = [3]
        shots = 10
        set = { order = 1, inner_lr = 0.1 }
        [[grid]]
        algorithm = "maml"
        [[grid]]
        algorithm = "turtle"
        pairs = ["mini -> cub"]
        shots = 1
        set = { inner_lr = 0.2 }
    """
    assert cells(text) == [
        ("maml", "sine", (), 10, {"order": "1", "inner_lr": "0.1"}, (3,)),
        ("turtle", "mini", ("cub",), 1, {"order": "1", "inner_lr": "0.2"}, (3,)),
    ]


def test_a_label_says_what_cells_differ_in() -> None:
    text = SMALL + "set = { train_steps = [1, 5], order = 2 }\nprotocol = 'released'\n"
    labels = [cell.label for cell in parse_grid(text, "mine").cells]
    assert labels[0] == "maml, sine, 5-shot, train_steps=1, released"
    assert labels[1] == "maml, sine, 5-shot, train_steps=5, released"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[grid]", "mine.toml is not TOML"),
        ("title = 'nothing'", r"mine.toml has no \[\[grid\]\] table"),
        ("grid = 3", r"mine.toml has no \[\[grid\]\] table"),
        ("[[grid]]\ntrain = 'sine'", "mine.toml, grid 1 has no algorithm"),
        (SMALL + "shot = 1", "mine.toml, grid 1: 'shot' is unknown; there are: algorithm"),
        (SMALL + "shots = 0", "shots = 0: give a whole number of 1 or more"),
        (SMALL + "shots = []", "give a whole number"),
        (SMALL + "shots = true", "give a whole number"),
        (SMALL + "ways = 'five'", "ways = 'five': give a whole number of 2 or more"),
        (SMALL + "seeds = 5", "seeds are no list; write '0-4', '0,2,7' or"),
        (SMALL + "seeds = '4-0'", "'4-0' runs backwards"),
        (SMALL + "seeds = '0-999999999999'", "more than 100000"),
        (SMALL + "seeds = [-1]", "give a whole number of 0 or more"),
        (SMALL + "budget = 'large'", "budget 'large' is none of paper, quick, smoke"),
        (SMALL + "pairs = ['mini -> cub']", "give either train"),
        ("[[grid]]\nalgorithm = 'maml'\npairs = ['mini, cub']", "is not of the form"),
        (SMALL + "set = 3", "set is no table"),
        (SMALL + "set = []", "set is an empty list"),
        (SMALL + "set = { order = [] }", "order is an empty list"),
        (SMALL + "set = { order = 2020-01-01 }", "give a number, a truth or a text"),
        ("[[grid]]\nalgorithm = ''\ntrain = 'sine'", "give a name in quotes"),
        ("runs_of = 'table-3.1'\n" + SMALL, "runs of its own and those of table-3.1"),
        ("title = 3\n" + SMALL, "title is no text"),
        ("defaults = 3\n" + SMALL, "defaults is no table"),
    ],
)
def test_a_mistake_is_told_in_one_line(text: str, told: str) -> None:
    with pytest.raises(MisuseError, match=told) as caught:
        parse_grid(text, "mine.toml")
    assert "\n" not in str(caught.value)


def test_too_many_combinations_are_refused_before_they_are_made() -> None:
    values = list(range(100))
    text = SMALL + f"set = {{ a = {values}, b = {values}, c = {values} }}\n"
    with pytest.raises(MisuseError, match="more than 100000 combinations"):
        parse_grid(text, "mine.toml")


NAMES = st.sampled_from(
    ["algorithm", "train", "eval", "pairs", "shots", "seeds", "set", "budget", "title", "runs_of"]
)
VALUES = st.sampled_from(
    ["1", "-1", "'a'", "''", "[]", "[1, 5]", "['a', 'b -> c']", "{}", "{ a = [1, [2]] }", "true"]
)
LINES = st.one_of(
    st.builds("{} = {}".format, NAMES, VALUES),
    st.sampled_from(["[[grid]]", "[defaults]", "[grid]", "[grid.set]"]),
    st.text(max_size=20),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(LINES, max_size=8).map("\n".join))
def test_any_text_is_a_grid_or_told_in_one_line(text: str) -> None:
    told = ""
    try:
        parse_grid(text, "mine.toml")
    except MisuseError as error:
        told = str(error)
    assert len(told.splitlines()) <= 1
