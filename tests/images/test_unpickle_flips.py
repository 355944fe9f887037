"""Pickles of which bytes were flipped: a value or a refusal, and nothing is run or looked up."""

from __future__ import annotations

import codecs
import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlbench.errors import DataError
from mlbench.images.unpickle import unpickle
from tests.images import python2

Read = Callable[[bytes], None]
with_files = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
EVENTS = frozenset(
    {"os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "exec", "compile"}
    | {"pickle.find_class", "import", "os.remove", "os.rename", "os.mkdir", "socket.connect"}
)
seen: list[str] = []
watched_threads: set[int] = set()


def watch(event: str, _: tuple[Any, ...]) -> None:
    if threading.get_ident() in watched_threads and event in EVENTS:
        seen.append(event)


@contextmanager
def watching() -> Iterator[list[str]]:
    """Lend a list of what this thread runs, imports or looks up meanwhile."""
    for codec in ("ascii", "latin-1", "utf-8", "raw-unicode-escape"):
        codecs.lookup(codec)  # Python imports them when it first needs them
    if watch not in HOOKED:  # a hook stays for as long as the process
        sys.addaudithook(watch)
        HOOKED.append(watch)
    seen.clear()
    watched_threads.add(threading.get_ident())
    try:
        yield seen
    finally:
        watched_threads.clear()


@pytest.fixture
def watched(tmp_path: Path) -> Read:
    """Return a reader that fails where something is run, imported or looked up."""

    def read_and_watch(content: bytes) -> None:
        path = tmp_path / "data.pkl"
        path.write_bytes(content)
        with watching() as happened, suppress(DataError):
            unpickle(path)
        assert happened == []

    return read_and_watch


HOOKED: list[Callable[..., Any]] = []
DATA = {
    "image_data": np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3),
    "class_dict": {"n01": [0], "n02": [1]},
    "catname2label": {"n01": 0},
}
WHOLE = [*(pickle.dumps(DATA, protocol) for protocol in (2, 3, 4, 5)), python2.dumps(DATA)]


def test_the_watch_sees_what_would_be_run() -> None:
    with watching() as happened:
        pickle.loads(b"cbuiltins\neval\n(V1 + 1\ntR.")
    assert {"pickle.find_class", "compile"} <= set(happened)


@with_files
@given(
    content=st.sampled_from(WHOLE),
    flips=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_bytes_that_were_flipped_give_a_value_or_a_refusal(
    watched: Read, content: bytes, flips: list[tuple[int, int]]
) -> None:
    changed = bytearray(content)
    for place, value in flips:
        changed[place % len(content)] = value
    watched(bytes(changed))


@with_files
@given(content=st.binary(max_size=200))
def test_any_bytes_give_a_value_or_a_refusal(watched: Read, content: bytes) -> None:
    watched(b"\x80\x04" + content + b".")
