"""Arrays in numpy's own format, and in no other that numpy knows: some of those are pickles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def read_array(path: Path, *, empty: bool) -> NDArray[Any]:
    """Return the array of a file, mapped copy-on-write unless it is empty; nothing is unpickled.

    What is wrong with a file may be told by any exception.
    """
    array: NDArray[Any]
    if not empty:
        array = np.lib.format.open_memmap(path, mode="c")
        return array
    with path.open("rb") as file:
        array = np.lib.format.read_array(file, allow_pickle=False)
    return array
