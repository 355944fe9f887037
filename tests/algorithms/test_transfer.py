"""The transfer baselines against plain torch: its modules, its Adam, one task after another."""

from __future__ import annotations

from contextlib import AbstractContextManager
from itertools import pairwise
from math import isclose, sqrt
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from mlbench.contract import Algorithm, Batch, Normalisation, Parameters, Problem, Randomness
from mlbench.contract import TaskBatch as Tasks
from mlbench.engines import Loop
from mlbench.hyper import Situation
from mlbench.learners import Conv4, Conv4Options
from mlbench.registry import load_algorithm
from mlbench.transfer import Pretrained, choose, fit

TASKS, WAYS, SHOTS, QUERIES, CLASSES = 3, 3, 2, 2, 7
SIZE = (2, 17, 17)
PRETRAINED = ("finetuning", "baseline_pp")
NAMES = ("train_from_scratch", *PRETRAINED)
RANDOMNESS = Randomness(bytes(range(16)), 0, TASKS)
DOUBLE = torch.float64


def build(
    name: str, normalisation: Normalisation = "transductive", channels: int = 4, **settings: Any
) -> Algorithm:
    algorithm = load_algorithm(name)
    learner = Conv4(SIZE, WAYS, Conv4Options(channels=channels))
    problem = Problem("classification", learner, normalisation, CLASSES)
    return algorithm(algorithm.Hyper(**{"test_steps": 12, **settings}), problem, Loop())


def pretrained(name: str, **settings: Any) -> Pretrained:
    built = build(name, **settings)
    assert isinstance(built, Pretrained)
    return built


def start(algorithm: Algorithm) -> Parameters:
    """Return meta-parameters whose batch-norm is not trivial: its parts and statistics vary."""
    generator = torch.Generator().manual_seed(5)
    meta = algorithm.initialise(generator)
    return {
        name: value.double() + 0.1 * torch.randn(value.shape, generator=generator)
        for name, value in meta.items()
    }


def episodes(tasks: int = TASKS) -> Tasks:
    generator = torch.Generator().manual_seed(4)

    def draw(n: int) -> Batch:
        x = torch.rand(tasks, WAYS * n, *SIZE, generator=generator, dtype=DOUBLE)
        return Batch(x, torch.arange(WAYS).repeat_interleave(n).expand(tasks, -1))

    return Tasks(draw(SHOTS), draw(QUERIES))


def flat(seed: int = 6, size: int = 5) -> Tasks:
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(1, size, *SIZE, generator=generator, dtype=DOUBLE)
    y = torch.randint(CLASSES, (1, size), generator=generator)
    return Tasks(Batch(x[:, :0], y[:, :0]), Batch(x, y))


class Network(nn.Module):
    """Conv4 and its head as modules of torch, with the weights of a flat vector."""

    def __init__(self, body: Tensor, head: nn.Module) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise((SIZE[0], 4, 4, 4, 4)):
            convolution = nn.Conv2d(fan_in, fan_out, 3, padding=1)
            layers += [convolution, nn.BatchNorm2d(fan_out), nn.ReLU(), nn.MaxPool2d(2)]
        self.body = nn.Sequential(*layers, nn.Flatten()).double()
        self.head = head.double()
        nn.utils.vector_to_parameters(body.clone(), self.body.parameters())

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.body(x))
        return logits

    def norms(self) -> list[nn.BatchNorm2d]:
        return [layer for layer in self.body if isinstance(layer, nn.BatchNorm2d)]


class Cosine(nn.Module):
    """The head of Baseline++ in torch's own weight normalisation."""

    def __init__(self, direction: Tensor, norm: Tensor) -> None:
        super().__init__()
        linear = nn.Linear(direction.shape[1], direction.shape[0], bias=False).double()
        self.linear = weight_norm(linear, dim=0)
        with torch.no_grad():
            weight = self.linear.parametrizations.weight
            weight.original0.copy_(norm.unsqueeze(1))
            weight.original1.copy_(direction)

    def forward(self, features: Tensor) -> Tensor:
        unit = features / (features.norm(dim=1, keepdim=True) + 1e-5)
        logits: Tensor = 2 * self.linear(unit)
        return logits


