"""The checks of techniques can fail: each of these breaks one promise, and is told which."""

from __future__ import annotations

from importlib.resources import files

import pytest

from mlbench.cli.new import named

from .conftest import Examine

HEAD = '''
"""A technique that breaks a promise."""
from dataclasses import dataclass

import torch

from mlbench.contract import MetaStep, hp

from .maml import Maml, MamlHyper


@dataclass(frozen=True, kw_only=True)
class MineHyper(MamlHyper):
    """MAML's, and one more."""

    {field}


class Mine(Maml):
    """MAML, but."""

    name = "mine"
    kinds = ("regression",)
    Hyper = MineHyper

'''
FIELD = 'fudge: float = hp(1.0, "a factor", above=0)'

LEAK_HEAD = '''

class Mine(Near):
    """Nearest class mean, but."""

    name = "mine"
'''

REMEMBERS = """
    calls = 0

    def meta_step(self, meta, tasks):
        self.calls += 1
        taught = super().meta_step(meta, tasks)
        return taught._replace(gradients={n: g * self.calls for n, g in taught.gradients.items()})
"""
WRITES_INTO_META = """
    def predict(self, meta, support, query_x, randomness):
        found = super().predict(meta, support, query_x, randomness)
        meta["theta"][0] = 1.0
        return found
"""
IGNORES_ORDER = """
    def objective(self, meta, task, inner_gradient):
        def second(loss, theta, *, constant):
            return inner_gradient(loss, theta, constant=False)

        return super().objective(meta, task, second)
"""
SWAPS_ORDERS = """
    def objective(self, meta, task, inner_gradient):
        def other(loss, theta, *, constant):
            return inner_gradient(loss, theta, constant=not constant)

        return super().objective(meta, task, other)
"""
WRONG_GRADIENT = """
    def meta_step(self, meta, tasks):
        taught = super().meta_step(meta, tasks)
        return taught._replace(gradients={n: 1.01 * g for n, g in taught.gradients.items()})
"""
NEVER_LEARNS = """
    exact = False

    def meta_step(self, meta, tasks):
        taught = super().meta_step(meta, tasks)
        return taught._replace(gradients={n: 0 * g for n, g in taught.gradients.items()})
"""
CHANCE_IN_PREDICT = """
    def predict(self, meta, support, query_x, randomness):
        found = super().predict(meta, support, query_x, randomness)
        return found + torch.rand_like(found)
"""
CHANCE_IN_INITIALISE = """
    def initialise(self, generator):
        return {"theta": torch.rand(self.problem.learner.size)}
"""
SAME_START = """
    def initialise(self, generator):
        return {"theta": torch.linspace(-1, 1, self.problem.learner.size)}
"""
UNPICKLABLE = """
    def __init__(self, hyper, problem, engine):
        super().__init__(hyper, problem, engine)
        self.scale = lambda x: x
"""
BRANCHES = """
    def answer(self, meta, theta, support_x, query_x):
        found = super().answer(meta, theta, support_x, query_x)
        return found if found.sum() > 0 else 1.0 * found
"""
MIXES_TASKS = """
    def predict(self, meta, support, query_x, randomness):
        found = super().predict(meta, support, query_x, randomness)
        return found - 0.1 * found.mean(0)
"""
MIXES_QUERIES = """
    def predict(self, meta, support, query_x, randomness):
        found = super().predict(meta, support, query_x, randomness)
        return found - 0.1 * found.mean(1, keepdim=True)
"""
RAISES_ON_NAN = """
    def predict(self, meta, support, query_x, randomness):
        found = super().predict(meta, support, query_x, randomness)
        if not found.isfinite().all():
            raise ArithmeticError("not finite")
        return found
"""
SUMS = """
    def predict(self, meta, support, query_x, randomness):
        return super().predict(meta, support, query_x, randomness).sum(-1)
"""
SINGLE = """
    def predict(self, meta, support, query_x, randomness):
        return super().predict(meta, support, query_x, randomness).float()
"""
LOOKS_AT_VALUES = """
    def meta_step(self, meta, tasks):
        scale = float(meta["theta"].square().sum() > 0)
        taught = super().meta_step(meta, tasks)
        return taught._replace(gradients={n: scale * g for n, g in taught.gradients.items()})
"""
LOOKS_AT_LABELS = """
    def meta_step(self, meta, tasks):
        if int(tasks.query.y.max()) < 0:
            raise ValueError("no such class")
        return super().meta_step(meta, tasks)
"""
DIVIDES = """
    def predict(self, meta, support, query_x, randomness):
        return 1 / 0
"""
PEEKS_AT_LABELS = """
    seen = {}

    def meta_step(self, meta, tasks):
        for x, y in zip(tasks.query.x.flatten(0, 1), tasks.query.y.flatten(), strict=True):
            self.seen[x.numpy().tobytes()] = int(y)
        return super().meta_step(meta, tasks)

    def predict(self, meta, support, query_x, randomness):
        found = super().predict(meta, support, query_x, randomness)
        for task, inputs in enumerate(query_x):
            for place, x in enumerate(inputs):
                if (label := self.seen.get(x.numpy().tobytes())) is not None:
                    found[task, place, label] += 100
        return found
"""
PEEKS_AT_PLACES = """
    def predict(self, meta, support, query_x, randomness):
        found = super().predict(meta, support, query_x, randomness)
        ways = found.shape[-1]
        places = torch.arange(found.shape[1]) % ways
        return found + torch.nn.functional.one_hot(places, ways)
"""

