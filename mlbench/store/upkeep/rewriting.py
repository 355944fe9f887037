"""Journals from the rows of a database: ingested, they give the same rows again."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import duckdb

from mlbench.errors import StoreError
from mlbench.store.batch import MACHINE_COLUMNS
from mlbench.store.lines import from_line, to_line
from mlbench.store.portions import following
from mlbench.store.records import (
    Episodes,
    Phase,
    PhaseTime,
    Record,
    Started,
    StatusChange,
    Validated,
)

if TYPE_CHECKING:
    import polars as pl

Connection = duckdb.DuckDBPyConnection
Attempt = tuple[str, int]
"""A run and the number of one of its attempts."""

ODD = (ArithmeticError, AttributeError, KeyError, TypeError, ValueError)
"""What goes wrong with values of another type, or out of range."""
LINE = 4_000  # episodes
TOGETHER = 2_000_000  # episodes of as many runs as have no more are sorted at once
READ = 1 << 16  # rows that are read at a time

ATTEMPTS = f"""
    SELECT run_id, attempt, position, started, kind, spec, spec_hash, incomplete, command,
           git_commit, git_dirty, {", ".join(MACHINE_COLUMNS)}
    FROM attempts JOIN machines USING (run_id, attempt) ORDER BY run_id, attempt
"""  # noqa: S608
PACKAGES = "SELECT run_id, attempt, name, version FROM packages ORDER BY ALL"
PLUGIN_FILES = "SELECT run_id, attempt, path, sha256 FROM plugin_files ORDER BY ALL"
STATUSES = """
    SELECT run_id, attempt, status, ended, error, tasks_trained, inferred
    FROM statuses ORDER BY rowid
"""
VALIDATIONS = """
    SELECT run_id, attempt, position, step, tasks, loss, score, best FROM validations
"""
PHASES = "SELECT run_id, attempt, position, phase, eval_dataset, seconds FROM phases"
COUNTS = "SELECT run_id, count(*) FROM episodes GROUP BY run_id"
EPISODES = """
    SELECT run_id, attempt, position, phase, eval_dataset, episode, step, loss, score, seconds,
           episode_key
    FROM episodes WHERE run_id IN (SELECT unnest($runs))
    ORDER BY run_id, attempt, position
"""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a database has of one attempt.

    Args:
        started: Its first record.
        milestones: Validations and times of phases, by position.
        statuses: What it said of its end, in order.
        silent: When it wrote last, UTC, if it was found dead.
    """

    started: Started
    milestones: tuple[Validated | PhaseTime, ...]
    statuses: tuple[StatusChange, ...]
    silent: datetime | None

    @property
    def attempt(self) -> Attempt:
        """Return which it is."""
        return self.started.run_id, self.started.attempt


def attempts_in(connection: Connection) -> dict[Attempt, Told]:
    """Return what a database has of every attempt but for its episodes.

    Raises:
        StoreError: It is not as mlbench writes it.
    """
    with understood():
        packages, files = named(connection, PACKAGES), named(connection, PLUGIN_FILES)
        milestones: dict[Attempt, list[Validated | PhaseTime]] = defaultdict(list)
        validations = connection.execute(VALIDATIONS).fetchall()
        for run_id, attempt, position, step, tasks, loss, score, best in validations:
            milestones[run_id, attempt].append(
                Validated(
                    position=position, step=step, tasks=tasks, loss=loss, score=score, best=best
                )
            )
        for run_id, attempt, position, phase, dataset, seconds in connection.execute(
            PHASES
        ).fetchall():
            milestones[run_id, attempt].append(
                PhaseTime(position=position, phase=phase, eval_dataset=dataset, seconds=seconds)
            )
        statuses: dict[Attempt, list[StatusChange]] = defaultdict(list)
        silent: dict[Attempt, datetime] = {}
        for run_id, attempt, status, ended, error, tasks, inferred in connection.execute(
            STATUSES
        ).fetchall():
            if inferred:
                silent[run_id, attempt] = ended
                continue
            at = ended.replace(tzinfo=UTC).isoformat()
            change = StatusChange(
                position=0, status=status, at=at, error=error, tasks_trained=tasks
            )
            statuses[run_id, attempt].append(change)
        told = {}
        cursor = connection.execute(ATTEMPTS)
        names = [column[0] for column in cursor.description or ()]
        for values in cursor.fetchall():
            row = dict(zip(names, values, strict=True))
            which = row["run_id"], row["attempt"]
            told[which] = Told(
                started=started(row, packages[which], files[which]),
                milestones=tuple(sorted(milestones[which], key=lambda record: record.position)),
                statuses=tuple(statuses[which]),
                silent=silent.get(which),
            )
        return told


def records_in(
    connection: Connection, attempts: dict[Attempt, Told]
) -> Iterator[tuple[Told, Iterator[Record]]]:
    """Yield the records of attempts, those of one to be read before the next is asked for.

    A line holds some thousand episodes, and as many are in memory as a few lines have.

    Raises:
        StoreError: The database is not as mlbench writes it.
    """
    with understood():
        counts = dict(connection.execute(COUNTS).fetchall())
        runs = dict.fromkeys(run_id for run_id, _ in attempts)
        for together in portions({run_id: counts.get(run_id, 0) for run_id in runs}):
            chunks = Chunks(connection, together)
            for which in sorted(each for each in attempts if each[0] in set(together)):
                yield attempts[which], merged(attempts[which], chunks.of(which))


def portions(counts: dict[str, int]) -> Iterator[list[str]]:
    """Yield runs in order, as many at a time as have not too many episodes."""
    together: list[str] = []
    size = 0
    for run_id in sorted(counts):
        if together and size + counts[run_id] > TOGETHER:
            yield together
            together, size = [], 0
        together.append(run_id)
        size += counts[run_id]
    if together:
        yield together


