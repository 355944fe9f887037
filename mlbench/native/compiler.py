"""Which C++ compiler torch calls."""

from __future__ import annotations

import os
import shlex
import shutil
import sys


def command() -> list[str]:
    """Return its command: ``$CXX``, else what torch tries on this system."""
    named = shlex.split(os.environ.get("CXX", ""))
    return named or ["clang++" if sys.platform == "darwin" else "g++"]


def missing() -> str | None:
    """Return what is said where it is not there; ``None`` where it is."""
    name = command()[0]
    return None if shutil.which(name) else f"the C++ compiler {name} is not here"
