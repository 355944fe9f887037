"""Decide what becomes of a spec: show its result, resume it, or run it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mlbench.errors import MisuseError, MlbenchError, PluginError, StoreError
from mlbench.run.device import EngineName, Execution, choose_execution
from mlbench.run.machine import plugin_files
from mlbench.run.setup import Experiment, restore
from mlbench.run.spec import RunSpec
from mlbench.session.drive import Attempt, Observer, refuse
from mlbench.session.outcome import Outcome, outcome_of_progress, outcome_of_store
from mlbench.store.ingest import refresh
from mlbench.store.journal import (
    RunState,
    attempts_of,
    journals_by_run,
    journals_of,
    last_status,
    state_of,
)
from mlbench.store.liveness import RunLock
from mlbench.store.paths import StorePaths
from mlbench.store.queries import find_run
from mlbench.store.records import CONCLUSIVE, Started

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
    """Run a spec, unless it finished or diverged; go on with it, where it was interrupted.

    Raises:
        MlbenchError: It failed, or cannot be run.
    """
    spec = experiment.spec
    known = find_run(paths, spec.hash)
    if known is None or again:
        return drive(Attempt(experiment, execution, paths, fresh_id(paths, spec)), observer, tell)
    changed = changed_files(experiment, paths, known.run_id)
    if known.status in CONCLUSIVE:
        tell(f"{known.run_id} has this very spec and {ended(known)}; --again runs it once more.")
        if changed:
            tell(f"Changed since: {', '.join(changed)}. --again runs what is there.")
        return Launched(known.run_id, spec, stored_outcome(paths, known))
    if known.status != "running":
        tell(f"{known.run_id} {known.status} before{f': {known.error}' if known.error else '.'}")
    if changed:
        tell(f"Changed since: {', '.join(changed)}. It begins again.")
    attempt = Attempt(experiment, execution, paths, known.run_id)
    return drive(attempt, observer, tell, afresh=bool(changed))


def resume(
    paths: StorePaths,
    run_id: str,
    observer: Observer,
    tell: Tell,
    *,
    device: str | None = None,
    threads: int | None = None,
) -> Launched:
    """Go on with a run, on what it began on unless told otherwise; show it if it has its result.

    Raises:
        MlbenchError: There is no such run, its data or its technique changed, or it failed again.
    """
    refresh(paths)  # a database that cannot be used is told before the work, not after it
    first = first_record(paths, run_id)
    spec = RunSpec.from_record(dict(first.spec))
    known = last_status(paths, run_id)
    if known is not None and known.status in CONCLUSIVE:
        tell(f"{run_id} {ended(known)}.")
        return Launched(run_id, spec, stored_outcome(paths, known))
    try:
        experiment = restore(spec)
    except MlbenchError as error:
        with RunLock(paths, run_id):
            refuse(paths, run_id, error)
        raise
    if changed := changed_files(experiment, paths, run_id):
        raise PluginError(
            f"{', '.join(changed)} changed since {run_id} began, and half a run of each is none;"
            f" bring the old file back, or begin again with mlbench run {spec.algorithm} ..."
        )
    origin = first.provenance
    stored: EngineName = origin["engine"] or "auto"  # type: ignore[assignment]
    execution = choose_execution(
        spec.kind,
        device or origin["device"],
        threads or origin["threads"],
        stored if device is None else "auto",
    )
    return drive(Attempt(experiment, execution, paths, run_id), observer, tell)


def resumable(paths: StorePaths) -> list[str]:
    """Return the runs that stopped before their end, the one that stopped last first."""
    stopped: dict[str, float] = {}
    for run_id, journals in journals_by_run(paths).items():
        state = state_of(paths, journals)
        if state is not None and state.status in {"interrupted", "failed"}:
            stopped[run_id] = journals[-1].path.stat().st_mtime
    return sorted(stopped, key=lambda run_id: stopped[run_id], reverse=True)


def drive(attempt: Attempt, observer: Observer, tell: Tell, *, afresh: bool = False) -> Launched:
    """Run one attempt, then bring its journal into the database."""
    experiment, paths, run_id = attempt.experiment, attempt.paths, attempt.run_id
    go_on = f"Go on with: mlbench resume {run_id}{paths.option}"
    try:
        ended = attempt.drive(observer, afresh=afresh)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            tell(f"Stopped at once; what came after the last checkpoint is lost. {go_on}")
        take_in(paths, tell)
        raise
    outcome = outcome_of_progress(experiment, ended.progress) if ended.finished else None
    if outcome is None:
        tell(f"Stopped; everything is saved. {go_on}")
    take_in(paths, tell)
    return Launched(run_id, experiment.spec, outcome, ended.exit_code)


def ended(run: RunState) -> str:
    """Return how a run came to its result."""
    return "is finished" if run.status == "finished" else run.status


def stored_outcome(paths: StorePaths, run: RunState) -> Outcome:
    """Return what the database has of a run that finished or diverged.

    Raises:
        StoreError: Its episodes are still in the journals, and cannot be taken in.
    """
    outcome = outcome_of_store(paths, run.run_id)
    if outcome is None:
        reason = (
            refresh(paths).waiting or "they cannot be read to their end; --again runs it once more"
        )
        raise StoreError(f"{run.run_id} {ended(run)}, but its episodes wait in journals: {reason}")
    return outcome


def changed_files(experiment: Experiment, paths: StorePaths, run_id: str) -> list[str]:
    """Return the plugin files that are not what they were when a run last began."""
    journals = journals_of(paths, run_id)
    first = journals[-1].first() if journals else None
    if first is None:
        return []  # a run without journals came with its database from elsewhere
    known = set(first.provenance["plugin_files"].values())
    return [file for file, digest in plugin_files(experiment).items() if digest not in known]


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
    for journal in journals_of(paths, run_id):
        if (first := journal.first()) is not None:
            return first
    raise MisuseError(
        f"no journal of a run {run_id!r} lies in {paths.journals};"
        f" 'mlbench list runs{paths.option}' shows the runs"
    )
