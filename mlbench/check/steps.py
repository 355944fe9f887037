"""Checks of ``meta_step`` and ``predict``: their form, their purity, and that engines agree."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mlbench.check.finding import BreachError, NotDueError
from mlbench.check.problems import Technique, chance
from mlbench.contract import Algorithm, MetaStep, Parameters, TaskBatch
from mlbench.engines import Adjoint, Engine, Lesson, Loop, Objective, Predict, Stacked
from mlbench.run.judgement import check_step

AGREE = 1e-8  # of engines, in float64, relative to the largest entry
ROWS = 7  # few enough for a rule that can be cut to be cut on every problem here
ALTERNATIVES: tuple[tuple[str, Engine, str], ...] = (
    ("stack", Stacked(), ""),
    (
        "loop by rows",
        Loop(rows=ROWS),
        "name in per_weight what has a row per weight; leave it None if weights share anything",
    ),
    (
        "adjoint",
        Adjoint(rows=ROWS),
        "depend on no other Θ than the meta that support_loss and step are handed",
    ),
)
"""Engines by their names in a message, and what to do where one differs from the loop."""


def check_runs(technique: Technique) -> None:
    """Take one meta-step and predict once; look at the form of what comes back."""
    algorithm = technique.build()
    meta, tasks = technique.meta(algorithm), technique.tasks()
    predictions = algorithm.predict(meta, tasks.support, tasks.query.x, chance(0, 3))
    check_form("predict", predictions, (*tasks.query.y.shape[:2], technique.outputs))
    if algorithm.training == "none":
        return
    lessons = technique.lessons(algorithm)
    taught = algorithm.meta_step(meta, lessons)
    flat = algorithm.training == "batches"
    episodic = algorithm.train_ways or technique.outputs
    outputs = technique.problem.train_classes if flat else episodic
    check_form("meta_step", taught.predictions, (*lessons.query.y.shape[:2], outputs or 1))
    try:
        check_step(taught, meta)
    except (TypeError, ValueError) as error:
        raise BreachError(str(error)) from error


def check_form(method: str, predictions: object, shape: tuple[int, ...]) -> None:
    """Refuse predictions of another form than (tasks, queries, outputs), or with a graph."""
    if not isinstance(predictions, Tensor) or tuple(predictions.shape) != shape:
        found = type(predictions).__name__
        if isinstance(predictions, Tensor):
            found = f"shape {tuple(predictions.shape)}"
        raise BreachError(
            f"{method} gives predictions of {found}, not (tasks, queries, outputs) = {shape}"
        )
    if predictions.requires_grad:
        raise BreachError(
            f"{method} gives predictions that hold on to their graph", "detach() them"
        )
    if predictions.dtype != torch.float64:
        raise BreachError(
            f"{method} gives {predictions.dtype} for inputs of float64",
            "make tensors like the ones you are given: torch.zeros_like(x), x.new_zeros(...)",
        )


def check_stateless(technique: Technique) -> None:
    """Call everything again, in another order: nothing may change."""
    algorithm = technique.build()
    meta, tasks = technique.meta(algorithm), technique.tasks()
    before = {name: value.clone() for name, value in meta.items()}

    def predict() -> Tensor:
        torch.manual_seed(0)
        return algorithm.predict(meta, tasks.support, tasks.query.x, chance(0, 3))

    first = predict()
    if not torch.equal(first, predict()):
        raise BreachError("predict answers otherwise the second time")
    if technique.cls.training != "none":
        lessons = technique.lessons(algorithm)
        one = step(algorithm, meta, lessons)
        if not torch.equal(first, predict()):
            raise BreachError("predict answers otherwise after a meta_step")
        other = step(algorithm, meta, lessons)
        if not all(torch.equal(one.gradients[n], other.gradients[n]) for n in one.gradients):
            raise BreachError("meta_step gives other gradients the second time")
    if not all(torch.equal(meta[name], value) for name, value in before.items()):
        raise BreachError(
            "it changes the meta-parameters that it is handed",
            "leave meta as it is: return gradients, or averages where no gradient is meant",
        )


def step(algorithm: Algorithm, meta: Parameters, lessons: TaskBatch) -> MetaStep:
    """Take a meta-step, the global generator always standing at the same place."""
    torch.manual_seed(0)
    return algorithm.meta_step(meta, lessons)


class Watched(Loop):
    """The loop, which notes whether it is asked."""

    asked = False

    def total(
        self, lesson: Lesson, meta: Parameters, tasks: TaskBatch
    ) -> tuple[Parameters, Tensor]:
        """Note it."""
        self.asked = True
        return super().total(lesson, meta, tasks)

    def meta_gradients(
        self, objective: Objective, meta: Parameters, tasks: TaskBatch, clip: Any
    ) -> tuple[Parameters, Tensor]:
        """Note it."""
        self.asked = True
        return super().meta_gradients(objective, meta, tasks, clip)

    def predictions(
        self, predict: Predict, meta: Parameters, support: Any, query_x: Tensor
    ) -> Tensor:
        """Note it."""
        self.asked = True
        return super().predictions(predict, meta, support, query_x)


def check_engines(technique: Technique) -> None:
    """Compare the plain loop with the stack of all tasks, and with what saves memory."""
    watched = Watched(rows=None)
    one, taught = outcome(technique, watched)
    if not watched.asked:
        raise NotDueError("it does without the engine")
    for name, engine, remedy in ALTERNATIVES:
        other, gradients = outcome(technique, engine)
        agree("predictions", one, other, name, remedy)
        for each, gradient in taught.items():
            agree(f"meta-gradients of {each}", gradient, gradients[each], name, remedy)


def outcome(technique: Technique, engine: Engine) -> tuple[Tensor, Parameters]:
    """Return predictions and meta-gradients by one engine."""
    algorithm = technique.build(engine=engine)
    meta, tasks = technique.meta(algorithm), technique.tasks()
    predictions = algorithm.predict(meta, tasks.support, tasks.query.x, chance(0, 3))
    if technique.cls.training == "none":
        return predictions, {}
    return predictions, step(algorithm, meta, technique.lessons(algorithm)).gradients


def agree(what: str, loop: Tensor, other: Tensor, name: str, remedy: str) -> None:
    """Refuse tensors that differ by more than rounding."""
    scale = max(1.0, float(loop.abs().max()))
    worst = float((loop - other).abs().max()) / scale
    if not worst <= AGREE:
        raise BreachError(f"{what} of loop and {name} differ by {worst:.1e} in float64", remedy)
