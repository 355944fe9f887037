"""Makes ``benchmarks`` importable, and nothing else of the checkout's top level."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "benchmarks"

if "benchmarks" not in sys.modules:
    found = importlib.util.spec_from_file_location(
        "benchmarks", FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)]
    )
    assert found is not None
    assert found.loader is not None
    sys.modules["benchmarks"] = importlib.util.module_from_spec(found)
    found.loader.exec_module(sys.modules["benchmarks"])
