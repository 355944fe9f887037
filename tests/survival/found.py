"""What a crowd did to a store, and whether what runs were told is safe is in the database."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from mlbench.store.connection import read
from mlbench.store.ingest import ingest
from mlbench.store.journal import list_journals
from mlbench.store.paths import StorePaths

RECORDED = """
    SELECT run_id, position, phase, eval_dataset, episode, loss, score, episode_key FROM episodes
"""
Episode = tuple[Any, ...]


@dataclass(kw_only=True)
class Found:
    """What happened, and what was left.

    Args:
        seconds: That the crowd was there.
        runs: That were begun; all are finished in the end.
        attempts: Of them, in all.
        killed: Processes, by what they did.
        polls: Of the dashboard.
        slowest_poll: In seconds.
        questions: That it asked of the database.
        held: How often the foreign program got hold of the database.
        acknowledged: Episodes that runs were told are safe, those of repeated attempts once.
        lost: Acknowledged, and not in the database.
        doubled: There more than once.
        different: There with other numbers, or never acknowledged.
        slowest_append: The longest that a run waited to write episodes, in seconds.
        troubles: What failed that must not; a run that opens the database is one.
    """

    seconds: float
    runs: int = 0
    attempts: int = 0
    killed: dict[str, int] = field(default_factory=dict)
    polls: int = 0
    slowest_poll: float = 0.0
    questions: int = 0
    held: int = 0
    acknowledged: int = 0
    lost: int = 0
    doubled: int = 0
    different: int = 0
    slowest_append: float = 0.0
    troubles: list[str] = field(default_factory=list)


def look_up(paths: StorePaths, notes: Iterable[list[Any]], found: Found) -> Found:
    """Compare what was acknowledged with what the database has.

    Args:
        paths: The store; nobody uses it any more.
        notes: What the processes noted.
        found: What is known already.
    """
    sizes: dict[str, int] = {}
    for what, *values in notes:
        match what:
            case "safe":
                sizes[values[0]] = values[1]
                found.slowest_append = max(found.slowest_append, values[2])
            case "poll":
                found.polls += 1
                found.slowest_poll = max(found.slowest_poll, values[0])
            case "question":
                found.questions += 1
            case "trouble":
                found.troubles.append(values[0])
    report = ingest(paths)
    found.troubles += report.damaged
    found.attempts = len(list_journals(paths))
    safe = acknowledged(paths, sizes)
    with read(paths) as database:
        rows = database.execute(RECORDED).fetchall()
        statuses = database.execute("SELECT status FROM runs").fetchall()
    there = {row[:2]: row[2:] for row in rows}
    found.acknowledged = len(safe)
    found.lost = len(safe.keys() - there.keys())
    found.doubled = len(rows) - len(there)
    found.different = sum(safe.get(place) != values for place, values in there.items())
    if statuses != [("finished",)] * found.runs:
        found.troubles.append(f"of {found.runs} runs, not all finished: {statuses}")
    return found


def acknowledged(paths: StorePaths, sizes: dict[str, int]) -> dict[Episode, Episode]:
    """Return the episodes within the sizes that journals had when a write returned.

    All attempts count: what a later one repeats has to be the same.
    """
    safe: dict[Episode, Episode] = {}
    for name, size in sorted(sizes.items()):
        text = (paths.journals / name).read_bytes()[:size]
        if len(text) < size or not text.endswith(b"\n"):
            raise AssertionError(f"{name} lacks some of the {size} bytes that were written")
        for line in text.splitlines():
            record = json.loads(line)
            if record["type"] != "episodes":
                continue
            columns = ("episode", "loss", "score", "key")
            for i, values in enumerate(zip(*(record[column] for column in columns), strict=True)):
                place = (name.rsplit(".", 2)[0], record["position"] + i)
                episode = (record["phase"], record["eval_dataset"], *values)
                if safe.setdefault(place, episode) != episode:
                    raise AssertionError(f"{place} was {safe[place]} and became {episode}")
    return safe
