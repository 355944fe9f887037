"""What is kept for the backward pass, in bytes, and what is computed for it, in calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import ref

import pytest
import torch
from torch import Tensor

from mlbench.contract import Batch, Parameters, Problem, TaskBatch
from mlbench.engines import Adjoint, Loop
from mlbench.learners import Conv4, Conv4Options
from tests.algorithms.problems import RANDOMNESS, build, start, waves


class Kept:
    """One tensor that autograd keeps for its backward pass."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


class Ledger:
    """What autograd keeps, by the memory that it lies in; ``peak`` is in bytes."""

    def __init__(self) -> None:
        self.all: set[ref[Kept]] = set()
        self.peak = 0

    def pack(self, tensor: Tensor) -> Kept:
        kept = Kept(tensor.detach())
        self.all.add(ref(kept, self.all.discard))
        self.peak = max(self.peak, self.bytes())
        return kept

    def bytes(self) -> int:
        tensors = [kept.tensor for each in self.all if (kept := each()) is not None]
        storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
        return sum(storages.values())


@contextmanager
def ledger() -> Iterator[Ledger]:
    found = Ledger()
    with torch.autograd.graph.saved_tensors_hooks(found.pack, lambda kept: kept.tensor):
        yield found


def bytes_kept(engine: Loop, name: str, problem: Problem, tasks: TaskBatch, **settings: Any) -> int:
    """Return what one task's inner loop leaves for the backward pass."""
    algorithm = build(name, problem, engine, **settings)
    leaves = {key: value.requires_grad_() for key, value in start(algorithm).items()}
    with ledger() as found:
        loop = algorithm.inner_loop(
            leaves,
            tasks.task(0).support,
            engine.inner,
            steps=algorithm.hyper.train_steps,
            order=algorithm.hyper.order,
        )
        thetas = [update.theta for update in loop]
        assert thetas[-1].requires_grad
        own = sum(value.nbytes for value in leaves.values())
        return found.bytes() - own


def pictures() -> tuple[Problem, TaskBatch]:
    """Return tasks whose activations are far larger than θ."""
    generator = torch.Generator().manual_seed(4)

    def draw(n: int) -> Batch:
        x = torch.rand(1, 2 * n, 1, 32, 32, generator=generator, dtype=torch.float64)
        return Batch(x, torch.arange(2).repeat_interleave(n).expand(1, -1))

    learner = Conv4((1, 32, 32), 2, Conv4Options(channels=2))
    return Problem("classification", learner), TaskBatch(draw(2), draw(2))


@pytest.mark.parametrize("name", ["maml", "turtle", "lstm_enhanced", "anil"])
def test_what_the_adjoint_keeps_of_a_step_is_the_weights_and_the_state(name: str) -> None:
    problem, tasks = pictures()
    rows, n = 50, problem.learner.size
    state = {"maml": 0, "turtle": 2, "lstm_enhanced": 2 * 20 + 2, "anil": 0}[name]
    few, many = (
        bytes_kept(Adjoint(rows=rows), name, problem, tasks, train_steps=steps, order=2)
        for steps in (2, 7)
    )
    assert (many - few) / 5 <= 8 * n * (1 + state)
    if name != "anil":  # whose activations are those of a head
        looped = bytes_kept(Loop(rows=rows), name, problem, tasks, train_steps=2, order=2)
        assert looped > 10 * few - 8 * n * 10 * (2 + state)


@pytest.mark.parametrize("engine", [Loop(rows=50), Adjoint(rows=50), Adjoint(rows=None)])
@pytest.mark.parametrize("order", [1, 2])
def test_what_is_kept_does_not_grow_with_the_width_of_the_meta_network(
    order: int, engine: Loop
) -> None:
    problem, tasks = waves((12, 12))

    def kept(width: int, engine: Loop = engine) -> int:
        settings = {"hidden": (width, width), "train_steps": 2, "order": order}
        return bytes_kept(engine, "turtle", problem, tasks, **settings)

    assert kept(3) == kept(30)
    plain = Loop(rows=None)
    assert kept(30, plain) - kept(3, plain) > 2 * 8 * 27 * problem.learner.size


@pytest.mark.parametrize(("engine", "order"), [(Loop, 2), (Adjoint, 2), (Adjoint, 1)])
@pytest.mark.parametrize(
    ("name", "hidden", "units"), [("turtle", (50,) * 3, 150), ("lstm", 20, 80)]
)
def test_activations_of_all_weights_are_never_there_together(
    name: str, hidden: Any, units: int, engine: type[Loop], order: int
) -> None:
    problem, tasks = waves((20, 20))
    settings = {"hidden": hidden, "train_steps": 1, "order": order}
    peaks = []
    for rows in (None, 60):
        algorithm = build(name, problem, engine(rows=rows), **settings)
        with ledger() as found:
            algorithm.meta_step(start(algorithm), tasks)
        peaks.append(found.peak)
    whole, cut = peaks
    assert whole - cut > 0.8 * 8 * problem.learner.size * units


@pytest.mark.parametrize("name", ["turtle", "lstm"])
def test_rules_are_run_for_some_of_the_weights_in_evaluation_too(name: str) -> None:
    problem, tasks = waves()
    algorithm = build(name, problem, Loop(rows=100), test_steps=1)
    step, sizes = algorithm.rule.step, []

    def noting(meta: Parameters, state: Any, theta: Tensor, *rest: Any) -> tuple[Tensor, Any]:
        sizes.append(len(theta))
        return step(meta, state, theta, *rest)

    vars(algorithm.rule)["step"] = noting
    algorithm.predict(start(algorithm), tasks.support, tasks.query.x, RANDOMNESS)
    assert max(sizes) <= 100
    assert sum(sizes) == 2 * problem.learner.size


def test_what_a_loss_makes_of_the_meta_parameters_is_made_once_going_forward() -> None:
    problem, tasks = pictures()
    features, seen = problem.learner.features, []

    def noting(*arguments: Any) -> Tensor:
        seen.append(torch.is_grad_enabled())
        return features(*arguments)

    vars(problem.learner)["features"] = noting
    counts = {}
    for engine in (Loop(), Adjoint()):
        seen.clear()
        algorithm = build("anil", problem, engine, train_steps=4)
        algorithm.meta_step(start(algorithm), tasks)
        counts[engine.name] = [seen.count(False), seen.count(True)]
    assert counts == {"loop": [0, 2], "adjoint": [1, 1 + 4]}
