"""Which C++ compiler torch calls."""

from __future__ import annotations

import os
import shlex
import sys


def compiler() -> str:
    """Return its command: the first word of ``$CXX``, else what torch tries on this system."""
    named = shlex.split(os.environ.get("CXX", ""))
    return named[0] if named else "clang++" if sys.platform == "darwin" else "g++"
