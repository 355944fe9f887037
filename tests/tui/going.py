"""A dashboard that opens on one screen, and how tests press its keys and read its tables."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

from textual.pilot import Pilot
from textual.widgets import DataTable

from mlbench.store.paths import StorePaths
from mlbench.tui import app
from mlbench.tui.app import Dashboard
from mlbench.tui.view import View
from tests.tui.conftest import settled

STYLES = str(Path(app.__file__).with_name("dashboard.tcss"))  # Textual looks beside the class


@asynccontextmanager
async def opened(
    paths: StorePaths, screen: type[View], size: tuple[int, int] = (120, 30)
) -> AsyncIterator[Pilot[Any]]:
    """Open a dashboard that has one screen only, and wait until it shows what it has."""

    class OneScreen(Dashboard):
        CSS_PATH = STYLES
        DEFAULT_MODE = "it"
        MODES: ClassVar[dict[str, Any]] = {"it": screen}

        def import_screens(self) -> None:  # type: ignore[override]
            """Import none: tests of others do."""

    async with OneScreen(paths).run_test(size=size) as pilot:
        await settled(pilot)
        yield pilot


async def press(pilot: Pilot[Any], *keys: str) -> None:
    """Press keys, waiting after each until what it asks for is shown."""
    for key in keys:
        await pilot.press(key)
        await settled(pilot)


def cells(pilot: Pilot[Any], query: str) -> list[list[str]]:
    """Return what stands in a table, row by row."""
    table: DataTable[Any] = pilot.app.screen.query_one(query, DataTable)
    return [[str(cell) for cell in table.get_row_at(row)] for row in range(table.row_count)]


def said(pilot: Pilot[Any], query: str) -> str:
    """Return what a line of text says, in full even where the screen is narrow."""
    return str(pilot.app.screen.query_one(query).render())
