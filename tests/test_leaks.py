"""Untrained on noise, every technique scores chance: nothing but pictures tells classes apart."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace

import numpy as np
import pytest
import torch

from mlbench.contract import Hyper, Problem, Randomness, Split, Stream
from mlbench.engines import Stacked
from mlbench.images import ImageDataset, ImageSplit
from mlbench.learners import Conv4, Conv4Options
from mlbench.registry import find_plugins, load_algorithm

TASKS, AT_ONCE, WAYS = 600, 100, 5
STEPS = 3  # of an inner loop at most: chance is no matter of how long one learns
LONG = {
    "fo_maml",
    "fo_turtle",
    "imaml",
    "lstm_enhanced",
    "proto_maml",
    "reptile",
    "train_from_scratch",
}
"""Techniques that take seconds here, and are left to the slow tests."""
CLASSIFIERS = sorted(
    name for name in find_plugins("algorithms") if "classification" in load_algorithm(name).kinds
)


class Noise(ImageDataset):
    """Classes of images without anything in common."""

    name = "noise"
    source = "made up"

    @property
    def fingerprint(self) -> str:
        return "noise"

    def load(self, split: Split) -> ImageSplit:
        pixels = np.random.default_rng(len(split)).integers(0, 256, (30 * 12, 16, 16, 1))
        return ImageSplit(pixels.astype(np.uint8), tuple(map(str, range(30))), (12,) * 30)


def shortened(hyper: Hyper) -> Hyper:
    """Return hyperparameters with few steps."""
    values = hyper.values()
    names = ("train_steps", "test_steps")
    few = {name: min(STEPS, values[name]) for name in names if name in values}
    return replace(hyper, **few)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name in LONG else ()) for name in CLASSIFIERS],
)
def test_an_untrained_technique_scores_chance_where_there_is_nothing_to_see(name: str) -> None:
    data, cls = Noise(), load_algorithm(name)
    problem = Problem("classification", Conv4((1, 16, 16), WAYS, Conv4Options(channels=4)))
    problem = replace(problem, train_classes=data.train_classes)
    algorithm = cls(shortened(cls.Hyper()), problem, Stacked())
    meta = algorithm.initialise(torch.Generator().manual_seed(0))
    stream = Stream(
        fingerprint=data.fingerprint, split="test", ways=WAYS, shots=1, queries=3, seed=0
    )
    scores: list[float] = []
    for start in range(0, TASKS, AT_ONCE):
        stop = start + AT_ONCE
        tasks = data.draw(stream, start, stop, device=torch.device("cpu"), dtype=torch.float32)
        chance = Randomness(stream.key_for("prediction"), start, stop)
        predictions = algorithm.predict(meta, tasks.support, tasks.query.x, chance)
        scores += problem.scores(predictions, tasks.query.y).tolist()
    assert len(scores) == TASKS
    error = statistics.stdev(scores) / math.sqrt(TASKS)
    assert 0 < error < 0.02
    assert abs(statistics.mean(scores) - 1 / WAYS) < 4 * error
