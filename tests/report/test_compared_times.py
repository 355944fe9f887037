"""Running times of techniques in pairs as they are printed."""

from __future__ import annotations

import polars as pl

from mlbench.report.compared import ordered
from mlbench.report.compared_times import times_text
from mlbench.stats.time_ratios import invert, time_ratios
from tests.stats.timed import five, frames


def ratios(*, baseline: str | None = None, **told: int) -> pl.DataFrame:
    """Return the ratios of three techniques, in order."""
    runs = [
        *five("maml", [20.0, 40.0, 30.0], **told),
        *five("fo_maml", [10.0, 10.0, 10.0], **told),
        *five("turtle", [60.0, 60.0, 60.0], **told),
    ]
    found = time_ratios(*frames(*runs), baseline=baseline)
    return ordered(found, invert, fixed=baseline is not None)


def test_the_later_of_two_techniques_is_divided_by_the_earlier() -> None:
    lines = times_text(ratios()).splitlines()
    assert lines[:4] == [
        "mini, 5-way 1-shot",
        "5-way classification, corrected protocol, paper budget: 60000 training tasks,",
        "600 validation tasks every 2500, 600 test tasks; 16 queries, float32.",
        "cpu: Epyc, 1 thread, loop.",
    ]
    assert [line.split() for line in lines[7:10]] == [
        ["TURTLE", "FO-MAML", "6.00", "[6.00,", "6.00]", "1.00", "[1.00,", "1.00]", "3", "0", "s"],
        ["TURTLE", "MAML", "2.00", "[1.50,", "3.00]", "1.00", "[1.00,", "1.00]", "3", "0", "s"],
        ["MAML", "FO-MAML", "3.00", "[2.00,", "4.00]", "1.00", "[1.00,", "1.00]", "3", "0", "s"],
    ]
    said = " ".join(lines[10:])
    assert said.endswith(
        "3 pairs: the interval is their whole range and holds the truth 75 times in 100."
    )


def test_a_baseline_stays_second() -> None:
    lines = times_text(ratios(baseline="turtle")).splitlines()
    assert [line.split()[:3] for line in lines[7:9]] == [
        ["FO-MAML", "TURTLE", "0.17"],
        ["MAML", "TURTLE", "0.50"],
    ]


def test_each_machine_and_stack_has_its_table() -> None:
    both = pl.concat([ratios(), ratios(threads=8), ratios(stacked=30)])
    lines = times_text(ordered(both, invert)).splitlines()
    assert [line for line in lines if line.startswith("cpu")] == [
        "cpu: Epyc, 1 thread, loop.",
        "cpu: Epyc, 1 thread, loop, 30 runs stacked.",
        "cpu: Epyc, 8 threads, loop.",
    ]


def test_runs_without_a_time_are_counted() -> None:
    assert "not timed" not in times_text(ratios())
    said = " ".join(times_text(ratios(), unequal=2).split())
    assert said.endswith(
        "2 runs not timed: their attempts computed unequal numbers of runs at once."
    )
