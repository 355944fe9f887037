"""The loop: phases, selection, and resuming at any point as if nothing had happened."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mlbench.contract import MetaStep, Parameters, Randomness, TaskBatch
from mlbench.engines import Loop
from mlbench.errors import MisuseError, PluginError
from mlbench.run import checkpoint
from mlbench.run.device import Execution
from mlbench.run.events import Episodes, Event, PhaseEnded, Validated
from mlbench.run.loop import Run
from mlbench.run.setup import Experiment, Request, prepare
from mlbench.run.spec import Protocol

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


def timeless(events: list[Event]) -> list[Event]:
    return [e if isinstance(e, Validated) else replace(e, seconds=0.0) for e in events]


def test_phases_follow_the_protocol() -> None:
    run = Run(prepare(SINE), CPU)
    events = list(run.events())
    story = [
        (event.phase, event.first, len(event.losses))
        if isinstance(event, Episodes)
        else ("validated", event.tasks)
        if isinstance(event, Validated)
        else ("ended", event.phase)
        for event in events
    ]
    assert story == [
        ("validation", 0, 4),
        ("validated", 0),
        ("train", 0, 2),
        ("train", 2, 2),
        ("validation", 0, 4),
        ("validated", 4),
        ("train", 4, 2),
        ("validation", 0, 4),
        ("validated", 6),
        ("train", 6, 1),
        ("validation", 0, 4),
        ("validated", 7),
        ("ended", "train"),
        ("ended", "validation"),
        ("test", 0, 5),
        ("ended", "test"),
    ]
    assert run.progress.position == sum(event.positions for event in events)
    assert run.progress.step == 4


def test_validation_meets_the_same_tasks_whatever_the_seed_and_training_does_not() -> None:
    zero, one = (
        {e.phase: e.keys for e in Run(prepare(request), CPU).events() if isinstance(e, Episodes)}
        for request in (SINE, replace(SINE, seed=1))
    )
    assert zero["train"] != one["train"]
    assert zero["validation"] == one["validation"]
    assert zero["test"] == one["test"]


def test_seeds_start_from_different_weights_and_techniques_of_one_seed_from_the_same() -> None:
    theta = {
        (name, seed): Run(prepare(replace(SINE, algorithm=name, seed=seed)), CPU).meta["theta"]
        for name, seed in (("maml", 0), ("maml", 1), ("fo_maml", 0))
    }
    assert torch.equal(theta["maml", 0], theta["fo_maml", 0])
    assert not torch.equal(theta["maml", 0], theta["maml", 1])


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_run_resumed_after_any_event_ends_with_the_same_numbers(
    precision: Any, tmp_path: Path
) -> None:
    experiment = prepare(replace(SINE, algorithm="turtle", precision=precision))
    whole = Run(experiment, CPU)
    events = timeless(list(whole.events()))
    for stop in range(len(events)):
        first = Run(experiment, CPU)
        before = list(islice(first.events(), stop))
        checkpoint.save(tmp_path / "state", experiment.spec.hash, first.state())
        torch.rand(3)  # disturb the global generator, as another process would have another
        second = Run(experiment, CPU, checkpoint.load(tmp_path / "state", experiment.spec.hash))
        after = list(second.events())
        assert timeless(before + after) == events
        assert second.progress.tested == whole.progress.tested
        for name, value in whole.meta.items():
            assert torch.equal(second.meta[name], value)


def test_a_state_is_not_touched_by_going_on() -> None:
    run = Run(prepare(SINE), CPU)
    events = run.events()
    list(islice(events, 3))
    state = copy.deepcopy(run.state())
    resumed = Run(run.experiment, CPU, state)
    first = [event for event in resumed.events() if isinstance(event, Validated)]
    again = [
        event for event in Run(run.experiment, CPU, state).events() if isinstance(event, Validated)
    ]
    assert first == again


def validated(monkeypatch: pytest.MonkeyPatch, scores: list[float], **request: Any) -> Run:
    """Run with validation losses as given, in order."""
    run = Run(prepare(replace(SINE, **request)), CPU)
    script = iter(scores)
    judge = run.judge

    def scripted(
        predictions: Tensor, tasks: TaskBatch, outputs: int
    ) -> tuple[list[float], list[float]]:
        losses, found = judge(predictions, tasks, outputs)
        if tasks.task_count == 4:  # only validations have four tasks
            value = next(script)
            return [value] * 4, [value] * 4
        return losses, found

    monkeypatch.setattr(run, "judge", scripted)
    vars(run)["snapshots"] = [
        ({name: value.clone() for name, value in run.meta.items()}, event.best)
        for event in run.events()
        if isinstance(event, Validated)
    ]
    return run


def test_the_best_validated_state_is_tested_and_a_tie_keeps_the_earlier(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = validated(monkeypatch, [3.0, 1.0, 1.0, 2.0])
    assert [best for _, best in vars(run)["snapshots"]] == [True, True, False, False]
    expected = vars(run)["snapshots"][1][0]
    for name, value in run.course.selected(run.meta).items():
        assert torch.equal(value, expected[name])
    assert run.progress.best_step == 2


def test_nan_never_wins_a_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(prepare(SINE), CPU)
    run.progress.best_score = None
    assert not run.course.better(float("nan"))
    run.progress.best_score = 2.0
    assert not run.course.better(float("nan"))
    assert run.course.better(1.0)
    assert not run.course.better(2.0)


def test_accuracy_is_the_better_the_higher_and_a_tie_keeps_the_earlier() -> None:
    run = Run(prepare(SINE), CPU)
    images = replace(run.experiment.problem, kind="classification")
    run.course.experiment = replace(run.experiment, problem=images)
    run.progress.best_score = 0.5
    assert run.course.better(0.6)
    assert not run.course.better(0.5)
    assert not run.course.better(0.4)


def test_the_released_protocol_restores_turtles_theta_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = {"history": "gradients", "train_steps": "2", "learn_rates": "true"}
    run = validated(
        monkeypatch,
        [3.0, 1.0, 2.0, 2.0],
        algorithm="turtle",
        protocol="released",
        settings=SINE.settings | settings,  # type: ignore[operator]
    )
    selected, best = run.course.selected(run.meta), vars(run)["snapshots"][1][0]
    assert torch.equal(selected["theta"], best["theta"])
    assert torch.equal(selected["alpha"], run.meta["alpha"])
    assert not torch.equal(selected["alpha"], best["alpha"])
    run.course.spec = replace(run.spec, protocol=Protocol(restores="everything"))
    assert torch.equal(run.course.selected(run.meta)["alpha"], best["alpha"])
    run.course.spec = replace(run.spec, protocol=Protocol(restores="nothing"))
    assert torch.equal(run.course.selected(run.meta)["theta"], run.meta["theta"])
    assert not torch.equal(run.meta["theta"], best["theta"])


def test_training_lowers_the_loss() -> None:
    request = Request(
        algorithm="maml",
        train="sine",
        train_tasks=400,
        validation_tasks=50,
        validate_every=400,
        test_tasks=1,
        settings={"meta_lr": "0.01", "train_steps": "1", "test_steps": "1"},
    )
    events = Run(prepare(request), CPU).events()
    before, after = (event.score for event in events if isinstance(event, Validated))
    assert after < 0.95 * before


def broken(request: Request = SINE, **methods: Any) -> Experiment:
    experiment = prepare(request)
    algorithm = type("Broken", (experiment.algorithm_class,), methods)
    algorithm.__module__ = experiment.algorithm_class.__module__
    return replace(experiment, algorithm_class=algorithm)


def raises(*args: Any, **kwargs: Any) -> Any:
    raise ZeroDivisionError("division by zero")


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


MAML: Any = prepare(SINE).algorithm_class


def with_a_count(self: Any, generator: torch.Generator) -> Parameters:
    return {**MAML.initialise(self, generator), "seen": torch.zeros(1)}


def counting(self: Any, meta: Parameters, tasks: TaskBatch) -> MetaStep:
    taught: MetaStep = MAML.meta_step(self, {"theta": meta["theta"]}, tasks)
    return taught._replace(averages={"seen": meta["seen"] + tasks.task_count})


def test_averages_are_set_and_not_descended_and_survive_a_checkpoint(tmp_path: Path) -> None:
    experiment = broken(initialise=with_a_count, meta_step=counting)
    run = Run(experiment, CPU)
    events = run.events()
    list(islice(events, 4))
    checkpoint.save(tmp_path / "state", experiment.spec.hash, run.state())
    list(events)
    assert run.meta["seen"].item() == 7
    again = Run(experiment, CPU, checkpoint.load(tmp_path / "state", experiment.spec.hash))
    list(again.events())
    assert again.meta["seen"].item() == 7
    plain = Run(prepare(SINE), CPU)
    list(plain.events())
    assert torch.equal(plain.meta["theta"], run.meta["theta"])


def test_what_is_left_to_chance_depends_on_task_and_seed_alone() -> None:
    found: dict[tuple[str, int], list[Tensor]] = {}

    def predict(self: Any, meta: Any, support: Any, query_x: Tensor, chance: Randomness) -> Tensor:
        numbers = chance.uniform(2, 3, like=query_x)
        assert torch.equal(numbers, chance.uniform(2, 3, like=query_x))
        found.setdefault((str(len(query_x)), self.problem_seed), []).append(numbers)
        return torch.zeros_like(query_x)

    for seed in (0, 1):
        run = Run(broken(replace(SINE, seed=seed), predict=predict, problem_seed=seed), CPU)
        list(run.events())
    validations, tests = found["4", 0], found["5", 0]
    assert all(torch.equal(numbers, validations[0]) for numbers in validations)
    assert not torch.equal(found["4", 1][0], validations[0])
    assert not torch.equal(tests[0][:4], validations[0])
    assert tests[0].shape == (5, 2, 3)
    assert tests[0].unique().numel() == 30


def test_random_numbers_of_another_shape_are_unrelated() -> None:
    chance, like = Randomness(bytes(16), 0, 50), torch.zeros(1, dtype=torch.float64)
    drawn = [chance.uniform(*shape, like=like) for shape in ((3,), (4,), (2, 2), (4, 1))]
    numbers = torch.cat([each.flatten() for each in drawn])
    assert len(numbers.unique()) == len(numbers)


def test_no_random_number_rounds_up_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    almost = np.full((1, 1), 1 - 2.0**-53)
    monkeypatch.setattr("mlbench.contract.block_uniforms", lambda *_: almost)
    for dtype in (torch.float32, torch.float64):
        like = torch.zeros(1, dtype=dtype)
        assert float(Randomness(bytes(16), 0, 1).uniform(1, like=like)) < 1


def test_a_technique_without_training_is_validated_once_and_tested() -> None:
    run = Run(broken(training="none", meta_step=raises), CPU)
    phases = [e.phase for e in run.events() if isinstance(e, Episodes)]
    assert phases == ["validation", "test"]
    assert run.progress.tasks == 0
    assert run.experiment.train_tasks == 0


def test_a_technique_without_theta_cannot_restore_theta_alone() -> None:
    experiment = broken(
        replace(SINE, settings={**SINE.settings, "protocol.restores": "theta"}),
        initialise=lambda self, generator: {"phi": torch.zeros(1)},
    )
    with pytest.raises(MisuseError, match=r"has no θ .* it has phi; --set protocol.restores="):
        Run(experiment, CPU)


def test_engines_are_chosen_by_learner_and_device() -> None:
    problem = prepare(SINE).problem
    assert CPU.engine_for(problem).name == "mixed"
    assert isinstance(replace(CPU, engine="loop").engine_for(problem), Loop)


def test_phases_know_their_time() -> None:
    ended = [e for e in Run(prepare(SINE), CPU).events() if isinstance(e, PhaseEnded)]
    assert [(e.phase, e.seconds > 0) for e in ended] == [
        ("train", True),
        ("validation", True),
        ("test", True),
    ]
