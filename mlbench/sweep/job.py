"""What a sweep hands out: a command line of mlbench that computes one run, or several as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlbench.notation import option_name
from mlbench.run.setup import Request
from mlbench.session.process import command_text
from mlbench.store.paths import StorePaths

ALONE = ("--no-ingest",)  # a sweep takes the journals of all its runs in, not each its own
OPTIONS = (
    "ways",
    "shots",
    "queries",
    "protocol",
    "budget",
    "train_tasks",
    "validation_tasks",
    "validate_every",
    "test_tasks",
    "precision",
)
"""What of a request is given by an option of ``mlbench run``, which is called as the field is."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run, or several seeds that are computed as one program.

    Args:
        label: What the runs are, in a line.
        base: The command line after ``mlbench``, without seeds and database.
        seeds: Of the runs.
        spec_hashes: Of the runs, in the order of the seeds.
        database: As the command line is given it.
        stack_error: What a program of several runs said when it failed, of which this is one.
    """

    label: str
    base: tuple[str, ...]
    seeds: tuple[int, ...]
    spec_hashes: tuple[str, ...]
    database: str
    stack_error: str | None = None

    @property
    def arguments(self) -> tuple[str, ...]:
        """Return what follows ``mlbench``."""
        return (*self.asked, "--db", self.database, *ALONE)

    @property
    def asked(self) -> tuple[str, ...]:
        """Return what follows ``mlbench``, database left out."""
        return (*self.base, "--seeds", seeds_text(self.seeds))

    @property
    def command(self) -> str:
        """Return the command line that a person types to run this by hand."""
        return command_text(self.asked) + StorePaths(Path(self.database)).option

    def narrowed(self, hashes: Sequence[str]) -> Job:
        """Return this job with those of its runs that have these hashes."""
        left = [
            (seed, one)
            for seed, one in zip(self.seeds, self.spec_hashes, strict=True)
            if one in set(hashes)
        ]
        seeds, kept = zip(*left, strict=True) if left else ((), ())
        return replace(self, seeds=tuple(seeds), spec_hashes=tuple(kept))

    def split(self, error: str | None) -> list[Job]:
        """Return a job for each run, after their common program failed, with a word or without."""
        return [replace(self.narrowed([one]), stack_error=error) for one in self.spec_hashes]


def job_of(
    request: Request,
    label: str,
    runs: Sequence[tuple[int, str]],
    paths: StorePaths,
    options: Sequence[str],
) -> Job:
    """Return the job of some runs that differ in nothing but their seed.

    Args:
        request: What they are.
        label: The same, for people.
        runs: Seed and spec hash of each.
        paths: Where they are kept.
        options: Further options of ``mlbench run``: what to compute on.
    """
    seeds, hashes = zip(*runs, strict=True)
    return Job(
        label=label,
        base=("run", *request_arguments(request), *options),
        seeds=tuple(seeds),
        spec_hashes=tuple(hashes),
        database=str(paths.database),
    )


def request_arguments(request: Request) -> tuple[str, ...]:
    """Return what ``mlbench run`` is given to run a request, its seed left out."""
    usual = Request(algorithm=request.algorithm, train=request.train)
    arguments = [request.algorithm, "--train", request.train]
    for name in request.evals:
        arguments += ["--eval", name]
    for field in OPTIONS:
        value = getattr(request, field)
        if value != getattr(usual, field):
            arguments += [option_name(field), str(value)]
    for name, text in request.settings.items():
        arguments += ["--set", f"{name}={text}"]
    return tuple(arguments)


def seeds_text(seeds: Sequence[int]) -> str:
    """Return seeds as ``--seeds`` takes them: ``0-4,7``."""
    parts: list[str] = []
    ordered = sorted(seeds)
    first = last = ordered[0]
    for seed in [*ordered[1:], None]:
        if seed is not None and seed == last + 1:
            last = seed
            continue
        parts.append(str(first) if first == last else f"{first}-{last}")
        if seed is not None:
            first = last = seed
    return ",".join(parts)
