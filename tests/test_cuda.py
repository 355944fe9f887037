"""Techniques on a GPU, where there is one: the numbers of the CPU, and runs that end."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, cast

import pytest
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from mlbench.contract import Algorithm, Batch, Parameters, Problem, Randomness, Stream, TaskBatch
from mlbench.engines import Adjoint, Engine, InnerGradient, Loop, Stacked
from mlbench.engines.branched import Branched
from mlbench.engines.captured import Captured
from mlbench.engines.graphs import Graph
from mlbench.images import ImageDataset
from mlbench.learners import Conv4, Conv4Options
from mlbench.registry import find_plugins, load_algorithm, load_dataset
from mlbench.run.device import choose_execution
from mlbench.run.loop import Run
from mlbench.run.setup import Request, prepare
from mlbench.run.stack import Stack

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")

TECHNIQUES = sorted(find_plugins("algorithms"))
LEARNER = Conv4((2, 16, 16), 3, Conv4Options(channels=5))
CHANCE = Randomness(bytes(range(16)), 0, 4)
GPU = torch.device("cuda")
LABELS = {"episodes": 3, "batches": 7, "none": 3}
ROUNDS = 4  # of one call: it runs, it is recorded, it is replayed


@pytest.fixture(autouse=True)
def _torch_as_it_was() -> Iterator[None]:
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    tf32 = products.allow_tf32, convolutions.allow_tf32
    benchmark, repeatable = torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic
    workspace = os.environ.get("CUBLAS_WORKSPACE_CONFIG")
    yield
    products.allow_tf32, convolutions.allow_tf32 = tf32
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = benchmark, repeatable
    torch.use_deterministic_algorithms(False)
    if workspace is None:
        os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)


def images(support: int, query: int, labels: int, seed: int = 1, count: int = 4) -> TaskBatch:
    """Return tasks on images of noise."""
    generator = torch.Generator().manual_seed(seed)

    def draw(n: int) -> Batch:
        x = torch.rand(count, n, 2, 16, 16, generator=generator, dtype=torch.float64)
        return Batch(x, torch.arange(n).remainder(labels).expand(count, -1))

    return TaskBatch(draw(support), draw(query))


def on_gpu(tasks: TaskBatch, dtype: torch.dtype = torch.float64) -> TaskBatch:
    return TaskBatch(*(Batch(part.x.to(GPU, dtype), part.y.to(GPU)) for part in tasks))


def build(
    name: str, engine: Engine, learner: Conv4 = LEARNER, **settings: Any
) -> tuple[Algorithm, Parameters]:
    """Return a technique and meta-parameters on the GPU."""
    cls = load_algorithm(name)
    algorithm = cls(cls.Hyper(**settings), Problem("classification", learner), engine)
    meta = algorithm.initialise(torch.Generator().manual_seed(0))
    return algorithm, {key: value.to(GPU, torch.float64) for key, value in meta.items()}


def assert_close(found: Parameters, expected: Parameters, tolerance: float) -> None:
    scale = max(float(value.abs().max()) for value in expected.values())
    for key, value in expected.items():
        assert float((found[key].to(value) - value).abs().max()) < tolerance * scale, key


@pytest.mark.parametrize("name", TECHNIQUES)
def test_a_gpu_computes_what_the_plain_loop_does_on_a_cpu(name: str) -> None:
    cls = load_algorithm(name)
    if "classification" not in cls.kinds:
        pytest.skip(f"{name} does not do classification")
    problem = Problem("classification", LEARNER, train_classes=LABELS[cls.training])
    reference, execution = cls(cls.Hyper(), problem, Loop()), choose_execution("classification")
    other = cls(cls.Hyper(), execution.fitted(problem), execution.engine_for(problem))
    generator = torch.Generator().manual_seed(0)
    meta = {key: value.double() for key, value in reference.initialise(generator).items()}
    meta_on_gpu: Parameters = {key: value.to(GPU) for key, value in meta.items()}
    tasks = images(6, 9, 3)
    expected = reference.predict(meta, tasks.support, tasks.query.x, CHANCE)
    remote = on_gpu(tasks)
    for _ in range(ROUNDS):
        found = other.predict(meta_on_gpu, remote.support, remote.query.x, CHANCE)
        torch.testing.assert_close(found.cpu(), expected, rtol=1e-6, atol=1e-8)
    if cls.training == "none":
        return
    if cls.training == "batches":
        tasks = images(0, 14, LABELS[cls.training], count=1)
    taught = reference.meta_step(meta, tasks)
    for _ in range(ROUNDS):
        learnt = other.meta_step(meta_on_gpu, on_gpu(tasks))
        assert_close(learnt.gradients, taught.gradients, 1e-7)
        for key, value in taught.averages.items():
            torch.testing.assert_close(learnt.averages[key].cpu(), value)


@pytest.mark.parametrize(
    ("base", "learner"),
    [
        (Loop, LEARNER),
        (Branched, LEARNER),
        (Stacked, LEARNER),
        (Branched, LEARNER.with_fused_blocks()),
        (Adjoint, LEARNER.with_fused_blocks()),
    ],
    ids=("loop", "branched", "stacked", "branched-fused", "adjoint-fused"),
)
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("maml", {"order": 1}),
        ("maml", {"order": 2}),
        ("turtle", {"order": 1}),
        ("turtle", {"order": 2}),
        ("lstm", {"order": 1}),
        ("lstm", {"order": 2}),
        ("imaml", {"train_steps": 3}),
        ("protonet", {"train_ways": 3}),
        ("r2d2", {}),
    ],
)
def test_what_is_replayed_is_what_the_loop_computes(
    name: str, settings: dict[str, Any], base: type[Engine], learner: Conv4
) -> None:
    engine = Captured(base())
    other, meta = build(name, engine, learner, **settings)
    reference, _ = build(name, Loop(), **settings)
    for seed in range(ROUNDS):
        meta = {key: value + 0.01 * seed for key, value in meta.items()}
        tasks = on_gpu(images(6, 9, 3, seed))
        expected, found = reference.meta_step(meta, tasks), other.meta_step(meta, tasks)
        assert_close(found.gradients, expected.gradients, 1e-10)
        torch.testing.assert_close(found.predictions, expected.predictions, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(
            other.predict(meta, tasks.support, tasks.query.x, CHANCE),
            reference.predict(meta, tasks.support, tasks.query.x, CHANCE),
            rtol=1e-10,
            atol=1e-10,
        )
    waits = name == "r2d2" and base is Stacked  # to solve a stack of systems
    assert bool(engine.refused) == waits


@pytest.mark.parametrize("name", ["maml", "turtle"])
def test_deterministic_runs_give_the_same_bits_run_or_replayed(name: str) -> None:
    execution = choose_execution("classification", "cuda", deterministic=True)
    execution.apply()
    assert not torch.backends.cudnn.benchmark
    tasks = on_gpu(images(6, 30, 3), torch.float32)
    found = []
    for _ in range(2):
        problem = execution.fitted(Problem("classification", LEARNER))
        engine = execution.engine_for(problem)
        assert isinstance(problem.learner, Conv4)
        algorithm, meta = build(name, engine, problem.learner)
        meta = {key: value.float() for key, value in meta.items()}
        found += [algorithm.meta_step(meta, tasks) for _ in range(ROUNDS)]
        assert isinstance(engine, Captured)
        assert engine.refused == []
    for other in found[1:]:
        assert torch.equal(other.predictions, found[0].predictions)
        for key, value in found[0].gradients.items():
            assert torch.equal(other.gradients[key], value)


class Waiting:
    """A technique that asks for a value on its way, and draws at random."""

    def predict(
        self, meta: Parameters, support: Batch, query_x: Tensor, inner_gradient: InnerGradient
    ) -> Tensor:
        return query_x if support.x.sum().item() > 0 else -query_x

    def at_random(
        self, meta: Parameters, support: Batch, query_x: Tensor, inner_gradient: InnerGradient
    ) -> Tensor:
        return torch.rand_like(query_x)


def test_a_technique_that_waits_for_the_device_is_not_recorded_and_does_no_harm() -> None:
    technique, engine = Waiting(), Captured(Branched())
    tasks = on_gpu(images(6, 9, 3))
    turned = TaskBatch(Batch(-tasks.support.x, tasks.support.y), tasks.query)
    for _ in range(ROUNDS):
        for given, expected in ((tasks, tasks.query.x), (turned, -tasks.query.x)):
            found = engine.predictions(technique.predict, {}, given.support, given.query.x)
            assert torch.equal(found, expected)
    assert len(engine.refused) == 1
    x = tasks.query.x
    drawn = [engine.predictions(technique.at_random, {}, tasks.support, x) for _ in range(ROUNDS)]
    assert len(engine.refused) == 1
    assert not any(torch.equal(one, other) for one, other in pairwise(drawn))
    assert torch.rand(3, device=GPU).isfinite().all()


def test_a_graph_updates_a_state_in_place_once_a_call() -> None:
    def step(state: dict[str, Tensor], x: Tensor) -> Tensor:
        state["theta"].add_(x)
        state["count"].add_(1)
        return state["theta"].sum()

    state = {"theta": torch.zeros(3, device=GPU), "count": torch.zeros((), device=GPU)}
    graph = Graph(step, state, torch.ones(3, device=GPU))
    assert int(state["count"]) == 0
    totals = [float(graph(state, torch.full((3,), value, device=GPU))) for value in (1.0, 2.0, 4.0)]
    assert totals == [3, 9, 21]
    assert state["theta"].tolist() == [7, 7, 7]
    assert int(state["count"]) == 3
    state["theta"].zero_()
    assert float(graph(state, torch.ones(3, device=GPU))) == 3


@pytest.mark.parametrize(("tf32", "low", "high"), [(False, 0, 1e-6), (True, 1e-5, 1e-2)])
def test_products_are_rounded_to_tf32_by_request_only(tf32: bool, low: float, high: float) -> None:
    choose_execution("classification", "cuda", tf32=tf32).apply()
    generator = torch.Generator(GPU).manual_seed(0)
    a, b = torch.randn(2, 512, 512, device=GPU, generator=generator)
    x, w = a.view(4, 64, 32, 32), torch.randn(64, 64, 3, 3, device=GPU, generator=generator)
    conv = torch.nn.functional.conv2d
    for found, exact in (
        (a @ b, a.double() @ b.double()),
        (conv(x, w, padding=1), conv(x.double(), w.double(), padding=1)),
    ):
        assert low <= float((found - exact).norm() / exact.norm()) < high


def test_episodes_gathered_on_a_gpu_are_those_of_the_cpu() -> None:
    data = cast("ImageDataset", load_dataset("shapes")())
    stream = Stream(fingerprint=data.fingerprint, split="train", ways=5, shots=2, queries=3, seed=0)
    for split in (data.split("train"), data.split("train").turned()):
        data.splits["train"] = split
        expected = data.draw(stream, 0, 4, device=torch.device("cpu"), dtype=torch.float32)
        found = data.draw(stream, 0, 4, device=GPU, dtype=torch.float32)
        pairs = zip(
            (*found.support, *found.query), (*expected.support, *expected.query), strict=True
        )
        for one, other in pairs:
            assert one.device.type == "cuda"
            torch.testing.assert_close(one.cpu(), other, rtol=1e-6, atol=0)  # a GPU's x / 255
    (pixels,) = data.resident.values()
    assert pixels.device.type == "cuda"
    assert pixels.shape == data.split("train").images.shape


def test_drawing_waits_for_the_device_once_for_a_batch_not_for_a_task() -> None:
    data = cast("ImageDataset", load_dataset("shapes")())
    stream = Stream(fingerprint=data.fingerprint, split="train", ways=5, shots=1, queries=3, seed=0)
    data.draw(stream, 0, 1, device=GPU, dtype=torch.float32)  # moves the pixels
    waits = []
    for count in (1, 25):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            data.draw(stream, 0, count, device=GPU, dtype=torch.float32)
            torch.cuda.set_sync_debug_mode("default")
        waits.append(sum("synchroniz" in str(each.message) for each in caught))
    assert waits[0] == waits[1] <= 4


def test_a_stack_of_runs_on_a_gpu_ends_as_each_alone_on_a_cpu() -> None:
    request = Request(
        algorithm="turtle", train="sine", budget="smoke", precision="float64", queries=6
    )
    first = prepare(request)
    runs = [first.with_seed(seed) for seed in range(3)]
    stack = Stack(runs, choose_execution("regression"), [None] * 3, compiled=False)
    list(stack.beats())
    alone = choose_execution("regression", "cpu", compile="off")
    for experiment, course in zip(runs, stack.courses, strict=True):
        run = Run(experiment, alone)
        list(run.events())
        assert course.progress.step == run.progress.step
        for dataset, tested in run.progress.tested.items():
            found = torch.tensor(course.progress.tested[dataset])
            torch.testing.assert_close(found, torch.tensor(tested), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", TECHNIQUES)
def test_a_run_ends_on_a_gpu_and_goes_on_from_a_state(name: str) -> None:
    experiment = prepare(Request(algorithm=name, train="shapes", evals=("glyphs",), budget="smoke"))
    execution = choose_execution("classification")
    assert execution.device == "cuda"
    run = Run(experiment, execution)
    events = run.events()
    for _ in range(3):
        next(events)
    resumed = Run(experiment, execution, run.state())
    list(resumed.events())
    assert resumed.progress.diverged is None
    for losses, scores in resumed.progress.tested.values():
        assert all(map(math.isfinite, losses))
        assert all(0 <= score <= 1 for score in scores)
    assert not any(t.is_cpu for t in pytree.tree_leaves(resumed.meta))
