"""A packed data set as the harness sees it: splits, shapes, episodes."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mlbench.contract import SPLITS, Hyper, Split, Stream, TaskBatch, hp
from mlbench.errors import MisuseError
from mlbench.images import PackedImages
from mlbench.images.originals import find_originals
from mlbench.images.pack import Pack
from mlbench.images.packed import ClassSplit
from mlbench.images.packing import add

Tiny = type[PackedImages]
TURNED: dict[str, Split] = {"ant": "test", "bee": "validation", "cat": "train", "dog": "train"}
WITHOUT_CAT: dict[str, Split] = {"ant": "train", "bee": "validation", "dog": "test"}


@dataclass(frozen=True, kw_only=True)
class TwoSplits(Hyper):
    """Whose split."""

    split: str = hp("ours", "whose split", one_of=("ours", "theirs"))


@pytest.fixture
def twice_split(tiny: Tiny) -> Tiny:
    """Return a data set with two published splits."""
    tiny.class_splits = (*tiny.class_splits, ClassSplit("theirs", "their paper", TURNED))
    tiny.Options = TwoSplits
    return tiny


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


def test_a_split_holds_the_images_of_its_classes(tiny: Tiny, tree: Path) -> None:
    add(tiny, find_originals(tiny, tree))
    folders = {"train": "train", "validation": "val", "test": "test"}
    for split in SPLITS:
        images = tiny().split(split)
        ours = tiny.class_splits[0].classes
        assert images.class_names == tuple(name for name in ours if ours[name] == split)
        for name, start, size in zip(
            images.class_names, images.starts, images.class_sizes, strict=True
        ):
            found = images.gather(np.arange(start, start + size)).permute(0, 2, 3, 1).numpy()
            files = sorted((tree / folders[split] / name).iterdir())
            originals = {np.asarray(Image.open(file)).tobytes() for file in files}
            assert {image.tobytes() for image in found} == originals


def test_one_pack_serves_every_published_split(twice_split: Tiny, tree: Path) -> None:
    first = add(twice_split, find_originals(twice_split, tree))
    ours, theirs = twice_split(), twice_split(TwoSplits(split="theirs"))
    assert ours.pack.manifest == theirs.pack.manifest == first.manifest
    assert ours.fingerprint != theirs.fingerprint
    assert theirs.members == {"train": ["cat", "dog"], "validation": ["bee"], "test": ["ant"]}
    np.testing.assert_array_equal(
        theirs.split("test").gather(theirs.split("test").indices),
        ours.split("train").gather(ours.split("train").indices[:3]),
    )


def test_splits_of_the_same_classes_give_the_same_fingerprint(
    twice_split: Tiny, tree: Path
) -> None:
    """Whose idea a split was decides nothing: classes, images and their order do."""
    ours = twice_split.class_splits[0]
    twice_split.class_splits = (ours, ClassSplit("theirs", "their paper", dict(ours.classes)))
    add(twice_split, find_originals(twice_split, tree))
    assert twice_split().fingerprint == twice_split(TwoSplits(split="theirs")).fingerprint


def test_a_split_that_leaves_a_class_out_does_not_use_it(twice_split: Tiny, tree: Path) -> None:
    ours = twice_split.class_splits[0]
    twice_split.class_splits = (ours, ClassSplit("theirs", "their paper", WITHOUT_CAT))
    add(twice_split, find_originals(twice_split, tree))
    theirs = twice_split(TwoSplits(split="theirs"))
    assert [theirs.split(split).class_names for split in SPLITS] == [("ant",), ("bee",), ("dog",)]


def test_what_a_split_leaves_out_is_no_part_of_its_fingerprint(
    twice_split: Tiny, tree: Path
) -> None:
    ours = twice_split.class_splits[0]
    twice_split.class_splits = (ours, ClassSplit("theirs", "their paper", WITHOUT_CAT))
    add(twice_split, find_originals(twice_split, tree))
    options = TwoSplits(split="theirs")
    before = twice_split().fingerprint, twice_split(options).fingerprint
    (tree / "val" / "cat" / "0.png").unlink()
    add(twice_split, find_originals(twice_split, tree), partial=True, replace=True)
    assert twice_split().fingerprint != before[0]
    assert twice_split(options).fingerprint == before[1]


def test_an_option_that_varies_episodes_is_part_of_the_fingerprint(
    tiny: Tiny, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(tiny, find_originals(tiny, tree))
    before = tiny().fingerprint
    monkeypatch.setattr(tiny, "variation", lambda _: {"turns": "four"})
    assert tiny().fingerprint != before


def test_a_layout_that_any_published_split_agrees_with_is_taken(
    twice_split: Tiny, tree: Path
) -> None:
    for name, where in TURNED.items():
        folder = {"train": "train", "validation": "val", "test": "test"}[where]
        (found,) = tree.glob(f"*/{name}")
        shutil.move(found, tree / folder / name)
    manifest = add(twice_split, find_originals(twice_split, tree)).manifest
    assert manifest.missing is None
    assert twice_split(TwoSplits(split="theirs")).split("test").class_names == ("ant",)


def test_data_without_training_classes_can_only_be_tested_on(tiny: Tiny, tree: Path) -> None:
    shutil.rmtree(tree / "train")
    add(tiny, find_originals(tiny, tree), partial=True)
    data = tiny()
    assert data.input_shape == (3, 8, 8)
    message = (
        "tiny has no train classes; it is there to be tested on: name it with --eval, and train on"
        " another"
    )
    with pytest.raises(MisuseError) as caught:
        data.check(stream(data))
    assert str(caught.value) == message


def test_all_splits_share_one_array(tiny: Tiny, tree: Path) -> None:
    add(tiny, find_originals(tiny, tree))
    data = tiny()
    arrays = {id(data.split(split).images) for split in SPLITS}
    assert len(arrays) == 1
    assert Pack.open("tiny").pixels().shape == data.split("test").images.shape
