"""Sine waves: their distribution, and that support and query share the wave."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mlbench.contract import Dataset, Stream
from mlbench.errors import MisuseError
from mlbench.registry import load_dataset

STREAM = Stream(fingerprint="f", split="train", ways=None, shots=5, queries=50, seed=0)
CPU = torch.device("cpu")


@pytest.fixture
def sine() -> Dataset:
    return load_dataset("sine")()


def test_the_zero_predictor_scores_what_the_paper_says(sine: Dataset) -> None:
    tasks = sine.draw(STREAM, 0, 20_000, device=CPU, dtype=torch.float64)
    assert float(tasks.query.y.square().mean()) == pytest.approx(4.25, abs=0.08)


def test_waves_fill_their_ranges(sine: Dataset) -> None:
    tasks = sine.draw(STREAM, 0, 4_000, device=CPU, dtype=torch.float64)
    x = torch.cat((tasks.support.x, tasks.query.x), 1)
    assert -5 <= float(x.min()) < -4.99
    assert 4.99 < float(x.max()) < 5
    amplitude = torch.cat((tasks.support.y, tasks.query.y), 1).abs().amax(1)
    assert 4.98 < float(amplitude.max()) < 5


def test_all_points_of_an_episode_lie_on_one_wave(sine: Dataset) -> None:
    tasks = sine.draw(STREAM, 7, 9, device=CPU, dtype=torch.float64)
    for task in map(tasks.task, range(2)):
        x, y = (torch.cat(pair)[:, 0].numpy() for pair in zip(*task, strict=True))
        waves = np.stack([np.sin(x), np.cos(x)], axis=1)  # A sin(x + φ) is a sum of these two
        (a, b), residual, *_ = np.linalg.lstsq(waves, y)
        assert float(residual[0]) < 1e-20
        assert 0.1 <= np.hypot(a, b) <= 5
        assert 0 <= np.arctan2(b, a) <= np.pi


def test_precision_changes_rounding_only(sine: Dataset) -> None:
    double = sine.draw(STREAM, 0, 3, device=CPU, dtype=torch.float64)
    single = sine.draw(STREAM, 0, 3, device=CPU, dtype=torch.float32)
    assert single.query.y.dtype == torch.float32
    assert torch.equal(double.query.y.float(), single.query.y)


def test_a_wave_has_no_ways(sine: Dataset) -> None:
    sine.check(STREAM)
    with pytest.raises(MisuseError, match="leave --ways out"):
        sine.check(replace(STREAM, ways=5))
