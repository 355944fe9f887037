"""How runs stand, as their journals and the locks of the living tell it, without DuckDB."""

from __future__ import annotations

from dataclasses import dataclass

from mlbench.store.journal import JournalFile, journals_by_run, journals_of
from mlbench.store.liveness import is_alive
from mlbench.store.paths import StorePaths
from mlbench.store.records import Status, StatusChange


@dataclass(frozen=True, kw_only=True)
class RunState:
    """How a run stands.

    Args:
        attempts: The number of its last attempt.
        started: When its first attempt started; ISO 8601, UTC.
    """

    run_id: str
    spec_hash: str
    status: Status
    attempts: int
    started: str
    error: str | None


def last_status(paths: StorePaths, run_id: str) -> RunState | None:
    """Return how a run stands, from its journals alone; ``None`` if they say nothing."""
    return state_of(paths, journals_of(paths, run_id))


def find_in_journals(paths: StorePaths, spec_hash: str, named: str = "") -> RunState | None:
    """Return the run of this spec that counts, as :func:`.queries.find_run`, without asking DuckDB.

    Args:
        paths: The store.
        spec_hash: What the run is.
        named: Only runs are looked at in whose names this occurs.
    """
    return states_by_spec(paths, named).get(spec_hash)


def states_by_spec(paths: StorePaths, named: str = "") -> dict[str, RunState]:
    """Return, by the hash of its spec, how the run stands that counts of each.

    That is the finished one that started last, or else the last that diverged; if there is none
    of either, the one that started last.

    Args:
        paths: The store.
        named: Only runs are looked at in whose names this occurs.
    """
    found: dict[str, RunState] = {}
    for run_id, journals in journals_by_run(paths).items():
        state = state_of(paths, journals) if named in run_id else None
        if state is not None:
            rival = found.get(state.spec_hash, state)
            found[state.spec_hash] = max(rival, state, key=precedence)
    return found


def precedence(state: RunState) -> tuple[bool, bool, str, str]:
    """Return what grows with how much a run counts among those of its spec."""
    return (state.status == "finished", state.status == "diverged", state.started, state.run_id)


def state_of(paths: StorePaths, journals: list[JournalFile]) -> RunState | None:
    """Return how the run that wrote these journals stands; they are in order."""
    first = next(filter(None, (journal.first() for journal in journals)), None)
    if first is None:
        return None
    alive = is_alive(paths, first.run_id)  # before the journal is read: a dead run's is complete
    last = journals[-1].last()
    status: Status = "running" if alive else "interrupted"
    error = None
    if isinstance(last, StatusChange):
        status, error = last.status, last.error
    return RunState(
        run_id=first.run_id,
        spec_hash=first.spec_hash,
        status=status,
        attempts=journals[-1].attempt,
        started=first.at,
        error=error,
    )
