"""Every engine adds up what tasks teach where that is no gradient of their query losses."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mlbench.contract import Parameters, TaskBatch
from mlbench.engines import ENGINES, InnerGradient
from tests.algorithms.problems import TASKS, build, start, waves


def test_what_tasks_teach_is_summed_by_every_engine_and_keeps_no_graph() -> None:
    problem, tasks = waves()
    meta = start(build("maml", problem), spread=0.1)

    def lesson(
        meta: Parameters, task: TaskBatch, inner_gradient: InnerGradient
    ) -> tuple[Parameters, Tensor]:
        def loss(theta: Tensor) -> Tensor:
            return problem.loss(problem.learner(theta, task.support.x), task.support.y)

        gradient, _ = inner_gradient(loss, meta["theta"], constant=True)

        def slope(theta: Tensor) -> Tensor:  # along the gradient, so its own gradient is H g
            return (inner_gradient(loss, theta, constant=False)[0] * gradient).sum()

        product, _ = inner_gradient(slope, meta["theta"], constant=True)
        return {"theta": product}, problem.learner(meta["theta"], task.query.x)

    def loss_of(index: int) -> Any:
        task = tasks.task(index)
        return lambda theta: problem.loss(problem.learner(theta, task.support.x), task.support.y)

    expected = torch.zeros_like(meta["theta"])
    for index in range(tasks.task_count):
        hessian = torch.autograd.functional.hessian(loss_of(index), meta["theta"])
        expected += hessian @ torch.func.grad(loss_of(index))(meta["theta"])
    for name, engine in ENGINES.items():
        found, predictions = engine().total(lesson, meta, tasks)
        torch.testing.assert_close(found["theta"], expected, rtol=1e-10, atol=1e-12, msg=name)
        assert predictions.shape == (TASKS, 7, 1)
        assert not found["theta"].requires_grad