class Chunks:
    """Episodes of some runs in order, a few lines of them at a time."""

    def __init__(self, connection: Connection, runs: list[str]) -> None:
        self.cursor = connection.cursor()  # lives as long as what it reads
        self.reader = self.cursor.execute(EPISODES, {"runs": runs}).to_arrow_reader(READ)
        self.held: pl.DataFrame | None = None

    def of(self, which: Attempt) -> Iterator[Episodes]:
        """Yield the episodes of one attempt; attempts are asked for in order."""
        while (frame := self.head()) is not None:
            first = frame["run_id"][0], frame["attempt"][0]
            if first > which:
                return
            same = (frame["run_id"] == first[0]) & (frame["attempt"] == first[1])
            length = len(frame) if same.all() else int(same.arg_min() or 0)
            self.held = frame[length:] if length < len(frame) else None
            if first == which:
                yield from lines(frame[:length])

    def head(self) -> pl.DataFrame | None:
        """Return what was read and is not used up, ``None`` at the end."""
        import polars as pl

        while self.held is None:
            try:
                batch = self.reader.read_next_batch()
            except StopIteration:
                return None
            frame = cast("pl.DataFrame", pl.from_arrow(batch))
            self.held = frame if len(frame) else None
        return self.held


def lines(frame: pl.DataFrame) -> Iterator[Episodes]:
    """Yield episodes of one attempt, in order of position, as records."""
    import polars as pl

    follows = pl.col("position") == pl.col("position").shift() + 1
    alike = (pl.col("phase") == pl.col("phase").shift()) & (
        pl.col("eval_dataset") == pl.col("eval_dataset").shift()
    )
    begins = frame.select((~(follows & alike)).fill_null(value=True)).to_series().arg_true()
    for start, end in zip(begins, [*begins[1:], len(frame)], strict=True):
        for first in range(start, end, LINE):
            part = frame[first : min(first + LINE, end)]
            yield Episodes(
                position=part["position"][0],
                phase=cast("Phase", part["phase"][0]),
                eval_dataset=part["eval_dataset"][0],
                episode=part["episode"].to_list(),
                step=part["step"].to_list(),
                loss=part["loss"].to_list(),
                score=part["score"].to_list(),
                seconds=part["seconds"].to_list(),
                key=part["episode_key"].to_list(),
            )


def merged(told: Told, episodes: Iterator[Episodes]) -> Iterator[Record]:
    """Yield all records of an attempt by position.

    Raises:
        StoreError: The database is not as mlbench writes it.
    """
    position: int | None = None
    milestones = list(reversed(told.milestones))
    yield told.started
    with understood():
        for episode in episodes:
            while milestones and milestones[-1].position < episode.position:
                yield milestones.pop()
            position = following(episode, position, pruned=True)
            yield episode
        for milestone in reversed(milestones):
            position = milestone.position + 1
            yield milestone
        for status in told.statuses:
            yield replace(status, position=position or told.started.position)


def started(row: dict[str, Any], packages: dict[str, str], files: dict[str, str]) -> Started:
    """Return the first record of an attempt from its rows."""
    spec = json.loads(row["spec"])
    datasets = list(spec["fingerprints"])
    provenance = {name: row[name] for name in ("command", "git_commit", "git_dirty")}
    provenance |= {name: row[name] for name in MACHINE_COLUMNS}
    return Started(
        run_id=row["run_id"],
        attempt=row["attempt"],
        position=row["position"],
        at=row["started"].replace(tzinfo=UTC).isoformat(),
        kind=row["kind"],
        spec=spec,
        spec_hash=row["spec_hash"],
        incomplete=by_dataset(row["incomplete"], datasets),
        provenance=provenance | {"packages": packages, "plugin_files": files},  # type: ignore[arg-type]
    )


def by_dataset(incomplete: str | None, datasets: list[str]) -> dict[str, str]:
    """Return what is missing by data set, from ``"mini: this; cub: that"``."""
    if incomplete is None:
        return {}
    names = "|".join(re.escape(name) for name in sorted(datasets, key=len, reverse=True))
    starts: dict[str, re.Match[str]] = {}
    for match in re.finditer(f"(?:^|; )({names}): ", incomplete):
        starts.setdefault(match[1], match)
    ends = [match.start() for match in starts.values()][1:]
    texts = zip(starts.values(), [*ends, len(incomplete)], strict=True)
    return {match[1]: incomplete[match.end() : end] for match, end in texts}


def named(connection: Connection, text: str) -> dict[Attempt, dict[str, str]]:
    """Return what each attempt has by name: packages and their versions, files and their hashes."""
    found: dict[Attempt, dict[str, str]] = defaultdict(dict)
    for run_id, attempt, name, value in connection.execute(text).fetchall():
        found[run_id, attempt][name] = value
    return found


def line_of(record: Record) -> bytes:
    """Return the line of a record, which can be read again.

    Raises:
        StoreError: It cannot: the record is none.
    """
    with understood():
        line = to_line(record)
        from_line(line)
    return line


@contextmanager
def understood() -> Iterator[None]:
    """Turn what comes of rows that mlbench never writes into an error that says so.

    Raises:
        StoreError: Something did.
    """
    import polars as pl

    try:
        yield
    except (duckdb.Error, pl.exceptions.PolarsError, *ODD) as err:
        reason = " ".join(str(err).split())
        raise StoreError(
            f"a database holds what mlbench never writes ({reason}); ask for another copy"
        ) from err
