"""Checks that runs computed as one program are what they are alone."""

from __future__ import annotations

from torch import Tensor
from torch.func import vmap

from mlbench.check.finding import NotDueError
from mlbench.check.problems import Technique
from mlbench.check.steps import agree
from mlbench.contract import Algorithm, Parameters, TaskBatch
from mlbench.engines import Loop, Stacked
from mlbench.run.members import stacked
from mlbench.run.stack import NoChance

OTHER = 0.9  # what Θ of the second run is, times that of the first


def check_stackable(technique: Technique) -> None:
    """Compare a stack of two runs with each of them alone."""
    if not technique.cls.stackable:
        raise NotDueError("it does not say that runs of it can be one program")
    first = technique.meta(technique.build())
    metas = [first, {name: OTHER * value for name, value in first.items()}]
    in_stack, looped = technique.build(engine=Stacked()), technique.build(engine=Loop())
    lessons = [technique.lessons(looped, run) for run in range(len(metas))]
    found = vmap(lambda meta, lesson: outcome(technique, in_stack, meta, lesson))(
        stacked(metas), stacked(lessons)
    )
    for run, (meta, lesson) in enumerate(zip(metas, lessons, strict=True)):
        predictions, gradients = outcome(technique, looped, meta, lesson)
        agree("predictions", predictions, found[0][run], "stack of runs", "")
        for name, gradient in gradients.items():
            what = f"meta-gradients of {name}"
            agree(what, gradient, found[1][name][run], "stack of runs", "")


def outcome(
    technique: Technique, algorithm: Algorithm, meta: Parameters, lesson: TaskBatch
) -> tuple[Tensor, Parameters]:
    """Return predictions and meta-gradients of one run; all predict for the same tasks."""
    tasks = technique.tasks()
    chance = NoChance(bytes(16), 0, 0)
    predictions = algorithm.predict(meta, tasks.support, tasks.query.x, chance)
    return predictions, algorithm.meta_step(meta, lesson).gradients
