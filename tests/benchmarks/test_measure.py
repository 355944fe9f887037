"""How what was measured is compared, continued and shown."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from benchmarks.__main__ import programs
from benchmarks.drawing import LOOKS, measures, picture
from benchmarks.growth import AXES, endings, read, write
from benchmarks.measure import Cost, Spread, interleaved, ratios, spread
from benchmarks.shown import three_digits
from mlbench.report.save import as_svg, spec_of


def test_ratios_are_taken_within_a_round() -> None:
    slow = [Cost(cpu, 0) for cpu in (4, 40, 400)]  # a machine that grows slower all the time
    fast = [Cost(cpu, 0) for cpu in (1, 10, 100)]
    assert ratios(slow, fast) == Spread(4, 4, 4)


def test_a_single_round_has_no_spread() -> None:
    assert spread([2.0]) == Spread(2, 2, 2)


def test_contestants_take_turns_in_another_order_each_round() -> None:
    order: list[str] = []

    def turn(name: str) -> Cost:
        order.append(name)
        return Cost(len(order), 0)

    costs = interleaved({name: partial(turn, name) for name in "abc"}, 3)
    assert "".join(order) == "abcbcacab"
    assert [cost.cpu for cost in costs["a"]] == [1, 6, 8]


def test_a_line_goes_on_as_its_last_two_points_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.growth.memory_bytes", lambda: 1_000_000_000)
    points = [
        {"value": 1.0, "line": "mlbench", "s": 1.0, "CPU s": 9.0, "MB": 9.0},
        {"value": 10.0, "line": "mlbench", "s": 1.0, "CPU s": 2.0, "MB": 100.0},
        {"value": 20.0, "line": "mlbench", "s": 1.0, "CPU s": 8.0, "MB": 200.0},
        {"value": 1.0, "line": "stopped at once", "s": 1.0, "CPU s": 1.0, "MB": 1.0},
    ]
    (ending,) = endings(points)
    assert ending["time as x^"] == pytest.approx(2)
    assert ending["memory as x^"] == pytest.approx(1)
    assert ending["memory full at"] == pytest.approx(100)


def test_memory_that_does_not_grow_meets_no_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.growth.memory_bytes", lambda: 1_000_000_000)
    flat = [
        {"value": value, "line": "mlbench, adjoint", "s": 1.0, "CPU s": value, "MB": 50.0}
        for value in (1.0, 2.0)
    ]
    assert endings(flat)[0]["memory full at"] is None


def test_a_picture_names_every_contestant() -> None:
    names = sorted({name for axis in AXES.values() for name in axis.contestants})
    points = [
        {"value": value, "line": name, "s": 1.0, "CPU s": value, "MB": value}
        for name in names
        for value in (1.0, 2.0)
    ]
    drawn = as_svg(spec_of(picture("title", "84x84", "shots", points))).decode()
    assert all(f">{name}<" in drawn for name in names)


def test_a_table_is_read_as_it_was_measured(tmp_path: Path) -> None:
    table = tmp_path / "rows.csv"
    write(table, [{"value": 1_000, "line": "scores", "s": 0.5}])
    (point,) = read(table)
    assert point == {"value": 1000, "line": "scores", "CPU s": None, "s": 0.5, "MB": None}
    assert measures([point]) == {"s": "seconds"}


def test_no_two_lines_of_a_picture_look_alike() -> None:
    for axis in AXES.values():
        looks = [LOOKS[name] for name in axis.contestants]
        colours, shapes = map(set, zip(*looks, strict=True))
        assert len(colours) == len(shapes) == len(axis.contestants)


def test_numbers_are_shown_to_three_digits() -> None:
    assert [three_digits(v) for v in (0.012345, 12.345, 1234.5, 7, "x", None)] == [
        0.0123,
        12.3,
        1230,
        7,
        "x",
        None,
    ]


def test_every_program_says_what_it_is() -> None:
    known = programs()
    assert {"sine", "conv4", "memory", "growth", "episodes"} <= set(known)
    assert not {"measure", "apart", "peers"} & set(known)
    assert all(program.summary for program in known.values())
    assert known["sine"].quick
    assert not known["episodes"].quick
