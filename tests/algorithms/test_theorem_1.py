"""Theorem 1: with the weights of its proof, the meta-learner LSTM is MAML, step by step."""

from __future__ import annotations

from typing import Any

import pytest

from tests.algorithms.problems import (
    PROBLEMS,
    RANDOMNESS,
    adapt,
    assert_equal,
    build,
    of_the_proof,
)

BARE = {"clip": None, "meta_clip": None}


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("rate", [0.001, 0.01, 0.1])
@pytest.mark.parametrize("inputs", ["processed", "raw"])
@pytest.mark.parametrize("learner", PROBLEMS)
def test_theorem_1_the_lstm_of_the_proof_is_maml(
    learner: str, inputs: str, rate: float, order: int
) -> None:
    problem, tasks = PROBLEMS[learner]()
    settings: dict[str, Any] = {"train_steps": 5, "test_steps": 5, "order": order, **BARE}
    lstm = build("lstm", problem, inputs=inputs, **settings)
    maml = build("maml", problem, inner_lr=rate, **settings)
    meta = of_the_proof(lstm, rate)
    theta = {"theta": meta["theta"]}
    pairs = list(zip(adapt(lstm, meta, tasks), adapt(maml, theta, tasks), strict=True))
    assert len(pairs) == 5
    for found, expected in pairs:
        assert_equal(found.theta, expected.theta)
    taught, expected_step = lstm.meta_step(meta, tasks), maml.meta_step(theta, tasks)
    assert_equal(taught.predictions, expected_step.predictions)
    assert_equal(taught.gradients["theta"], expected_step.gradients["theta"])
    assert_equal(
        lstm.predict(meta, tasks.support, tasks.query.x, RANDOMNESS),
        maml.predict(theta, tasks.support, tasks.query.x, RANDOMNESS),
    )
