"""From the state of a run by itself to its place in a stack of runs, and back."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any, TypeVar

import torch
from torch.utils._pytree import tree_flatten, tree_unflatten

from mlbench.contract import Algorithm, Parameters
from mlbench.episodes import seed_for
from mlbench.run.blame import blaming
from mlbench.run.course import Course
from mlbench.run.metastep import Adam, Condition
from mlbench.run.progress import Progress, progress_of
from mlbench.run.restoring import check_fits, load_optimiser, restoring
from mlbench.run.setup import Experiment
from mlbench.run.start import check, initial, placed

T = TypeVar("T")
AVERAGES = ("exp_avg", "exp_avg_sq")  # what torch calls the two that Adam keeps


def restored(
    experiment: Experiment, algorithm: Algorithm, device: torch.device, state: dict[str, Any] | None
) -> tuple[Course, Condition]:
    """Return the course and the condition of one run.

    Args:
        experiment: What the run is.
        algorithm: Its technique.
        device: Where the condition is to be.
        state: What :meth:`mlbench.run.loop.Run.state` or :func:`alone` returned; ``None`` to begin.
    """
    if state is None:
        meta = initial(experiment, algorithm, device)
        course = Course(experiment, Progress(), {})
    else:
        fresh = initial(experiment, algorithm, device)
        with restoring(experiment.spec.algorithm):
            check_fits(state, fresh, experiment.spec.algorithm)
            state = deepcopy(state)
            meta = placed(state["meta"], experiment, device)
            best = placed(state["best"], experiment, device)
            course = Course(experiment, progress_of(state), best)
    check(experiment, algorithm, meta)
    optimiser = optimiser_of(algorithm, meta)
    if state is not None:
        load_optimiser(optimiser, state, experiment.spec.algorithm)
    first, second = (
        {
            name: optimiser.state.get(value, {}).get(average, torch.zeros_like(value))
            for name, value in meta.items()
        }
        for average in AVERAGES
    )
    updates = torch.tensor(course.progress.step, dtype=torch.float64, device=device)
    streak = torch.tensor(course.progress.nonfinite, device=device)
    return course, Condition(meta, first, second, updates, streak)


def alone(
    course: Course, algorithm: Algorithm, meta: Parameters, first: Parameters, second: Parameters
) -> dict[str, Any]:
    """Return the state of one run, as it would be if it were not in a stack.

    Args:
        course: Where it stands.
        algorithm: Its technique.
        meta: Its Θ.
        first: Adam's average of the gradients.
        second: Adam's average of their squares.
    """
    meta = {name: value.clone() for name, value in meta.items()}
    optimiser = optimiser_of(algorithm, meta)
    if course.progress.step:
        for name, value in meta.items():
            averages = dict(zip(AVERAGES, (first[name].clone(), second[name].clone()), strict=True))
            step = torch.tensor(float(course.progress.step))
            optimiser.state[value] = {"step": step, **averages}
    seed = seed_for("plugins", course.spec.seed)  # nothing in a stack is left to chance
    return {
        "progress": vars(course.progress).copy(),
        "meta": meta,
        "best": course.best,
        "optimiser": optimiser.state_dict(),
        "generator": torch.Generator().manual_seed(seed).get_state(),
    }


def stacked(of_runs: Sequence[T]) -> T:
    """Return what several runs have of one form, conditions or tasks, with a leading run axis."""
    leaves = [tree_flatten(of_run)[0] for of_run in of_runs]
    _, form = tree_flatten(of_runs[0])
    together: T = tree_unflatten([torch.stack(s) for s in zip(*leaves, strict=True)], form)
    return together


def optimiser_of(algorithm: Algorithm, meta: Parameters) -> torch.optim.Optimizer:
    """Return a technique's optimiser of some meta-parameters."""
    with blaming(type(algorithm), "cannot make its optimiser"):
        return algorithm.optimiser(list(meta.values()))


def adam_of(algorithm: Algorithm, meta: Parameters) -> Adam | None:
    """Return a technique's optimiser as a function; ``None`` if it is no plain Adam."""
    return Adam.like(optimiser_of(algorithm, meta))
