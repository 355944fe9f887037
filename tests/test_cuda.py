"""Techniques on a GPU, where there is one: the numbers of the CPU, and runs that end."""

from __future__ import annotations

import math
from typing import cast

import pytest
import torch

from mlbench.contract import Batch, Parameters, Problem, Randomness, Stream, TaskBatch
from mlbench.engines import Loop
from mlbench.images import ImageDataset
from mlbench.learners import Conv4, Conv4Options
from mlbench.registry import find_plugins, load_algorithm, load_dataset
from mlbench.run.device import choose_execution
from mlbench.run.loop import Run
from mlbench.run.setup import Request, prepare

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")

TECHNIQUES = sorted(find_plugins("algorithms"))
LEARNER = Conv4((2, 16, 16), 3, Conv4Options(channels=5))
CHANCE = Randomness(bytes(range(16)), 0, 4)
GPU = torch.device("cuda")


def images(support: int, query: int, labels: int) -> TaskBatch:
    """Return four tasks on images of noise."""
    generator = torch.Generator().manual_seed(1)

    def draw(n: int) -> Batch:
        x = torch.rand(4, n, 2, 16, 16, generator=generator, dtype=torch.float64)
        return Batch(x, torch.arange(n).remainder(labels).expand(4, -1))

    return TaskBatch(draw(support), draw(query))


def on_gpu(tasks: TaskBatch) -> TaskBatch:
    return TaskBatch(*(Batch(part.x.to(GPU), part.y.to(GPU)) for part in tasks))


@pytest.mark.parametrize("name", TECHNIQUES)
def test_a_gpu_computes_what_the_plain_loop_does_on_a_cpu(name: str) -> None:
    cls = load_algorithm(name)
    if "classification" not in cls.kinds:
        pytest.skip(f"{name} does not do classification")
    problem = Problem("classification", LEARNER, train_classes=7)
    reference = cls(cls.Hyper(), problem, Loop())
    other = cls(cls.Hyper(), problem, choose_execution("classification").engine_for(problem))
    generator = torch.Generator().manual_seed(0)
    meta = {key: value.double() for key, value in reference.initialise(generator).items()}
    meta_on_gpu: Parameters = {key: value.to(GPU) for key, value in meta.items()}
    tasks = images(6, 9, 3)
    expected = reference.predict(meta, tasks.support, tasks.query.x, CHANCE)
    remote = on_gpu(tasks)
    found = other.predict(meta_on_gpu, remote.support, remote.query.x, CHANCE)
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-6, atol=1e-8)
    if cls.training == "none":
        return
    if cls.training == "batches":
        tasks = TaskBatch(*(Batch(p.x[:1], p.y[:1]) for p in images(0, 14, 7)))
    taught = reference.meta_step(meta, tasks)
    learnt = other.meta_step(meta_on_gpu, on_gpu(tasks))
    scale = max(float(value.abs().max()) for value in taught.gradients.values())
    for key, value in taught.gradients.items():
        assert float((learnt.gradients[key].cpu() - value).abs().max()) < 1e-7 * scale
    for key, value in taught.averages.items():
        torch.testing.assert_close(learnt.averages[key].cpu(), value)


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
            assert torch.equal(one.cpu(), other)
    (pixels,) = data.resident.values()
    assert pixels.device.type == "cuda"
    assert pixels.shape == data.split("train").images.shape


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
