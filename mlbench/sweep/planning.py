"""From a grid to runs: what each is, and how it stands."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import polars as pl

from mlbench.errors import MisuseError, MlbenchError, first_line
from mlbench.run.device import EngineName, Execution
from mlbench.run.setup import Experiment, prepare
from mlbench.run.together import unstackable
from mlbench.store.records import CONCLUSIVE
from mlbench.store.states import RunState
from mlbench.sweep.grid import Cell, Grid
from mlbench.sweep.job import Job

Standing = Literal["done", "running", "queued", "interrupted", "failed", "to do"]
QUERY = re.compile(r"\b(select|from|table|with)\b", re.IGNORECASE)
FIELDS = ("algorithm", "train", "ways", "shots", "queries", "protocol", "budget", "precision")
FIELDS_OF_BUDGET = ("train_tasks", "validation_tasks", "validate_every", "test_tasks")


@dataclass(frozen=True, eq=False)
class SweepRun:
    """One run of a grid.

    Args:
        cell: What it shares with other seeds.
        spec_hash: What it is; ``None`` where it cannot be prepared.
        trouble: Why it cannot be.
        experiment: Of its cell, whatever the seed.
    """

    cell: Cell
    seed: int
    spec_hash: str | None
    trouble: str | None = None
    experiment: Experiment | None = None

    def standing(self, states: Mapping[str, RunState], queued: Iterable[str] = ()) -> Standing:
        """Return how it stands.

        Args:
            states: Of all runs, by the hash of their spec.
            queued: Hashes of what waits to be begun, elsewhere.
        """
        if self.spec_hash is None:
            return "failed"
        state = states.get(self.spec_hash)
        if state is not None and state.status in CONCLUSIVE:
            return "done"
        if state is not None and state.status == "running":
            return "running"
        if self.spec_hash in queued:
            return "queued"
        if state is None:
            return "to do"
        return "failed" if state.status == "failed" else "interrupted"


def sweep_runs(grid: Grid) -> list[SweepRun]:
    """Return the runs of a grid, each once, as it is prepared for them.

    Raises:
        MisuseError: The grid asks for what makes no sense.
    """
    runs: dict[str, SweepRun] = {}
    for cell in grid.cells:
        for run in cell_runs(cell, grid.name):
            runs.setdefault(run.spec_hash or f"{cell.label} {run.seed}", run)
    return list(runs.values())


def cell_runs(cell: Cell, where: str) -> Iterator[SweepRun]:
    """Yield the runs of a cell; what cannot be run, for want of data or by a plugin, says so."""
    try:
        experiment = prepare(cell.request)
    except MisuseError as error:
        raise MisuseError(f"{where}: {cell.label}: {error}") from error
    except MlbenchError as error:
        trouble = first_line(error)
        yield from (SweepRun(cell, seed, None, trouble) for seed in cell.seeds)
        return
    for seed in cell.seeds:
        spec = replace(experiment.spec, seed=seed)
        yield SweepRun(cell, seed, spec.hash, None, experiment)


def narrowed(runs: Sequence[SweepRun], condition: str) -> list[SweepRun]:
    """Return the runs of which a condition in SQL holds, such as ``shots = 1 and seed < 5``.

    Its columns are those of a grid, ``seed``, and settings by name.

    Raises:
        MisuseError: It is no condition on runs.
    """
    frame = described(runs)
    try:
        check_reads_columns(condition)
        kept = frame.with_row_index("number of run").filter(pl.sql_expr(condition))
    except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
        reason = " ".join(first_line(error).split())
        raise MisuseError(
            f"--where {condition!r} is no condition on runs ({reason}); columns are:"
            f" {', '.join(frame.columns)}"
        ) from error
    return [runs[number] for number in kept["number of run"]]


def check_reads_columns(condition: str) -> None:
    """Refuse a condition that asks for more than columns: polars would read files and addresses.

    Raises:
        ValueError: It has a query in it.
    """
    if word := QUERY.search(condition):
        raise ValueError(f"it may hold no query, and so not the word {word[0]!r}")


def described(runs: Sequence[SweepRun]) -> pl.DataFrame:
    """Return a row per run; a setting that is not always a number is a text throughout."""
    rows = [columns_of(run) for run in runs]
    columns: dict[str, list[object]] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row.get(name) for row in rows]
        if any(isinstance(value, str) for value in values):
            values = [None if value is None else str(value) for value in values]
        columns[name] = values
    return pl.DataFrame(columns, strict=False)


def columns_of(run: SweepRun) -> dict[str, object]:
    """Return what a condition may speak of; settings that nobody set are left out."""
    request = run.cell.request
    columns: dict[str, object] = {name: getattr(request, name) for name in FIELDS}
    columns["eval"] = ", ".join(request.evals)
    if run.experiment is not None:
        spec = run.experiment.spec
        columns |= {"ways": spec.ways, "queries": spec.queries}
        columns |= {name: getattr(spec.budget, name) for name in FIELDS_OF_BUDGET}
    columns["seed"] = run.seed
    return columns | {name: number_or_text(text) for name, text in request.settings.items()}


def number_or_text(text: str) -> object:
    """Return a setting as a number where it is one."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def jobs_of(
    runs: Sequence[SweepRun],
    make: Callable[[Cell, list[tuple[int, str]]], Job],
    engine: EngineName,
    *,
    alone: bool,
) -> list[Job]:
    """Return the jobs that do some runs, in the order in which they are to be begun.

    Seeds that gain by it are one program. The others take turns: every cell has its first seed
    before any has its second, so that a sweep which is stopped has something of everything, and
    running times are measured under equal conditions.

    Args:
        runs: What is to be done, all of it prepared.
        make: Makes a job of seeds and spec hashes of a cell.
        engine: What the runs are computed with.
        alone: Give every run a process of its own.
    """
    execution = Execution(device="cpu", threads=1, engine=engine)
    cells: dict[int, list[SweepRun]] = {}
    for run in runs:
        cells.setdefault(id(run.cell), []).append(run)
    turns: list[tuple[int, Job]] = []
    for same in cells.values():
        cell, experiment = same[0].cell, same[0].experiment
        pairs = [(run.seed, run.spec_hash) for run in same if run.spec_hash is not None]
        if experiment is None or not pairs:
            continue
        if len(pairs) > 1 and not alone and unstackable(experiment, execution) is None:
            turns.append((0, make(cell, pairs)))
        else:
            turns += [(turn, make(cell, [pair])) for turn, pair in enumerate(pairs)]
    return [job for _, job in sorted(turns, key=lambda entry: entry[0])]
