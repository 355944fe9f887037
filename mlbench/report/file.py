"""How a file of results is written: aside and renamed, so that nobody ever reads half of one."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from mlbench.errors import MlbenchError


def write(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        MlbenchError: There is no such folder, or nothing can be written there.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        aside.write_bytes(content.encode() if isinstance(content, str) else content)
        aside.replace(path)
    except OSError as err:
        raise MlbenchError(
            f"{path} cannot be written: {err.strerror}; name another file, in a folder that"
            " exists and is yours"
        ) from err
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