BROKEN = {
    "remembers": (REMEMBERS, {"stateless": "meta_step gives other gradients the second time"}),
    "writes into meta": (WRITES_INTO_META, {"stateless": "predict answers otherwise the second"}),
    "ignores order": (IGNORES_ORDER, {"order": "orders 1 and 2 give the same meta-gradients"}),
    "swaps orders": (
        SWAPS_ORDERS,
        {"order": "order 1 takes second derivatives", "exact": "gradient of theta is"},
    ),
    "wrong gradient": (WRONG_GRADIENT, {"exact": "the meta-gradient of theta is 9.9e-03 (rel"}),
    "never learns": (NEVER_LEARNS, {"learns": "squared error is", "order": "give the same"}),
    "chance in predict": (CHANCE_IN_PREDICT, {"deterministic": "predict answers otherwise when"}),
    "chance in initialise": (CHANCE_IN_INITIALISE, {"deterministic": "from the same generator"}),
    "same start": (SAME_START, {"deterministic": "two seeds start from the same"}),
    "unpicklable": (UNPICKLABLE, {"pickles": "its instance cannot be pickled"}),
    "branches": (BRANCHES, {"engines": "(mine.py:28)"}),
    "looks at values": (LOOKS_AT_VALUES, {"stackable": "(mine.py:27)"}),
    "looks at labels": (LOOKS_AT_LABELS, {"stackable": "(mine.py:27)"}),
    "mixes tasks": (MIXES_TASKS, {"independent": "task 1 of three is predicted otherwise"}),
    "mixes queries": (MIXES_QUERIES, {"inductive": "when other queries are left out"}),
    "raises on NaN": (
        RAISES_ON_NAN,
        {"survives": "ArithmeticError: not finite (mine.py:29)", "stackable": "(mine.py:28)"},
    ),
    "sums": (SUMS, {"runs": "predict gives predictions of shape (3, 8), not"}),
    "single": (SINGLE, {"runs": "predict gives torch.float32 for inputs of float64"}),
    "divides": (DIVIDES, {"runs": "ZeroDivisionError: division by zero (mine.py:27)"}),
}
QUICK = {"remembers", "writes into meta", "chance in predict", "wrong gradient", "sums", "divides"}
"""Broken in the quick tests; all others are in the slow ones."""
LEAKS = {
    "labels": (PEEKS_AT_LABELS, {"blind": "its queries class by class"}),
    "places": (PEEKS_AT_PLACES, {"blind": "its queries in turns, "}),
}
FIELDS = {
    "no help": ("fudge: float = 1.0", {"described": "fudge of MineHyper has no line of help"}),
    "no limits": ('rate: float = hp(1.0, "r")', {"hyperparameters": "MineHyper takes rate=-1"}),
}


def failures(examined: Examine, source: str) -> dict[str, str]:
    findings = examined("algorithms", source).values()
    assert all(each.remedy for each in findings if each.verdict == "failed")
    return {each.check: each.reason for each in findings if each.verdict == "failed"}


def source_of(body: str = "", field: str = FIELD) -> str:
    return HEAD.format(field=field) + body


def assert_told(found: dict[str, str], expected: dict[str, str]) -> None:
    assert found.keys() == expected.keys(), found
    for check, words in expected.items():
        assert words in found[check]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(*case, id=name, marks=() if name in QUICK else pytest.mark.slow)
        for name, case in BROKEN.items()
    ],
)
def test_a_broken_promise_is_named_and_no_other(
    examined: Examine, body: str, expected: dict[str, str]
) -> None:
    assert_told(failures(examined, source_of(body)), expected)


@pytest.mark.slow
@pytest.mark.parametrize(("body", "expected"), LEAKS.values(), ids=LEAKS)
def test_a_leak_is_found(examined: Examine, body: str, expected: dict[str, str]) -> None:
    near = files("mlbench.templates").joinpath("metric.py").read_text(encoding="utf-8")
    source = named(near, "near", "my_technique") + LEAK_HEAD + body
    assert_told(failures(examined, source), expected)


@pytest.mark.parametrize(("field", "expected"), FIELDS.values(), ids=FIELDS)
def test_a_careless_hyperparameter_is_named(
    examined: Examine, field: str, expected: dict[str, str]
) -> None:
    assert_told(failures(examined, source_of(field=field)), expected)


def test_what_cannot_be_imported_is_told_with_its_line(examined: Examine) -> None:
    (finding,) = examined("algorithms", '"""Mine."""\nimport nowhere\n').values()
    assert finding.check == "loads"
    assert finding.verdict == "failed"
    assert "line 2: ModuleNotFoundError" in finding.reason
    assert finding.remedy


def test_what_hangs_on_a_failed_check_is_not_looked_at(examined: Examine) -> None:
    findings = examined("algorithms", source_of(DIVIDES))
    assert findings["exact"].verdict == "skipped"
    assert findings["exact"].reason == "'runs' failed, and goes first"
    assert findings["pickles"].verdict == "passed"
