"""A query reads the database of the store and reaches nothing else, however it is put."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from mlbench.errors import MisuseError, MlbenchError
from mlbench.store.ingest import ingest
from mlbench.store.paths import StorePaths
from mlbench.store.user_sql import choose_runs, sql
from mlbench.sweep.grid import parse_grid
from mlbench.sweep.planning import SweepRun, narrowed
from tests.fake_runs import FakeRun

STATEMENTS = """
attach ':memory:' as x
export database '{folder}/out'
import database '{folder}/out'
copy runs to '/dev/stdout'
copy from database runs to x
force install httpfs
load '{folder}/evil.duckdb_extension'
update extensions
pragma enable_profiling
pragma profile_output='{folder}/profile'
pragma temp_directory='{folder}/spill'
reset lock_configuration
set variable x = 1
set python_enable_replacements = true
create temp table t as select 1
create macro m() as 1
create secret s (type s3)
prepare p as select 1
call enable_logging(storage='file', storage_path='{folder}/log')
checkpoint
vacuum
begin
use memory
with x as (insert into phases values (1) returning *) select * from x
"""
FUNCTIONS = """
read_csv('{folder}/secret.csv')
read_blob('{folder}/secret.csv')
read_json('{folder}/secret.csv')
read_parquet('{folder}/*.parquet')
read_ndjson_objects('{folder}/secret.csv')
read_duckdb('{folder}/other.duckdb', table_name='t')
sniff_csv('{folder}/secret.csv')
parquet_metadata('{folder}/x.parquet')
glob('{folder}/*')
duckdb_secrets()
duckdb_extensions()
which_secret('s3://a/b', 's3')
load_aws_credentials()
query('from read_text(''{folder}/secret.csv'')')
query('copy runs to ''{folder}/out.csv''')
query_table('{folder}/secret.csv')
json_execute_serialized_sql(json_serialize_sql('from read_text(''{folder}/secret.csv'')'))
'https://127.0.0.1/x.csv'
's3://bucket/x.parquet'
'{folder}/*.csv'
'{folder}/other.duckdb'
hidden_frame
pandas_scan(1)
arrow_scan(1, 1, 1)
"""
WRITERS = """
enable_logging(storage='file', storage_path='{folder}/{place}')
enable_logging('QueryLog', storage='file', storage_config={{'path': '{folder}/{place}'}})
enable_profiling(format='json', save_location='{folder}/{place}.json')
"""
LOGGED = (
    "select write_log('x' || i, level := 'ERROR', scope := 'database')"
    " from (select count(*) from {function}), range({lines}) as t(i)"
)


def lines(text: str) -> list[str]:
    return text.strip().splitlines()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> StorePaths:
    folder = tmp_path_factory.mktemp("sql")
    paths = StorePaths(folder / "runs.duckdb")
    for run_id in ("r1", "r2"):
        run = FakeRun(run_id)
        run.write(paths, run.whole(shots=int(run_id[1])))
    ingest(paths)
    (folder / "secret.csv").write_text("a\ns3cret\n")
    with duckdb.connect(folder / "other.duckdb") as connection:
        connection.execute("CREATE TABLE t AS SELECT 's3cret' AS a")
    return paths


def answer(paths: StorePaths, text: str) -> str:
    """Return what a query gives, or why it is refused."""
    try:
        return str(sql(paths, text).rows())
    except MlbenchError as refused:
        return str(refused)


def contents(paths: StorePaths) -> dict[Path, bytes]:
    folder = paths.database.parent
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("text", [*lines(STATEMENTS), *(f"from {f}" for f in lines(FUNCTIONS))])
def test_what_is_no_reading_of_the_database_is_refused(store: StorePaths, text: str) -> None:
    hidden_frame = [1]
    assert hidden_frame
    before = contents(store)
    with pytest.raises(MisuseError) as caught:
        sql(store, text.format(folder=store.database.parent))
    assert "s3cret" not in str(caught.value)
    assert contents(store) == before


@pytest.mark.parametrize("text", ["select getenv('HOME')", "select getvariable('HOME')"])
def test_no_variable_of_the_environment_is_seen(
    store: StorePaths, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "s3cret")
    assert "s3cret" not in answer(store, text)


@pytest.mark.parametrize("function", lines(WRITERS))
@pytest.mark.parametrize("place", ["log.csv", "runs.duckdb.wal", "runs.duckdb.tmp/log.csv"])
@pytest.mark.parametrize("count", [3, 5000])
def test_what_duckdb_writes_on_its_own_behalf_is_written_nowhere(
    store: StorePaths, function: str, place: str, count: int
) -> None:
    """The write-ahead log and the spill folder are the only paths that DuckDB may open."""
    before = contents(store)
    named = function.format(folder=store.database.parent, place=place)
    answer(store, LOGGED.format(function=named, lines=count))
    assert contents(store) == before
    assert sql(store, "select count(*) from runs").item() == 2


@pytest.mark.parametrize(
    "condition",
    [
        "true) or (true",
        "true)) --",
        "true -- \n) or (1 = 1",
        "true /*",
        "1 = 1) union all (from read_text('{folder}/secret.csv')",
        "shots = 1) limit 1) union (select run_id from runs where (1 = 1",
        "true from runs where (true",
        "true; attach ':memory:' as x",
        "exists (from read_text('{folder}/secret.csv'))",
        "run_id in (select a from '{folder}/secret.csv')",
        "exists (from query('from read_text(''{folder}/secret.csv'')'))",
        "exists (from hidden_frame)",
        "getenv('HOME') is not null",
        "* from runs",
        "distinct true",
        "true as x",
    ],
)
def test_a_condition_is_a_condition(store: StorePaths, condition: str) -> None:
    hidden_frame = [1]
    assert hidden_frame
    before = contents(store)
    with pytest.raises(MisuseError, match="is no condition on runs"):
        choose_runs(store, condition.format(folder=store.database.parent))
    assert contents(store) == before


def test_views_and_macros_of_a_database_from_elsewhere_read_no_files(
    store: StorePaths, tmp_path: Path
) -> None:
    secret = store.database.parent / "secret.csv"
    paths = StorePaths(tmp_path / "theirs.duckdb")
    paths.database.write_bytes(store.database.read_bytes())
    with duckdb.connect(paths.database) as connection:
        connection.execute(f"CREATE OR REPLACE VIEW results AS FROM read_text('{secret}')")
        theirs = f"CREATE MACRO median(x) AS (SELECT a FROM read_csv('{secret}'))"  # noqa: S608
        connection.execute(theirs)
    for text in ("from results", "select median(shots) from runs"):
        with pytest.raises(MisuseError, match="Permission Error"):
            sql(paths, text)


@pytest.mark.parametrize(
    "condition",
    [
        "seed in (select seed from read_csv('{folder}/secret.csv'))",
        "seed in (SELECT * FROM read_csv('https://127.0.0.1:9/x.csv'))",
        "exists (from read_parquet('{folder}/x.parquet'))",
        "seed in (table secret)",
        "seed = 0 union select a from read_csv('{folder}/secret.csv')",
        "true from read_csv('{folder}/secret.csv') --",
        "'\\'' = 'x' or seed in (select a from read_csv('{folder}/secret.csv')) or '' = '",
        "read_csv('{folder}/secret.csv') is not null",
        "true; drop table x",
    ],
)
def test_a_condition_on_a_sweep_reads_its_columns_alone(store: StorePaths, condition: str) -> None:
    (cell,) = parse_grid("[[grid]]\nalgorithm = 'maml'\ntrain = 'sine'", "mine").cells
    with pytest.raises(MisuseError, match="is no condition on runs") as caught:
        narrowed([SweepRun(cell, 0, None)], condition.format(folder=store.database.parent))
    assert "s3cret" not in str(caught.value)
    assert len(narrowed([SweepRun(cell, 0, None)], "algorithm <> 'train_from_scratch'")) == 1
