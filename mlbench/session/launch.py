"""Decide what becomes of specs: show their results, go on with them, or run them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from mlbench.errors import RunDoneError, StoreError
from mlbench.run.device import Execution
from mlbench.run.machine import plugin_files
from mlbench.run.setup import Experiment
from mlbench.run.spec import RunSpec
from mlbench.run.together import compilation, unstackable, with_native_rules
from mlbench.session.drive import Attempts, Observer, Tell
from mlbench.session.keeper import saved_place
from mlbench.session.outcome import Outcome, outcome_of_progress, outcome_of_store
from mlbench.store.ingest import refresh
from mlbench.store.journal import journals_of, resume_command
from mlbench.store.paths import StorePaths
from mlbench.store.queries import find_run
from mlbench.store.records import CONCLUSIVE
from mlbench.store.states import RunState, find_in_journals, last_status

INGEST_PATIENCE = 2.0  # seconds that a run waits for the database when it ends
HASH_IN_NAME = 8  # digits of a spec's hash in the name of its run

Find = Callable[[StorePaths, str], RunState | None]
"""Finds the run of a spec that counts, by its hash."""
Ingest = Callable[[StorePaths, Tell], None]
"""Sees to what waits in the journals."""


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


@dataclass(frozen=True)
class Planned:
    """A run that is to be begun, or gone on with.

    Args:
        afresh: Whether to begin again, even where a checkpoint lies.
    """

    experiment: Experiment
    run_id: str
    afresh: bool = False


def launch(
    experiments: Sequence[Experiment],
    execution: Execution,
    paths: StorePaths,
    observer: Callable[[], Observer],
    tell: Tell,
    *,
    again: bool = False,
    take_in: bool = True,
) -> Iterator[Launched]:
    """Run specs, unless they finished or diverged; go on with those that were interrupted.

    Yields what became of each, in groups that were computed together.

    Args:
        experiments: One, or one with several seeds.
        execution: What to run on.
        paths: Where everything lies.
        observer: Makes what follows a computation.
        tell: Takes narration.
        again: Run even what has its result.
        take_in: Bring the journals into the database; otherwise it is not even looked at.

    Raises:
        MlbenchError: One failed, or cannot be run.
    """
    find = find_run if take_in else find_by_name
    plans = [plan(experiment, paths, tell, find, again=again) for experiment in experiments]
    planned = [one for one in plans if isinstance(one, Planned)]
    yield from (one for one in plans if isinstance(one, Launched))
    waiting = deque(groups(planned, execution, paths, tell))
    while waiting:
        group = waiting.popleft()
        first, runs = group[0].experiment, len(group)
        compiled, remark = compilation(first, execution, runs)
        native, regret = with_native_rules(first, execution, runs)
        for line in filter(None, (remark, regret)):
            tell(line)
        if len(group) > 1:
            seeds = ", ".join(str(one.experiment.spec.seed) for one in group)
            tell(f"{len(group)} runs as one program (seeds {seeds}); the first one is shown.")
        attempts = Attempts(
            [one.experiment for one in group],
            native,
            paths,
            [one.run_id for one in group],
            compiled=compiled,
        )
        ingest = ingest_or_tell if take_in else leave_waiting
        try:
            found = drive(attempts, observer(), tell, ingest, afresh=group[0].afresh)
        except RunDoneError as error:
            tell(str(error))
            left = [one for one in group if one.run_id not in error.run_ids]
            waiting.extendleft([left] if left else [])
            done = [one.experiment for one in group if one.run_id in error.run_ids]
            found = [
                shown
                for experiment in done
                if isinstance(shown := plan(experiment, paths, tell, find, again=False), Launched)
            ]
        yield from found
        if any(one.exit_code for one in found):
            return


def groups(
    planned: list[Planned], execution: Execution, paths: StorePaths, tell: Tell
) -> list[list[Planned]]:
    """Return which runs are computed together: those at the same point, where that can be."""
    if len(planned) < 2:
        return [[one] for one in planned]
    reason = unstackable(planned[0].experiment, execution)
    if reason is not None:
        tell(f"The runs are computed one after another: {reason}.")
        return [[one] for one in planned]

    def point(one: Planned) -> str:
        where = "" if one.afresh else saved_place(one.experiment, paths, one.run_id)
        return repr(where)

    return [list(same) for _, same in groupby(sorted(planned, key=point), key=point)]


def plan(
    experiment: Experiment, paths: StorePaths, tell: Tell, find: Find, *, again: bool
) -> Planned | Launched:
    """Decide what becomes of one spec, by what is known of it.

    The name for a new run is chosen before the store is asked: whoever begins this spec after the
    choice takes the same name and is found, or meets the lock, and nobody runs it a second time.
    """
    spec = experiment.spec
    unused = fresh_id(paths, spec)
    known = find(paths, spec.hash)
    if known is None or again:
        return Planned(experiment, unused)
    changed = changed_files(experiment, paths, known.run_id)
    if known.status in CONCLUSIVE:
        tell(f"{known.run_id} has this very spec and {ended(known)}; --again runs it once more.")
        if changed:
            tell(f"Changed since: {', '.join(changed)}. --again runs what is there.")
        outcome = stored_outcome(paths, known) if find is find_run else None
        return Launched(known.run_id, spec, outcome)
    if known.status != "running":
        tell(f"{known.run_id} {known.status} before{f': {known.error}' if known.error else '.'}")
    if changed:
        tell(f"Changed since: {', '.join(changed)}. It begins again.")
    return Planned(experiment, known.run_id, afresh=bool(changed))


def drive(
    attempts: Attempts,
    observer: Observer,
    tell: Tell,
    ingest: Ingest,
    *,
    afresh: bool = False,
) -> list[Launched]:
    """Run attempts, then bring their journals into the database, or leave that to others."""
    paths = attempts.paths
    go_on = f"Go on with: {resume_command(paths, attempts.run_ids[0])}"
    if attempts.stacked > 1:
        go_on = "The same command goes on with them."
    try:
        found = attempts.drive(observer, tell, afresh=afresh)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            tell(f"Stopped at once; what came after the last checkpoint is lost. {go_on}")
        ingest(paths, tell)
        raise
    outcomes = [
        outcome_of_progress(experiment, end.progress) if end.finished else None
        for experiment, end in zip(attempts.experiments, found, strict=True)
    ]
    if None in outcomes:
        tell(f"Stopped; everything is saved. {go_on}")
    ingest(paths, tell)
    return [
        Launched(run_id, experiment.spec, outcome, end.exit_code)
        for run_id, experiment, outcome, end in zip(
            attempts.run_ids, attempts.experiments, outcomes, found, strict=True
        )
    ]


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


def ingest_or_tell(paths: StorePaths, tell: Tell) -> None:
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


def leave_waiting(paths: StorePaths, tell: Tell) -> None:
    """Leave the journals to whoever looks at the database."""


def fresh_id(paths: StorePaths, spec: RunSpec) -> str:
    """Return a name that no run has: technique, data and hash, and a number from the second on.

    A journal without its first line says nothing yet, or never will: whoever wrote it has that
    name if it is alive, and otherwise nobody has.
    """
    base = base_id(spec)
    number, name = 1, base
    while last_status(paths, name) is not None:
        number += 1
        name = f"{base}-{number}"
    return name


def base_id(spec: RunSpec) -> str:
    """Return how the name of a run begins."""
    return f"{spec.algorithm}-{spec.train_dataset}-{spec.hash[:HASH_IN_NAME]}"


def find_by_name(paths: StorePaths, spec_hash: str) -> RunState | None:
    """Return the run of a spec that counts, from the journals of runs that are named after it.

    A thousand runs that begin at once read few journals each, and no database.
    """
    return find_in_journals(paths, spec_hash, spec_hash[:HASH_IN_NAME])
