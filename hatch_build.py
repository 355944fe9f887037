"""Put the bundled plugins into the wheel, where an installed mlbench finds them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BundlePlugins(BuildHookInterface):
    """Map ``algorithms/`` and ``datasets/`` to ``mlbench/plugins/``.

    An editable installation reads them from the checkout: copies would go stale.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the files to the wheel that is about to be built."""
        if version == "editable":
            return
        for kind in ("algorithms", "datasets"):
            for file in sorted(Path(self.root, kind).glob("*.py")):
                build_data["force_include"][str(file)] = f"mlbench/plugins/{kind}/{file.name}"
