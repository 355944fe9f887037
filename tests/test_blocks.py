"""The fused block of Conv4: its value and both derivatives are those of torch's operations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mlbench.blocks import block
from mlbench.contract import Batch, Problem, Randomness, TaskBatch
from mlbench.engines import Loop, Stacked
from mlbench.errors import MisuseError
from mlbench.learners import Conv4, Conv4Options
from mlbench.normalise import by_batch
from mlbench.registry import load_algorithm

SIDES = (6, 7)  # even and odd: of an odd one, a row and a column are in no window
TECHNIQUES = ("anil", "fo_maml", "lstm", "lstm_enhanced", "maml", "turtle", "protonet")


def plain(x: Tensor, weight: Tensor, gamma: Tensor, beta: Tensor, padding: int) -> Tensor:
    normalised = by_batch(0, F.conv2d(x, weight, None, padding=padding), gamma, beta)
    return F.max_pool2d(F.relu(normalised), 2)


def inputs(side: int, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """Return x, w, γ (of both signs) and β of a block of 3 channels and 4 filters."""
    generator = torch.Generator().manual_seed(side)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    return [draw(3, 3, side, side), draw(4, 3, 3, 3), draw(4), draw(4)]


def fused(padding: int, *, images: bool) -> Callable[..., Tensor]:
    return lambda *tensors: block(*tensors, padding=padding, images=images)


@pytest.mark.parametrize("images", [False, True])
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("side", SIDES)
def test_both_derivatives_are_those_of_finite_differences(
    side: int, padding: int, *, images: bool
) -> None:
    x, *weights = inputs(side)
    tensors = [x.requires_grad_(not images), *(w.requires_grad_() for w in weights)]
    function = fused(padding, images=images)
    assert torch.autograd.gradcheck(function, tensors, eps=1e-7, atol=1e-6, rtol=1e-4)
    assert torch.autograd.gradgradcheck(
        function, tensors, eps=1e-7, atol=1e-5, rtol=1e-3, fast_mode=True
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("images", [False, True])
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("side", SIDES)
def test_the_value_is_that_of_torchs_operations(
    side: int, padding: int, dtype: torch.dtype, *, images: bool
) -> None:
    tensors = inputs(side, dtype)
    found = block(*tensors, padding=padding, images=images)
    assert found.dtype == dtype
    torch.testing.assert_close(found, plain(*tensors, padding))


@pytest.mark.parametrize("gamma", [1.0, -1.0, 0.0])
def test_ties_and_channels_without_variance_are_as_torch_has_them(gamma: float) -> None:
    x, weight, _, beta = inputs(6)
    x[0] = 1.0  # every entry of a window is the same
    weight[0] = 0.0  # and this channel is constant
    scales = torch.full((4,), gamma, dtype=torch.float64)
    tensors = [weight.requires_grad_(), scales.requires_grad_(), beta.requires_grad_()]
    found, expected = block(x, *tensors, padding=1, images=True), plain(x, *tensors, 1)
    torch.testing.assert_close(found, expected)
    upstream = torch.arange(found.numel(), dtype=torch.float64).view_as(found).sin()
    ours = torch.autograd.grad(found, tensors[1:], upstream)
    theirs = torch.autograd.grad(expected, tensors[1:], upstream)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def test_a_third_derivative_is_refused() -> None:
    x, weight, gamma, beta = inputs(6)
    weight.requires_grad_()
    value = block(x, weight, gamma, beta, padding=1, images=True).square().sum()
    (first,) = torch.autograd.grad(value, weight, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), weight, create_graph=True)
    with pytest.raises(MisuseError, match="no third derivative"):
        torch.autograd.grad(second.square().sum(), weight)


def problems(padding: int) -> tuple[Problem, Problem, TaskBatch]:
    """Return a problem with plain blocks, the same with fused ones, and two tasks."""
    generator = torch.Generator().manual_seed(4)
    learner = Conv4((2, 48, 48), 3, Conv4Options(channels=3, padding=padding))

    def draw(n: int) -> Batch:
        x = torch.rand(2, 3 * n, 2, 48, 48, generator=generator, dtype=torch.float64)
        return Batch(x, torch.arange(3).repeat_interleave(n).expand(2, -1))

    problem = Problem("classification", learner, train_classes=3)
    return (
        problem,
        replace(problem, learner=learner.with_fused_blocks()),
        TaskBatch(draw(1), draw(2)),
    )


def short(cls: Any) -> Any:
    """Return a technique's hyperparameters, with two steps where it takes steps."""
    steps = ("train_steps", "test_steps")
    return cls.Hyper(**{name: 2 for name in steps if hasattr(cls.Hyper(), name)})


@pytest.mark.parametrize(
    ("name", "engine"), [*((name, Loop()) for name in TECHNIQUES), ("maml", Stacked())]
)
@pytest.mark.parametrize("padding", [0, 1])
def test_meta_gradients_and_predictions_are_those_of_plain_blocks(
    name: str, padding: int, engine: Any
) -> None:
    cls = load_algorithm(name)
    plain_blocks, fused_blocks, tasks = problems(padding)
    one, other = (cls(short(cls), p, engine) for p in (plain_blocks, fused_blocks))
    generator = torch.Generator().manual_seed(1)
    meta = {name: value.double() for name, value in one.initialise(generator).items()}
    expected, found = one.meta_step(meta, tasks), other.meta_step(meta, tasks)
    chance = Randomness(bytes(16), 0, 2)
    pairs = [
        (expected.predictions, found.predictions),
        (
            one.predict(meta, tasks.support, tasks.query.x, chance),
            other.predict(meta, tasks.support, tasks.query.x, chance),
        ),
        *((expected.gradients[name], found.gradients[name]) for name in expected.gradients),
    ]
    for theirs, ours in pairs:
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-10)


def test_the_bias_that_batch_norm_cancels_has_no_gradient() -> None:
    _, problem, tasks = problems(1)
    learner = problem.learner
    theta = learner.initialise(torch.Generator().manual_seed(2)).double().requires_grad_()
    loss = problem.loss(learner(theta, tasks.query.x[0]), tasks.query.y[0])
    (gradient,) = torch.autograd.grad(loss, theta)
    sizes = [torch.Size(shape).numel() for _, shape in learner.shapes]
    for (name, _), part in zip(learner.shapes, gradient.split(sizes), strict=True):
        assert bool((part == 0).all()) == (name.startswith("block") and name.endswith("bias"))
