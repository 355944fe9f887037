"""Networks in machine code against the same networks computed by torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import grad, vmap
from torch.utils._pytree import tree_leaves

from mlbench import native
from mlbench.engines import Adjoint, Engine, Loop, Stacked
from mlbench.native import operations
from mlbench.native.compiler import missing
from mlbench.native.networks import plain_feed_forward, plain_lstm_cell
from mlbench.run.tracing import traced
from tests.algorithms.problems import RANDOMNESS, build, images, start, waves

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

Inputs = list[Tensor]
Network = Callable[..., Any]


@pytest.fixture
def machine_code() -> Iterator[None]:
    native.use(wanted=True)
    yield
    native.use(wanted=False)


def feed_forward_of(*widths: int, n: int, dtype: torch.dtype) -> tuple[Network, Network, Inputs]:
    """Return the network both ways, as functions of rows and weights, and inputs."""
    torch.manual_seed(0)
    shapes = [shape for a, b in pairwise(widths) for shape in ((b, a), (b,))]
    weights = [torch.randn(shape, dtype=dtype) / shape[-1] ** 0.5 for shape in shapes]
    return (
        lambda x, *weights: native.feed_forward(list(weights), x),
        lambda x, *weights: plain_feed_forward(list(weights), x),
        [torch.randn(n, widths[0], dtype=dtype), *weights],
    )


def lstm_of(seen: int, units: int, n: int, dtype: torch.dtype) -> tuple[Network, Network, Inputs]:
    torch.manual_seed(0)
    shapes = (n, seen), (n, units), (n, units), (4 * units, seen + units), (4 * units,)
    inputs = [torch.randn(shape, dtype=dtype) for shape in shapes]
    return native.lstm_cell, plain_lstm_cell, inputs


LANES = 128
CASES: dict[str, Callable[[torch.dtype], tuple[Network, Network, Inputs]]] = {
    "one weight": lambda dtype: feed_forward_of(1, 20, 20, 1, n=1, dtype=dtype),
    "turtle's": lambda dtype: feed_forward_of(2, 20, 20, 20, 1, n=LANES + 3, dtype=dtype),
    "odd widths": lambda dtype: feed_forward_of(3, 7, 1, 11, 2, n=2 * LANES, dtype=dtype),
    "a linear one": lambda dtype: feed_forward_of(2, 3, n=LANES - 1, dtype=dtype),
    "no rows": lambda dtype: feed_forward_of(2, 3, 1, n=0, dtype=dtype),
    "lstm": lambda dtype: lstm_of(4, 20, LANES + 5, dtype),
    "a small lstm": lambda dtype: lstm_of(1, 3, 2 * LANES, dtype),
}


def first(network: Network, inputs: Inputs) -> Inputs:
    """Return the values, and the derivatives of something made of all of them."""
    leaves = [value.clone().requires_grad_() for value in inputs]
    found = network(*leaves)
    values = [found] if isinstance(found, Tensor) else list(found)
    total = torch.stack([(value * value.detach().cos()).sum() for value in values]).sum()
    return [value.detach() for value in values] + list(torch.autograd.grad(total, leaves))


def second(network: Network, inputs: Inputs) -> Inputs:
    leaves = [value.clone().requires_grad_() for value in inputs]
    found = network(*leaves)
    values = [found] if isinstance(found, Tensor) else list(found)
    total = torch.stack([value.sin().sum() for value in values]).sum()
    gradients = torch.autograd.grad(total, leaves, create_graph=True)
    again = torch.stack([gradient.square().sum() for gradient in gradients]).sum()
    return list(torch.autograd.grad(again, leaves, materialize_grads=True))


def agree(found: Inputs, expected: Inputs, tolerance: float) -> None:
    for one, other in zip(found, expected, strict=True):
        scale = max(1.0, float(other.abs().max())) if other.numel() else 1.0
        torch.testing.assert_close(one, other, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 1e-5)])
@pytest.mark.parametrize("rows", [operations.ROWS, 50])
def test_values_and_derivatives_are_those_of_torch(
    case: str,
    dtype: torch.dtype,
    tolerance: float,
    rows: int,
    machine_code: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(operations, "ROWS", rows)
    network, plain, inputs = CASES[case](dtype)
    agree(first(network, inputs), first(plain, inputs), tolerance)


@pytest.mark.parametrize("case", ["turtle's", "odd widths", "lstm"])
def test_second_derivatives_are_those_of_torch(case: str, machine_code: None) -> None:
    network, plain, inputs = CASES[case](torch.float64)
    agree(second(network, inputs), second(plain, inputs), 1e-11)


@pytest.mark.parametrize("size", [1e-6, 1e-3, 1.0, 30.0, 1e4])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_gates_are_right_from_the_smallest_to_the_largest_numbers(
    size: float, dtype: torch.dtype, machine_code: None
) -> None:
    network, plain, (seen, hidden, cell, weight, bias) = lstm_of(1, 4, 3 * LANES, dtype)
    inputs = [size * seen, size * hidden, size * cell, weight, bias * (size < 1)]
    hidden_out, cell_out = network(*inputs)
    for found, expected in zip((hidden_out, cell_out), plain(*inputs), strict=True):
        epsilon = torch.finfo(dtype).eps
        torch.testing.assert_close(found, expected, rtol=100 * epsilon, atol=4 * epsilon * size)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("case", ["turtle's", "lstm"])
def test_what_is_not_finite_stays_so_in_its_own_row(
    case: str, value: float, machine_code: None
) -> None:
    network, plain, inputs = CASES[case](torch.float64)
    inputs[0][7] = value
    values = [value for value in first(network, inputs) if len(value) == len(inputs[0])]
    expected = [value for value in first(plain, inputs) if len(value) == len(inputs[0])]
    others = torch.arange(len(inputs[0])) != 7
    for found, right in zip(values, expected, strict=True):
        assert torch.equal(found[7].isnan(), right[7].isnan())
        torch.testing.assert_close(found[others], right[others], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("case", ["turtle's", "lstm"])
def test_the_number_of_threads_changes_no_bit(
    case: str, machine_code: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "ROWS", 40)
    network, _, inputs = CASES[case](torch.float32)
    before = torch.get_num_threads()
    found = []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        found.append(first(network, inputs))
    torch.set_num_threads(before)
    assert all(map(torch.equal, *found))


def derivatives(network: Network, count: int) -> Network:
    def total(*inputs: Tensor) -> Tensor:
        found = network(*inputs)
        values = [found] if isinstance(found, Tensor) else list(found)
        return torch.stack([value.sin().sum() for value in values]).sum()

    return grad(total, argnums=tuple(range(count)))


@pytest.mark.parametrize("case", ["turtle's", "lstm"])
def test_mapped_differentiated_and_traced_they_are_those_of_torch(
    case: str, machine_code: None
) -> None:
    network, plain, inputs = CASES[case](torch.float64)
    count, rows = len(inputs), 1 if case == "turtle's" else 3  # tensors of a row per weight
    stacked = [torch.stack([value, 2 * value, -value]) for value in inputs]
    of_rows = [0 if place < rows else None for place in range(count)]
    of_weights = [None if place < rows else 0 for place in range(count)]
    every = [0] * count

    def gradient(network: Network) -> Network:
        return derivatives(network, count)

    mapped: dict[str, tuple[Callable[[Network], Network], list[int | None]]] = {
        "runs": (lambda f: vmap(gradient(f)), [*every]),
        "runs of the same rows": (lambda f: vmap(gradient(f), tuple(of_weights)), of_weights),
        "tasks": (lambda f: vmap(gradient(f), tuple(of_rows)), of_rows),
        "tasks, evaluated": (lambda f: vmap(f, tuple(of_rows)), of_rows),
        "tasks of runs": (
            lambda f: vmap(vmap(f, tuple(of_rows)), tuple(of_weights)),
            [*every],
        ),
    }
    for form, dims in mapped.values():
        arguments = [
            many if dim == 0 else one for many, one, dim in zip(stacked, inputs, dims, strict=True)
        ]
        expected = tree_leaves(form(plain)(*arguments))
        agree(tree_leaves(form(network)(*arguments)), expected, 1e-12)
        program = traced(form(network), *arguments)
        assert any("mlbench" in str(node.target) for node in program.graph.nodes)
        agree(tree_leaves(program(*arguments)), expected, 1e-12)


ENGINES: dict[str, Callable[[], Engine]] = {
    "loop": lambda: Loop(rows=200),
    "stacked": Stacked,
    "adjoint": lambda: Adjoint(rows=200),
}


@pytest.mark.parametrize("name", ["turtle", "fo_turtle", "lstm", "lstm_enhanced"])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("problem_of", [waves, images])
def test_techniques_are_those_of_the_plain_loop(
    name: str, engine: str, problem_of: Callable[..., Any]
) -> None:
    problem, tasks = problem_of()
    steps = {"train_steps": 3, "test_steps": 3}
    loop = build(name, problem, Loop(rows=None), **steps)
    meta = start(loop, spread=0.1)
    expected = loop.meta_step(meta, tasks)
    answers = loop.predict(meta, tasks.support, tasks.query.x, RANDOMNESS)
    native.use(wanted=True)
    try:
        other = build(name, problem, ENGINES[engine](), **steps)
        found = other.meta_step(meta, tasks)
        predictions = other.predict(meta, tasks.support, tasks.query.x, RANDOMNESS)
    finally:
        native.use(wanted=False)
    names = list(expected.gradients)
    agree([found.gradients[n] for n in names], [expected.gradients[n] for n in names], 1e-10)
    agree([found.predictions, predictions], [expected.predictions, answers], 1e-10)
