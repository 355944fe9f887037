"""Distributions of test scores over episodes."""

from __future__ import annotations

import numpy as np
import pytest

from mlbench.report.material import Material
from tests.report.figures.specs import blocks, parts, rows, spec, subtitle


def test_quantiles_are_those_of_the_episodes(pictures: Material) -> None:
    chosen = Material(pictures.paths, where="algorithm = 'turtle' and train_dataset = 'mini'")
    met = chosen.test_episodes.filter(eval_dataset="cub")["score"].to_numpy()
    boxes = [row["q25"] for row in rows(spec("episodes", chosen), "q25")]
    assert np.quantile(met, 0.25) in boxes


def test_bins_hold_every_episode_once(pictures: Material) -> None:
    bins = rows(spec("episodes", pictures), "share")
    assert sum(row["episodes"] for row in bins) == len(pictures.test_episodes)
    first = [row for row in bins if row["series"] == "MAML"]
    assert sum(row["share"] for row in first) == pytest.approx(4)  # panels


def test_a_bin_reaches_up_by_its_share(pictures: Material) -> None:
    bins = [row for row in rows(spec("episodes", pictures), "share") if row["series"] == "TURTLE"]
    heights = [(row["top"] - row["foot"]) / row["share"] for row in bins[:3]]
    assert heights == pytest.approx([heights[0]] * 3)


def test_the_file_does_not_grow_with_the_episodes(pictures: Material) -> None:
    whole = spec("episodes", pictures)
    assert all(len(data) <= 3 * 41 for data in whole["datasets"].values())


def test_errors_are_binned_by_their_logarithm(waves: Material) -> None:
    chosen = Material(waves.paths, where="algorithm = 'maml'")
    whole = spec("episodes", chosen)
    bins = rows(whole, "share")
    assert sum(row["episodes"] for row in bins) == len(chosen.test_episodes)
    ratios = {round(row["high"] / row["low"], 9) for row in bins}
    assert len(ratios) == 1
    assert "3 runs of 60 episodes each" in subtitle(blocks(whole)[0])


def test_a_logarithmic_axis_says_nothing_of_zero(waves: Material) -> None:
    chosen = Material(waves.paths, where="algorithm = 'maml'")
    scales = [part for part in parts(spec("episodes", chosen)) if part.get("type") == "log"]
    assert scales
    assert all("zero" not in each for each in scales)
