"""The fused block of Conv4: its value and both derivatives are those of torch's operations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from mlbench.blocks import block
from mlbench.channels_last import (
    channel_sums,
    last,
    mean_and_variance,
    weight_gradient_of_long_rows,
)
from mlbench.contract import Batch, Problem, Randomness, TaskBatch
from mlbench.engines import Loop, Stacked
from mlbench.engines.adjoint import Adjoint
from mlbench.errors import MisuseError
from mlbench.learners import Conv4, Conv4Options
from mlbench.normalise import by_batch, by_first, recording
from mlbench.registry import load_algorithm

SIDES = (6, 7)  # even and odd: of an odd one, a row and a column are in no window
TECHNIQUES = (
    *("anil", "fo_maml", "imaml", "lstm", "lstm_enhanced", "maml", "meta_sgd", "proto_maml"),
    *("protonet", "turtle"),
)


def plain(
    x: Tensor, weight: Tensor, gamma: Tensor, beta: Tensor, *, padding: int, images: bool = False
) -> Tensor:
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
    torch.testing.assert_close(found, plain(*tensors, padding=padding))


@pytest.mark.parametrize("gamma", [1.0, -1.0, 0.0])
def test_ties_and_channels_without_variance_are_as_torch_has_them(gamma: float) -> None:
    x, weight, _, beta = inputs(6)
    x[0] = 1.0  # every entry of a window is the same
    weight[0] = 0.0  # and this channel is constant
    scales = torch.full((4,), gamma, dtype=torch.float64)
    tensors = [weight.requires_grad_(), scales.requires_grad_(), beta.requires_grad_()]
    found, expected = block(x, *tensors, padding=1, images=True), plain(x, *tensors, padding=1)
    torch.testing.assert_close(found, expected)
    upstream = torch.arange(found.numel(), dtype=torch.float64).view_as(found).sin()
    ours = torch.autograd.grad(found, tensors[1:], upstream)
    theirs = torch.autograd.grad(expected, tensors[1:], upstream)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("wide", [5, 6])
def test_the_weights_gradient_of_long_rows_is_the_convolutions(padding: int, wide: int) -> None:
    generator = torch.Generator().manual_seed(wide)
    x = torch.randn(3, 2, 7, wide, generator=generator, dtype=torch.float64)
    weight = torch.zeros(4, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    made = F.conv2d(x, weight, padding=padding)
    a_bar = torch.randn(made.shape, generator=generator, dtype=torch.float64)
    (expected,) = torch.autograd.grad(made, weight, a_bar)
    found = weight_gradient_of_long_rows(last(a_bar), last(x), padding)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_statistics_of_a_million_pixels_keep_the_digits_of_float32() -> None:
    generator = torch.Generator().manual_seed(3)
    a = last(torch.randn(64, 2, 128, 128, generator=generator) + 3)
    variance, mean = torch.var_mean(a.double(), (0, 2, 3), correction=0)
    found_mean, found_variance = mean_and_variance(a)
    torch.testing.assert_close(found_mean.double(), mean, rtol=2e-6, atol=0)
    torch.testing.assert_close(found_variance.double(), variance, rtol=2e-6, atol=0)
    product, total = channel_sums(a, a, found_mean)
    torch.testing.assert_close(total.double(), a.double().sum((0, 2, 3)), rtol=2e-6, atol=0)
    torch.testing.assert_close(product.double() / a[:, 0].numel(), variance, rtol=5e-6, atol=0)


@pytest.mark.parametrize("images", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_memory_is_channels_last_whatever_comes_in(channels: int, *, images: bool) -> None:
    x, weight, gamma, beta = inputs(6)
    x, weight = x[:, :channels], weight[:, :channels]
    expected = plain(x, weight, gamma, beta, padding=1)
    for given in (x.contiguous(), last(x)):
        found = block(given, weight, gamma, beta, padding=1, images=images)
        torch.testing.assert_close(found, expected)
        assert found.is_contiguous(memory_format=torch.channels_last)


def test_images_that_are_said_to_be_data_are_not_differentiated() -> None:
    x, *weights = inputs(6)
    found = block(x.requires_grad_(), *weights, padding=1, images=True)
    with pytest.raises(MisuseError, match="takes images as constants"):
        found.sum().backward()


def test_a_third_derivative_is_refused() -> None:
    x, weight, gamma, beta = inputs(6)
    weight.requires_grad_()
    value = block(x, weight, gamma, beta, padding=1, images=True).square().sum()
    (first,) = torch.autograd.grad(value, weight, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), weight, create_graph=True)
    with pytest.raises(
        MisuseError, match="no third derivative; --engine mixed computes Conv4 without"
    ):
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
    ("name", "engine"),
    [
        *((name, Loop()) for name in TECHNIQUES),
        *((name, Stacked()) for name in ("maml", "turtle")),
        *((name, Adjoint(rows=50)) for name in ("anil", "lstm_enhanced", "maml", "turtle")),
    ],
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


def test_a_loop_over_mini_batches_that_stacks_its_tasks_is_that_of_plain_blocks() -> None:
    plain_blocks, fused_blocks, tasks = problems(1)
    cls = load_algorithm("train_from_scratch")
    one, other = (cls(short(cls), p, Loop()) for p in (plain_blocks, fused_blocks))
    meta = {"theta": one.initialise(torch.Generator().manual_seed(1))["theta"].double()}
    expected, found = (
        technique.predict(meta, tasks.support, tasks.query.x, Randomness(bytes(16), 0, 2))
        for technique in (one, other)
    )
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-10)


def test_images_are_differentiated_where_that_is_asked() -> None:
    plain_blocks, fused_blocks, tasks = problems(1)
    theta = plain_blocks.learner.initialise(torch.Generator().manual_seed(2)).double()
    x = tasks.support.x[0].requires_grad_()
    expected, found = (
        torch.autograd.grad(p.learner(theta, x).square().sum(), x)[0]
        for p in (plain_blocks, fused_blocks)
    )
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-10)


def test_blocks_are_fused_only_with_the_statistics_of_the_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain_blocks, fused_blocks, tasks = problems(1)
    theta = plain_blocks.learner.initialise(torch.Generator().manual_seed(2)).double()
    x = tasks.query.x[0]
    expected = plain_blocks.learner(theta, x, by_first(3))
    monkeypatch.setattr("mlbench.blocks.block", None)  # not to be called
    torch.testing.assert_close(fused_blocks.learner(theta, x, by_first(3)), expected)
    torch.testing.assert_close(
        plain_blocks.learner(theta, x), plain_blocks.learner(theta, x, recording([]))
    )


def test_blocks_of_few_pixels_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    plain_blocks, fused_blocks, tasks = problems(1)
    theta = plain_blocks.learner.initialise(torch.Generator().manual_seed(2)).double()
    x = tasks.query.x[0]
    monkeypatch.setattr("mlbench.blocks.block", None)  # not to be called
    assert torch.equal(fused_blocks.learner(theta, x[:1]), plain_blocks.learner(theta, x[:1]))
    with pytest.raises(TypeError):
        fused_blocks.learner(theta, x)


class Counted(TorchDispatchMode):
    """Counts the convolutions that are computed, and those for gradients."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.convolutions = self.gradients = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.convolutions += func is torch.ops.aten.convolution.default
        self.gradients += func is torch.ops.aten.convolution_backward.default
        return func(*args, **(kwargs or {}))