def module_of(head: Parameters) -> nn.Module:
    """Return one head as a module of torch."""
    if "head.direction" in head:
        return Cosine(head["head.direction"], head["head.norm"])
    outputs, features = head["head.weight"].shape
    linear = nn.Linear(features, outputs).double()
    linear.load_state_dict({"weight": head["head.weight"], "bias": head["head.bias"]})
    return linear


def network_of(meta: Parameters) -> Network:
    """Return a pre-trained network as a module, its running statistics included."""
    network = Network(meta["body"], module_of(meta))
    for block, norm in enumerate(network.norms()):
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.copy_(meta["mean"][block])
        norm.running_var.copy_(meta["variance"][block])
    return network


def descend(model: nn.Module, support: Batch, picks: Tensor, lr: float) -> None:
    """Fit a model to one task as anybody would."""
    optimiser = torch.optim.Adam(model.parameters(), lr=lr)
    for pick in picks:
        optimiser.zero_grad()
        F.cross_entropy(model(support.x[pick]), support.y[pick]).backward()
        optimiser.step()


@pytest.mark.parametrize("name", PRETRAINED)
def test_each_task_fits_the_head_that_torch_would(name: str) -> None:
    algorithm, tasks = pretrained(name), episodes()
    meta = start(algorithm)
    predictions = algorithm.predict(meta, tasks.support, tasks.query.x, RANDOMNESS)
    picks, heads = algorithm.chances(tasks.support, RANDOMNESS)
    for index in range(TASKS):
        support, query = tasks.task(index)
        network = network_of(meta).eval()
        with torch.no_grad():
            features = Batch(network.body(support.x), support.y)
        head = module_of({part: value[index] for part, value in heads.items()})
        descend(head, features, picks[index], lr=1e-3)
        torch.testing.assert_close(
            predictions[index], head(network.body(query.x)).detach(), rtol=0, atol=1e-10
        )


