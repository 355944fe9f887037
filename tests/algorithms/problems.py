"""Small problems in float64, and what tests of update rules do with them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from mlbench.contract import Batch, Parameters, Problem, Randomness, TaskBatch
from mlbench.engines import Engine, Loop, autograd_gradient
from mlbench.inner import GradientBased, Update
from mlbench.learners import MLP, Conv4, Conv4Options, MLPOptions
from mlbench.registry import load_algorithm

TASKS = 2
RANDOMNESS = Randomness(bytes(16), 0, TASKS)


def build(
    name: str, problem: Problem, engine: Engine | None = None, **settings: Any
) -> GradientBased:
    algorithm = load_algorithm(name)
    built = algorithm(algorithm.Hyper(**settings), problem, engine or Loop())
    assert isinstance(built, GradientBased)
    return built


def waves(hidden: tuple[int, ...] = (40, 40)) -> tuple[Problem, TaskBatch]:
    generator = torch.Generator().manual_seed(3)

    def draw(n: int) -> Batch:
        x = 10 * torch.rand(TASKS, n, 1, generator=generator, dtype=torch.float64) - 5
        return Batch(x, 3 * torch.sin(x + torch.arange(TASKS)[:, None, None]))

    problem = Problem("regression", MLP(1, 1, MLPOptions(hidden=hidden)))
    return problem, TaskBatch(draw(5), draw(7))


def images() -> tuple[Problem, TaskBatch]:
    generator = torch.Generator().manual_seed(4)
    learner = Conv4((2, 16, 16), 3, Conv4Options(channels=4))

    def draw(n: int) -> Batch:
        x = torch.rand(TASKS, 3 * n, 2, 16, 16, generator=generator, dtype=torch.float64)
        return Batch(x, torch.arange(3).repeat_interleave(n).expand(TASKS, -1))

    return Problem("classification", learner), TaskBatch(draw(2), draw(3))


PROBLEMS = {"waves": waves, "images": images}


def start(algorithm: GradientBased, *, spread: float = 0.0) -> Parameters:
    """Return meta-parameters to begin with, moved at random by about ``spread``."""
    generator = torch.Generator().manual_seed(5)
    meta = algorithm.initialise(generator)
    return {
        name: value.double() + spread * torch.randn(value.shape, generator=generator)
        for name, value in meta.items()
    }


def adapt(algorithm: GradientBased, meta: Parameters, task: TaskBatch) -> Iterator[Update]:
    """Yield the steps of the first task's inner loop."""
    hyper = algorithm.hyper
    leaves = {name: value.clone().requires_grad_() for name, value in meta.items()}
    return algorithm.inner_loop(
        leaves,
        task.task(0).support,
        autograd_gradient,
        steps=hyper.train_steps,
        order=hyper.order,
    )


def of_the_proof(lstm: GradientBased, rate: float) -> Parameters:
    """Return Θ of an LSTM whose forget gate is one and whose input gate is ``rate``."""
    meta = start(lstm, spread=0.1)
    for gate, bias in (("forget", 40.0), ("input", -math.log((1 - rate) / rate))):
        meta[f"{gate}_gate.weight"] = torch.zeros_like(meta[f"{gate}_gate.weight"])
        meta[f"{gate}_gate.bias"] = torch.tensor([bias], dtype=torch.float64)
    return meta


def assert_equal(found: Tensor, expected: Tensor) -> None:
    """Ask for what the engines and Theorem 1 promise in float64."""
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
