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
    assert max(each.absolute for each in found) < 1e-13


def test_the_memory_of_the_lstm_and_its_divided_gradient_are_compared() -> None:
    (path,) = (path for path in VECTORS if path.stem == "sine_lstm_fo_T3_proc")
    groups = {each.group for each in deviations(Reference.read(path), ENGINES["loop"]())}
    compared = ("scaled_grad", "metainput", "lstm_h", "lstm_c", "f_pre", "i_pre")
    assert groups >= {f"step{t}_{name}" for t in range(3) for name in compared}
    assert {
        f"metagrad_raw/{gate}_gate.{part}"
        for gate in ("forget", "input")
        for part in ("weight", "bias")
    } <= groups


@pytest.mark.parametrize(
    ("vectors", "config", "group"),
    [
        ("sine_maml_so_T3", {"base_lr": 0.0100000001}, "step0_weights"),
        ("sine_maml_so_T3", {"second_order": False}, "metagrad_raw/theta"),
        ("sine_maml_so_T3", {"grad_clip": 0.1}, "metagrad_clipped/theta"),
        ("sine_maml_so_T3", {"meta_batch_size": 1}, "after_traj/theta"),
        ("sine_lstm_so_T3_raw", {"second_order": False}, "metagrad_raw/theta"),
        ("sine_lstm_so_T3_raw", {"grad_clip": 0.2500001}, "metagrad_clipped/input_gate.bias"),
    ],
)
def test_a_wrong_setting_is_found_out(
    vectors: str,
    config: dict[str, object],
    group: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (path,) = (path for path in VECTORS if path.stem == vectors)
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
