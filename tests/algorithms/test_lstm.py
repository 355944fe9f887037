"""The meta-learner LSTM against closed forms, finite differences and, by engine, itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mlbench.contract import Batch, Parameters, TaskBatch
from mlbench.engines import ENGINES, Loop
from mlbench.hyper import Situation
from mlbench.inner import GradientBased, UpdateRule
from mlbench.registry import load_algorithm
from tests.algorithms.problems import (
    PROBLEMS,
    RANDOMNESS,
    adapt,
    assert_equal,
    build,
    of_the_proof,
    start,
    waves,
)

TECHNIQUES = ("lstm", "lstm_enhanced")


class Tape:
    """The losses that the LSTM was shown, in order, to be shown again: they are constants."""

    def __init__(self, lstm: GradientBased) -> None:
        self.losses: list[Tensor] = []
        self.place: int | None = None
        self.see: Callable[[Tensor, Tensor], Tensor] = lstm.rule.see  # type: ignore[attr-defined]
        vars(lstm.rule)["see"] = self

    def __call__(self, gradient: Tensor, loss: Tensor) -> Tensor:
        if self.place is None:
            self.losses.append(loss.detach())
        else:
            loss = self.losses[self.place]
            self.place += 1
        return self.see(gradient, loss)


@pytest.mark.parametrize("gates", ["equation", "pre-sigmoid"])
@pytest.mark.parametrize("inputs", ["processed", "raw"])
def test_meta_gradients_of_order_two_equal_finite_differences(inputs: str, gates: str) -> None:
    problem, tasks = waves((7,))
    settings: dict[str, Any] = {"inputs": inputs, "gates": gates, "meta_clip": None}
    lstm = build("lstm", problem, order=2, train_steps=3, hidden=4, **settings)
    assert lstm.exact == (inputs == "raw")
    meta = start(lstm, spread=0.3)
    tape = Tape(lstm)
    gradients = lstm.meta_step(meta, tasks).gradients
    generator = torch.Generator().manual_seed(6)

    def total(scale: float, direction: Parameters) -> float:
        tape.place = 0
        moved = {key: value + scale * direction[key] for key, value in meta.items()}
        predictions = lstm.meta_step(moved, tasks).predictions
        return float(problem.losses(predictions, tasks.query.y).sum())

    step = 1e-6
    for only in meta:
        direction = {
            key: torch.randn(value.shape, generator=generator, dtype=torch.float64) * (key == only)
            for key, value in meta.items()
        }
        slope = (total(step, direction) - total(-step, direction)) / (2 * step)
        assert abs(slope) > 1e-4
        expected = float((gradients[only] * direction[only]).sum())
        assert expected == pytest.approx(slope, rel=1e-5)


@pytest.mark.parametrize("settings", [{}, {"gates": "pre-sigmoid", "divide": True}])
@pytest.mark.parametrize("name", TECHNIQUES)
@pytest.mark.parametrize("learner", PROBLEMS)
def test_stacked_tasks_equal_the_plain_loop(
    learner: str, name: str, settings: dict[str, Any]
) -> None:
    problem, tasks = PROBLEMS[learner]()
    settings = {**settings, "train_steps": 3, "test_steps": 4, "meta_clip": 0.02}  # it bites
    loop = build(name, problem, Loop(), **settings)
    meta = start(loop, spread=0.1)
    expected = loop.meta_step(meta, tasks)
    scale = max(float(value.abs().max()) for value in expected.gradients.values())
    for engine in ("stacked", "mixed"):
        other = build(name, problem, ENGINES[engine](), **settings)
        found = other.meta_step(meta, tasks)
        assert found.gradients.keys() == expected.gradients.keys() == meta.keys()
        for key, value in expected.gradients.items():
            assert float((found.gradients[key] - value).abs().max()) < 1e-10 * scale
        assert_equal(found.predictions, expected.predictions)
        assert_equal(
            other.predict(meta, tasks.support, tasks.query.x, RANDOMNESS),
            loop.predict(meta, tasks.support, tasks.query.x, RANDOMNESS),
        )


@cache
def processing_rule() -> UpdateRule[Any]:
    """Return the rule of the LSTM that is shown preprocessed loss and gradient."""
    return build("lstm", waves()[0]).rule


def preprocessed(x: float) -> tuple[float, float]:
    """Return what the processed LSTM is shown of a gradient of one entry."""
    rule = processing_rule()
    gradient, loss = torch.tensor([x, 0.5], dtype=torch.float64)
    magnitude, sign = rule.see(gradient[None], loss)[0, 2:].tolist()  # type: ignore[attr-defined]
    return magnitude, sign


@given(st.floats(-1e6, 1e6))
def test_preprocessing_is_that_of_the_papers(x: float) -> None:
    magnitude, sign = preprocessed(x)
    if abs(x) >= math.exp(-10):
        assert magnitude == pytest.approx(math.log(abs(x) + 1e-8) / 10, rel=1e-12, abs=1e-15)
        assert sign == math.copysign(1, x)
    else:
        assert magnitude == -1
        assert sign == pytest.approx(math.exp(10) * x, rel=1e-7)  # e¹⁰ in single precision


def test_preprocessing_meets_itself_at_the_smallest_logarithm() -> None:
    edge = math.exp(-10)
    for x in (edge, edge * (1 - 1e-12), -edge):
        magnitude, sign = preprocessed(x)
        assert magnitude == pytest.approx(-1, abs=1e-4)
        assert sign == pytest.approx(math.copysign(1, x), abs=1e-7)
    assert preprocessed(0.0) == (-1.0, 0.0)
    assert math.isnan(preprocessed(math.nan)[1])


def test_the_lstm_is_shown_the_loss_before_the_gradient() -> None:
    rule = processing_rule()
    loss, gradient = torch.tensor(math.e**-2), torch.tensor([1.0, -math.e])
    seen = rule.see(gradient, loss)  # type: ignore[attr-defined]
    expected = torch.tensor([[-0.2, 1, 0, 1], [-0.2, 1, 0.1, -1]])
    torch.testing.assert_close(seen, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("engine", ["loop", "stacked"])
def test_gradients_of_exactly_zero_give_no_nan_in_second_order(engine: str) -> None:
    problem, tasks = waves()
    lstm = build("lstm", problem, ENGINES[engine](), order=2, train_steps=2)
    meta = start(lstm)  # zero biases: where x is negative, half of the units are dead
    flat = TaskBatch(Batch(tasks.support.x, torch.zeros_like(tasks.support.y)), tasks.query)
    zero = {**meta, "theta": torch.zeros_like(meta["theta"])}  # there, loss and gradient are zero
    for gradients in (lstm.meta_step(zero, flat).gradients, lstm.meta_step(meta, tasks).gradients):
        assert all(bool(value.isfinite().all()) for value in gradients.values())


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


@pytest.mark.parametrize("gates", ["equation", "pre-sigmoid"])
def test_two_steps_of_one_weight_are_as_by_hand(gates: str) -> None:
    rule = build("lstm", waves()[0], hidden=1, inputs="raw", gates=gates).rule
    number = torch.tensor
    meta = {
        "lstm.input.weight": number([[0.1], [0.2], [0.3], [0.4]]),
        "lstm.input.bias": number([0.5, 0.6, 0.7, 0.8]),
        "lstm.hidden.weight": number([[-0.9], [1.0], [-1.1], [1.2]]),
        "lstm.hidden.bias": number([0.0, 0.1, 0.0, 0.1]),
        "forget_gate.weight": number([[0.3, -0.2, 0.7]]),  # of h, θ and the previous gate
        "forget_gate.bias": number([1.0]),
        "input_gate.weight": number([[-0.4, 0.6, -0.8]]),
        "input_gate.bias": number([-1.0]),
    }
    gradients, theta, loss = (0.5, -2.0), 1.5, number(1.0, dtype=torch.float64)
    found = number([theta], dtype=torch.float64)
    meta = {name: value.double() for name, value in meta.items()}
    state = rule.start(meta, found)
    for t, gradient in enumerate(gradients):
        found, state = rule.step(meta, state, found, loss.new_tensor([gradient]), loss, t)

    h = c = previous_f = previous_i = 0.0
    for g in gradients:
        into = sigmoid(0.1 * g + 0.5 - 0.9 * h)
        keep = sigmoid(0.2 * g + 0.6 + 1.0 * h + 0.1)
        candidate = math.tanh(0.3 * g + 0.7 - 1.1 * h)
        out = sigmoid(0.4 * g + 0.8 + 1.2 * h + 0.1)
        c = keep * c + into * candidate
        h = out * math.tanh(c)
        f = 0.3 * h - 0.2 * theta + 0.7 * previous_f + 1.0
        i = -0.4 * h + 0.6 * theta - 0.8 * previous_i - 1.0
        theta = sigmoid(f) * theta - sigmoid(i) * g
        previous_f, previous_i = (f, i) if gates == "pre-sigmoid" else (sigmoid(f), sigmoid(i))
    assert found.item() == pytest.approx(theta, abs=1e-6)  # its weights were given in float32
    assert state.forget.item() == pytest.approx(previous_f, abs=1e-6)


@given(st.integers(0, 1000))
def test_before_training_a_step_is_nearly_gradient_descent(seed: int) -> None:
    rule = processing_rule()
    theta = torch.linspace(-1, 1, 20)
    meta = rule.initialise(torch.Generator().manual_seed(seed), theta)
    state, one, loss = rule.start(meta, theta), torch.ones_like(theta), torch.tensor(1.0)
    kept = rule.step(meta, state, theta, 0 * one, loss, 0)[0] / theta
    rates = -rule.step(meta, state, 0 * theta, one, loss, 0)[0]
    assert 0.98 < float(kept.min()) <= float(kept.max()) < 0.998
    assert 0.006 < float(rates.min()) <= float(rates.max()) < 0.02


@pytest.mark.parametrize("engine", ["loop", "stacked"])
def test_clipping_scales_all_of_a_task_to_one_norm(engine: str) -> None:
    problem, tasks = waves()
    one = TaskBatch(*(Batch(part.x[:1], part.y[:1]) for part in tasks))
    free = build("lstm", problem, ENGINES[engine](), meta_clip=None)
    meta = start(free)
    raw = free.meta_step(meta, one).gradients
    norm = math.sqrt(sum(float(value.square().sum()) for value in raw.values()))
    for bound in (0.1 * norm, 10 * norm):
        bounded = build("lstm", problem, ENGINES[engine](), meta_clip=bound)
        scale = min(1, bound / (norm + 1e-6))
        for name, value in bounded.meta_step(meta, one).gradients.items():
            torch.testing.assert_close(value, scale * raw[name], rtol=1e-12, atol=0)


def test_clipping_hides_no_nan() -> None:
    lstm = build("lstm", waves()[0])
    clipped = lstm.clip_meta({"theta": torch.tensor([1.0, math.nan]), "other": torch.ones(2)})
    assert not any(bool(value.isfinite().all()) for value in clipped.values())


@pytest.mark.parametrize("engine", ["loop", "stacked"])
@pytest.mark.parametrize("size", [5, 3])
def test_dividing_shrinks_the_gradient_by_the_size_of_the_support_set(
    size: int, engine: str
) -> None:
    problem, tasks = waves()
    support = Batch(tasks.support.x[:, :size], tasks.support.y[:, :size])
    tasks = TaskBatch(support, tasks.query)
    settings: dict[str, Any] = {"inputs": "raw", "train_steps": 1, "test_steps": 1}
    divided = build("lstm", problem, ENGINES[engine](), divide=True, **settings)
    plain = build("lstm", problem, ENGINES[engine](), divide=False, **settings)
    meta = of_the_proof(plain, 0.02)
    slower = {**meta, "input_gate.bias": of_the_proof(plain, 0.02 / size)["input_gate.bias"]}
    torch.testing.assert_close(
        divided.predict(meta, support, tasks.query.x, RANDOMNESS),
        plain.predict(slower, support, tasks.query.x, RANDOMNESS),
    )
    found, expected = (next(adapt(each, meta, tasks)) for each in (divided, plain))
    torch.testing.assert_close(size * found.gradient, expected.gradient)
    assert torch.equal(found.loss, expected.loss)


@pytest.mark.parametrize(
    ("name", "situations", "steps", "order", "inputs", "quirks"),
    [
        ("lstm", ("1-shot",), 12, 1, "processed", ("equation", False)),
        ("lstm", ("5-shot",), 5, 1, "processed", ("equation", False)),
        ("lstm", ("regression", "released"), 5, 1, "processed", ("pre-sigmoid", True)),
        ("lstm_enhanced", ("1-shot",), 8, 2, "raw", ("equation", False)),
        ("lstm_enhanced", ("5-shot", "released"), 8, 2, "raw", ("pre-sigmoid", True)),
        ("lstm_enhanced", ("regression",), 8, 2, "raw", ("equation", False)),
    ],
)
def test_defaults_are_those_of_the_paper(
    name: str,
    situations: tuple[Situation, ...],
    steps: int,
    order: int,
    inputs: str,
    quirks: tuple[str, bool],
) -> None:
    hyper = load_algorithm(name).Hyper.parse({}, situations=situations).values()
    assert (hyper["train_steps"], hyper["test_steps"]) == (steps, steps)
    assert (hyper["order"], hyper["inputs"]) == (order, inputs)
    assert (hyper["gates"], hyper["divide"]) == quirks
    assert (hyper["clip"], hyper["meta_clip"]) == (None, 0.25)
    assert (hyper["meta_batch"], hyper["meta_lr"], hyper["hidden"]) == (1, 1e-3, 20)
