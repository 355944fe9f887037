"""The techniques against what the authors' own code wrote down, and the tool that compares."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mlbench.engines import ENGINES
from tests.reference import Reference, deviations, main

VECTORS = sorted((Path(__file__).parent / "vectors").glob("*.npz"))


@pytest.mark.parametrize("engine", ["loop", "stacked"])
@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_every_tensor_equals_that_of_the_authors(path: Path, engine: str) -> None:
    found = list(deviations(Reference.read(path), ENGINES[engine]()))
    assert {each.group.split("/")[0] for each in found} > {
        "step2_weights",
        "metagrad_raw",
        "metagrad_clipped",
        "query_pred",
        "query_loss",
        "after_step1",
        "after_traj",
        "traj",
    }
    assert [each for each in found if not each.passed] == []
    assert max(each.relative for each in found) < 1e-13  # not merely within tolerance


@pytest.mark.parametrize(
    ("config", "group"),
    [
        ({"base_lr": 0.0100000001}, "step0_weights"),
        ({"second_order": False}, "metagrad_raw/theta"),
        ({"grad_clip": 0.1}, "metagrad_clipped/theta"),
        ({"meta_batch_size": 1}, "after_traj/theta"),
    ],
)
def test_a_wrong_setting_is_found_out(
    config: dict[str, object],
    group: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (path,) = (path for path in VECTORS if path.stem == "sine_maml_so_T3")
    with np.load(path) as file:
        arrays = dict(file)
    arrays["config_json"] = np.array(json.dumps(json.loads(str(arrays["config_json"])) | config))
    wrong = tmp_path / "wrong.npz"
    np.savez(wrong, **arrays)
    assert main([str(wrong)]) == 1
    above = [line for line in capsys.readouterr().out.splitlines() if "ABOVE" in line]
    assert any(group in line for line in above)


def test_equal_vectors_exit_with_zero() -> None:
    assert main([str(VECTORS[0])]) == 0
