"""Decide what becomes of a spec: show its result, resume it, or run it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mlbench.errors import MisuseError, StoreError
from mlbench.run.device import EngineName, Execution, choose_execution
from mlbench.run.setup import Experiment, restore
from mlbench.run.spec import RunSpec
from mlbench.session.drive import Attempt, Observer
from mlbench.session.outcome import Outcome, outcome_of_progress, outcome_of_store
from mlbench.store.ingest import refresh
from mlbench.store.journal import attempts_of, list_journals
from mlbench.store.paths import StorePaths
from mlbench.store.queries import find_run, list_runs
from mlbench.store.records import Started

INGEST_PATIENCE = 2.0  # seconds that a run waits for the database when it ends

Tell = Callable[[str], None]
"""Takes a line of narration."""


@dataclass(frozen=True)
class Launched:
    """What became of a spec.

    Args:
        run_id: The run that has the result, or will have it.
        outcome: The result; ``None`` when the run was stopped before its end.
        exit_code: For the shell.
    """

    run_id: str
    spec: RunSpec
    outcome: Outcome | None
    exit_code: int = 0


def launch(
    experiment: Experiment,
    execution: Execution,
    paths: StorePaths,
    observer: Observer,
    tell: Tell,
    *,
    again: bool = False,
) -> Launched:
    """Run a spec, unless it is finished; go on with it, where it was interrupted.

    Raises:
        MlbenchError: It failed, or cannot be run.
    """
    spec = experiment.spec
    known = find_run(paths, spec.hash)
    if known is None or again:
        return drive(Attempt(experiment, execution, paths, fresh_id(paths, spec)), observer, tell)
    if known.status == "finished":
        tell(f"{known.run_id} has this very spec and is finished; --again runs it once more.")
        return Launched(known.run_id, spec, outcome_of_store(paths, known.run_id))
    attempt = Attempt(experiment, execution, paths, known.run_id)
    if known.status in {"failed", "diverged"}:
        tell(f"{known.run_id} {known.status} before ({known.error}); it begins again.")
        return drive(attempt, observer, tell, afresh=True)
    return drive(attempt, observer, tell)


def resume(
    paths: StorePaths,
    run_id: str,
    observer: Observer,
    tell: Tell,
    *,
    device: str | None = None,
    threads: int | None = None,
) -> Launched:
    """Go on with a run, on what it began on unless told otherwise.

    Raises:
        MlbenchError: There is no such run, its data or its technique changed, or it failed again.
    """
    first = first_record(paths, run_id)
    spec = RunSpec.from_record(dict(first.spec))
    origin = first.provenance
    engine: EngineName = origin["engine"] or "auto"  # type: ignore[assignment]
    execution = choose_execution(
        spec.kind, device or origin["device"], threads or origin["threads"], engine
    )
    return drive(Attempt(restore(spec), execution, paths, run_id), observer, tell)


def resumable(paths: StorePaths) -> list[str]:
    """Return the runs that were interrupted, the latest first."""
    runs = list_runs(paths)
    names: list[str] = runs.filter(runs["status"] == "interrupted")["run_id"].to_list()
    return names[::-1]


def drive(attempt: Attempt, observer: Observer, tell: Tell, *, afresh: bool = False) -> Launched:
    """Run one attempt, then bring its journal into the database."""
    experiment, paths, run_id = attempt.experiment, attempt.paths, attempt.run_id
    try:
        ended = attempt.drive(observer, afresh=afresh)
    finally:
        take_in(paths, tell)
    if ended.exit_code:
        tell(f"Stopped; everything is saved. Go on with: mlbench resume {run_id}{paths.option}")
        return Launched(run_id, experiment.spec, None, ended.exit_code)
    return Launched(run_id, experiment.spec, outcome_of_progress(experiment, ended.progress))


def take_in(paths: StorePaths, tell: Tell) -> None:
    """Bring journals into the database; whatever prevents it, the episodes are safe in them."""
    try:
        report = refresh(paths, patience=INGEST_PATIENCE)
    except StoreError as error:
        tell(f"The episodes wait in {paths.journals}: {error}")
        return
    if report.waiting is not None:
        tell(f"The episodes wait in {paths.journals}: {report.waiting}")
    for damage in report.damaged:
        tell(damage)


def fresh_id(paths: StorePaths, spec: RunSpec) -> str:
    """Return a name that no run has: technique, data and hash, and a number from the second on."""
    base = f"{spec.algorithm}-{spec.train_dataset}-{spec.hash[:8]}"
    number, name = 1, base
    while attempts_of(paths, name):
        number += 1
        name = f"{base}-{number}"
    return name


def first_record(paths: StorePaths, run_id: str) -> Started:
    """Return how a run began, from the first of its journals that can be read."""
    for journal in list_journals(paths):
        if journal.run_id == run_id and (first := journal.first()) is not None:
            return first
    raise MisuseError(
        f"no journal of a run {run_id!r} lies in {paths.journals};"
        " 'mlbench list runs' shows the runs"
    )
