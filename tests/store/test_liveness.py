"""The lock that tells a live run from a dead one."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mlbench.errors import StoreError
from mlbench.store.liveness import RunLock, is_alive
from mlbench.store.paths import StorePaths

RUN = """
import sys
from pathlib import Path
from mlbench.store.liveness import RunLock
from mlbench.store.paths import StorePaths
with RunLock(StorePaths(Path(sys.argv[1])), "r1"):
    print("alive", flush=True)
    sys.stdin.read()
"""


def test_a_run_is_alive_until_it_is_killed_and_refuses_a_second_process(paths: StorePaths) -> None:
    assert not is_alive(paths, "r1")
    with subprocess.Popen(
        [sys.executable, "-c", RUN, str(paths.database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert is_alive(paths, "r1")
        with pytest.raises(StoreError, match=f"r1 is already running as PID {other.pid}"):
            RunLock(paths, "r1").acquire()
        other.kill()
        other.wait()
    assert not is_alive(paths, "r1")
    with RunLock(paths, "r1"):
        assert is_alive(paths, "r1")
    assert not is_alive(paths, "r1")


FULL_DISK = """
import os, resource, signal, sys
from pathlib import Path
from mlbench.errors import StoreError
from mlbench.store.liveness import RunLock, is_alive
from mlbench.store.paths import StorePaths

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
paths = StorePaths(Path(sys.argv[1]))
with RunLock(paths, "r1"):
    print(is_alive(paths, "r1"))
    try:
        RunLock(paths, "r1").acquire()
    except StoreError as err:
        print(err)
"""


def test_a_full_disk_has_no_room_for_the_pid_and_stops_nobody(paths: StorePaths) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(paths.database)]
    lines = subprocess.check_output(command, text=True, cwd=Path(__file__).parents[2]).splitlines()
    assert lines == [
        "True",
        "run r1 is already running in another process; wait for it, or stop it",
    ]


def test_asking_whether_a_run_is_alive_never_keeps_it_from_starting(paths: StorePaths) -> None:
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            is_alive(paths, "r1")

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(100):
            with RunLock(paths, "r1"):
                pass
    finally:
        stop.set()
        for thread in threads:
            thread.join()
