"""Techniques learn: new classes of the training domain, and, less well, of another."""

from __future__ import annotations

import pytest

from mlbench.registry import find_plugins, load_algorithm
from mlbench.run.device import Execution
from mlbench.run.events import Validated
from mlbench.run.loop import Run
from mlbench.run.setup import Request, prepare

CPU = Execution(device="cpu", threads=1, engine="auto")
CHANCE = 0.2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "train_tasks", "channels"),
    [
        ("maml", 80, 32),
        ("turtle", 80, 32),
        ("protonet", 80, 32),
        ("r2d2", 80, 32),
        ("finetuning", 400, 64),
        ("baseline_pp", 400, 64),
    ],
)
def test_what_is_learnt_on_shapes_carries_over_to_new_shapes_and_partly_to_glyphs(
    name: str, train_tasks: int, channels: int
) -> None:
    request = Request(
        algorithm=name,
        train="shapes",
        evals=("glyphs",),
        train_tasks=train_tasks,
        validation_tasks=10,
        validate_every=train_tasks,
        test_tasks=20,
        settings={"learner.channels": str(channels)},
    )
    run = Run(prepare(request), CPU)
    validations = [event.score for event in run.events() if isinstance(event, Validated)]
    scores = {name: sum(found) / len(found) for name, (_, found) in run.progress.tested.items()}
    assert max(validations) > validations[0] + 0.05
    assert scores["shapes"] > CHANCE + 0.3
    assert CHANCE + 0.1 < scores["glyphs"] < scores["shapes"] - 0.05


LEARNERS_OF_WAVES = sorted(
    name
    for name in find_plugins("algorithms")
    if "regression" in (cls := load_algorithm(name)).kinds and cls.training == "episodes"
)
SLOW_LEARNERS = {"anil", "reptile", "turtle", "fo_turtle"}


@pytest.mark.slow
@pytest.mark.parametrize("name", LEARNERS_OF_WAVES)
def test_every_technique_learns_waves(name: str) -> None:
    train_tasks = 2_000 if name in SLOW_LEARNERS else 1_000
    request = Request(
        algorithm=name,
        train="sine",
        train_tasks=train_tasks,
        validation_tasks=200,
        validate_every=train_tasks // 2,
        test_tasks=1,
    )
    run = Run(prepare(request), CPU)
    scores = [event.score for event in run.events() if isinstance(event, Validated)]
    assert min(scores) < 0.8 * scores[0]
