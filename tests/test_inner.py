"""Algorithm 9 against closed forms, finite differences and, engine by engine, itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mlbench.contract import Batch, Normalisation, Parameters, Problem, Randomness, TaskBatch
from mlbench.engines import ENGINES, Adjoint, Engine, Loop, Mixed
from mlbench.inner import GradientBased
from mlbench.learners import MLP, Conv4, Conv4Options, Learner
from mlbench.normalise import Normaliser, by_batch
from mlbench.registry import load_algorithm

NUMBERS = st.floats(-3, 3)
TECHNIQUES = ("fo_maml", "fo_turtle", "maml", "turtle")
UNCLIPPED: dict[str, Any] = {"train_steps": 3, "meta_clip": None}
UNUSED = Randomness(bytes(16), 0, 3)  # by techniques that leave nothing to chance


class Constant(Learner):
    """A learner that is one number: ``f(x) = θ``."""

    shapes = (("head.weight", (1, 0)), ("head.bias", (1,)))

    def features(self, body: Tensor, x: Tensor, normalise: Normaliser = by_batch) -> Tensor:
        return x[:, :0]


def build(name: str, problem: Problem, engine: Engine, **settings: Any) -> GradientBased:
    algorithm = load_algorithm(name)
    built = algorithm(algorithm.Hyper(**settings), problem, engine)
    assert isinstance(built, GradientBased)
    return built


def mlp() -> tuple[Problem, TaskBatch]:
    generator = torch.Generator().manual_seed(3)

    def draw(n: int) -> Batch:
        return Batch(*torch.randn(2, 3, n, 1, generator=generator, dtype=torch.float64))

    return Problem("regression", MLP(1, 1)), TaskBatch(draw(5), draw(7))


def conv4(normalisation: Normalisation = "transductive") -> tuple[Problem, TaskBatch]:
    generator = torch.Generator().manual_seed(4)
    learner = Conv4((2, 16, 16), 3, Conv4Options(channels=5))

    def draw(n: int) -> Batch:
        x = torch.rand(3, 3 * n, 2, 16, 16, generator=generator, dtype=torch.float64)
        return Batch(x, torch.arange(3).repeat_interleave(n).expand(3, -1))

    return Problem("classification", learner, normalisation), TaskBatch(draw(2), draw(3))


ROWS = 300  # at a time, of rules that can be cut; a learner here has 1761 weights, or 843
ENGINES_HERE: dict[str, Callable[[], Engine]] = {
    **ENGINES,
    "adjoint": lambda: Adjoint(rows=ROWS),
    "by rows": lambda: Loop(rows=ROWS),
}
PROBLEMS: dict[str, Callable[[], tuple[Problem, TaskBatch]]] = {
    "mlp": mlp,
    "conv4": conv4,
    "inductive": lambda: conv4("inductive"),
}


def start(algorithm: GradientBased) -> Parameters:
    """Return meta-parameters whose batch-norm is not trivial: its scales and shifts vary."""
    generator = torch.Generator().manual_seed(5)
    meta = algorithm.initialise(generator)
    return {
        name: value.double() + 0.1 * torch.randn(value.shape, generator=generator)
        for name, value in meta.items()
    }


def constant_problem(*values: float) -> tuple[Problem, TaskBatch]:
    """Return tasks ``(support target, query target)`` for the learner that is a number."""
    x = torch.zeros(1, 1, 1, dtype=torch.float64)
    support, query = (torch.full_like(x, value) for value in values)
    return Problem("regression", Constant()), TaskBatch(Batch(x, support), Batch(x, query))


@given(
    theta=NUMBERS,
    support=NUMBERS,
    query=NUMBERS,
    steps=st.integers(1, 6),
    order=st.sampled_from([1, 2]),
    engine=st.sampled_from(["loop", "stacked", "adjoint"]),
)
def test_maml_solves_a_quadratic_as_by_hand(
    theta: float, support: float, query: float, steps: int, order: int, engine: str
) -> None:
    problem, task = constant_problem(support, query)
    unclipped = {"clip": None, "meta_clip": None}
    maml = build(
        "maml",
        problem,
        ENGINES[engine](),
        inner_lr=0.1,
        train_steps=steps,
        order=order,
        **unclipped,
    )
    meta = {"theta": torch.tensor([theta], dtype=torch.float64)}
    gradient = maml.meta_step(meta, task).gradients["theta"].item()
    shrink = (1 - 2 * 0.1) ** steps  # the loss is (θ - s)², so θ_T - s = shrink * (θ - s)
    adapted = support + shrink * (theta - support)
    assert gradient == pytest.approx(2 * (adapted - query) * shrink ** (order - 1), abs=1e-9)


@pytest.mark.parametrize("order", [1, 2])
def test_turtle_with_a_linear_network_is_maml(order: int) -> None:
    problem, tasks = mlp()
    settings: dict[str, Any] = {"train_steps": 4, "test_steps": 3, "order": order}
    maml = build("maml", problem, Loop(), inner_lr=0.03, **settings)
    turtle = build("turtle", problem, Loop(), hidden=(), history="none", **settings)
    theta = start(maml)["theta"]
    linear = {
        "theta": theta,
        "phi.0.weight": torch.tensor([[-1.0]], dtype=torch.float64),
        "phi.0.bias": torch.zeros(1, dtype=torch.float64),
        "alpha": torch.full_like(theta, 0.03),
    }
    expected, found = maml.meta_step({"theta": theta}, tasks), turtle.meta_step(linear, tasks)
    torch.testing.assert_close(found.predictions, expected.predictions)
    torch.testing.assert_close(found.gradients["theta"], expected.gradients["theta"])
    torch.testing.assert_close(
        turtle.predict(linear, tasks.support, tasks.query.x, UNUSED),
        maml.predict({"theta": theta}, tasks.support, tasks.query.x, UNUSED),
    )


@cache
def slopes(learner: str, name: str) -> tuple[Parameters, list[tuple[Parameters, float]]]:
    """Return Θ, and finite differences of the query losses there, by direction."""
    problem, tasks = PROBLEMS[learner]()
    reference = build(name, problem, Loop(), **UNCLIPPED)
    meta = start(reference)
    generator = torch.Generator().manual_seed(6)

    def total(scale: float, direction: Parameters) -> float:
        moved = {key: value + scale * direction[key] for key, value in meta.items()}
        predictions = reference.meta_step(moved, tasks).predictions
        return float(problem.losses(predictions, tasks.query.y).sum())

    step = 1e-7  # larger ones cross the kinks of ReLU and max-pool
    found = []
    for only in meta:
        direction = {
            key: torch.randn(value.shape, generator=generator, dtype=torch.float64) * (key == only)
            for key, value in meta.items()
        }
        slope = (total(step, direction) - total(-step, direction)) / (2 * step)
        found.append((direction, slope))
    return meta, found


@pytest.mark.parametrize("engine", ["loop", "stacked", "mixed", "adjoint", "by rows"])
@pytest.mark.parametrize("name", ["maml", "turtle"])
@pytest.mark.parametrize("learner", PROBLEMS)
def test_meta_gradients_equal_finite_differences(learner: str, name: str, engine: str) -> None:
    problem, tasks = PROBLEMS[learner]()
    meta, found = slopes(learner, name)
    algorithm = build(name, problem, ENGINES_HERE[engine](), **UNCLIPPED)
    gradients = algorithm.meta_step(meta, tasks).gradients
    for direction, slope in found:
        expected = sum(float((gradients[key] * direction[key]).sum()) for key in meta)
        assert expected == pytest.approx(slope, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", TECHNIQUES)
@pytest.mark.parametrize("learner", PROBLEMS)
def test_every_engine_equals_the_plain_loop(learner: str, name: str) -> None:
    problem, tasks = PROBLEMS[learner]()
    settings = {"clip": 0.05, "meta_clip": 0.02, "train_steps": 3, "test_steps": 4}  # both bite
    loop = build(name, problem, Loop(rows=None), **settings)
    meta = start(loop)
    expected = loop.meta_step(meta, tasks)
    for engine in ("stacked", "mixed", "adjoint", "by rows"):
        other = build(name, problem, ENGINES_HERE[engine](), **settings)
        found = other.meta_step(meta, tasks)
        assert found.gradients.keys() == expected.gradients.keys()
        scale = max(float(value.abs().max()) for value in expected.gradients.values())
        for key, value in expected.gradients.items():
            assert float((found.gradients[key] - value).abs().max()) < 1e-10 * scale
        torch.testing.assert_close(found.predictions, expected.predictions, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(
            other.predict(meta, tasks.support, tasks.query.x, UNUSED),
            loop.predict(meta, tasks.support, tasks.query.x, UNUSED),
            rtol=1e-10,
            atol=1e-10,
        )


@pytest.mark.parametrize("learner", ["mlp", "conv4"])
def test_order_one_passes_the_gradient_of_the_last_weights_on(learner: str) -> None:
    problem, tasks = PROBLEMS[learner]()
    fo_maml = build("fo_maml", problem, Loop(), train_steps=3, meta_clip=None)
    meta = start(fo_maml)
    found = fo_maml.meta_step(meta, tasks).gradients["theta"]
    total = torch.zeros_like(found)
    for index in range(tasks.task_count):
        task = tasks.task(index)
        theta = meta["theta"]
        for _ in range(3):
            theta = theta.detach().requires_grad_()
            loss = problem.loss(problem.learner(theta, task.support.x), task.support.y)
            (gradient,) = torch.autograd.grad(loss, theta)
            theta = theta - 0.01 * gradient.clamp(-10, 10)
        theta = theta.detach().requires_grad_()
        loss = problem.loss(problem.learner(theta, task.query.x), task.query.y)
        total += torch.autograd.grad(loss, theta)[0]
    torch.testing.assert_close(found, total, rtol=1e-12, atol=1e-12)


def test_the_meta_gradient_is_a_sum_over_tasks_each_clipped() -> None:
    problem, tasks = mlp()
    maml = build("maml", problem, Loop(), meta_clip=0.01)
    meta = start(maml)
    alone = [
        maml.meta_step(meta, TaskBatch(*(Batch(p.x[i : i + 1], p.y[i : i + 1]) for p in tasks)))
        for i in range(tasks.task_count)
    ]
    together = maml.meta_step(meta, tasks).gradients["theta"]
    torch.testing.assert_close(together, sum(each.gradients["theta"] for each in alone))
    assert max(float(each.gradients["theta"].abs().max()) for each in alone) == 0.01


def test_prediction_keeps_no_graph_and_changes_no_parameter() -> None:
    problem, tasks = mlp()
    turtle = build("turtle", problem, Mixed())
    meta = start(turtle)
    before = {name: value.clone() for name, value in meta.items()}
    for tasks_some in (tasks.support, Batch(tasks.support.x[:1], tasks.support.y[:1])):
        predictions = turtle.predict(meta, tasks_some, tasks.query.x[: len(tasks_some.x)], UNUSED)
        assert not predictions.requires_grad
    turtle.meta_step(meta, tasks)
    for name, value in before.items():
        assert torch.equal(meta[name], value)


@pytest.mark.parametrize("name", ["maml", "turtle"])
def test_inductive_predictions_depend_on_no_other_query_and_transductive_ones_do(name: str) -> None:
    for normalisation, alone in (("inductive", True), ("transductive", False)):
        problem, tasks = conv4(normalisation)  # type: ignore[arg-type]
        algorithm = build(name, problem, Loop())
        meta = start(algorithm)
        together = algorithm.predict(meta, tasks.support, tasks.query.x, UNUSED)
        changed = tasks.query.x.clone()
        changed[:, 1:] = 1 - changed[:, 1:].flip(1)
        again = algorithm.predict(meta, tasks.support, changed, UNUSED)
        assert torch.allclose(again[:, 0], together[:, 0], rtol=1e-10, atol=1e-12) == alone
        few = algorithm.predict(meta, tasks.support, tasks.query.x[:, :4], UNUSED)
        assert torch.allclose(few, together[:, :4], rtol=1e-10, atol=1e-12) == alone


@pytest.mark.parametrize("history", ["gradients", "updates"])
def test_history_averages_what_equation_3_6_says(history: str) -> None:
    problem, _ = mlp()
    rule = build("turtle", problem, Loop(), history=history, beta=0.75).rule
    v = [torch.tensor([value]) for value in (8.0, 4.0, 2.0)]
    state = rule.start({}, v[0])
    found = []
    for t in range(3):
        average = rule.remember(state, v[t], t)  # type: ignore[attr-defined]
        state = type(state)(average, v[t])
        found.append(average.item())
    expected = {"gradients": [8.0, 7.0, 5.75], "updates": [0.0, 8.0, 7.0]}
    assert found == expected[history]
