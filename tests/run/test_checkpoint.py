"""A checkpoint is whole or refused."""

from __future__ import annotations

import io
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch

from mlbench.errors import CheckpointError
from mlbench.run import checkpoint

STATE: dict[str, Any] = {
    "meta": {"theta": torch.arange(5.0)},
    "progress": {"step": 3, "tested": {"sine": ([1.0], [2.0])}},
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoints" / "run.ckpt"
    checkpoint.save(path, "hash", STATE)
    return path


def test_what_was_saved_is_loaded(path: Path) -> None:
    found = checkpoint.load(path, "hash")
    assert torch.equal(found["meta"]["theta"], STATE["meta"]["theta"])
    assert found["progress"] == STATE["progress"]
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("keep", [0, 10, 90, -1])
def test_a_truncated_checkpoint_is_refused(path: Path, keep: int) -> None:
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"is damaged .* delete it to begin"):
        checkpoint.load(path, "hash")


def test_a_flipped_bit_is_found(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="is damaged"):
        checkpoint.load(path, "hash")


def test_a_checkpoint_of_another_spec_is_refused(path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"of another run \(spec hash, not other\)"):
        checkpoint.load(path, "other")


def test_a_checkpoint_runs_no_code(path: Path, tmp_path: Path) -> None:
    class Attack:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "owned",))  # type: ignore[return-value]

    body = io.BytesIO()
    torch.save({"spec_hash": "hash", "state": Attack()}, body)
    digest = sha256(body.getvalue()).hexdigest().encode()
    path.write_bytes(checkpoint.MAGIC + digest + b"\n" + body.getvalue())
    with pytest.raises(CheckpointError, match="something other than a state"):
        checkpoint.load(path, "hash")
    assert not (tmp_path / "owned").exists()


def test_a_folder_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match=r"cannot be written: .*; make room"):
        checkpoint.save(tmp_path / "file" / "run.ckpt", "hash", STATE)
