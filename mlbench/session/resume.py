"""Go on with a run by its name, from its last checkpoint."""

from __future__ import annotations

from mlbench.errors import MisuseError, MlbenchError, PluginError
from mlbench.run.device import Compile, EngineName, choose_execution
from mlbench.run.setup import restore
from mlbench.run.spec import RunSpec
from mlbench.run.together import compilation
from mlbench.session.drive import Attempts, Observer
from mlbench.session.keeper import refuse
from mlbench.session.launch import Launched, Tell, changed_files, drive, ended, stored_outcome
from mlbench.store.ingest import refresh
from mlbench.store.journal import journals_by_run, journals_of, last_status, state_of
from mlbench.store.liveness import RunLock
from mlbench.store.paths import StorePaths
from mlbench.store.records import CONCLUSIVE, Started


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
    compiled = origin.get("compiled", False)
    again: Compile = "on" if compiled else "off"
    alone = device is None and origin.get("stacked", 1) == 1
    execution = choose_execution(
        spec.kind,
        device or origin["device"],
        threads or origin["threads"],
        stored if alone else "auto",
        again if device is None else "auto",
    )
    compiled, remark = compilation(experiment, execution, 1)
    if remark:
        tell(remark)
    attempts = Attempts([experiment], execution, paths, [run_id], compiled=compiled)
    (launched,) = drive(attempts, observer, tell)
    return launched


def resumable(paths: StorePaths) -> list[str]:
    """Return the runs that stopped before their end, the one that stopped last first."""
    stopped: dict[str, float] = {}
    for run_id, journals in journals_by_run(paths).items():
        state = state_of(paths, journals)
        if state is not None and state.status in {"interrupted", "failed"}:
            stopped[run_id] = journals[-1].path.stat().st_mtime
    return sorted(stopped, key=lambda run_id: stopped[run_id], reverse=True)


def first_record(paths: StorePaths, run_id: str) -> Started:
    """Return how a run began, from the first of its journals that can be read."""
    for journal in journals_of(paths, run_id):
        if (first := journal.first()) is not None:
            return first
    raise MisuseError(
        f"no journal of a run {run_id!r} lies in {paths.journals};"
        f" 'mlbench list runs{paths.option}' shows the runs"
    )
