"""What a computation needs at least: operations and bytes counted by hand."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from benchmarks.roofline import Ceilings, Work, held

SLOW_ARITHMETIC = Ceilings(flops=1.0, bandwidth=1e30)
SLOW_MEMORY = Ceilings(flops=1e30, bandwidth=1.0)


def test_a_product_of_matrices_is_two_operations_for_each_pair() -> None:
    a, b = torch.ones(3, 4), torch.ones(4, 5)
    with Work(SLOW_ARITHMETIC) as work:
        _ = a @ b
    assert work.flops == 2 * 3 * 4 * 5
    assert work.seconds == work.flops
    assert work.moved == 4 * (3 * 4 + 4 * 5 + 3 * 5)
    assert work.operations == 1


def test_a_convolution_and_its_backward_pass_are_three_products() -> None:
    x, w = torch.ones(2, 3, 8, 8, requires_grad=True), torch.ones(4, 3, 3, 3, requires_grad=True)
    with Work(SLOW_ARITHMETIC) as work:
        F.conv2d(x, w, padding=1).sum().backward()
    assert work.flops == 3 * (2 * 2 * 8 * 8 * 4 * 3 * 9)


def test_what_is_read_and_written_counts_once_and_views_and_allocations_do_not() -> None:
    x = torch.ones(6)
    with Work(SLOW_MEMORY) as work:
        y = x.view(2, 3).T[0]
        torch.empty(100)
    assert work.moved == 0
    with Work(SLOW_MEMORY) as work:
        y.add_(1)
    assert work.moved == 4 * (2 + 2)
    assert work.seconds == work.moved


def test_what_is_repeated_by_its_strides_is_read_once() -> None:
    assert held(torch.ones(3, 1).expand(3, 100)) == 4 * 3
    assert held(torch.ones(0, 4)) == 0


def test_the_floor_of_an_operation_is_the_larger_of_two() -> None:
    card = Ceilings(flops=100.0, bandwidth=10.0)
    assert card.floor(200, 10) == pytest.approx(2)
    assert card.floor(200, 50) == pytest.approx(5)
