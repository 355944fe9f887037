"""Checks of whole runs: the same again, the same when resumed, better at the end."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from mlbench.check.finding import BreachError, NotDueError
from mlbench.check.problems import CPU, WAYS, Technique, chance, changed
from mlbench.contract import Parameters
from mlbench.run import checkpoint
from mlbench.run.events import Event, Validated
from mlbench.run.loop import Run
from mlbench.run.spec import Budget

LESSONS = {"regression": 60, "classification": 20}  # tasks, or flat batches, to learn from
BRISK = 0.01  # the meta-learning rate at least, while it learns
FEW_STEPS = 5  # of the inner loop at most, while it learns
EVERY = 3  # after the first event, and after every third one, a run is stopped and resumed
FLUENT = {"classification": 0.95, "regression": 0.25}
"""A score that leaves nothing to learn on the tiny problem."""


def check_deterministic(technique: Technique) -> None:
    """Ask twice, with other random numbers lying about, and run twice from one seed."""
    first, second = (answers(technique, seed) for seed in (1, 2))
    if not equal(first[0], second[0]):
        raise BreachError(
            "initialise draws other meta-parameters from the same generator",
            "draw from the generator that initialise is handed, and from nothing else",
        )
    if not torch.equal(first[1], second[1]):
        raise BreachError(
            "predict answers otherwise when asked again",
            "take random numbers from randomness.uniform(...), and from nothing else",
        )
    algorithm = technique.build()
    other = technique.meta(algorithm, seed=1)
    if first[0] and equal(first[0], other):
        raise BreachError(
            "two seeds start from the same meta-parameters",
            "draw from the generator that initialise is handed",
        )
    one, again = (run_of(technique) for _ in range(2))
    if timeless(one.events()) != timeless(again.events()) or not equal(one.meta, again.meta):
        raise BreachError("two runs from one seed differ")


def answers(technique: Technique, seed: int) -> tuple[Parameters, Tensor]:
    """Return initial meta-parameters and predictions of a fresh instance.

    The global generators stand elsewhere for every seed.
    """
    torch.manual_seed(seed)
    random.seed(seed)
    algorithm = technique.build()
    meta, tasks = technique.meta(algorithm), technique.tasks()
    return meta, algorithm.predict(meta, tasks.support, tasks.query.x, chance(0, 3))


def run_of(technique: Technique, state: dict[str, object] | None = None) -> Run:
    """Return a short run."""
    return Run(technique.experiment(technique.hyper()), CPU, state)


def check_resumes(technique: Technique) -> None:
    """Stop after any event and go on from a checkpoint: nothing may differ."""
    whole = run_of(technique)
    events = timeless(whole.events())
    with TemporaryDirectory() as folder:
        file = Path(folder, "state")
        for stop in range(1, len(events), EVERY):
            first = run_of(technique)
            before = timeless(islice(first.events(), stop))
            checkpoint.save(file, first.spec.hash, first.state())
            torch.rand(stop)  # another process would have another global generator
            second = run_of(technique, checkpoint.load(file, first.spec.hash))
            after = timeless(second.events())
            if before + after != events or not equal(second.meta, whole.meta):
                raise BreachError(
                    f"a run resumed after event {stop} of {len(events)} ends otherwise"
                )


def check_learns(technique: Technique) -> None:
    """Train for a moment on an easy problem."""
    technique = replace(technique, roomy=True)
    hyper = technique.defaults()
    hyper = changed(hyper, "meta_lr", max(BRISK, getattr(hyper, "meta_lr", BRISK)))
    for name in ("train_steps", "test_steps") if technique.cls.training == "episodes" else ():
        hyper = changed(hyper, name, min(FEW_STEPS, getattr(hyper, name, FEW_STEPS)))
    lessons = LESSONS[technique.kind]
    budget = Budget(
        name="custom",
        train_tasks=lessons,
        validation_tasks=10,
        validate_every=lessons // 2,
        test_tasks=1,
    )
    run = Run(technique.experiment(hyper, budget), CPU)
    scores = [event.score for event in run.events() if isinstance(event, Validated)]
    if technique.cls.training == "none":
        before, *later = chance_score(technique), *scores
        what = "by chance"
    else:
        before, *later = scores
        what = f"before {lessons} training tasks"
    higher = technique.kind == "classification"
    finite = [score for score in later if math.isfinite(score)]
    if not finite:
        raise BreachError("no validation has a finite score")
    after = max(finite) if higher else min(finite)
    fluent = after >= FLUENT[technique.kind] if higher else after <= FLUENT[technique.kind]
    better = after > before if higher else after < before
    if not (better or fluent):
        word = "accuracy" if higher else "squared error"
        raise BreachError(f"its {word} is {after:.3f} at best, and {before:.3f} {what}")


def chance_score(technique: Technique) -> float:
    """Return the accuracy of guessing; regression has the error of saying nothing, zero."""
    if technique.kind == "classification":
        return 1 / WAYS
    return float(technique.tasks(30).query.y.square().mean())


def check_survives(technique: Technique) -> None:
    """Show inputs that are no numbers: losses may be NaN, but nothing may raise."""
    algorithm = technique.build()
    meta = technique.meta(algorithm)
    broken = {name: torch.full_like(value, torch.nan) for name, value in meta.items()}
    tasks = technique.tasks()
    algorithm.predict(broken, tasks.support, tasks.query.x, chance(0, 3))
    if technique.cls.training != "none":
        algorithm.meta_step(broken, technique.lessons(algorithm))
    if not meta:
        raise NotDueError("it has no meta-parameters that could diverge")


def timeless(events: Iterable[Event]) -> list[Event]:
    """Return events without what a clock says."""
    return [e if isinstance(e, Validated) else replace(e, seconds=0.0) for e in events]


def equal(one: Parameters, other: Parameters) -> bool:
    """Return whether parameters are equal bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)
