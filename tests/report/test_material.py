"""The frames that tables and figures are made of."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from mlbench.errors import MisuseError
from mlbench.report.material import Material
from mlbench.store.paths import StorePaths
from tests.gallery import fill, images, odd_ones

FRAMES = ("results", "counted", "hyperparameters", "curves", "times", "test_episodes")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> StorePaths:
    folder: Path = tmp_path_factory.mktemp("gallery")
    runs = [*images(2, algorithms=("maml", "turtle")), *odd_ones()]
    return fill(StorePaths(folder / "runs.duckdb"), runs)


def test_without_a_condition_all_runs_are_there(store: StorePaths) -> None:
    material = Material(store)
    assert len(material.runs) == 16 + 6
    assert set(material.results["status"]) == {"finished", "diverged"}
    assert material.summary["runs"].sum() == len(material.counted)


def test_a_condition_holds_for_every_frame(store: StorePaths) -> None:
    material = Material(store, where="shots = 5 and algorithm = 'maml'")
    chosen = set(material.runs["run_id"])
    assert len(chosen) == 4
    for name in FRAMES:
        assert set(getattr(material, name)["run_id"]) == chosen, name
    assert set(material.summary["algorithm"]) == {"maml"}


def test_a_condition_that_holds_for_none_leaves_frames_with_their_columns(
    store: StorePaths,
) -> None:
    everything, nothing = Material(store), Material(store, where="false")
    for name in (*FRAMES, "runs", "summary"):
        frame: pl.DataFrame = getattr(nothing, name)
        assert frame.is_empty(), name
        assert frame.schema == getattr(everything, name).schema, name


def test_frames_are_asked_for_once(store: StorePaths) -> None:
    material = Material(store)
    assert material.results is material.results


def test_a_statistic_by_name_replaces_that_of_the_protocol(store: StorePaths) -> None:
    assert set(Material(store).summary["statistic"]) == {"median", "trimmed"}
    assert set(Material(store, statistic="mean").summary["statistic"]) == {"mean"}


def test_a_condition_that_is_none_is_refused(store: StorePaths) -> None:
    with pytest.raises(MisuseError, match="no condition on runs"):
        _ = Material(store, where="shots is five").summary


def test_another_statistic_shares_every_frame_but_the_summary(store: StorePaths) -> None:
    material = Material(store)
    _ = material.summary, material.comparisons
    other = material.under("mean")
    assert set(other.summary["statistic"]) == {"mean"}
    assert other.comparisons is material.comparisons
    assert set(material.summary["statistic"]) != {"mean"}
