"""``mlbench doctor``: every lack with its remedy, and 1 where something is broken."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mlbench import doctor
from mlbench.cli import main
from mlbench.store import connection, schema
from mlbench.store.paths import StorePaths


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, without data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("MLBENCH_PLUGINS", raising=False)
    return tmp_path


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["doctor", *arguments], catch_exceptions=False)


def findings(*arguments: str) -> dict[str, dict[str, Any]]:
    return {each["topic"]: each for each in json.loads(invoke("--json", *arguments).stdout)}


def test_an_empty_folder_is_fine_and_absent_data_come_with_their_commands(here: Path) -> None:
    result = invoke()
    assert result.exit_code == 0
    assert "fail" not in {line.split()[0] for line in result.stdout.splitlines()}
    found = findings()
    assert found["dataset sine"]["mark"] == "ok"
    assert found["dataset mini"]["mark"] == "warn"
    assert "mlbench data add mini PATH" in found["dataset mini"]["remedy"]
    assert "does not exist" in found["database"]["found"]
    assert not (here / "runs.duckdb").exists()


def test_every_line_that_is_not_ok_has_a_remedy() -> None:
    assert all(each["remedy"] for each in findings().values() if each["mark"] != "ok")


def test_a_file_that_is_no_database_fails(here: Path) -> None:
    (here / "runs.duckdb").write_text("this is not a database, however long it may be" * 400)
    result = invoke()
    assert result.exit_code == 1
    found = findings()["database"]
    assert found["mark"] == "fail"
    assert "no DuckDB database" in found["found"]
    assert found["remedy"]


def test_an_empty_database_is_fine(here: Path) -> None:
    with connection.write(StorePaths(here / "runs.duckdb")):
        pass
    found = findings()["database"]
    assert found["mark"] == "ok"
    assert found["found"].endswith(f"schema {schema.LATEST}; runs: none")


def test_a_database_of_a_newer_schema_fails(here: Path) -> None:
    with connection.write(StorePaths(here / "runs.duckdb")) as connected:
        connected.execute("INSERT INTO schema_version VALUES (?, now())", [schema.LATEST + 1])
    found = findings()["database"]
    assert found["mark"] == "fail"
    assert "pip install -U mlbench" in found["remedy"]


def test_a_database_held_by_another_program_is_a_warning_that_names_it(here: Path) -> None:
    with connection.write(StorePaths(here / "runs.duckdb")):
        pass
    hold = "import duckdb, sys; c = duckdb.connect('runs.duckdb'); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", hold], cwd=here, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        found = findings()["database"]
        holder.communicate(b"\n")
    assert found["mark"] == "warn"
    assert f"PID {holder.pid}" in found["found"]


def test_a_broken_plugin_fails_and_the_rest_is_still_checked(here: Path) -> None:
    (here / "datasets").mkdir()
    (here / "datasets" / "mine.py").write_text("import no_such_module")
    result = invoke()
    assert result.exit_code == 1
    found = findings()
    assert "no_such_module" in found["dataset"]["found"]
    assert found["dataset sine"]["mark"] == "ok"
    assert found["database"]["mark"] == "ok"


def test_a_root_without_plugins_is_a_warning(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLBENCH_PLUGINS", str(here / "absent"))
    assert findings()["plugins"]["mark"] == "warn"


@pytest.mark.parametrize(
    ("installed", "mark"),
    [("1.5.6", "ok"), ("1.6.0rc1", "ok"), ("1.5.5", "fail"), ("2.0.0", "fail")],
)
def test_versions_of_duckdb_that_lose_rows_fail(
    monkeypatch: pytest.MonkeyPatch, installed: str, mark: str
) -> None:
    monkeypatch.setattr(doctor, "version", lambda _: installed)
    assert doctor.check_package("duckdb").mark == mark


def test_a_missing_package_fails() -> None:
    assert doctor.check_package("no-such-package").mark == "fail"


def test_a_missing_compiler_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    assert doctor.check_compiler().mark == "warn"


def test_a_full_disk_fails(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = SimpleNamespace(total=10**9, used=10**9 - 1, free=1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert {each.mark for each in doctor.check_space(here / "runs.duckdb")} == {"fail"}
