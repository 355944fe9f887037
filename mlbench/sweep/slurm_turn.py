"""Whose turn it is to submit to Slurm: one at a time from a store, and not to be disturbed."""

from __future__ import annotations

import fcntl
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from mlbench.errors import StoreError
from mlbench.store.liveness import lock_within
from mlbench.store.paths import StorePaths
from mlbench.sweep.slurm_record import sweeps


@contextmanager
def submitting(paths: StorePaths) -> Iterator[None]:
    """Be the only one to submit from a store, undisturbed by signals, which are obeyed after.

    Raises:
        StoreError: The lock cannot be opened.
    """
    paths.make(sweeps(paths))
    path = submit_lock(paths)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as err:
        raise StoreError(
            f"{path} cannot be opened: {err.strerror}; unlock that folder, or name another"
            " database with --db"
        ) from err
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with undisturbed():
            yield
    finally:
        os.close(descriptor)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Put Ctrl-C, SIGTERM and a hang-up off until the end, here and for the commands we call."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may say so, and only it is disturbed
        return
    came: list[int] = []

    def put_off(number: int, _: FrameType | None) -> None:
        came.append(number)

    numbers = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    before = {number: signal.signal(number, put_off) for number in numbers}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)  # which sbatch inherits
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for each, action in before.items():
            signal.signal(each, action)
        for number in came[:1]:
            signal.raise_signal(number)


def being_submitted(paths: StorePaths) -> bool:
    """Return whether someone submits from this store at this moment."""
    try:
        descriptor = os.open(submit_lock(paths), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not lock_within(descriptor, 0.0)
    finally:
        os.close(descriptor)


def submit_lock(paths: StorePaths) -> Path:
    """Return the file that is held locked by who submits."""
    return sweeps(paths) / "submit.lock"
