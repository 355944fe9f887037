"""What a technique leaves to chance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mlbench.contract import Randomness
from mlbench.run.loop import Run
from tests.run.broken import CPU, SINE, broken


def test_what_is_left_to_chance_depends_on_task_and_seed_alone() -> None:
    found: dict[tuple[str, int], list[Tensor]] = {}

    def predict(self: Any, meta: Any, support: Any, query_x: Tensor, chance: Randomness) -> Tensor:
        numbers = chance.uniform(2, 3, like=query_x)
        assert torch.equal(numbers, chance.uniform(2, 3, like=query_x))
        found.setdefault((str(len(query_x)), self.problem_seed), []).append(numbers)
        return torch.zeros_like(query_x)

    for seed in (0, 1):
        run = Run(broken(replace(SINE, seed=seed), predict=predict, problem_seed=seed), CPU)
        list(run.events())
    validations, tests = found["4", 0], found["5", 0]
    assert all(torch.equal(numbers, validations[0]) for numbers in validations)
    assert not torch.equal(found["4", 1][0], validations[0])
    assert not torch.equal(tests[0][:4], validations[0])
    assert tests[0].shape == (5, 2, 3)
    assert tests[0].unique().numel() == 30


def test_random_numbers_of_another_shape_are_unrelated() -> None:
    chance, like = Randomness(bytes(16), 0, 50), torch.zeros(1, dtype=torch.float64)
    drawn = [chance.uniform(*shape, like=like) for shape in ((3,), (4,), (2, 2), (4, 1))]
    numbers = torch.cat([each.flatten() for each in drawn])
    assert len(numbers.unique()) == len(numbers)


def test_no_random_number_rounds_up_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    almost = np.full((1, 1), 1 - 2.0**-53)
    monkeypatch.setattr("mlbench.contract.block_uniforms", lambda *_: almost)
    for dtype in (torch.float32, torch.float64):
        like = torch.zeros(1, dtype=dtype)
        assert float(Randomness(bytes(16), 0, 1).uniform(1, like=like)) < 1
