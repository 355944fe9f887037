"""Journals that anybody wrote: half of none is taken in, and the others are as if it were not."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbench.store.connection import read
from mlbench.store.feed import Feed
from mlbench.store.ingest import ingest
from mlbench.store.lines import from_line, to_line
from mlbench.store.paths import StorePaths
from mlbench.store.states import last_status
from tests.fake_runs import FakeRun

pytestmark = pytest.mark.slow

LINES = [to_line(record) for record in FakeRun("r1").whole()]
GOOD = b"".join(LINES)
TABLES = ("attempts", "machines", "statuses", "phases", "validations", "episodes", "data")
ODD: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(2**62, 2**66)
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["\ud800", "\x00", "train", "finished", "2026-11-23T05:00:00+00:00"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)


@st.composite
def changed(draw: st.DrawFn, line: bytes) -> bytes:
    """Draw a line in which one value, however deep, is another, gone or there twice."""
    values = json.loads(line)
    part, place = values, draw(st.sampled_from(sorted(values)))
    while isinstance(part[place], dict) and part[place] and draw(st.booleans()):
        part = part[place]
        place = draw(st.sampled_from(sorted(part)))
    if draw(st.booleans()):
        part[place] = draw(ODD)
    else:
        part[draw(st.text(max_size=5))] = part.pop(place)
    return json.dumps(values, ensure_ascii=draw(st.booleans())).encode(errors="replace") + b"\n"


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """Draw a journal with bytes, lines or values that are wrong."""
    lines = list(LINES)
    for _ in range(draw(st.integers(1, 2))):
        place = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["value", "bytes", "flip", "drop", "twice", "swap", "cut"])):
            case "value":
                lines[place] = draw(changed(LINES[place % len(LINES)]))
            case "bytes":
                lines[place] = draw(st.binary(max_size=20)) + b"\n"
            case "flip":
                line = bytearray(lines[place] or b"\n")
                line[draw(st.integers(0, len(line) - 1))] ^= draw(st.integers(1, 255))
                lines[place] = bytes(line)
            case "drop":
                lines[place] = b""
            case "twice":
                lines[place] *= 2
            case "swap":
                other = draw(st.integers(0, len(lines) - 1))
                lines[place], lines[other] = lines[other], lines[place]
            case _:
                content = b"".join(lines)
                return content[: draw(st.integers(0, len(content)))]
    return b"".join(lines)


@settings(max_examples=100)
@given(data=st.data(), index=st.integers(0, len(LINES) - 1))
def test_a_line_with_a_value_changed_is_a_record_or_a_value_error(
    data: st.DataObject, index: int
) -> None:
    try:
        record = from_line(data.draw(changed(LINES[index])))
    except ValueError:
        return
    assert to_line(record)


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> StorePaths:
    """Return a store that has taken in the only run that it has."""
    paths = StorePaths(tmp_path_factory.mktemp("others") / "runs.duckdb")
    other = FakeRun("ours")
    other.write(paths, other.whole())
    ingest(paths)
    return paths


@contextmanager
def beside(others: StorePaths, journals: dict[str, bytes]) -> Iterator[StorePaths]:
    """Lend a copy of a store in which other journals lie."""
    with tempfile.TemporaryDirectory() as folder:
        paths = StorePaths(Path(folder) / "runs.duckdb")
        shutil.copytree(others.database.parent, folder, dirs_exist_ok=True)
        for run_id, content in journals.items():
            mine = content.replace(b'"run_id":"r1"', json.dumps({"run_id": run_id})[1:-1].encode())
            paths.journal(run_id, 1).write_bytes(mine)
        late = FakeRun("late")
        late.write(paths, late.whole())
        yield paths


def counts(paths: StorePaths) -> dict[str, dict[str, int]]:
    """Return how many rows each table has, by run."""
    found: dict[str, dict[str, int]] = {}
    with read(paths) as connection:
        for name in TABLES:
            text = f"SELECT run_id, count(*) FROM {name} GROUP BY ALL"  # noqa: S608
            for run_id, count in connection.execute(text).fetchall():
                found.setdefault(run_id, {})[name] = count
    return found


def whole_lines(content: bytes) -> int:
    """Return how many lines from the first on are records; the first that is none ends it."""
    good = 0
    for line in content.split(b"\n")[:-1]:
        try:
            from_line(line)
        except ValueError:
            break
        good += 1
    return good


def named(contents: list[bytes]) -> dict[str, bytes]:
    return {f"spoilt{place}": content for place, content in enumerate(contents)}


@settings(max_examples=5)
@given(contents=st.lists(spoilt(), min_size=8, max_size=8))
def test_spoilt_journals_are_taken_in_by_whole_lines_and_keep_nobody_else_out(
    contents: list[bytes], others: StorePaths
) -> None:
    with beside(others, named(contents)) as paths:
        report = ingest(paths)
        assert report.lines <= sum(map(whole_lines, contents)) + len(LINES)
        found = counts(paths)
        assert found["late"] == found["ours"]
        assert found["ours"]["episodes"] == 16
        for run_id in named(contents):
            begun = found.get(run_id, {})
            assert begun.get("attempts", 0) == begun.get("machines", 0) == bool(begun)
        again = ingest(paths)
        assert (again.lines, again.damaged) == (0, report.damaged)
        assert counts(paths) == found


@settings(max_examples=5)
@given(contents=st.lists(spoilt(), min_size=8, max_size=8))
def test_following_spoilt_journals_never_fails(contents: list[bytes], others: StorePaths) -> None:
    with beside(others, named(contents)) as paths:
        feed = Feed(paths)
        assert {"ours", "late"} <= {run.run_id for run in feed.poll().runs}
        for run_id in named(contents):
            with paths.journal(run_id, 1).open("ab") as file:
                file.write(LINES[-1])
        assert {"ours", "late"} <= {run.run_id for run in feed.poll().runs}
        for run_id in named(contents):
            last_status(paths, run_id)


NAMES = st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=30)


@settings(max_examples=4)
@given(names=st.lists(NAMES, min_size=8, max_size=8, unique=True))
def test_journals_of_any_name_are_passed_or_told(names: list[str], others: StorePaths) -> None:
    with beside(others, dict.fromkeys(names, GOOD)) as paths:
        ingest(paths)
        assert {"ours", "late"} <= {run.run_id for run in Feed(paths).poll().runs}
