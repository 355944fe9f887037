"""A job is a command line of mlbench that a person could have typed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from mlbench.cli.parameters import Seeds
from mlbench.cli.run import command
from mlbench.run.setup import Request
from mlbench.store.paths import StorePaths
from mlbench.sweep.job import OPTIONS, job_of, request_arguments, seeds_text

PATHS = StorePaths(Path("a b/runs.duckdb"))
WHOLE = Request(
    algorithm="maml",
    train="mini",
    evals=("cub", "flowers"),
    ways=20,
    shots=1,
    queries=5,
    settings={"inner_lr": "0.1", "learner.channels": "32", "hidden": "()"},
    protocol="released",
    budget="quick",
    train_tasks=8,
    validation_tasks=3,
    validate_every=4,
    test_tasks=2,
    precision="float64",
)


def test_the_command_line_asks_for_what_was_requested() -> None:
    context = command.make_context("run", list(request_arguments(WHOLE)), resilient_parsing=True)
    given_ = context.params
    assert (given_["algorithm"], given_["train"], given_["evals"]) == ("maml", "mini", WHOLE.evals)
    assert dict(given_["settings"]) == WHOLE.settings
    names = tuple(OPTIONS)
    assert {name: given_[name] for name in names} == {name: getattr(WHOLE, name) for name in names}


def test_what_is_left_to_the_defaults_is_not_said() -> None:
    least = Request(algorithm="maml", train="sine")
    assert request_arguments(least) == ("maml", "--train", "sine")
    assert request_arguments(replace(least, seed=3)) == ("maml", "--train", "sine")


def test_a_job_has_seeds_database_and_leaves_that_to_the_sweep() -> None:
    job = job_of(WHOLE, "maml", [(0, "a"), (1, "b"), (5, "c")], PATHS, ("--threads", "1"))
    assert job.arguments[-7:] == (
        "--threads",
        "1",
        "--seeds",
        "0-1,5",
        "--db",
        "a b/runs.duckdb",
        "--no-ingest",
    )
    assert job.command.endswith("--seeds 0-1,5 --db 'a b/runs.duckdb'")


def test_a_job_is_narrowed_and_split_by_what_its_runs_are() -> None:
    job = job_of(WHOLE, "maml", [(0, "a"), (1, "b"), (5, "c")], PATHS, ())
    assert (job.narrowed(["c", "a"]).seeds, job.narrowed(["c", "a"]).spec_hashes) == (
        (0, 5),
        ("a", "c"),
    )
    parts = job.split("no memory")
    assert [(one.seeds, one.spec_hashes, one.stack_error) for one in parts] == [
        ((0,), ("a",), "no memory"),
        ((1,), ("b",), "no memory"),
        ((5,), ("c",), "no memory"),
    ]


@given(st.sets(st.integers(0, 60), min_size=1))
def test_seeds_read_as_they_were_written(seeds: set[int]) -> None:
    assert Seeds().convert(seeds_text(sorted(seeds)), None, None) == tuple(sorted(seeds))


def test_run_knows_the_option_that_leaves_the_database_alone() -> None:
    assert "--no-ingest" in CliRunner().invoke(command, ["--help"]).output
