"""``mlbench table``, over runs that were put into the database by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mlbench.cli import main
from mlbench.stats.names import PHRASES, Statistic
from mlbench.store.connection import write
from mlbench.store.paths import StorePaths

RUNS = """
INSERT INTO attempts BY NAME
SELECT 'r' || seed AS run_id, 1 AS attempt, 0 AS position, TIMESTAMP '2026-11-23' AS started,
       'maml' AS algorithm, 'mini' AS train_dataset, ['mini', 'cub'] AS eval_datasets,
       'classification' AS kind, 5 AS ways, 1 AS shots, 16 AS queries, seed,
       'corrected' AS protocol, '{}' AS protocol_settings, 'quick' AS budget,
       100 AS train_tasks, 10 AS validation_tasks, 50 AS validate_every, 10 AS test_tasks,
       'float32' AS precision, 'h' || seed AS spec_hash, 's' AS settings_hash, '{}' AS spec,
       '' AS command
FROM range(4) AS seeds (seed);
INSERT INTO machines BY NAME
SELECT run_id, 1 AS attempt, 'h' AS host, 'o' AS os, 'cpu' AS device, '3' AS python, 1 AS pid
FROM attempts;
INSERT INTO statuses BY NAME
SELECT run_id, 1 AS attempt, CASE WHEN seed < 3 THEN 'finished' ELSE 'failed' END AS status,
       TIMESTAMP '2026-11-24' AS ended, false AS inferred
FROM attempts;
INSERT INTO data
SELECT run_id, 'mini', 'train', 'f-mini', '60 of 600 images a class' FROM attempts
UNION ALL SELECT run_id, 'cub', 'eval', 'f-cub', NULL FROM attempts;
INSERT INTO episodes BY NAME
SELECT run_id, 'test' AS phase, 'mini' AS train_dataset, 'cub' AS eval_dataset, episode,
       0 AS step, 1.0 AS loss, 0.25 * (1 + seed) AS score, 0.1 AS seconds, 0 AS episode_key,
       1 AS attempt, episode AS position
FROM attempts, range(2) AS episodes (episode);
INSERT INTO test_scores
SELECT run_id, 'cub', 0.25 * (1 + seed), 0.0, 0.25 * (1 + seed), 1.0, 2, 0 FROM attempts;
"""


DIVERGED = """
UPDATE statuses SET status = 'diverged', error = 'at step 7' WHERE run_id IN ('r0', 'r3');
DELETE FROM episodes WHERE run_id = 'r3';
DELETE FROM test_scores WHERE run_id = 'r3';
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "runs.duckdb"
    with write(StorePaths(path)) as connection:
        connection.execute(RUNS)
    return path


@pytest.fixture
def diverged(database: Path) -> Path:
    """Return a database of four runs of which two diverged, one with nothing to test."""
    with write(StorePaths(database)) as connection:
        connection.execute(DIVERGED)
    return database


def table(database: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["table", "--db", str(database), *arguments])


def test_the_table_has_the_median_over_runs_with_footnotes_and_what_is_left_out(
    database: Path,
) -> None:
    result = table(database)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "Cross-domain"
    assert lines[1].startswith("5-way classification, corrected protocol, quick budget: 100 tra")
    assert "MAML       0.500 [0.250, 0.750] (1)" in lines
    assert any(line.startswith("(1) mini: 60 of 600 images a class; not comp") for line in lines)
    assert lines[-1] == "Runs not counted: 1 failed."


def test_the_long_table_has_a_row_for_what_is_pooled(database: Path) -> None:
    (row,) = [line for line in table(database, "--long").stdout.splitlines() if "maml" in line]
    assert row.split() == [
        *("maml", "mini", "->", "cub", "5", "1", "3", "0.500", "0.250", "to", "0.750", "(1)")
    ]


def test_json_and_csv_are_data_alone(database: Path) -> None:
    result = table(database, "--json")
    (row,) = json.loads(result.stdout)
    assert (row["score"], row["low"], row["high"], row["runs"]) == (0.5, 0.25, 0.75, 3)
    assert "1 failed" in result.stderr
    lines = table(database, "--csv").stdout.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("kind,protocol,budget")
    for form in ("csv", "json"):
        assert table(database, f"--{form}").stdout == table(database, "--format", form).stdout


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ("text", "0.500 [0.250, 0.750] (1)   0.34  +0.160"),
        ("markdown", "| 0.500 [0.250, 0.750] <sup>1</sup> | 0.34 | +0.160 |"),
        ("latex", r"MAML & 0.500\textsuperscript{1} & 0.34"),
        ("csv", ",0.34,0.01,0.15"),
        ("json", '"printed": 0.34'),
        ("long", " 0.34      +0.160"),
    ],
)
def test_the_paper_is_beside_in_every_form(database: Path, form: str, told: str) -> None:
    with write(StorePaths(database)) as connection:
        connection.execute("UPDATE attempts SET algorithm = 'fo_maml'")
    told = told.replace("MAML", "FO-MAML")
    options = ["--long"] if form == "long" else ["--format", form]
    assert told in table(database, "--paper", *options).stdout
    assert "0.34" not in table(database, *options).stdout


def test_that_the_paper_prints_nothing_is_said(database: Path) -> None:
    with write(StorePaths(database)) as connection:
        connection.execute("UPDATE attempts SET shots = 2")
    for options in ([], ["--csv"], ["--long"]):
        assert "the paper prints nothing" in table(database, "--paper", *options).stderr


