"""Checks of ``predict``: what a prediction may depend on."""

from __future__ import annotations

import math

import torch

from mlbench.check.finding import BreachError, NotDueError
from mlbench.check.problems import SHOTS, WAYS, Technique, chance, noise_tasks
from mlbench.contract import Batch, TaskBatch
from mlbench.engines import Stacked

AGREE = 1e-8  # in float64, relative to the largest entry
NOISE_TASKS, NOISE_QUERIES = 60, 4  # per order of the queries; queries are per class
ERRORS = 4  # standard errors that an accuracy may lie from chance


def check_independent(technique: Technique) -> None:
    """Predict for tasks together and one by one."""
    algorithm = technique.build()
    meta, tasks = technique.meta(algorithm), technique.tasks()
    together = algorithm.predict(meta, tasks.support, tasks.query.x, chance(0, 3))
    for index in range(3):
        one = slice(index, index + 1)
        support = Batch(tasks.support.x[one], tasks.support.y[one])
        alone = algorithm.predict(meta, support, tasks.query.x[one], chance(index, index + 1))
        if not close(alone, together[one]):
            raise BreachError(
                f"task {index + 1} of three is predicted otherwise when it comes alone"
            )


def check_inductive(technique: Technique) -> None:
    """Under inductive batch-norm, predict for some queries and for all."""
    algorithm = technique.build(normalisation="inductive")
    meta, tasks = technique.meta(algorithm), technique.tasks()
    every = algorithm.predict(meta, tasks.support, tasks.query.x, chance(0, 3))
    some = algorithm.predict(meta, tasks.support, tasks.query.x[:, :3], chance(0, 3))
    if not close(some, every[:, :3]):
        raise BreachError("a prediction changes when other queries are left out")


def close(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Return whether predictions agree but for rounding."""
    scale = max(1.0, float(other.abs().max()))
    return one.shape == other.shape and float((one - other).abs().max()) <= AGREE * scale


def check_blind(technique: Technique) -> None:
    """Predict where inputs say nothing: also after a meta-step on the very tasks."""
    if technique.kind != "classification":
        raise NotDueError("regression has no chance accuracy")
    algorithm = technique.build(engine=Stacked())
    drawn = technique.cls.initialise(algorithm, torch.Generator().manual_seed(0))
    meta = {name: value.detach() for name, value in drawn.items()}
    right, total = [], 0
    for tasks in noise_tasks(NOISE_TASKS, NOISE_QUERIES):
        if technique.cls.training == "episodes":
            shown = TaskBatch(*(Batch(p.x[:20], p.y[:20]) for p in tasks))
            algorithm.meta_step(meta, shown)
        randomness = chance(total, total + NOISE_TASKS)
        predictions = algorithm.predict(meta, tasks.support, tasks.query.x, randomness)
        right.append(float(technique.problem.scores(predictions, tasks.query.y).mean()))
        total += NOISE_TASKS
    each = WAYS * NOISE_QUERIES * NOISE_TASKS
    spread = math.sqrt((1 - 1 / WAYS) / WAYS / each)
    orders = zip(right, ("class by class", "in turns"), strict=True)
    accuracy, order = max(orders, key=lambda found: abs(found[0] - 1 / WAYS))
    if abs(accuracy - 1 / WAYS) > ERRORS * spread:
        raise BreachError(
            f"on noise, its queries {order}, {accuracy:.0%} of {each} predictions are right,"
            f" where chance is {1 / WAYS:.0%} ± {spread:.1%} ({SHOTS} shots)"
        )