@pytest.mark.parametrize("normalisation", ["transductive", "inductive"])
def test_training_from_scratch_is_adam_on_every_layer_task_by_task(
    normalisation: Normalisation,
) -> None:
    algorithm, tasks = build("train_from_scratch", normalisation), episodes()
    theta, problem = start(algorithm)["theta"], algorithm.problem
    predictions = algorithm.predict({"theta": theta}, tasks.support, tasks.query.x, RANDOMNESS)
    uniforms = RANDOMNESS.uniform(12, 4, like=theta)
    for index in range(TASKS):
        support, query = tasks.task(index)
        body, head = problem.learner.split(theta)
        matrix, bias = head[:-WAYS].view(WAYS, -1), head[-WAYS:]
        network = Network(body, module_of({"head.weight": matrix, "head.bias": bias}))
        descend(network, support, (uniforms[index] * WAYS * SHOTS).long(), lr=1e-3)
        adapted = nn.utils.parameters_to_vector(network.parameters()).detach()
        expected = problem.answer(adapted, support.x, query.x)
        torch.testing.assert_close(predictions[index], expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", PRETRAINED)
@pytest.mark.parametrize(("protocol", "momentum"), [("corrected", 0.1), ("released", 1.0)])
def test_pretraining_is_that_of_torch_with_its_running_statistics(
    name: str, protocol: Situation, momentum: float
) -> None:
    hyper = load_algorithm(name).Hyper.parse({}, situations=[protocol])
    algorithm = pretrained(name, **hyper.values())
    meta = algorithm.initialise(torch.Generator().manual_seed(0))
    meta = {part: value.double() for part, value in meta.items()}
    network = Network(meta["body"], module_of(meta)).train()
    for norm in network.norms():
        norm.momentum = momentum
    # not Adam: before batch-norm a bias has no gradient but rounding, which Adam would enlarge
    theirs = torch.optim.SGD(network.parameters(), lr=0.1)
    ours = torch.optim.SGD(list(meta.values()), lr=0.1)
    for seed in range(4):
        tasks = flat(seed)
        step = algorithm.meta_step(meta, tasks)
        for part, value in meta.items():
            value.grad = step.gradients.get(part)
        ours.step()
        meta.update(step.averages)
        theirs.zero_grad()
        logits = network(tasks.query.x[0])
        F.cross_entropy(logits, tasks.query.y[0]).backward()
        theirs.step()
        torch.testing.assert_close(step.predictions[0], logits.detach(), rtol=0, atol=1e-10)
    expected = network_of(meta)
    for (key, value), other in zip(
        network.state_dict().items(), expected.state_dict().values(), strict=True
    ):
        if not key.endswith("num_batches_tracked"):
            torch.testing.assert_close(value, other, rtol=0, atol=1e-10, msg=key)


@pytest.mark.parametrize("name", PRETRAINED)
def test_the_gradient_of_pretraining_is_that_of_finite_differences(name: str) -> None:
    algorithm, tasks = pretrained(name), flat()
    meta, width = start(algorithm), 1e-6

    def loss(moved: Parameters) -> float:
        prediction = algorithm.meta_step(moved, tasks).predictions[0]
        return float(F.cross_entropy(prediction, tasks.query.y[0]))

    gradients = algorithm.meta_step(meta, tasks).gradients
    assert gradients.keys() == meta.keys() - {"mean", "variance"}
    generator = torch.Generator().manual_seed(1)
    for part, gradient in gradients.items():
        way = torch.randn(gradient.shape, generator=generator, dtype=DOUBLE)
        above, below = (loss({**meta, part: meta[part] + s * width * way}) for s in (1, -1))
        expected = float((gradient * way).sum())
        assert isclose((above - below) / (2 * width), expected, rel_tol=1e-5, abs_tol=1e-7), part


@pytest.mark.parametrize("name", PRETRAINED)
def test_pretraining_lowers_the_loss(name: str) -> None:
    algorithm = pretrained(name)
    tasks = flat(size=8)
    meta = start(algorithm)
    optimiser = algorithm.optimiser(list(meta.values()))
    losses = []
    for _ in range(40):
        step = algorithm.meta_step(meta, tasks)
        losses.append(float(F.cross_entropy(step.predictions[0], tasks.query.y[0])))
        for part, value in meta.items():
            value.grad = step.gradients.get(part)
        optimiser.step()
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_task_is_learnt_alike_alone_and_among_others(name: str) -> None:
    algorithm, tasks = build(name), episodes()
    meta = start(algorithm)
    together = algorithm.predict(meta, tasks.support, tasks.query.x, RANDOMNESS)
    for index in range(TASKS):
        one = slice(index, index + 1)
        support = Batch(tasks.support.x[one], tasks.support.y[one])
        own = Randomness(RANDOMNESS.key, index, index + 1)
        alone = algorithm.predict(meta, support, tasks.query.x[one], own)
        torch.testing.assert_close(alone, together[one], rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_chance_is_each_tasks_own(name: str) -> None:
    algorithm, tasks = build(name), episodes(1)
    same = Tasks(*(Batch(x.expand(2, *x.shape[1:]), y.expand(2, -1)) for x, y in tasks))
    first, second = algorithm.predict(
        start(algorithm), same.support, same.query.x, Randomness(bytes(16), 0, 2)
    )
    assert not torch.allclose(first, second)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_predictions_carry_no_graph_and_leave_the_meta_parameters_alone(
    name: str, mode: type[AbstractContextManager[None]]
) -> None:
    algorithm, tasks = build(name, test_steps=2), episodes()
    meta = start(algorithm)
    before = {part: value.clone() for part, value in meta.items()}
    with mode():
        predictions = algorithm.predict(meta, tasks.support, tasks.query.x, RANDOMNESS)
    assert predictions.shape == (TASKS, WAYS * QUERIES, WAYS)
    assert not predictions.requires_grad
    for part, value in meta.items():
        assert torch.equal(value, before[part])
        assert value.grad is None


@pytest.mark.parametrize("name", PRETRAINED)
def test_a_frozen_body_sees_no_other_query(name: str) -> None:
    algorithm, tasks = build(name), episodes()
    meta = start(algorithm)
    whole = algorithm.predict(meta, tasks.support, tasks.query.x, RANDOMNESS)
    part = algorithm.predict(meta, tasks.support, tasks.query.x[:, :1], RANDOMNESS)
    torch.testing.assert_close(part, whole[:, :1], rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_labels_that_say_nothing_of_the_images_are_met_at_chance(name: str) -> None:
    count = 150
    algorithm, tasks = build(name, test_steps=6, test_lr=0.01), episodes(count)
    meta = {part: value.float() for part, value in start(algorithm).items()}
    support = Batch(tasks.support.x.float(), tasks.support.y)
    randomness = Randomness(bytes(16), 0, count)
    predictions = algorithm.predict(meta, support, tasks.query.x.float(), randomness)
    score = float(algorithm.problem.scores(predictions, tasks.query.y).mean())
    assert abs(score - 1 / WAYS) < 4 * sqrt(2 / 9 / predictions[..., 0].numel())


@pytest.mark.parametrize("name", PRETRAINED)
def test_what_a_task_shows_is_learnt(name: str) -> None:
    settings = {"channels": 16, "test_steps": 100, "test_lr": 0.3, "norm_momentum": 1.0}
    algorithm, tasks = pretrained(name, **settings), episodes()
    (x, y), (noise, _) = tasks
    seen = Tasks(tasks.support, Batch(x.flatten(0, 1)[None], y.flatten()[None]))
    meta = start(algorithm)
    meta.update(algorithm.meta_step(meta, seen).averages)
    predictions = algorithm.predict(meta, tasks.support, x + 0.05 * (noise - 0.5), RANDOMNESS)
    assert float(algorithm.problem.scores(predictions, y).mean()) > 0.8


def test_training_from_scratch_learns_what_a_task_shows() -> None:
    algorithm, tasks = build("train_from_scratch", test_steps=100, test_lr=0.01), episodes()
    (x, y), (noise, _) = tasks
    predictions = algorithm.predict(
        start(algorithm), tasks.support, x + 0.05 * (noise - 0.5), RANDOMNESS
    )
    assert float(algorithm.problem.scores(predictions, y).mean()) > 0.8


@pytest.mark.parametrize("name", PRETRAINED)
def test_heads_start_as_linear_layers_do(name: str) -> None:
    algorithm = pretrained(name)
    head = algorithm.head(torch.rand(2, 5, 400, generator=torch.Generator().manual_seed(0)))
    weight, other = head.values()
    assert weight.shape == (2, 5, 400)
    assert 0.99 / 20 < float(weight.abs().max()) <= 1 / 20
    assert abs(float(weight.mean())) < 0.002
    expected = weight.norm(dim=-1) if name == "baseline_pp" else torch.zeros(2, 5)
    torch.testing.assert_close(other, expected)


def test_a_body_starts_where_other_techniques_do() -> None:
    scratch, finetuning = (
        build(name).initialise(torch.Generator().manual_seed(3))
        for name in ("train_from_scratch", "finetuning")
    )
    assert torch.equal(finetuning["body"], scratch["theta"][: len(finetuning["body"])])
    assert finetuning["head.weight"].shape[0] == CLASSES
    assert torch.equal(finetuning["mean"], torch.zeros(4, 4))
    assert torch.equal(finetuning["variance"], torch.ones(4, 4))


def test_choices_cover_every_example_and_no_other() -> None:
    assert choose(torch.tensor([0.0, 0.19, 0.2, 0.99, 1.0]), 5).tolist() == [0, 0, 1, 4, 4]


def test_fitting_takes_the_last_weights_not_the_best() -> None:
    """Adam's steps on |w| are ±lr nearly: from 1.5 lr it passes zero, and the last is kept."""

    def loss(weights: Parameters, batch: Batch) -> Tensor:
        return (weights["w"] - batch.y).abs().sum()

    support = Batch(torch.zeros(1, 2, 1, dtype=DOUBLE), torch.tensor([[0.0, 9.0]], dtype=DOUBLE))
    picks = torch.tensor([[[0], [0], [0], [1]]])
    found = fit({"w": torch.ones(1, 1, dtype=DOUBLE)}, loss, support, picks, lr=0.1)
    first, second = 0.9, 0.999
    m = v = 0.0
    w = 1.0
    for t, sign in enumerate((1, 1, 1, -1), start=1):
        m, v = first * m + (1 - first) * sign, second * v + (1 - second)
        w -= 0.1 * (m / (1 - first**t)) / (sqrt(v / (1 - second**t)) + 1e-8)
    assert found["w"].item() == pytest.approx(w, abs=1e-12)
