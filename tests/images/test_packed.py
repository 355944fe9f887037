"""A packed data set as the harness sees it: splits, shapes, episodes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mlbench.contract import Stream, TaskBatch
from mlbench.errors import MisuseError
from mlbench.images import PackedImages
from mlbench.images.originals import find_originals
from mlbench.images.packing import add

Tiny = type[PackedImages]


def stream(data: PackedImages, *, ways: int = 2, queries: int = 2) -> Stream:
    return Stream(
        fingerprint=data.fingerprint, split="train", ways=ways, shots=1, queries=queries, seed=0
    )


def episodes(data: PackedImages) -> TaskBatch:
    return data.draw(stream(data), 0, 8, device=torch.device("cpu"), dtype=torch.float32)


def test_both_layouts_give_the_same_episodes(
    tiny: Tiny, tree: Path, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    for root in (tree, table):
        monkeypatch.setenv("MLBENCH_DATA", str(tmp_path / f"home of {root.name}"))
        add(tiny, find_originals(tiny, root))
        drawn.append(episodes(tiny()))
    for one, other in zip(drawn[0], drawn[1], strict=True):
        assert torch.equal(one.x, other.x)
        assert torch.equal(one.y, other.y)


def test_episodes_are_in_the_unit_interval_and_shaped_as_the_contract_says(
    tiny: Tiny, tree: Path
) -> None:
    add(tiny, find_originals(tiny, tree))
    data = tiny()
    assert data.input_shape == (3, 8, 8)
    assert data.incomplete is None
    support, query = episodes(data)
    assert support.x.shape == (8, 2, 3, 8, 8)
    assert query.x.shape == (8, 4, 3, 8, 8)
    assert 0 <= float(query.x.min()) < 0.1
    assert 0.9 < float(query.x.max()) <= 1


def test_an_incomplete_data_set_says_so(tiny: Tiny, tree: Path) -> None:
    (tree / "train" / "ant" / "0.png").unlink()
    add(tiny, find_originals(tiny, tree), partial=True)
    assert tiny().incomplete == "11 of 12 images"
    with pytest.raises(MisuseError, match="class ant of tiny has 2"):
        tiny().check(stream(tiny()))


def test_images_can_be_brought_to_another_size(tiny: Tiny, tree: Path) -> None:
    add(tiny, find_originals(tiny, tree))
    assert tiny().like((1, 4, 4)).input_shape == (1, 4, 4)
