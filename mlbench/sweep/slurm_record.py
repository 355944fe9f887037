"""What was submitted to Slurm, in a small file beside the journals: whoever looks later knows."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from mlbench.errors import StoreError
from mlbench.store.paths import StorePaths

if TYPE_CHECKING:
    from mlbench.sweep.job import Job


@dataclass(frozen=True, kw_only=True)
class Task:
    """A job as it was submitted.

    Args:
        arguments: What follows ``mlbench`` on its command line.
        spec_hashes: The specs of its runs.
        label: What people call it.
    """

    arguments: tuple[str, ...]
    spec_hashes: tuple[str, ...]
    label: str


@dataclass(frozen=True, kw_only=True)
class Submission:
    """Jobs that were submitted together: an array, or a single one.

    Args:
        id: Name of the record and of the folder of logs, and to Slurm the name of the jobs.
        sweep: What the sweep is called.
        submitted: ISO 8601, UTC.
        number: Slurm's, of the array; ``None`` until sbatch has told it.
        options: The parameters of submitit's executor.
        tasks: In the order of their indices.
    """

    id: str
    sweep: str
    submitted: str
    number: str | None
    options: Mapping[str, Any]
    tasks: tuple[Task, ...]

    @classmethod
    def of(cls, sweep: str, jobs: Sequence[Job], options: Mapping[str, Any]) -> Self:
        """Return jobs about to be submitted, under a name that nothing else has."""
        moment = datetime.now(UTC)
        slug = re.sub(r"[^A-Za-z0-9._]+", "-", Path(sweep).stem).strip("-.")[:40] or "sweep"
        return cls(
            id=f"mlbench-{slug}-{moment:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}",
            sweep=sweep,
            submitted=moment.isoformat(timespec="microseconds"),
            number=None,
            options=options,
            tasks=tuple(
                Task(arguments=job.arguments, spec_hashes=job.spec_hashes, label=job.label)
                for job in jobs
            ),
        )

    def task_id(self, index: int) -> str | None:
        """Return what Slurm calls a job; ``None`` where that is not known."""
        if self.number is None or len(self.tasks) == 1:
            return self.number
        return f"{self.number}_{index}"

    def log_name(self, index: int) -> str:
        """Return the name of the file of what a job says, as submitit has it."""
        return f"{self.task_id(index)}_0_log.out"

    def save(self, paths: StorePaths) -> Self:
        """Write it down, whole or not at all, and return it.

        Raises:
            StoreError: It cannot be written.
        """
        paths.make(sweeps(paths))
        path = sweeps(paths) / f"{self.id}.json"
        text = json.dumps(asdict(self), indent=1)
        draft = path.with_suffix(".draft")
        try:
            with draft.open("w", encoding="utf-8") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError as err:
            raise StoreError(
                f"{path} cannot be written: {err.strerror}; free or unlock that place, or name"
                " another database with --db"
            ) from err
        return self

    def with_number(self, number: str) -> Self:
        """Return it with the number that Slurm gave it."""
        return replace(self, number=number)

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Return what a file holds; ``None`` for one that no submission wrote."""
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            tasks = tuple(
                Task(
                    arguments=tuple(map(str, task["arguments"])),
                    spec_hashes=tuple(map(str, task["spec_hashes"])),
                    label=str(task["label"]),
                )
                for task in values["tasks"]
            )
            number = values["number"]
            return cls(
                id=path.stem,
                sweep=str(values["sweep"]),
                submitted=str(values["submitted"]),
                number=None if number is None else str(int(number)),
                options=dict(values["options"]),
                tasks=tasks,
            )
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None


def sweeps(paths: StorePaths) -> Path:
    """Return the folder of what was submitted from a store."""
    return paths.folder / "sweeps"


def folder_of(paths: StorePaths, submission: Submission) -> Path:
    """Return the folder of the logs of a submission."""
    return sweeps(paths) / submission.id


def submissions(paths: StorePaths) -> list[Submission]:
    """Return all that was submitted, the earliest first; what cannot be read is left out."""
    read = map(Submission.read, sorted(sweeps(paths).glob("mlbench-*.json")))
    return sorted(filter(None, read), key=lambda one: (one.submitted, one.id))
