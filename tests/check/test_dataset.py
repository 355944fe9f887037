"""The checks of data sets can fail: each of these breaks one promise, and is told which."""

from __future__ import annotations

import pytest

from .conftest import Examine

HEAD = '''
"""Images that break a promise."""
from dataclasses import replace

import torch

from mlbench.check.problems import Patches


class Mine(Patches):
    """Patches, but."""

    name = "mine"

'''
FORGETS_ITS_KEY = """
    def draw(self, stream, start, stop, **how):
        tasks = super().draw(stream, start, stop, **how)
        tasks.query.x.mul_(1 - 0.1 * torch.rand(()))
        return tasks
"""
SHIFTS = """
    def draw(self, stream, start, stop, **how):
        return super().draw(stream, 0, stop - start, **how)
"""
OVERLAPS = """
    def draw(self, stream, start, stop, **how):
        tasks = super().draw(stream, start, stop, **how)
        if stream.shots:
            label = tasks.support.y[:, :1]
            place = (tasks.query.y == label).long().argmax(1)
            tasks.query.x[torch.arange(stop - start), place] = tasks.support.x[:, 0]
        return tasks
"""
SORTED = """
    def draw(self, stream, start, stop, **how):
        tasks = super().draw(stream, start, stop, **how)
        order = tasks.query.y.argsort(dim=1, stable=True)
        x = torch.stack([x[o] for x, o in zip(tasks.query.x, order, strict=True)])
        return tasks._replace(query=tasks.query._replace(x=x, y=tasks.query.y.gather(1, order)))
"""
SHARES_CLASSES = """
    def load(self, split):
        return super().load("train" if split == "test" else split)
"""
SHARES_IMAGES = """
    def load(self, split):
        found = super().load(split)
        if split == "test":
            found.images[0] = self.split("train").images[0]
        return found
"""
ONE_FINGERPRINT = """
    fingerprint = "mine"
"""
REFUSES_NOTHING = """
    def check(self, stream):
        pass
"""
BYTES = """
    def draw(self, stream, start, stop, **how):
        tasks = super().draw(stream, start, stop, **how)
        tasks.support.x.mul_(255)
        return tasks
"""
ONE_PRECISION = """
    def draw(self, stream, start, stop, *, device, dtype):
        return super().draw(stream, start, stop, device=device, dtype=torch.float32)
"""
FEW_CLASSES_FLAT = """
    def draw(self, stream, start, stop, **how):
        tasks = super().draw(stream, start, stop, **how)
        return tasks._replace(query=tasks.query._replace(y=tasks.query.y % 3))
"""
ONE_CLASS = """
    CLASSES = {"train": range(1), "validation": range(1, 2), "test": range(2, 3)}
"""
SHAPELESS = """
    def like(self, shape):
        return self
"""

BROKEN = {
    "forgets its key": (FORGETS_ITS_KEY, {"deterministic": "episode 0, drawn alone, is another"}),
    "shifts": (SHIFTS, {"deterministic": "episode 1, drawn alone, is another"}),
    "overlaps": (OVERLAPS, {"disjoint": "1 of 12 queries of a train episode are in its"}),
    "sorted": (SORTED, {"shuffled": "the queries come as 0, 0, 0, 0, 1, 1, ..."}),
    "shares classes": (SHARES_CLASSES, {"splits": "class patch 0 is in both train and test"}),
    "shares images": (SHARES_IMAGES, {"splits": "class patch 20 (test) is in train too"}),
    "one fingerprint": (ONE_FINGERPRINT, {"fingerprint": "image_size=32 gives other episodes"}),
    "refuses nothing": (REFUSES_NOTHING, {"refuses": "check lets 100000 ways pass"}),
    "bytes": (BYTES, {"form": "train support images lie in"}),
    "one precision": (ONE_PRECISION, {"form": "another dtype than it is asked for"}),
    "few classes flat": (FEW_CLASSES_FLAT, {"flat": "do not run over all 12 training classes"}),
    "one class": (ONE_CLASS, {"opens": "its train split gives no episode of 2 ways"}),
    "shapeless": (SHAPELESS, {"like": "like (1, 20, 20), it gives inputs of shape (1, 16, 16)"}),
}


@pytest.mark.parametrize(("body", "expected"), BROKEN.values(), ids=BROKEN)
def test_a_broken_promise_is_named_and_no_other(
    examined: Examine, body: str, expected: dict[str, str]
) -> None:
    findings = examined("datasets", HEAD + body).values()
    found = {each.check: each.reason for each in findings if each.verdict == "failed"}
    assert found.keys() == expected.keys(), found
    for check, words in expected.items():
        assert words in found[check]


def test_an_exception_is_told_with_the_plugins_own_line(examined: Examine) -> None:
    findings = examined("datasets", HEAD + "    def load(self, split):\n        return 1 / 0\n")
    assert findings["opens"].reason == "ZeroDivisionError: division by zero (mine.py:15)"
    assert findings["form"].verdict == "skipped"


def test_data_that_are_absent_are_skipped_and_not_failed(examined: Examine) -> None:
    source = '"""Mine."""\nfrom mlbench.plugins.datasets.cub import Cub\n\n\n'
    findings = examined(
        "datasets", source + 'class Mine(Cub):\n    """Birds."""\n    name = "mine"\n'
    )
    verdicts = {each.check: each.verdict for each in findings.values()}
    assert set(verdicts.values()) == {"passed", "skipped"}
    assert verdicts["form"] == "skipped"
    assert "is not packed in" in findings["form"].reason
