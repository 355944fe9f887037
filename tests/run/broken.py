"""A small run of MAML on sine, and techniques that are it but for some methods."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mlbench.run.device import Execution
from mlbench.run.events import Event, Validated
from mlbench.run.setup import Experiment, Request, prepare

CPU = Execution(device="cpu", threads=1, engine="auto")
SINE = Request(
    algorithm="maml",
    train="sine",
    queries=6,
    train_tasks=7,
    validation_tasks=4,
    validate_every=3,
    test_tasks=5,
    settings={"train_steps": "1", "test_steps": "2", "meta_batch": "2", "learner.hidden": "8"},
)
MAML: Any = prepare(SINE).algorithm_class


def timeless(events: list[Event]) -> list[Event]:
    return [e if isinstance(e, Validated) else replace(e, seconds=0.0) for e in events]


def broken(request: Request = SINE, **methods: Any) -> Experiment:
    experiment = prepare(request)
    algorithm = type("Broken", (experiment.algorithm_class,), methods)
    algorithm.__module__ = experiment.algorithm_class.__module__
    return replace(experiment, algorithm_class=algorithm)


def raises(*args: Any, **kwargs: Any) -> Any:
    raise ZeroDivisionError("division by zero")
