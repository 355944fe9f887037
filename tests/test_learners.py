"""Base-learners against torch's own modules."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mlbench.errors import MisuseError
from mlbench.learners import MLP, Conv4, Conv4Options, Learner, MLPOptions, unflatten


def theta_of(module: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])


def modules(channels: int, filters: int, features: int, outputs: int, padding: int) -> nn.Module:
    blocks: list[nn.Module] = []
    for fan_in in (channels, filters, filters, filters):
        blocks += [nn.Conv2d(fan_in, filters, 3, padding=padding), nn.BatchNorm2d(filters)]
        blocks += [nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*blocks, nn.Flatten(), nn.Linear(features, outputs)).double()


def test_the_sine_network_has_the_papers_size() -> None:
    assert MLP(1, 1).size == 1_761


def test_conv4_has_the_sizes_of_paper_and_released_code() -> None:
    assert Conv4((3, 84, 84), 5, Conv4Options(padding=0)).size == 115_973
    padded = Conv4((3, 84, 84), 5)
    assert dict(padded.shapes)["head.weight"] == (5, 1_600)


@pytest.mark.parametrize(("padding", "size", "features"), [(1, 28, 7), (0, 48, 7), (1, 33, 28)])
def test_conv4_is_torchs(padding: int, size: int, features: int) -> None:
    torch.manual_seed(0)
    module = modules(2, 7, features, 4, padding)
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    x = torch.randn(6, 2, size, size, dtype=torch.float64)
    learner = Conv4((2, size, size), 4, Conv4Options(channels=7, padding=padding))
    torch.testing.assert_close(learner(theta_of(module), x), module(x))


@pytest.mark.parametrize("learner", [MLP(1, 3), Conv4((2, 16, 16), 3, Conv4Options(channels=4))])
def test_a_learner_is_its_head_on_its_body(learner: Learner) -> None:
    theta = learner.initialise(torch.Generator().manual_seed(0)).double()
    x = torch.rand(5, *((1,) if isinstance(learner, MLP) else (2, 16, 16)), dtype=torch.float64)
    body, head = learner.split(theta)
    outputs, features = learner.head_shape
    assert (len(body), len(head)) == (learner.body_size, outputs * (features + 1))
    made = learner.features(body, x)
    assert made.shape == (5, features)
    assert torch.equal(learner.head(head, made), learner(theta, x))
    by_hand = made @ head[: outputs * features].view(outputs, features).T + head[-outputs:]
    torch.testing.assert_close(learner(theta, x), by_hand)


def test_the_mlp_is_torchs() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(2, 9), nn.ReLU(), nn.Linear(9, 6), nn.ReLU(), nn.Linear(6, 3))
    x = torch.randn(5, 2)
    learner = MLP(2, 3, MLPOptions(hidden=(9, 6)))
    torch.testing.assert_close(learner(theta_of(module), x), module(x))


@pytest.mark.parametrize("learner", [MLP(1, 1), Conv4((3, 28, 28), 5)])
def test_initial_weights_fill_their_bounds_and_depend_on_the_seed_alone(learner: Learner) -> None:
    first, again, other = (
        learner.initialise(torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    for (name, shape), part in zip(learner.shapes, unflatten(first, learner.shapes), strict=True):
        if name.endswith("weight"):
            bound = part[0].numel() ** -0.5
            assert float(part.abs().max()) <= bound
            if part.numel() > 1_000:
                assert float(part.std()) == pytest.approx(bound / 3**0.5, rel=0.05)
        else:
            assert torch.equal(part, torch.full(shape, float(name.endswith("gamma"))))


def test_images_that_vanish_are_refused() -> None:
    with pytest.raises(MisuseError, match=r"28x28 vanish .* --set learner.padding=1"):
        Conv4((3, 28, 28), 5, Conv4Options(padding=0))
    with pytest.raises(MisuseError, match=r"8x8 vanish .* use larger ones"):
        Conv4((3, 8, 8), 5)
