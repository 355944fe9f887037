"""What a rule says of itself to the engines that save memory is looked at, too."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from mlbench.check.finding import BreachError
from mlbench.check.problems import Technique
from mlbench.check.steps import check_engines
from mlbench.contract import Parameters
from mlbench.errors import PluginError
from mlbench.inner import GradientBased, UpdateRule


class Rates(UpdateRule[Any]):
    """A rate for every weight, and another for all."""

    per_weight: ClassVar[tuple[str, ...] | None] = ("rate",)

    def initialise(self, generator: torch.Generator, theta: Tensor) -> Parameters:
        return {"rate": torch.full_like(theta, 0.01), "shared": torch.tensor(1.0)}

    def start(self, meta: Parameters, theta: Tensor) -> Any:
        return torch.zeros_like(theta)

    def step(
        self, meta: Parameters, state: Any, theta: Tensor, gradient: Tensor, loss: Tensor, t: int
    ) -> tuple[Tensor, Any]:
        rate = meta["rate"] * meta["shared"]
        return theta - rate * gradient, gradient


class Normed(Rates):
    """Not one weight alone."""

    def step(self, meta: Parameters, state: Any, theta: Tensor, *rest: Any) -> tuple[Tensor, Any]:
        gradient, *others = rest
        return super().step(meta, state, theta, gradient / gradient.norm(), *others)


class Forgetful(Rates):
    """A rate per weight that it does not name."""

    per_weight = ()


class Counting(Rates):
    """A memory without a row per weight."""

    def start(self, meta: Parameters, theta: Tensor) -> Any:
        return torch.zeros(())


class Clinging(Rates):
    """Another Θ than that which it is handed."""

    per_weight = None

    def start(self, meta: Parameters, theta: Tensor) -> Any:
        self.meta = meta
        return super().start(meta, theta)

    def step(self, meta: Parameters, *rest: Any) -> tuple[Tensor, Any]:
        return super().step(self.meta, *rest)


def examine(rule: type[UpdateRule[Any]]) -> None:
    class Mine(GradientBased):
        name = "mine"
        paper = "none"
        Rule = rule

    check_engines(Technique(Mine, "regression"))


def test_a_rule_that_can_be_cut_passes() -> None:
    examine(Rates)


def test_weights_that_matter_to_each_other_are_found() -> None:
    with pytest.raises(BreachError, match="of loop and loop by rows differ by") as found:
        examine(Normed)
    assert "leave it None if weights share anything" in found.value.remedy


def test_rows_that_are_not_declared_are_found() -> None:
    with pytest.raises(RuntimeError, match="size of tensor a"):
        examine(Forgetful)


def test_a_memory_without_rows_is_found() -> None:
    with pytest.raises(PluginError, match=r"Counting says .* of shape \(\) for 25 weights; name"):
        examine(Counting)


def test_a_rule_that_clings_to_other_meta_parameters_is_found() -> None:
    with pytest.raises(BreachError, match="of rate of loop and adjoint differ by") as found:
        examine(Clinging)
    assert "no other Θ than the meta that support_loss and step are handed" in found.value.remedy
