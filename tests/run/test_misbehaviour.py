"""Techniques that fail or are never finite: what is named, skipped, and ends a run."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest
import torch
from torch import Tensor

from mlbench.contract import MetaStep, Parameters, TaskBatch
from mlbench.errors import PluginError
from mlbench.run.events import Episodes, PhaseEnded, Validated
from mlbench.run.loop import Run
from mlbench.run.setup import prepare
from tests.run.broken import CPU, MAML, SINE, broken, raises, timeless


def wrong_shape(self: Any, meta: Any, support: Any, query_x: Tensor, chance: Any) -> Tensor:
    return query_x[..., 0]


def nothing_but_nan(self: Any, meta: Any, support: Any, query_x: Tensor, chance: Any) -> Tensor:
    return torch.full_like(query_x, torch.nan)


def nan_gradient(self: Any, meta: Parameters, tasks: TaskBatch) -> Any:
    nan = {name: torch.full_like(value, torch.nan) for name, value in meta.items()}
    return MetaStep(nan, torch.full_like(tasks.query.y, torch.nan))


def exits(*args: Any) -> Any:
    raise SystemExit(0)


def gradients(**found: Any) -> Any:
    """Return a meta_step whose gradients are these."""

    def meta_step(self: Any, meta: Parameters, tasks: TaskBatch) -> MetaStep:
        return MetaStep(found, torch.zeros_like(tasks.query.y))

    return meta_step


def infinite(self: Any, meta: Any, support: Any, query_x: Tensor, chance: Any) -> Tensor:
    return torch.full_like(query_x, torch.inf)


def one_task_is_nan(self: Any, meta: Any, support: Any, query_x: Tensor, chance: Any) -> Tensor:
    predictions = torch.zeros_like(query_x)
    predictions[0] = torch.nan
    return predictions


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ({"meta_step": exits}, r"cannot take a meta-step: SystemExit: 0"),
        ({"meta_step": gradients()}, r"ValueError: meta_step returns no gradients"),
        ({"meta_step": gradients(thetas=torch.zeros(1))}, r"'thetas', but the parameters are th"),
        ({"meta_step": gradients(theta=None)}, r"gradient of theta is NoneType"),
        ({"meta_step": gradients(theta=torch.zeros(1))}, r"theta has shape \(1,\), not \(25,\)"),
        ({"meta_step": gradients(theta=torch.zeros(25).double())}, r"is torch.float64, not a"),
        ({"meta_batch": 0}, r"maml has a meta-batch of 0 tasks"),
        ({"predict": lambda *_: None}, r"maml predicts NoneType where"),
        ({"predict": raises}, r"Broken of .*maml\.py cannot predict: ZeroDivisionError: division"),
        ({"meta_step": raises}, r"cannot take a meta-step: ZeroDivisionError"),
        ({"initialise": raises}, r"cannot draw its initial meta-parameters: ZeroDivisionError"),
        ({"optimiser": raises}, r"cannot make its optimiser: ZeroDivisionError"),
        ({"predict": wrong_shape}, r"shape \(4, 6\) where .* = \(4, 6, 1\) is due"),
    ],
)
def test_a_plugin_that_misbehaves_is_named(methods: dict[str, Any], message: str) -> None:
    with pytest.raises(PluginError, match=message):
        list(Run(broken(**methods), CPU).events())


@pytest.mark.parametrize(
    ("predict", "reason", "validations"),
    [
        (nothing_but_nan, "has no finite validation loss after 2 meta-updates, at training", 2),
        (infinite, "has no finite validation loss after 2 meta-updates, at training task 4", 2),
        (one_task_is_nan, "has no validation whose mean score is finite after 4 meta-updates", 4),
    ],
)
def test_a_run_that_never_validates_diverges_and_has_nothing_to_test(
    predict: Any, reason: str, validations: int
) -> None:
    run = Run(broken(predict=predict), CPU)
    events = list(run.events())
    assert reason in (run.progress.diverged or "")
    found = [event for event in events if isinstance(event, Validated)]
    assert len(found) == validations
    assert not any(event.best for event in found)
    assert run.progress.tested == {}
    last = [event for event in events if isinstance(event, PhaseEnded)]
    assert [event.phase for event in last] == ["train", "validation"]


def nan_from(first: int) -> Any:
    """Return a meta_step whose gradients are NaN from its ``first`` call on."""
    maml = prepare(SINE).algorithm_class
    calls = iter(range(10**6))

    def meta_step(self: Any, meta: Parameters, tasks: TaskBatch) -> Any:
        return (nan_gradient if next(calls) >= first else maml.meta_step)(self, meta, tasks)

    return meta_step


def test_a_step_that_is_not_finite_is_recorded_and_skipped() -> None:
    run = Run(broken(meta_step=nan_from(2)), CPU)
    events = list(run.events())
    losses = [
        loss for e in events if isinstance(e, Episodes) and e.phase == "train" for loss in e.losses
    ]
    assert len(losses) == 7
    assert [math.isnan(loss) for loss in losses] == [False] * 4 + [True] * 3
    assert run.progress.step == 2
    assert all(bool(value.isfinite().all()) for value in run.meta.values())
    assert run.progress.diverged is None
    assert run.progress.remark == "2 meta-steps were skipped, since they were not finite"
    assert list(run.progress.tested) == ["sine"]


def test_a_gradient_that_is_not_finite_is_skipped_though_its_loss_is() -> None:
    def meta_step(self: Any, meta: Parameters, tasks: TaskBatch) -> MetaStep:
        taught: MetaStep = MAML.meta_step(self, meta, tasks)
        return taught._replace(gradients={"theta": taught.gradients["theta"] * torch.inf})

    run = Run(broken(meta_step=meta_step), CPU)
    losses = [loss for e in run.events() if isinstance(e, Episodes) for loss in e.losses]
    assert all(map(math.isfinite, losses))
    assert (run.progress.step, run.progress.skipped) == (0, 4)
    assert "had no finite meta-gradient at all after 0" in (run.progress.diverged or "")
    assert len(run.progress.tested["sine"][0]) == 5


def test_what_has_both_a_gradient_and_an_average_is_refused() -> None:
    def meta_step(self: Any, meta: Parameters, tasks: TaskBatch) -> MetaStep:
        taught: MetaStep = MAML.meta_step(self, meta, tasks)
        return taught._replace(averages=dict(meta))

    with pytest.raises(PluginError, match="theta has both a gradient and an average"):
        list(Run(broken(meta_step=meta_step), CPU).events())


def test_training_that_is_never_finite_again_stops_early_and_tests_the_best(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mlbench.run.course.PATIENCE", 2)
    long = replace(SINE, train_tasks=1_000)
    run = Run(broken(long, meta_step=nan_from(3)), CPU)
    events = list(run.events())
    assert run.progress.tasks == 2 * (3 + 2)
    assert run.progress.diverged == (
        "maml had no finite meta-gradient for 2 meta-steps after 3 meta-updates, at training task"
        " 10; lower its learning rates or its steps with --set"
    )
    assert len(run.progress.tested["sine"][0]) == 5
    assert [e.tasks for e in events if isinstance(e, Validated)] == [0, 4, 6, 10]


def test_a_run_that_diverges_is_resumed_after_any_event_to_the_same_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mlbench.run.course.PATIENCE", 2)
    experiment = broken(replace(SINE, train_tasks=50), meta_step=nan_gradient)
    whole = Run(experiment, CPU)
    events = timeless(list(whole.events()))
    for stop in range(len(events)):
        first = Run(experiment, CPU)
        before = list(islice(first.events(), stop))
        second = Run(experiment, CPU, first.state())
        assert repr(timeless(before + list(second.events()))) == repr(events)  # NaN equals NaN
        assert second.progress.diverged == whole.progress.diverged is not None
