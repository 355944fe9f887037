"""Runs computed as one program: each as if it were alone, whatever becomes of the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest
import torch

from mlbench.contract import Algorithm, MetaStep, Parameters, TaskBatch
from mlbench.errors import MisuseError, PluginError
from mlbench.run.device import Execution
from mlbench.run.events import Episodes, Event, Validated
from mlbench.run.loop import Run
from mlbench.run.metastep import Adam
from mlbench.run.setup import Experiment, Request, prepare
from mlbench.run.stack import Stack
from mlbench.run.together import compilation, unstackable
from mlbench.run.tracing import traced

CPU = Execution(device="cpu", threads=1, engine="auto", compile="off")
SEEDS = range(3)
SINE = Request(
    algorithm="maml",
    train="sine",
    queries=6,
    train_tasks=7,
    validation_tasks=4,
    validate_every=3,
    test_tasks=5,
    precision="float64",
    settings={"train_steps": "2", "test_steps": "2", "meta_batch": "2", "learner.hidden": "8"},
)
STACKABLE = ("anil", "fo_maml", "fo_turtle", "imaml", "lstm", "lstm_enhanced", "maml", "turtle")


def experiments(request: Request = SINE) -> list[Experiment]:
    first = prepare(request)
    return [first.with_seed(seed) for seed in SEEDS]


def stack_of(
    runs: list[Experiment], states: list[Any] | None = None, *, compiled: bool = False
) -> Stack:
    return Stack(runs, CPU, [None] * len(runs) if states is None else states, compiled=compiled)


def told(stack: Stack, beats: int | None = None) -> list[list[Event]]:
    events: list[list[Event]] = [[] for _ in stack.courses]
    for beat in islice(stack.beats(), beats):
        for run, event in beat:
            events[run].append(event)
    return events


def columns(events: list[Event]) -> dict[str, dict[str, list[Any]]]:
    """Return what was recorded, phase by phase, however many episodes an event tells of."""
    found: dict[str, dict[str, list[Any]]] = {}
    for event in events:
        if isinstance(event, Episodes):
            part = found.setdefault(event.phase, {})
            for name in ("steps", "losses", "scores", "keys"):
                part.setdefault(name, []).extend(getattr(event, name))
        elif isinstance(event, Validated):
            part = found.setdefault("validated", {})
            for name in ("step", "tasks", "loss", "score", "best"):
                part.setdefault(name, []).append(getattr(event, name))
    return found


def near(values: list[Any]) -> Any:
    return pytest.approx(values, rel=1e-10, abs=1e-12, nan_ok=True)


def assert_as_alone(stack: Stack, events: list[list[Event]], alone: list[Run]) -> None:
    for course, mine, run in zip(stack.courses, events, alone, strict=True):
        expected, found = columns(list(run.events())), columns(mine)
        assert found.keys() == expected.keys()
        for phase, parts in expected.items():
            for name, values in parts.items():
                real = name in {"losses", "scores", "loss", "score"}
                assert found[phase][name] == (near(values) if real else values), (phase, name)
        skip = {"losses", "scores", "seconds", "tested", "best_score"}
        for name, value in vars(run.progress).items():
            if name not in skip:
                assert getattr(course.progress, name) == value, name


@pytest.mark.parametrize("algorithm", STACKABLE)
def test_every_run_of_a_stack_is_as_if_it_were_alone(algorithm: str) -> None:
    runs = experiments(replace(SINE, algorithm=algorithm))
    stack = stack_of(runs)
    events = told(stack)
    alone = [Run(one, CPU) for one in runs]
    assert_as_alone(stack, events, alone)
    for run, one in enumerate(alone):
        for name, value in one.meta.items():
            torch.testing.assert_close(stack.meta_of(run)[name], value, rtol=1e-10, atol=1e-12)
    assert not torch.equal(stack.meta_of(0)["theta"], stack.meta_of(1)["theta"])


def test_a_narrower_last_meta_batch_is_as_alone() -> None:
    runs = experiments(replace(SINE, train_tasks=7, validate_every=100))
    stack = stack_of(runs)
    stack.step_seconds = 1e-6  # so that all fit into a beat
    assert_as_alone(stack, told(stack), [Run(one, CPU) for one in runs])


@pytest.mark.parametrize("beats", [1, 3, 4, 6, 9])
def test_a_stack_goes_on_from_its_states_and_so_does_each_run_alone(beats: int) -> None:
    runs = experiments()
    whole = told(stack_of(runs))
    first = stack_of(runs)
    begun = told(first, beats)
    states = [first.state(run) for run in SEEDS]
    second = stack_of(runs, states)
    rest = told(second)
    for run in SEEDS:
        assert columns(begun[run] + rest[run]) == columns(whole[run])  # to the last bit
        alone = columns(begun[run] + list(Run(runs[run], CPU, states[run]).events()))
        expected = columns(whole[run])
        for phase in expected:
            for name, values in expected[phase].items():
                assert alone[phase][name] == near(values)


def test_a_run_alone_goes_on_in_a_stack() -> None:
    runs = experiments()
    states, begun = [], []
    for one in runs:
        run = Run(one, CPU)
        begun.append(list(islice(run.events(), 3)))
        states.append(run.state())
    stack = stack_of(runs, states)
    events = [mine + rest for mine, rest in zip(begun, told(stack), strict=True)]
    assert_as_alone(stack, events, [Run(one, CPU) for one in runs])


def failing(meta: Parameters, tasks: TaskBatch, plain: MetaStep, seed_of: Any) -> MetaStep:
    """Return NaN for one run from its third meta-step on: told by its weights, so per run."""
    spoilt = {
        name: torch.where(seed_of(meta), torch.nan, value)
        for name, value in plain.gradients.items()
    }
    return plain._replace(gradients=spoilt)


@pytest.fixture
def one_that_fails(monkeypatch: pytest.MonkeyPatch) -> list[Experiment]:
    """Return three runs, of which the second meets NaN whatever it does."""
    runs = experiments(replace(SINE, train_tasks=40, validate_every=10))
    marks = [Run(one, CPU).meta["theta"][0].item() for one in runs]
    cls = runs[0].algorithm_class
    plain, begin = cls.meta_step, cls.initialise

    def initialise(self: Algorithm, generator: torch.Generator) -> Parameters:
        meta = begin(self, generator)
        return {**meta, "mark": meta["theta"][:1].clone()}

    def meta_step(self: Algorithm, meta: Parameters, tasks: TaskBatch) -> MetaStep:
        taught = plain(self, {"theta": meta["theta"]}, tasks)
        its_own = (meta["mark"] - marks[1]).abs().sum() < 1e-6
        return failing(meta, tasks, taught, lambda _: its_own)

    monkeypatch.setattr(cls, "initialise", initialise)
    monkeypatch.setattr(cls, "meta_step", meta_step)
    monkeypatch.setattr("mlbench.run.course.PATIENCE", 3)
    return runs


def test_a_run_that_diverges_disturbs_no_other(one_that_fails: list[Experiment]) -> None:
    stack = stack_of(one_that_fails)
    stack.step_seconds = 0.1  # three meta-steps in a beat, so that one ends within a beat
    events = told(stack)
    assert [course.progress.diverged is not None for course in stack.courses] == [0, 1, 0]
    assert stack.courses[1].progress.tasks == 6
    assert_as_alone(stack, events, [Run(one, CPU) for one in one_that_fails])


def test_a_stack_of_which_one_diverged_goes_on_from_its_states(
    one_that_fails: list[Experiment],
) -> None:
    whole = told(stack_of(one_that_fails))
    first = stack_of(one_that_fails)
    begun = told(first, 10)
    assert first.courses[1].progress.diverged
    rest = told(stack_of(one_that_fails, [first.state(run) for run in SEEDS]))
    for run in SEEDS:
        assert repr(columns(begun[run] + rest[run])) == repr(columns(whole[run]))  # NaN equals NaN


def test_what_leaves_something_to_chance_cannot_be_stacked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs = experiments()
    cls = runs[0].algorithm_class
    plain = cls.predict

    def predict(self: Algorithm, meta: Any, support: Any, query_x: Any, chance: Any) -> Any:
        return plain(self, meta, support, query_x, chance) + chance.uniform(1, like=query_x)

    monkeypatch.setattr(cls, "predict", predict)
    with pytest.raises(PluginError, match="leaves something to chance"):
        told(stack_of(runs), 1)


def test_adam_is_that_of_torch() -> None:
    generator = torch.Generator().manual_seed(1)
    value = torch.randn(9, generator=generator, dtype=torch.float64)
    theirs = torch.optim.Adam([leaf := value.clone()], lr=3e-3)
    ours = Adam.like(theirs)
    assert ours is not None
    first, second = torch.zeros_like(value), torch.zeros_like(value)
    for update in range(1, 30):
        gradient = torch.randn(9, generator=generator, dtype=torch.float64)
        leaf.grad = gradient
        theirs.step()
        count = torch.tensor(update, dtype=torch.float64)
        value, first, second = ours.step(value, gradient, first, second, count)
    torch.testing.assert_close(value, leaf, rtol=1e-14, atol=1e-15)


def test_an_optimiser_that_is_no_plain_adam_is_told_from_one() -> None:
    leaf = [torch.zeros(1)]
    assert Adam.like(torch.optim.SGD(leaf, lr=0.1)) is None
    assert Adam.like(torch.optim.AdamW(leaf, lr=0.1)) is None
    assert Adam.like(torch.optim.Adam(leaf, weight_decay=0.1)) is None
    assert Adam.like(torch.optim.Adam(leaf, amsgrad=True)) is None


def test_what_cannot_be_stacked_says_why() -> None:
    assert unstackable(prepare(SINE), CPU) is None
    assert "one at a time" in str(unstackable(prepare(SINE), replace(CPU, engine="loop")))
    shapes = prepare(Request(algorithm="maml", train="shapes", budget="smoke"))
    assert "convolutions" in str(unstackable(shapes, CPU))
    reptile = prepare(replace(SINE, algorithm="reptile"))
    assert unstackable(reptile, CPU) == "the optimiser of reptile is no plain Adam"
    scratch = prepare(Request(algorithm="train_from_scratch", train="shapes", budget="smoke"))
    stacked = replace(CPU, engine="stacked")
    assert unstackable(scratch, stacked) == "train_from_scratch is not stackable"


def break_down(*_: object) -> None:
    raise ZeroDivisionError("division")


def test_compiling_is_chosen_where_the_budget_pays_and_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    auto, on = replace(CPU, compile="auto"), replace(CPU, compile="on")
    short, long = prepare(SINE), prepare(replace(SINE, train_tasks=10_000))
    assert compilation(long, CPU, 30) == (False, None)
    assert compilation(short, auto, 30) == (False, None)
    assert compilation(long, auto, 1) == (False, None)
    lacking: Iterator[str | None] = iter((None, None, "no C++ compiler", "no C++ compiler"))
    monkeypatch.setattr("mlbench.run.together.missing_compiler", lambda _: next(lacking))
    assert compilation(long, auto, 30)[0]
    assert compilation(short, on, 1)[0]
    chosen, remark = compilation(long, auto, 30)
    assert not chosen
    assert "no C++ compiler" in str(remark)
    with pytest.raises(MisuseError, match=r"--compile on: no C\+\+ compiler; install one"):
        compilation(short, on, 1)
    with pytest.raises(MisuseError, match="the optimiser of reptile is no plain Adam"):
        compilation(prepare(replace(SINE, algorithm="reptile")), on, 1)
    for name, value in (("initialise", break_down), ("optimiser", break_down)):
        with monkeypatch.context() as patch:
            patch.setattr(long.algorithm_class, name, value)
            with pytest.raises(PluginError, match="ZeroDivisionError"):
                compilation(long, on, 1)
    with pytest.raises(MisuseError, match="the engine loop"):
        compilation(short, replace(on, engine="loop"), 1)


@pytest.mark.parametrize(
    "algorithm",
    [
        "maml",
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("imaml", "lstm_enhanced", "turtle")),
    ],
)
def test_traced_runs_are_the_same_to_the_last_bit(
    algorithm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = experiments(replace(SINE, algorithm=algorithm, train_tasks=6))
    plain = told(stack_of(runs))
    monkeypatch.setattr("mlbench.run.programs.TRACED_AFTER", 1)
    stack = stack_of(runs)
    found = told(stack)
    (program,) = stack.programs.made.values()
    assert isinstance(program, torch.fx.GraphModule)
    assert list(map(columns, found)) == list(map(columns, plain))


def test_what_cannot_be_recorded_is_launched_operation_by_operation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs = experiments(replace(SINE, train_tasks=6))
    stack = stack_of(runs)

    def refuse(*_: object) -> None:
        raise RuntimeError("it waits for the device\nand more")

    monkeypatch.setattr("mlbench.run.programs.recorded", refuse)
    stack.programs.device = torch.device("cuda")
    assert list(map(columns, told(stack))) == list(map(columns, told(stack_of(runs))))
    assert stack.refused == ["it waits for the device"]


def test_a_trace_leaves_out_what_does_nothing_and_computes_nothing_twice() -> None:
    def function(x: torch.Tensor) -> torch.Tensor:
        same = x.view(2, 3).expand(2, 3).view(6).view(2, 3)
        return same.exp() + x.exp() + x.detach().exp().add_(1)

    x = torch.arange(6.0).view(2, 3)
    graph = traced(function, x)
    assert torch.equal(graph(x), function(x))
    calls = [str(node.target) for node in graph.graph.nodes if node.op == "call_function"]
    assert sorted(calls) == ["aten.add.Tensor"] * 3 + ["aten.exp.default"]


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["maml", "turtle"])
def test_compiled_runs_are_as_alone(algorithm: str) -> None:
    settings = {"train_steps": "1", "meta_batch": "1"}  # one shape, and so one compilation
    request = replace(SINE, algorithm=algorithm, settings={**SINE.settings, **settings})
    runs = experiments(request)
    stack = stack_of(runs, compiled=True)
    assert_as_alone(stack, told(stack), [Run(one, CPU) for one in runs])
