"""Broken plugins, as a user would have them: files in a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from mlbench.check.finding import Finding
from mlbench.check.suite import examine
from mlbench.plugins import Kind
from mlbench.registry import find_plugin

Examine = Callable[[Kind, str], dict[str, Finding]]


@pytest.fixture
def examined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Examine:
    """Return a function from a kind and a source to what the suite finds, by check."""
    monkeypatch.chdir(tmp_path)

    def examined(kind: Kind, source: str) -> dict[str, Finding]:
        file = tmp_path / kind / "mine.py"
        file.parent.mkdir()
        file.write_text(dedent(source).lstrip(), encoding="utf-8")
        return {finding.check: finding for finding in examine(find_plugin(kind, "mine"))}

    return examined
