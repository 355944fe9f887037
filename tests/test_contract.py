"""What every plugin owes, checked on every one that is bundled."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from mlbench.check.finding import Check
from mlbench.check.suite import checks_of, judge, subjects_of
from mlbench.images import PackedImages
from mlbench.plugins import KINDS, Kind
from mlbench.registry import find_plugin, find_plugins, load_plugin

WITHOUT_DATA = {"loads", "described", "options"}
"""What is due of images that must be packed first; their own tests pack some."""
THOROUGH = {"resumes", "engines"}
"""What takes seconds to see, and is left to the slow tests but of some plugins."""
QUICK = {"maml", "protonet", "sine", "shapes"}
"""Those plugins."""


@cache
def packed(kind: Kind, name: str) -> bool:
    """Return whether a plugin is a data set that is packed from files."""
    return issubclass(load_plugin(find_plugin(kind, name)), PackedImages)


def is_slow(name: str, check: str) -> bool:
    """Return whether a promise of a plugin is left to the slow tests."""
    return check == "learns" or (check in THOROUGH and name not in QUICK)


CASES = [
    pytest.param(
        kind,
        name,
        check,
        id=f"{name}-{check.name}",
        marks=[pytest.mark.slow] if is_slow(name, check.name) else [],
    )
    for kind in KINDS
    for name in find_plugins(kind)
    for check in checks_of(kind)
    if check.name in WITHOUT_DATA or not packed(kind, name)
]


@cache
def subjects(kind: Kind, name: str) -> list[Any]:
    """Return what is checked of a plugin, made once: data sets are drawn only once, too."""
    return list(subjects_of(load_plugin(find_plugin(kind, name))))


@pytest.mark.parametrize(("kind", "name", "check"), CASES)
def test_the_promise_is_kept(kind: Kind, name: str, check: Check[Any]) -> None:
    found = judge(check, subjects(kind, name))
    if found.verdict == "skipped":
        pytest.skip(found.reason)
    assert found.verdict == "passed", f"{found.reason} -> {found.remedy}"
