"""Records on their way from journals into tables."""

from __future__ import annotations

import json
import math
from array import array
from collections import defaultdict
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

from mlbench.store.lines import utc
from mlbench.store.records import (
    EPISODE_COLUMNS,
    Episodes,
    PhaseTime,
    Record,
    Started,
    StatusChange,
    Validated,
)

if TYPE_CHECKING:
    import polars as pl

LINE = ("run_id", "phase", "train_dataset", "eval_dataset", "attempt")
"""What the episodes of one line of a journal share."""
SPEC_COLUMNS = (
    "algorithm",
    "train_dataset",
    "eval_datasets",
    "ways",
    "shots",
    "queries",
    "seed",
    "protocol",
    "budget",
    "train_tasks",
    "validation_tasks",
    "validate_every",
    "test_tasks",
    "precision",
)
MACHINE_COLUMNS = (
    "host",
    "os",
    "cpu",
    "cores",
    "memory_bytes",
    "gpu",
    "device",
    "threads",
    "engine",
    "allocator",
    "python",
    "pid",
    "stacked",
    "compiled",
    "tf32",
    "deterministic",
)
NOT_SETTINGS = {"seed", "eval_datasets", "fingerprints", "options"}


class Batch:
    """Rows by table, gathered from records and inserted together."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, str, str, int]] = []
        self.counts: list[int] = []  # of episodes, by line
        self.positions = array("q")
        self.columns = {name: array(code) for name, code in EPISODE_COLUMNS.items()}
        self.rows: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def add(self, run_id: str, attempt: int, train_dataset: str, record: Record) -> None:
        """Add what an attempt recorded after its start."""
        where = {"run_id": run_id, "attempt": attempt, "position": record.position}
        values: dict[str, Any]
        match record:
            case Episodes():
                self.add_episodes(run_id, attempt, train_dataset, record)
            case Validated():
                values = {
                    "step": record.step,
                    "tasks": record.tasks,
                    "loss": float(record.loss),
                    "score": float(record.score),
                    "best": record.best,
                }
                self.rows["validations"].append(where | values)
            case PhaseTime():
                values = {
                    "phase": record.phase,
                    "eval_dataset": record.eval_dataset,
                    "seconds": float(record.seconds),
                }
                self.rows["phases"].append(where | values)
            case StatusChange():
                self.rows["statuses"].append(
                    {
                        "run_id": run_id,
                        "attempt": attempt,
                        "status": record.status,
                        "ended": utc(record.at),
                        "error": record.error,
                        "tasks_trained": record.tasks_trained,
                        "inferred": False,
                    }
                )

    def add_episodes(self, run_id: str, attempt: int, train_dataset: str, record: Episodes) -> None:
        """Add the episodes of a line."""
        count = len(record.episode)
        self.lines.append((run_id, record.phase, train_dataset, record.eval_dataset, attempt))
        self.counts.append(count)
        self.positions.extend(range(record.position, record.position + count))
        for name, column in self.columns.items():
            column.extend(getattr(record, name))

    def add_attempt(self, started: Started, *, first: bool) -> None:
        """Add an attempt and its machine; for the first that is met of a run, also what it is."""
        spec, provenance = started.spec, started.provenance
        where = {"run_id": started.run_id, "attempt": started.attempt}
        values: dict[str, Any] = {name: spec[name] for name in SPEC_COLUMNS}  # type: ignore[literal-required]
        values |= {
            "position": started.position,
            "started": utc(started.at),
            "kind": started.kind,
            "protocol_settings": json_text(spec["protocol_settings"]),
            "spec_hash": started.spec_hash,
            "settings_hash": settings_hash(dict(spec)),
            "spec": json_text(spec),
            "incomplete": "; ".join(f"{k}: {v}" for k, v in started.incomplete.items()) or None,
            "command": provenance["command"],
            "git_commit": provenance["git_commit"],
            "git_dirty": provenance["git_dirty"],
        }
        self.rows["attempts"].append(where | values)
        machine = {name: provenance[name] for name in MACHINE_COLUMNS}  # type: ignore[literal-required]
        self.rows["machines"].append(where | machine)
        for name, version in provenance["packages"].items():
            self.rows["packages"].append(where | {"name": name, "version": version})
        for path, sha256 in provenance["plugin_files"].items():
            self.rows["plugin_files"].append(where | {"path": path, "sha256": sha256})
        if first:
            self.add_settings(started)

    def add_settings(self, started: Started) -> None:
        """Add hyperparameters and data sets, which all attempts of a run share."""
        run_id, spec = started.run_id, started.spec
        parts = {
            "algorithm": spec["hyperparameters"],
            "learner": spec["learner"],
            "protocol": spec["protocol_settings"],
        }
        parts |= spec["options"]  # data sets, by name
        for part, settings in parts.items():
            self.rows["hyperparameters"] += [
                {"run_id": run_id, "part": part, "name": name, "value": json_text(value)}
                for name, value in settings.items()
            ]
        roles = [("train", spec["train_dataset"])]
        tested = dict.fromkeys((spec["train_dataset"], *spec["eval_datasets"]))
        roles += [("eval", dataset) for dataset in tested]
        self.rows["data"] += [
            {
                "run_id": run_id,
                "dataset": dataset,
                "role": role,
                "fingerprint": spec["fingerprints"][dataset],
                "incomplete": started.incomplete.get(dataset),
            }
            for role, dataset in roles
        ]

    @property
    def tested(self) -> set[str]:
        """Return the runs of which there are test episodes."""
        return {run_id for run_id, phase, *_ in self.lines if phase == "test"}

    def episodes(self) -> pl.DataFrame:
        """Return a row per episode: the columns of ``episodes``."""
        import polars as pl

        names = dict.fromkeys(LINE, pl.Categorical)  # as numbers, until DuckDB has them
        schema = {**names, "attempt": pl.Int32}
        lines = pl.DataFrame(self.lines, schema=schema, orient="row")
        shared = lines[np.repeat(np.arange(len(lines)), self.counts)]
        columns = {"position": self.positions, **self.columns}
        own = pl.DataFrame({name: np.asarray(column) for name, column in columns.items()})
        return shared.hstack(own.rename({"key": "episode_key"}))

    def insert(self, connection: duckdb.DuckDBPyConnection) -> int:
        """Insert all rows through Arrow, within the caller's transaction; return the episodes."""
        if self.positions:
            insert(connection, "episodes", self.episodes())
        for table, rows in self.rows.items():
            insert(connection, table, framed(rows))
        return len(self.positions)


def framed(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Return rows as a frame; polars is slow to import, and a run begins sooner without."""
    import polars as pl

    return pl.DataFrame(rows, infer_schema_length=None)


def insert(connection: duckdb.DuckDBPyConnection, table: str, frame: pl.DataFrame) -> None:
    """Append a frame to a table, columns matched by name."""
    connection.register("waiting_rows", frame)
    connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM waiting_rows")  # noqa: S608
    connection.unregister("waiting_rows")


def settings_hash(spec: dict[str, Any]) -> str:
    """Return what runs share that differ in nothing but seed and data."""
    settings = {name: value for name, value in spec.items() if name not in NOT_SETTINGS}
    return blake2b(json_text(settings).encode(), digest_size=8).hexdigest()


def json_text(value: Any) -> str:
    """Return JSON that DuckDB reads: NaN and infinities become strings."""
    return json.dumps(finite(value), sort_keys=True)


def finite(value: Any) -> Any:
    """Return a JSON value with what is not finite as text."""
    match value:
        case dict():
            return {key: finite(item) for key, item in value.items()}
        case list() | tuple():
            return [finite(item) for item in value]
        case float() if not math.isfinite(value):
            return str(value)
    return value
