"""Grids of sweeps in TOML: any text is a grid or misuse in one line."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbench.errors import MisuseError
from mlbench.sweep.grid import KEYS, MOST_RUNS, Grid, parse_grid
from mlbench.sweep.job import request_arguments

pytestmark = pytest.mark.slow

WORDS = st.sampled_from(
    ["maml", "sine", "mini -> cub", "->", "0-4", "0,2,7", "5-1", "-1", "0-99999999999999999999999",
     "quick", "paper", "custom", "released", "float32", "nan", "", " ", "--db=/x", "\x1b[31m",
     "$(id)", "shots == 1"]
)  # fmt: skip
SCALARS = (
    WORDS
    | st.text(max_size=5)
    | st.booleans()
    | st.integers(-3, 9)
    | st.integers(-(2**70), 2**70)
    | st.floats()
)
NAMES = st.sampled_from([*KEYS, "learner.channels", "inner_lr", "hidden"]) | st.text(max_size=5)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
GOOD = {
    "algorithm": st.sampled_from(["maml", "turtle", "--db=/x"]),
    "train": st.sampled_from(["sine", ["sine", "shapes"], "-o"]),
    "seeds": st.sampled_from(["0-2", [1, 2], "7"]),
    "shots": st.integers(1, 5) | st.lists(st.integers(1, 5), min_size=1, max_size=3),
}
TABLES = st.builds(
    lambda good, odd: good | odd,
    st.fixed_dictionaries({}, optional=GOOD),
    st.dictionaries(NAMES, VALUES, max_size=2),
)


def toml(value: Any) -> str:
    """Return a value in TOML, on one line."""
    match value:
        case dict():
            inside = ", ".join(f"{toml(name)} = {toml(each)}" for name, each in value.items())
            return f"{{ {inside} }}"
        case list():
            return f"[{', '.join(map(toml, value))}]"
        case float() if not math.isfinite(value):
            return str(value)
        case str():
            return json.dumps(value).replace("\x7f", "\\u007f")
    return json.dumps(value)


def document(title: Any, defaults: dict[str, Any], grids: list[dict[str, Any]]) -> str:
    lines = [f"title = {toml(title)}"]
    for heading, table in [("[defaults]", defaults), *(("[[grid]]", grid) for grid in grids)]:
        lines += [heading, *(f"{toml(name)} = {toml(each)}" for name, each in table.items())]
    return "\n".join(lines)


DOCUMENTS = st.builds(document, SCALARS, TABLES, st.lists(TABLES, max_size=3))


def parsed(text: str) -> Grid | None:
    """Return the grid of a text, or nothing where it is refused in one line."""
    try:
        return parse_grid(text, "mine.toml")
    except MisuseError:
        return None


def arguments_of(grid: Grid) -> list[str]:
    return [word for cell in grid.cells for word in request_arguments(cell.request)]


@settings(max_examples=100)
@given(text=DOCUMENTS)
def test_any_document_is_a_grid_or_misuse(text: str) -> None:
    grid = parsed(text)
    if grid is not None:
        assert sum(len(cell.seeds) for cell in grid.cells) <= MOST_RUNS
        assert all(isinstance(word, str) for word in arguments_of(grid))


@settings(max_examples=50)
@given(text=st.text() | st.text("[]{}=\"'.,\n 0-1ae#", max_size=60))
def test_any_text_is_a_grid_or_misuse(text: str) -> None:
    parsed(text)


@pytest.mark.parametrize(
    "value",
    [
        "seeds = '0-99999999999999999999999'",
        "seeds = '0-99999999999'",
        f"shots = {2**80}",
        f"shots = [{', '.join(map(str, range(1, 400)))}]\nqueries = [1]\n"
        f"test_tasks = [{', '.join(map(str, range(1, 400)))}]",
        "set = { a = " + "[" * 500 + "1" + "]" * 500 + " }",
        "set = { a = [[[1, 2]]] }",
        "set = { a = [1, 2, 3], b = " + json.dumps(list(range(60_000))) + " }",
    ],
    ids=["seeds", "many seeds", "shots", "product", "deep", "lists", "settings"],
)
def test_a_grid_that_would_never_end_is_misuse(value: str) -> None:
    with pytest.raises(MisuseError) as caught:
        parse_grid(f"[[grid]]\nalgorithm = 'maml'\ntrain = 'sine'\n{value}", "mine.toml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["x = " + "[" * 100_000, "x = " + "{a=" * 50_000])
def test_a_deep_text_is_misuse(text: str) -> None:
    with pytest.raises(MisuseError, match="is not TOML"):
        parse_grid(text, "mine.toml")
