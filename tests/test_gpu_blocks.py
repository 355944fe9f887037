"""The fused block for GPUs, on a CPU: the plain block's value, derivatives and second derivatives.

On a GPU, tests/test_cuda.py runs whole techniques through it.
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mlbench.contract import Batch, Problem, TaskBatch
from mlbench.engines import Loop
from mlbench.errors import MisuseError
from mlbench.gpu_blocks import block, usable
from mlbench.learners import Conv4, Conv4Options, unflatten
from mlbench.normalise import Normaliser, by_batch
from mlbench.registry import load_algorithm


class Fused(Conv4):
    """The learner, its blocks fused as on a GPU."""

    def features(self, body: Tensor, x: Tensor, normalise: Normaliser = by_batch) -> Tensor:
        weights = unflatten(body, self.shapes[:-2])
        for first in range(0, len(weights), 4):
            w, _, gamma, beta = weights[first : first + 4]
            x = block(x, w, gamma, beta, padding=self.padding)
        return x.flatten(1)


def plain(x: Tensor, weight: Tensor, gamma: Tensor, beta: Tensor, *, padding: int) -> Tensor:
    a = by_batch(0, F.conv2d(x, weight, padding=padding), gamma, beta)
    return F.max_pool2d(F.relu(a), 2)


def example(side: int = 7) -> list[Tensor]:
    """Return input, filters, scales of either sign and zero, and shifts, to be differentiated."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    gamma = torch.tensor([1.5, -0.7, 0.0, 0.4], dtype=torch.float64)
    made = [draw(3, 2, side, side), draw(4, 2, 3, 3), gamma, draw(4)]
    return [each.requires_grad_() for each in made]


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("side", [6, 7])
def test_value_and_gradient_are_those_of_the_plain_block(side: int, padding: int) -> None:
    inputs = example(side)
    found, expected = block(*inputs, padding=padding), plain(*inputs, padding=padding)
    torch.testing.assert_close(found, expected)
    seed = torch.randn_like(expected)
    torch.testing.assert_close(
        torch.autograd.grad(found, inputs, seed), torch.autograd.grad(expected, inputs, seed)
    )


def test_images_may_lie_in_memory_in_another_order() -> None:
    x, *others = example()
    turned = x.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
    for given in (x, turned):
        z = block(given, *others, padding=1)
        (first,) = torch.autograd.grad(z.square().sum(), given, create_graph=True)
        found = torch.autograd.grad(first.square().sum(), others)
        expected = second_of(x, others)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def second_of(x: Tensor, others: list[Tensor]) -> tuple[Tensor, ...]:
    z = plain(x, *others, padding=1)
    (first,) = torch.autograd.grad(z.square().sum(), x, create_graph=True)
    return torch.autograd.grad(first.square().sum(), others)


@pytest.mark.parametrize("wanted", [(0, 1, 2, 3), (1, 2, 3), (1,), (0,), (2, 3)])
def test_second_derivatives_are_those_of_the_plain_block(wanted: tuple[int, ...]) -> None:
    inputs = example()
    generator = torch.Generator().manual_seed(1)

    def second(z: Tensor) -> tuple[Tensor, ...]:
        generator.manual_seed(1)
        weights = torch.randn(z.shape, generator=generator, dtype=z.dtype)
        asked = [inputs[place] for place in wanted]
        first = torch.autograd.grad((z.square() * weights).sum(), asked, create_graph=True)
        mixed = [torch.randn(g.shape, generator=generator, dtype=g.dtype) for g in first]
        return torch.autograd.grad(first, inputs, mixed)

    found, expected = second(block(*inputs, padding=1)), second(plain(*inputs, padding=1))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_numerical_derivatives_agree() -> None:
    inputs = example(4)
    inputs[2] = inputs[2].detach().add_(0.3).requires_grad_()  # at zero, entries of a window tie

    def of(*inputs: Tensor) -> Tensor:
        return block(*inputs, padding=1)

    assert torch.autograd.gradcheck(of, inputs)
    assert torch.autograd.gradgradcheck(of, inputs)


def test_it_is_for_tensors_on_a_gpu() -> None:
    class OnGpu(Tensor):
        is_cuda = True

    there = torch.zeros(3).as_subclass(OnGpu)
    assert usable(there, there)
    assert not usable(there, torch.zeros(3))


def test_a_third_derivative_is_refused() -> None:
    x, *others = example()
    z = block(x, *others, padding=1)
    seed = torch.ones_like(z).requires_grad_()
    (first,) = torch.autograd.grad(z, x, seed, create_graph=True)
    (second,) = torch.autograd.grad(first, x, torch.ones_like(first), create_graph=True)
    for asked in (x, seed):
        with pytest.raises(MisuseError, match="no third derivative; --engine mixed"):
            torch.autograd.grad(second.sum(), asked, retain_graph=True)


@pytest.mark.parametrize("name", ["maml", "turtle", "imaml", "anil", "protonet"])
def test_techniques_learn_what_they_learn_of_the_plain_learner(name: str) -> None:
    generator = torch.Generator().manual_seed(4)

    def draw(n: int) -> Batch:
        x = torch.rand(2, 3 * n, 2, 20, 20, generator=generator, dtype=torch.float64)
        return Batch(x, torch.arange(3).repeat_interleave(n).expand(2, -1))

    tasks, options = TaskBatch(draw(2), draw(3)), Conv4Options(channels=5)
    cls, found = load_algorithm(name), []
    for learner in (Conv4((2, 20, 20), 3, options), Fused((2, 20, 20), 3, options)):
        problem = Problem("classification", learner, train_classes=3)
        algorithm = cls(cls.Hyper(), problem, Loop())
        meta = algorithm.initialise(generator.manual_seed(5))
        varied = {
            key: value.double() + 0.1 * torch.randn(value.shape, generator=generator)
            for key, value in meta.items()
        }
        found.append(algorithm.meta_step(varied, tasks))
    torch.testing.assert_close(found[1].predictions, found[0].predictions, rtol=1e-10, atol=1e-10)
    scale = max(float(value.abs().max()) for value in found[0].gradients.values())
    for key, value in found[0].gradients.items():
        assert float((found[1].gradients[key] - value).abs().max()) < 1e-10 * scale
