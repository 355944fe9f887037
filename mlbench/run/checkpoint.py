"""Checkpoints: written aside, synced and renamed, and checked when read.

A file is a magic line, the SHA-256 of the rest in hexadecimal, a newline, and what ``torch.save``
made of the state. It is read back with ``weights_only``: a checkpoint from elsewhere runs no code.
"""

from __future__ import annotations

import io
import os
import warnings
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from mlbench.errors import CheckpointError

MAGIC = b"mlbench checkpoint 1\n"
DIGEST = 64  # hexadecimal digits of SHA-256


def save(path: Path, spec_hash: str, state: dict[str, Any]) -> None:
    """Write a checkpoint so that at any moment the old one or this one is there, whole.

    Raises:
        CheckpointError: The disk is full, or the folder is not to be written.
    """
    payload = io.BytesIO()
    torch.save({"spec_hash": spec_hash, "state": state}, payload)
    body = payload.getvalue()
    aside = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as file:
            file.write(MAGIC + sha256(body).hexdigest().encode() + b"\n" + body)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            aside.unlink()
        raise CheckpointError(
            f"checkpoint {path} cannot be written: {error.strerror or error};"
            " make room or give another --db, then mlbench resume"
        ) from error


def load(path: Path, spec_hash: str) -> dict[str, Any]:
    """Return the state that a checkpoint of this spec holds.

    Raises:
        CheckpointError: It is damaged, or of another spec.
    """
    remedy = "delete it to begin that run again"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"checkpoint {path} cannot be read: {error.strerror or error}; {remedy}"
        ) from error
    start = len(MAGIC) + DIGEST + 1
    digest, body = content[len(MAGIC) : start - 1], content[start:]
    if not content.startswith(MAGIC) or sha256(body).hexdigest().encode() != digest:
        raise CheckpointError(f"checkpoint {path} is damaged or no checkpoint; {remedy}")
    other = f"checkpoint {path} holds something other than a state; {remedy}"
    try:
        with warnings.catch_warnings(action="ignore"):
            found = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
    except Exception as error:  # a file may hold anything, and its reader raise anything
        raise CheckpointError(other) from error
    match found:
        case {"spec_hash": str(its_hash), "state": dict(state)}:
            pass
        case _:
            raise CheckpointError(other)
    if its_hash != spec_hash:
        raise CheckpointError(
            f"checkpoint {path} is of another run (spec {its_hash}, not {spec_hash}); {remedy}"
        )
    return state


def sync_folder(folder: Path) -> None:
    """Make a rename in a folder survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
