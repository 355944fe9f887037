"""How far a technique is off the vectors of a file, group of tensors by group."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mlbench.contract import Batch, Parameters, Randomness, TaskBatch
from mlbench.engines import Engine, ThetaLoss, autograd_gradient
from mlbench.inner import GradientBased, UpdateRule
from tests.reference.techniques import technique
from tests.reference.vectors import Reference

TOLERANCE = 1e-12
META_LR = 1e-3
ADAM_EPSILON = 1e-8
LSTM_MEMORY = {"lstm_h": "hidden", "lstm_c": "cell", "f_pre": "forget", "i_pre": "input"}


@dataclass
class Deviation:
    """The largest deviation of a group of tensors, and whether it is within tolerance."""

    group: str
    relative: float
    absolute: float = 0.0
    ill_conditioned: int = 0
    passed: bool = True


class Training:
    """Θ and its Adam, stepped by hand, with the error that each step may magnify."""

    def __init__(self, algorithm: GradientBased, meta: Parameters) -> None:
        self.algorithm = algorithm
        self.meta = {name: value.clone().requires_grad_() for name, value in meta.items()}
        self.adam = algorithm.optimiser(list(self.meta.values()))
        self.slack = {name: torch.zeros_like(value) for name, value in meta.items()}

    def step(self, tasks: TaskBatch) -> None:
        gradients = self.algorithm.meta_step(self.meta, tasks).gradients
        largest = max(float(g.abs().max()) for g in gradients.values())
        for name, value in self.meta.items():
            gradient = gradients[name]
            value.grad = gradient
            amplified = META_LR * ADAM_EPSILON / (gradient.abs() + ADAM_EPSILON) ** 2
            self.slack[name] += (amplified * TOLERANCE * largest).clamp(max=2 * META_LR)
        self.adam.step()

    def deviations(self, group: str, expected: Parameters) -> Iterator[Deviation]:
        for name, value in expected.items():
            error = (self.meta[name].detach() - value).abs()
            scale = float(value.abs().max())
            ill = self.slack[name] > TOLERANCE * scale
            well_error = float(error[~ill].max()) if bool((~ill).any()) else 0.0
            ill_error = float(error[ill].max()) if bool(ill.any()) else 0.0
            allowed = TOLERANCE * scale + self.slack[name]
            yield Deviation(
                f"{group}/{name}",
                well_error / (scale or 1.0),
                ill_error,
                int(ill.sum()),
                bool((error <= allowed).all()),
            )


def compare(group: str, actual: Tensor, expected: Tensor, scale: float = 0.0) -> Deviation:
    """Return how far a tensor is off, relative to its largest entry or to a larger ``scale``."""
    expected = expected.to(torch.float64).reshape(actual.shape)
    scale = max(scale, float(expected.abs().max())) or 1.0
    relative = float((actual.detach() - expected).abs().max()) / scale
    return Deviation(group, relative, passed=relative <= TOLERANCE)


def deviations(reference: Reference, engine: Engine) -> Iterator[Deviation]:
    """Yield one deviation per group of tensors of a file."""
    algorithm = technique(reference, engine)
    meta = reference.named("init/")
    task = reference.task()
    yield from inner_steps(reference, technique(reference, engine), meta, task.task(0))
    unclipped = type(algorithm)(
        type(algorithm.hyper).from_values({**algorithm.hyper.values(), "meta_clip": None}),
        algorithm.problem,
        engine,
    )
    for group, version in (("metagrad_raw", unclipped), ("metagrad_clipped", algorithm)):
        step = version.meta_step(meta, task)
        expected = reference.named(f"{group}/")
        scale = max(float(value.abs().max()) for value in expected.values())
        for name, value in expected.items():
            yield compare(f"{group}/{name}", step.gradients[name], value, scale)
    yield compare("query_pred", step.predictions[0], reference.tensor("query_pred"))
    loss = algorithm.problem.loss(step.predictions[0], task.query.y[0])
    yield compare("query_loss", loss, reference.tensor("query_loss"))
    once = Training(algorithm, meta)
    once.step(task)
    yield from once.deviations("after_step1", reference.named("after_step1/"))
    yield from trajectory(reference, algorithm, once, task)


def inner_steps(
    reference: Reference, algorithm: GradientBased, meta: Parameters, task: TaskBatch
) -> Iterator[Deviation]:
    """Yield the deviations of every step of the main task's inner loop."""
    leaves = {name: value.clone().requires_grad_() for name, value in meta.items()}
    hyper = algorithm.hyper
    before = leaves["theta"]
    found: list[Tensor] = []

    def gradient(loss: ThetaLoss, theta: Tensor, *, constant: bool) -> tuple[Tensor, Tensor]:
        result = autograd_gradient(loss, theta, constant=constant)
        found.append(result[0])
        return result

    shown, stepped = record(algorithm.rule, "see"), record(algorithm.rule, "step")
    loop = algorithm.inner_loop(
        leaves, task.support, gradient, steps=hyper.train_steps, order=hyper.order
    )
    for t, update in enumerate(loop):
        actual = {
            "support_loss": update.loss,
            "support_grad": found[-1],
            "scaled_grad": update.gradient,
            "weights": update.theta,
            "update": update.theta - before,
        }
        if shown:
            actual["metainput"] = shown[-1]
        memory = stepped[-1][1]
        for name, part in LSTM_MEMORY.items():
            if hasattr(memory, part):
                actual[name] = getattr(memory, part)
        before = update.theta
        for name, value in actual.items():
            key = f"step{t}_{name}"
            if key in reference:
                # an update is the difference of two weights, and known as well as they are
                scale = float(update.theta.detach().abs().max()) if name == "update" else 0.0
                yield compare(key, value, reference.tensor(key), scale)


def record(rule: UpdateRule[Any], method: str) -> list[Any]:
    """Return a list that grows by what a method of a rule returns, if it has the method."""
    returned: list[Any] = []
    original = getattr(rule, method, None)
    if original is not None:

        def recorded(*args: Any) -> Any:
            returned.append(original(*args))
            return returned[-1]

        vars(rule)[method] = recorded
    return returned


def trajectory(
    reference: Reference, algorithm: GradientBased, training: Training, main: TaskBatch
) -> Iterator[Deviation]:
    """Yield the deviations after training on the further tasks, in their order."""

    def evaluate() -> Tensor:
        prediction = algorithm.predict(
            training.meta, main.support, main.query.x, Randomness(bytes(16), 0, 1)
        )
        return algorithm.problem.scores(prediction, main.query.y)[0]

    if "traj/eval_before" in reference:
        yield compare("traj/eval_before", evaluate(), reference.tensor("traj/eval_before"))
    tasks = [reference.task(f"traj/task{i}_") for i in range(4)]
    size = algorithm.meta_batch
    for start in range(0, len(tasks), size):
        some = tasks[start : start + size]
        parts = ((t.support for t in some), (t.query for t in some))
        training.step(TaskBatch(*(Batch(*map(torch.cat, zip(*p, strict=True))) for p in parts)))
    yield from training.deviations("after_traj", reference.named("after_traj/"))
    if "traj/eval_after" in reference:
        yield compare("traj/eval_after", evaluate(), reference.tensor("traj/eval_after"))
