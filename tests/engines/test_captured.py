"""Recordings without a GPU: which calls are recorded, what they read, and what they give back."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from mlbench.contract import Batch, Parameters, Problem, TaskBatch
from mlbench.engines import Inner, InnerGradient, Loop
from mlbench.engines.branched import Branched
from mlbench.engines.captured import KEPT, Captured, lasting
from mlbench.engines.graphs import Function, Inputs
from mlbench.learners import MLP, Conv4
from mlbench.run.device import Execution

IMAGES = Problem("classification", Conv4((1, 16, 16), 5))
WAVES = Problem("regression", MLP(1, 1))


class Recording:
    """What a graph is, on a CPU: it reads its own inputs and writes over its own outputs."""

    made = 0

    def __init__(self, function: Function, *example: Any) -> None:
        type(self).made += 1
        self.inputs = Inputs(example)
        self.function = function
        self.example = example
        self.outputs = self.work()

    def work(self) -> Any:
        return self.function(*self.example)

    def __call__(self, *arguments: Any) -> Any:
        self.inputs.fill(arguments)
        pytree.tree_map(lambda own, value: own.copy_(value), self.outputs, self.work())
        return self.outputs


class Line:
    """A technique with a slope for each task, learnt in closed form."""

    calls = 0

    def objective(
        self, meta: Parameters, task: TaskBatch, inner_gradient: InnerGradient
    ) -> tuple[Tensor, Tensor]:
        type(self).calls += 1
        prediction = meta["theta"] * task.query.x + task.support.y.mean()
        return (prediction - task.query.y).square().mean(), prediction

    def clip(self, gradients: Parameters) -> Parameters:
        return {name: value.clamp(-1, 1) for name, value in gradients.items()}

    def predict(
        self, meta: Parameters, support: Batch, query_x: Tensor, inner_gradient: InnerGradient
    ) -> Tensor:
        return meta["theta"] * query_x + support.y.mean()

    def lesson(
        self, meta: Parameters, task: TaskBatch, inner_gradient: InnerGradient
    ) -> tuple[Parameters, Tensor]:
        return {"theta": task.support.y.mean() * meta["theta"]}, task.query.x


@pytest.fixture(autouse=True)
def _nothing_recorded() -> None:
    Recording.made = Line.calls = 0


def draw(seed: int, count: int = 3, queries: int = 4) -> TaskBatch:
    generator = torch.Generator().manual_seed(seed)

    def part(n: int) -> Batch:
        return Batch(*torch.randn(2, count, n, 1, generator=generator, dtype=torch.float64))

    return TaskBatch(part(2), part(queries))


def theta(value: float) -> Parameters:
    return {"theta": torch.tensor([value], dtype=torch.float64)}


def equal(found: object, expected: object) -> bool:
    pairs = zip(pytree.tree_leaves(found), pytree.tree_leaves(expected), strict=True)
    return all(torch.equal(one, other) for one, other in pairs)


@pytest.mark.parametrize("call", ["meta_gradients", "total", "predictions"])
def test_a_method_is_recorded_when_it_is_met_again_and_gives_what_the_base_gives(call: str) -> None:
    line, engine = Line(), Captured(Loop(), Recording)

    def by(engine: Any, seed: int) -> Any:
        meta, tasks = theta(seed), draw(seed)
        match call:
            case "meta_gradients":
                return engine.meta_gradients(line.objective, meta, tasks, line.clip)
            case "total":
                return engine.total(line.lesson, meta, tasks)
        return engine.predictions(line.predict, meta, tasks.support, tasks.query.x)

    found = [by(engine, seed) for seed in range(4)]
    assert Recording.made == 1
    assert all(equal(each, by(Loop(), seed)) for seed, each in enumerate(found))


def test_one_call_is_not_worth_a_recording() -> None:
    line, engine = Line(), Captured(Loop(), Recording)
    for queries in (3, 4, 5):
        engine.meta_gradients(line.objective, theta(1), draw(0, queries=queries), line.clip)
    assert Recording.made == 0


def test_shapes_types_names_functions_and_methods_have_recordings_of_their_own() -> None:
    line, other, engine = Line(), Line(), Captured(Loop(), Recording)
    tasks, meta = draw(0), theta(1)
    single = pytree.tree_map(torch.Tensor.float, tasks)
    calls: list[Any] = [
        (line.objective, meta, tasks, line.clip),
        (line.objective, meta, draw(0, count=2), line.clip),
        (line.objective, meta, tasks, dict),
        (line.objective, {"theta": meta["theta"].float()}, single, line.clip),
        (line.objective, {**meta, "phi": meta["theta"]}, tasks, line.clip),
        (other.objective, meta, tasks, other.clip),
    ]
    for _ in range(3):
        for call in calls:
            assert equal(engine.meta_gradients(*call), Loop().meta_gradients(*call))
    assert Recording.made == len(calls)


def test_the_same_numbers_laid_out_otherwise_have_a_recording_of_their_own() -> None:
    line, engine = Line(), Captured(Loop(), Recording)
    x = torch.arange(12.0).view(3, 2, 2)
    for inputs in (x, x.mT, x, x.mT):
        engine.predictions(line.predict, {"theta": x.new_ones(1)}, Batch(x, x), inputs)
    assert Recording.made == 2


def test_what_a_replay_gave_is_left_alone_by_the_next_one() -> None:
    line, engine = Line(), Captured(Loop(), Recording)
    calls = [(line.objective, theta(seed), draw(seed), line.clip) for seed in range(4)]
    first = [engine.meta_gradients(*call) for call in calls]
    assert equal(first, [Loop().meta_gradients(*call) for call in calls])


def test_a_recording_does_not_write_into_the_meta_parameters_that_it_was_made_with() -> None:
    line, engine = Line(), Captured(Loop(), Recording)
    meta = theta(1.0)
    for _ in range(2):
        engine.predictions(line.predict, meta, draw(0).support, draw(0).query.x)
    engine.predictions(line.predict, theta(5.0), draw(0).support, draw(0).query.x)
    assert meta["theta"].item() == 1.0


def test_closures_run_as_they_are() -> None:
    engine = Captured(Loop(), Recording)
    for factor in (1.0, 2.0, 3.0):

        def predict(
            meta: Parameters,
            support: Batch,
            query_x: Tensor,
            inner_gradient: InnerGradient,
            factor: float = factor,
        ) -> Tensor:
            return factor * query_x

        x = draw(0).query.x
        assert torch.equal(engine.predictions(predict, {}, draw(0).support, x), factor * x)
    assert Recording.made == 0


@pytest.mark.parametrize(
    ("function", "expected"),
    [(Line().clip, True), (dict, True), (len, True), (draw, True), (lambda x: x, False)],
)
def test_a_function_lasts_if_it_is_equal_call_after_call(function: object, expected: bool) -> None:
    assert lasting(function) is expected


def test_what_cannot_be_recorded_runs_as_it_is_and_is_not_tried_again() -> None:
    tried = []

    def record(function: Function, *example: Any) -> Function:
        tried.append(function)
        raise RuntimeError("called a synchronizing CUDA operation")

    line, engine = Line(), Captured(Loop(), record)
    calls = [(line.objective, theta(seed), draw(seed), line.clip) for seed in range(4)]
    found = [engine.meta_gradients(*call) for call in calls]
    assert len(tried) == 1
    assert equal(found, [Loop().meta_gradients(*call) for call in calls])
    assert list(engine.refused) == ["called a synchronizing CUDA operation"]


def test_an_error_of_the_technique_is_not_taken_for_a_reason_not_to_record() -> None:
    class Broken(Line):
        def objective(
            self, meta: Parameters, task: TaskBatch, inner_gradient: InnerGradient
        ) -> tuple[Tensor, Tensor]:
            raise RuntimeError("shapes do not fit")

    engine = Captured(Loop(), Recording)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        engine.meta_gradients(Broken().objective, theta(1), draw(0), dict)


def test_the_recordings_that_were_not_used_for_longest_are_dropped() -> None:
    line, engine = Line(), Captured(Loop(), Recording)
    for queries in range(1, KEPT + 2):
        for _ in range(2):
            engine.meta_gradients(line.objective, theta(1), draw(0, queries=queries), line.clip)
    assert len(engine.met) == KEPT
    assert Recording.made == KEPT + 1
    engine.meta_gradients(line.objective, theta(1), draw(0, queries=KEPT + 1), line.clip)
    assert Recording.made == KEPT + 1
    for _ in range(2):
        engine.meta_gradients(line.objective, theta(1), draw(0, queries=1), line.clip)
    assert Recording.made == KEPT + 2


def test_a_replay_runs_no_python_of_the_technique() -> None:
    class Replay(Recording):
        def __call__(self, *arguments: Any) -> Any:
            return self.outputs

    line, engine = Line(), Captured(Loop(), Replay)
    for _ in range(2):
        engine.meta_gradients(line.objective, theta(1), draw(0), line.clip)
    before = Line.calls
    engine.meta_gradients(line.objective, theta(1), draw(0), line.clip)
    assert Line.calls == before


def test_inputs_are_copied_where_their_memory_differs_and_nowhere_else() -> None:
    meta, x = torch.zeros(3), torch.zeros(2)
    inputs = Inputs(({"theta": meta}, x))
    versions = meta._version, x._version
    inputs.fill(({"theta": meta}, x))
    assert (meta._version, x._version) == versions
    meta.add_(1)  # as an optimiser does
    inputs.fill(({"theta": meta}, torch.ones(2)))
    assert inputs.tensors[0] is meta
    assert x.tolist() == [1, 1]


@pytest.mark.parametrize(
    "other",
    [
        ({"phi": torch.zeros(3)},),
        ({"theta": torch.zeros(1)},),
        ({"theta": torch.zeros(3, dtype=torch.float64)},),
        (torch.zeros(3),),
    ],
)
def test_inputs_of_another_form_are_refused(other: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match=r"recorded for .* called with"):
        Inputs(({"theta": torch.zeros(3)},)).fill(other)


def test_off_a_gpu_tasks_side_by_side_are_the_loop() -> None:
    line, calls = Line(), draw(0, count=6)
    for engine in (Branched(), Branched(width=1)):
        call = line.objective, theta(2), calls, line.clip
        assert equal(engine.meta_gradients(*call), Loop().meta_gradients(*call))
        found = engine.predictions(line.predict, theta(2), calls.support, calls.query.x)
        expected = Loop().predictions(line.predict, theta(2), calls.support, calls.query.x)
        assert torch.equal(found, expected)
        assert equal(
            engine.total(line.lesson, theta(2), calls), Loop().total(line.lesson, theta(2), calls)
        )
    assert isinstance(Branched().inner, Inner)


@pytest.mark.parametrize(
    ("problem", "device", "compile_", "name"),
    [
        (IMAGES, "cpu", "on", "loop"),
        (IMAGES, "cuda", "auto", "branched, captured"),
        (IMAGES, "cuda:1", "on", "branched, captured"),
        (IMAGES, "cuda", "off", "branched"),
        (WAVES, "cuda", "auto", "mixed, captured"),
        (WAVES, "cpu", "auto", "mixed"),
    ],
)
def test_engines_are_recorded_on_a_gpu_unless_nothing_is_to_be_compiled(
    problem: Problem, device: str, compile_: Any, name: str
) -> None:
    execution = Execution(device=device, threads=1, engine="auto", compile=compile_)
    assert execution.engine_for(problem).name == name


@pytest.mark.parametrize(("engine", "fused"), [("auto", True), ("loop", True), ("stacked", False)])
def test_blocks_are_fused_where_tasks_are_not_stacked(engine: Any, fused: bool) -> None:
    execution = Execution(device="cuda", threads=1, engine=engine)
    learner = execution.fitted(IMAGES).learner
    assert isinstance(learner, Conv4)
    assert learner.fused is fused
    assert execution.fitted(WAVES) is WAVES


def test_the_record_says_how_a_gpu_rounds_and_nothing_of_a_cpu() -> None:
    gpu = Execution(device="cuda", threads=1, engine="loop", tf32=True)
    assert gpu.arithmetic()["tf32"] is True
    assert gpu.arithmetic()["deterministic"] is False
    assert Execution(device="cpu", threads=1, engine="loop").arithmetic() == {}
