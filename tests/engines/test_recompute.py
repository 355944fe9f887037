"""Functions made again in the backward pass, against the same functions with their graphs kept."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from mlbench.engines.recompute import by_rows, recomputed
from mlbench.errors import PluginError
from mlbench.inner import UpdateRule

Meta = dict[str, Tensor]


class Pair(NamedTuple):
    product: Tensor
    given: Tensor


def function(meta: Meta, parts: tuple[Tensor, int]) -> dict[str, Any]:
    """Return a tree with an input as it is, one tensor twice, and a constant."""
    x, power = parts
    product = (meta["w"] @ x).sin() ** power * meta["w"].sum(0)
    return {"pair": Pair(product, x), "again": [product, None, power]}


def combined(found: dict[str, Any]) -> Tensor:
    pair, (again, nothing, power) = found["pair"], found["again"]
    assert nothing is None
    total: Tensor = power * pair.product.exp() + pair.given**3 * again
    return total


def inputs() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    w, x = (
        torch.randn(*shape, generator=generator, dtype=torch.float64, requires_grad=True)
        for shape in ((4, 4), (4,))
    )
    return w, x


def test_derivatives_of_both_orders_are_those_of_finite_differences() -> None:
    def value(w: Tensor, x: Tensor) -> Tensor:
        return combined(recomputed(function, {"w": w, "unused": x}, (x, 3)))

    assert torch.autograd.gradcheck(value, inputs())
    assert torch.autograd.gradgradcheck(value, inputs())


def test_an_input_made_of_another_is_counted_once() -> None:
    w, x = inputs()

    def gradients(made: Any) -> tuple[Tensor, ...]:
        meta = {"w": w}
        middle = made(function, meta, (x, 2))["pair"].product
        found = made(function, meta, (middle, 2))["pair"].product.sum()
        first = torch.autograd.grad(found, (w, x), create_graph=True)
        second = torch.autograd.grad(first[0].square().sum() + first[1].sum(), (w, x))
        return *first, *second

    expected = gradients(lambda function, *arguments: function(*arguments))
    for one, other in zip(gradients(recomputed), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_what_is_not_asked_for_is_not_differentiated() -> None:
    w, x = inputs()
    found = recomputed(function, {"w": w.detach()}, (x, 1))
    (gradient,) = torch.autograd.grad(found["pair"].given.sum(), x)
    assert torch.equal(gradient, torch.ones_like(x))


class Rows(UpdateRule[Any]):
    """A rule with a rate per weight; what it remembers is up to the test."""

    per_weight = ("rate",)

    def start(self, meta: Meta, theta: Tensor) -> Any:
        return self.hyper(theta)

    def step(
        self, meta: Meta, state: Any, theta: Tensor, gradient: Tensor, loss: Tensor, t: int
    ) -> tuple[Tensor, Any]:
        proposal = meta["rate"] * (meta["shared"] * gradient * loss).tanh()
        return theta + proposal, state


def stepped(rule: Rows, rows: int | None) -> tuple[Tensor, Any, list[Tensor | None]]:
    """Return what a step gives for 11 weights, and the gradient of something made of it."""
    n, generator = 11, torch.Generator().manual_seed(1)
    rate, theta, gradient = (
        torch.randn(n, generator=generator, dtype=torch.float64, requires_grad=True)
        for _ in range(3)
    )
    shared, loss = (
        torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (0.7, 1.3)
    )
    meta = {"rate": rate, "shared": shared, "theta": theta}
    state = rule.start(meta, theta)
    arguments = (meta, state, theta, gradient, loss, 0)
    after, state = rule.step(*arguments) if rows is None else by_rows(rule, rows, *arguments)
    found = torch.autograd.grad(
        after.square().sum(), (rate, theta, gradient, shared, loss), allow_unused=True
    )
    return after, state, list(found)


@pytest.mark.parametrize("rows", [1, 4, 10, 11, 50])
def test_a_step_by_rows_is_the_step(rows: int) -> None:
    def memory(theta: Tensor) -> Any:
        return {"none": None, "count": 3, "list": [theta, (2 * theta).expand(2, -1).T]}

    rule = Rows(memory)
    (after, state, found), (expected, kept, gradients) = stepped(rule, rows), stepped(rule, None)
    torch.testing.assert_close((after, *found), (expected, *gradients), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(state["list"], kept["list"])
    assert (state["none"], state["count"]) == (None, 3)


def test_pieces_are_of_equal_size_and_no_larger_than_allowed() -> None:
    sizes = []

    class Noting(Rows):
        def step(self, meta: Meta, state: Any, theta: Tensor, *rest: Any) -> tuple[Tensor, Any]:
            sizes.append((len(theta), len(meta["rate"]), len(meta["theta"])))
            return super().step(meta, state, theta, *rest)

    with torch.no_grad():
        rule, ones = Noting(lambda _: None), torch.ones(11)
        meta = {"rate": ones, "shared": ones[0], "theta": ones}
        by_rows(rule, 4, meta, None, ones, ones, ones[0], 0)
    assert sizes == [(4, 4, 11), (4, 4, 11), (3, 3, 11)]


@pytest.mark.parametrize("memory", [torch.ones(()), torch.ones(3), (torch.ones(2, 11),)])
def test_a_state_without_a_row_per_weight_is_refused(memory: Any) -> None:
    with pytest.raises(PluginError, match=r"^Rows says per_weight = \('rate',\), but has a tensor"):
        stepped(Rows(lambda _: memory), 4)


def test_a_state_that_hides_its_tensors_is_refused() -> None:
    with pytest.raises(PluginError, match="holds an object, Opaque, in which no"):
        stepped(Rows(lambda _: Opaque()), 4)


class Opaque:
    """What a rule should not remember."""
