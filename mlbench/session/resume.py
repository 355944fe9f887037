"""Go on with a run by its name, from its last checkpoint."""

from __future__ import annotations

from typing import cast, get_args

from mlbench.errors import MisuseError, MlbenchError, PluginError
from mlbench.run.compiling import missing_compiler
from mlbench.run.device import Compile, EngineName, Execution, choose_execution
from mlbench.run.setup import restore
from mlbench.run.spec import RunSpec
from mlbench.run.together import compilation, with_native_rules
from mlbench.session.drive import Attempts, Observer, Tell
from mlbench.session.keeper import refuse
from mlbench.session.launch import (
    Launched,
    changed_files,
    drive,
    ended,
    ingest_or_tell,
    stored_outcome,
)
from mlbench.store.ingest import refresh
from mlbench.store.journal import journals_by_run, journals_of
from mlbench.store.liveness import RunLock
from mlbench.store.paths import StorePaths
from mlbench.store.records import CONCLUSIVE, Kind, ProvenanceRecord, Started
from mlbench.store.states import last_status, state_of


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
    execution = execution_of(spec.kind, first.provenance, device, threads)
    if execution.compile == "on" and (lack := missing_compiler(execution.torch_device)):
        raise MisuseError(
            f"{run_id} was compiled, and {lack}; install one, or say --device {execution.device},"
            " which computes it as this machine can"
        )
    compiled, remark = compilation(experiment, execution, 1)
    execution, regret = with_native_rules(experiment, execution, 1)
    for line in filter(None, (remark, regret)):
        tell(line)
    if (stacked := first.provenance["stacked"]) > 1:
        tell(
            f"{run_id} was one of {stacked} runs of one program, and goes on alone: to the same"
            " numbers up to rounding. The command that began them goes on with all."
        )
    attempts = Attempts([experiment], execution, paths, [run_id], compiled=compiled)
    (launched,) = drive(attempts, observer, tell, ingest_or_tell)
    return launched


def execution_of(
    kind: Kind, origin: ProvenanceRecord, device: str | None, threads: int | None
) -> Execution:
    """Return what a run goes on with: what its first attempt had, or what fits another device."""
    threads = threads or origin["threads"]
    if device is not None:
        return choose_execution(kind, device, threads)
    engine, _, suffix = (origin["engine"] or "auto").partition(", ")
    alone, on_gpu = origin["stacked"] == 1, origin["device"].startswith("cuda")
    again: Compile = "auto" if suffix or (on_gpu and not alone) else "off"
    if origin["compiled"]:
        again = "on" if alone else "auto"
    known = alone and engine in get_args(EngineName)  # otherwise it was chosen by itself
    return choose_execution(
        kind,
        origin["device"],
        threads,
        cast("EngineName", engine) if known else "auto",
        again,
        tf32=bool(origin["tf32"]),
        deterministic=bool(origin["deterministic"]),
    )


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
