"""``mlbench compare``, over runs of two techniques on the same episodes."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from mlbench.cli import main
from mlbench.report.compared import ONE_RUN


def mlbench(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("compare") / "runs.duckdb")
    budget = (
        *("--train-tasks", "3", "--validation-tasks", "2"),
        *("--validate-every", "3", "--test-tasks", "12"),
    )
    for name, more in (("maml", ("--set", "inner_lr=0.3")), ("fo_maml", ()), ("maml", ())):
        done = mlbench(
            "run", name, "--train", "sine", *budget, "--seeds", "0,1", "--db", path, *more
        )
        assert done.exit_code == 0, done.output
    return path


def test_pairs_are_compared_on_the_same_episodes(database: str) -> None:
    done = mlbench("compare", "--db", database)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == "sine, 5-shot"
    assert "12 test episodes each." in lines
    names = [line.split("  ")[0] for line in lines if line.startswith(("MAML", "FO-MAML"))]
    assert sorted(names) == ["MAML inner_lr=0.01"] * 2 + ["MAML inner_lr=0.3"]
    assert "Wilcoxon's signed-rank" in " ".join(lines[-6:])
    assert ONE_RUN not in " ".join(lines)
    done = mlbench("compare", "--db", database, "--where", "seed = 1")
    assert ONE_RUN in " ".join(done.stdout.split())


def test_numbers_are_those_of_the_episodes(database: str) -> None:
    done = mlbench("compare", "maml", "--baseline", "fo_maml", "--json", "--db", database)
    rows = json.loads(done.stdout)
    assert [(row["first"], row["second"]) for row in rows] == [("maml", "fo_maml")] * 2
    query = (
        "select algorithm, (spec->'hyperparameters'->>'inner_lr') as rate, avg(e.score) as score"
        " from episodes e join runs using (run_id) where phase = 'test' group by all"
    )
    means = pl.DataFrame(json.loads(mlbench("sql", query, "--json", "--db", database).stdout))
    scores = {(name, rate): score for name, rate, score in means.iter_rows()}
    for row in rows:
        rate = row["first_settings"].removeprefix("inner_lr=")
        expected = scores["maml", rate] - scores["fo_maml", "0.01"]
        assert row["difference"] == pytest.approx(expected, rel=1e-9)
        assert (row["runs"], row["episodes"]) == (2, 12)


def test_csv_has_a_row_per_pair(database: str) -> None:
    done = mlbench("compare", "--csv", "--db", database, "--where", "seed = 1")
    header, *rows = done.stdout.splitlines()
    assert "difference" in header.split(",")
    assert len(rows) == 3
    for times in ((), ("--times",)):
        done = mlbench("compare", *times, "--csv", "--db", database, "--where", "seed = 7")
        (header,) = done.stdout.splitlines()
        assert header.startswith("kind,protocol")


def test_running_times_are_those_of_the_runs(database: str) -> None:
    done = mlbench("compare", "--times", "--baseline", "fo_maml", "--json", "--db", database)
    rows = json.loads(done.stdout)
    assert sorted(row["first_settings"] for row in rows) == ["inner_lr=0.01", "inner_lr=0.3"]
    query = (
        "select algorithm, (spec->'hyperparameters'->>'inner_lr') as rate, seed, seconds"
        " from running_times join (select run_id, spec from runs) using (run_id)"
    )
    told = json.loads(mlbench("sql", query, "--json", "--db", database).stdout)
    seconds = {(row["algorithm"], row["rate"], row["seed"]): row["seconds"] for row in told}
    for row in rows:
        rate = row["first_settings"].removeprefix("inner_lr=")
        ends = sorted(seconds["maml", rate, n] / seconds["fo_maml", "0.01", n] for n in (0, 1))
        assert (row["low"], row["high"], row["pairs"]) == (*map(pytest.approx, ends), 2)
        assert row["ratio"] == pytest.approx((ends[0] * ends[1]) ** 0.5)
    text = mlbench("compare", "--times", "--db", database).stdout
    assert "1 thread" in text
    assert "2 pairs: the interval is their whole range" in " ".join(text.split())


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["turtle"], 2, "there are no results of turtle to compare; techniques that have some:"),
        (["--baseline", "nobody"], 2, "fo_maml, maml"),
        (["--csv", "--json"], 2, "choose one"),
        (["maml", "--where", "seed = 7"], 2, "none at all"),
        (["--where", "seed = 7"], 1, "no two techniques that were tested alike"),
        (["--times", "--where", "seed = 7"], 1, "no two techniques that ran with one seed on one"),
        (["--times", "--baseline", "nobody"], 2, "fo_maml, maml"),
    ],
)
def test_what_cannot_be_compared_is_told(
    database: str, words: list[str], code: int, message: str
) -> None:
    done = mlbench("compare", *words, "--db", database)
    assert (done.exit_code, done.stdout) == (code, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_store_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = mlbench("compare", "--db", str(tmp_path / "none.duckdb"))
    assert done.exit_code == 1
    assert "mlbench run" in done.stderr