def test_runs_that_diverged_count_and_are_told_of(diverged: Path) -> None:
    lines = table(diverged).stdout.splitlines()
    assert "MAML       0.500 [0.250, 0.750] (1)(2)" in lines
    assert "(1) 2 of 4 runs diverged, 1 with nothing to test." in lines
    assert not any(line.startswith("Runs not counted") for line in lines)
    (row,) = json.loads(table(diverged, "--json").stdout)
    assert (row["runs"], row["diverged"], row["untested"]) == (3, 2, 1)
    assert "diverged" in table(diverged, "--csv").stdout.splitlines()[0].split(",")


@pytest.mark.parametrize(
    ("statistic", "numbers"),
    [
        ("median", "0.500 [0.250, 0.750]"),
        ("mean", "0.500 [0.217, 0.783]"),  # 1.96 * .25 / sqrt(3)
        ("trimmed", "0.500 [0.217, 0.783]"),
    ],
)
def test_another_statistic_is_asked_for_by_name(
    database: Path, statistic: Statistic, numbers: str
) -> None:
    result = table(database, "--statistic", statistic)
    assert PHRASES[statistic] in " ".join(result.stdout.split())
    assert numbers in result.stdout


def test_the_statistic_is_that_of_the_protocol_unless_asked_for_another(database: Path) -> None:
    with write(StorePaths(database)) as connection:
        connection.execute("""UPDATE attempts SET protocol_settings = '{"statistic": "mean"}'""")
    assert "Accuracy, mean over runs" in table(database).stdout
    assert "Accuracy, median over runs" in table(database, "--statistic", "median").stdout


def test_an_unknown_statistic_is_refused_with_those_there_are(database: Path) -> None:
    result = table(database, "--statistic", "mode")
    assert result.exit_code == 2
    assert "'median', 'mean', 'trimmed'" in result.stderr


def test_a_condition_chooses_runs(database: Path) -> None:
    result = table(database, "--where", "seed = 2")
    assert "MAML       0.750 (1)" in result.stdout.splitlines()
    assert "Only runs where seed = 2." in result.stdout
    assert "Runs not counted" not in result.stdout


@pytest.mark.parametrize("condition", ["no condition", "sleep = 1", "1; drop table a"])
def test_a_condition_that_is_none_is_misuse_in_one_line(database: Path, condition: str) -> None:
    result = table(database, "--where", condition)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert "is no condition on runs" in result.stderr


def test_a_condition_that_no_run_meets_is_told_of(database: Path) -> None:
    result = table(database, "--where", "seed = 7")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no finished run where seed = 7; see what there is: mlbench list runs" in result.stderr


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("t.txt", "Cross-domain"),
        ("t.md", "### Cross-domain"),
        ("t.TEX", "% needs "),
        ("t.csv", "kind,protocol"),
        ("t.json", "["),
    ],
)
def test_a_file_gets_the_form_that_it_is_named_for(
    database: Path, tmp_path: Path, name: str, start: str
) -> None:
    file = tmp_path / name
    result = table(database, "-o", str(file))
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"Wrote {file}." in result.stderr
    assert file.read_text().startswith(start)
    assert file.read_text().endswith("\n")
    assert [each.name for each in tmp_path.iterdir() if name in each.name] == [name]


def test_a_file_of_another_name_gets_the_form_that_is_asked_for(
    database: Path, tmp_path: Path
) -> None:
    file = tmp_path / "table.out"
    assert table(database, "-o", str(file)).exit_code == 2
    assert not file.exists()
    assert table(database, "-o", str(file), "--format", "latex").exit_code == 0
    assert file.read_text().startswith("% needs")


@pytest.mark.parametrize(
    "options",
    [
        ["--format", "latex", "-o", "t.md"],
        ["--csv", "-o", "t.json"],
        ["--csv", "--json"],
        ["--format", "text", "--json"],
        ["--long", "--format", "latex"],
        ["--long", "-o", "t.md"],
    ],
)
def test_options_that_contradict_each_other_are_misuse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    result = table(tmp_path / "runs.duckdb", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert not [*tmp_path.glob("t.*")]


def test_a_file_that_cannot_be_written_is_named(database: Path, tmp_path: Path) -> None:
    result = table(database, "-o", str(tmp_path / "nowhere" / "t.tex"))
    assert result.exit_code == 1
    assert "t.tex cannot be written: No such file or directory; name another" in result.stderr


def test_the_text_fits_the_terminal(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for columns in (60, 100):
        monkeypatch.setenv("COLUMNS", str(columns))
        lines = table(database).stdout.splitlines()
        assert columns - 20 < max(map(len, lines)) <= columns


def test_an_empty_database_says_what_to_type(tmp_path: Path) -> None:
    result = table(tmp_path / "runs.duckdb", "-o", str(tmp_path / "table.md"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no finished run; make one: mlbench run" in result.stderr
    assert not (tmp_path / "table.md").exists()
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(("form", "printed"), [("json", "[]\n"), ("csv", "kind,")])
def test_of_an_empty_database_data_are_empty(tmp_path: Path, form: str, printed: str) -> None:
    result = table(tmp_path / "runs.duckdb", "--format", form)
    assert result.exit_code == 0
    assert result.stdout.startswith(printed)