def test_order_one_computes_the_convolutions_of_first_derivatives_alone() -> None:
    _, problem, tasks = problems(1)
    cls = load_algorithm("fo_maml")
    technique = cls(short(cls), problem, Loop())
    meta = {"theta": technique.initialise(torch.Generator().manual_seed(1))["theta"].double()}
    with Counted() as counted:
        technique.meta_step(meta, tasks)
    evaluations = tasks.task_count * (2 + 1)  # two steps and the queries
    assert counted.convolutions == evaluations * (4 + 1)  # four blocks, and the patches of images
    assert counted.gradients == evaluations * 3 * 2  # of the input and of the weights


def saved_bytes(problem: Problem, theta: Tensor, x: Tensor, y: Tensor, *, order: int) -> int:
    """Return the bytes of what a loss keeps to be differentiated, each memory counted once."""
    memory: dict[int, Tensor] = {}

    def keep(t: Tensor) -> Tensor:
        memory[t.untyped_storage().data_ptr()] = t
        return t

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        loss = problem.loss(problem.learner(theta, x), y)
        if order == 2:
            torch.autograd.grad(loss, theta, create_graph=True)
    return sum(t.untyped_storage().nbytes() for t in memory.values())


@pytest.mark.parametrize("order", [1, 2])
def test_less_is_kept_for_derivatives_than_by_plain_blocks(order: int) -> None:
    plain_blocks, fused_blocks, tasks = problems(1)
    theta = plain_blocks.learner.initialise(torch.Generator().manual_seed(2)).double()
    theta.requires_grad_()
    x, y = tasks.query.x[0], tasks.query.y[0]
    theirs, ours = (saved_bytes(p, theta, x, y, order=order) for p in (plain_blocks, fused_blocks))
    assert ours < 0.6 * theirs


def test_a_forward_pass_that_nobody_differentiates_keeps_nothing() -> None:
    _, fused_blocks, tasks = problems(1)
    theta = fused_blocks.learner.initialise(torch.Generator().manual_seed(2)).double()
    with torch.no_grad():
        theta.requires_grad_()
        x, y = tasks.query.x[0], tasks.query.y[0]
        assert saved_bytes(fused_blocks, theta, x, y, order=1) == 0
        assert not fused_blocks.learner(theta, x).requires_grad
