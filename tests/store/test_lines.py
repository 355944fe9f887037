"""Records against their lines: nothing is lost, and nothing that is no record passes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbench.store.lines import FEW, from_line, to_line
from mlbench.store.records import EPISODE_COLUMNS, UNSAID, Episodes, Record, Started, StatusChange
from tests.fake_runs import FakeRun

COUNTS = st.integers(0, 2**63 - 1)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def episodes(draw: st.DrawFn) -> Episodes:
    size = draw(st.integers(0, 5))
    times = draw(st.sampled_from([1, FEW]))  # many numbers are written in another way than few

    def column(values: st.SearchStrategy[Any]) -> Any:
        return times * draw(st.lists(values, min_size=size, max_size=size))

    return Episodes(
        position=draw(COUNTS),
        phase=draw(st.sampled_from(["train", "validation", "test"])),
        eval_dataset=draw(st.text(st.characters(exclude_categories=["Cs"]))),
        episode=column(COUNTS),
        step=column(COUNTS),
        loss=column(st.floats()),
        score=column(st.floats()),
        seconds=column(st.floats()),
        key=column(st.integers(0, 2**64 - 1)),
    )


@given(episodes())
def test_episodes_come_back_bit_for_bit_with_their_nans_and_infinities(record: Episodes) -> None:
    line = to_line(record)
    assert line.index(b"\n") == len(line) - 1
    assert repr(listed(from_line(line))) == repr(record)


def listed(record: Record) -> Record:
    """Return a record with lists where one that was read has arrays."""
    if not isinstance(record, Episodes):
        return record
    columns: dict[str, Any] = {name: list(getattr(record, name)) for name in EPISODE_COLUMNS}
    return replace(record, **columns)


def test_every_kind_of_record_comes_back(fake_run: Any) -> None:
    for record in fake_run().whole(incomplete={"mini": "60 of 600 images a class"}):
        assert listed(from_line(to_line(record))) == record


def test_an_attempt_of_before_runs_were_stacked_is_one_alone_and_not_compiled(
    fake_run: Any,
) -> None:
    values = json.loads(to_line(fake_run().started()))
    for name in UNSAID:
        del values["provenance"][name]
    read = from_line(json.dumps(values).encode())
    assert isinstance(read, Started)
    assert (read.provenance["stacked"], read.provenance["compiled"]) == (1, False)
    assert read == fake_run().started()


@pytest.mark.parametrize(
    ("name", "column", "reason"),
    [
        ("step", [1, -1], "its step is no column of counts"),
        ("step", [1, 2.0], "its step is no column of counts"),
        ("step", [1, True], "its step is no column of counts"),
        ("episode", [0, 2**63], "its episode is no column of counts"),
        ("key", [0, 2**64], "its key is no column of counts"),
        ("loss", [0.5, "0.5"], "its loss is no column of numbers"),
        ("loss", [0.5, True], "its loss is no column of numbers"),
        ("score", [0.5, 10**400], "its score is no column of numbers"),
        ("seconds", 0.5, "an episode column is no list"),
    ],
)
def test_columns_hold_what_they_should(name: str, column: Any, reason: str, fake_run: Any) -> None:
    values = json.loads(to_line(fake_run().episodes(0, 2)))
    with pytest.raises(ValueError, match=reason):
        from_line(json.dumps(values | {name: column}).encode())


def test_half_a_character_in_an_error_is_replaced_and_not_fatal() -> None:
    record = StatusChange(
        position=0, status="failed", at="2026-01-01T00:00:00Z", error="\udcff ü 🐢", tasks_trained=0
    )
    read = from_line(to_line(record))
    assert isinstance(read, StatusChange)
    assert read.error == "? ü 🐢"


@given(st.binary())
def test_any_bytes_are_a_record_or_a_value_error(line: bytes) -> None:
    with pytest.raises(ValueError, match="it "):
        from_line(line)


@pytest.mark.parametrize("index", range(5))
@given(data=st.data())
def test_a_record_with_any_value_replaced_is_a_record_or_a_value_error(
    index: int, data: st.DataObject, fake_run: Any
) -> None:
    record: Record = fake_run().whole()[index]
    values = json.loads(to_line(record))
    name = data.draw(st.sampled_from(sorted(values)))
    values[name] = data.draw(ANYTHING)
    try:
        read = from_line(json.dumps(values).encode())
    except ValueError:
        return
    assert read.type == values["type"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"[" * 100_000, "not JSON"),
        (b'{"type":"status"', "not JSON"),
        (b'{"type":"checkpointed"}', "of a type that this mlbench knows"),
        (b'{"type":"phase","position":1,"phase":"train","seconds":1}', "no 'eval_dataset'"),
        (b'{"type":"phase","position":-1,"phase":"train","eval_dataset":"","seconds":1}', "count"),
    ],
)
def test_a_refusal_says_why(line: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        from_line(line)


def test_columns_of_unequal_length_and_a_missing_fingerprint_are_refused(fake_run: Any) -> None:
    run = fake_run()
    values = json.loads(to_line(run.episodes(0, 3)))
    values["loss"].pop()
    with pytest.raises(ValueError, match="differ in length"):
        from_line(json.dumps(values).encode())
    with pytest.raises(ValueError, match="no fingerprint of 'cub'"):
        from_line(to_line(run.started(fingerprints={"mini": "f"})))


def test_a_time_before_the_first_year_is_none() -> None:
    line = to_line(replace(FakeRun().started(), at="0001-01-01T00:00:00+14:00"))
    with pytest.raises(ValueError, match="is no time"):
        from_line(line)
