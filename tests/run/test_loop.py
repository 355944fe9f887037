"""The loop: phases, selection, and resuming at any point as if nothing had happened."""

from __future__ import annotations

import copy
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from mlbench.contract import MetaStep, Parameters, TaskBatch
from mlbench.engines import Loop
from mlbench.errors import MisuseError
from mlbench.run import checkpoint
from mlbench.run.events import Episodes, PhaseEnded, Validated
from mlbench.run.loop import Run
from mlbench.run.setup import Request, prepare
from mlbench.run.spec import Protocol
from tests.run.broken import CPU, MAML, SINE, broken, raises, timeless


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
