"""``mlbench tui``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from mlbench.cli.parameters import database_option


@click.command()
@database_option
def command(database: Path) -> None:
    r"""Watch runs as they go on, their learning curves, tables and times.

    The dashboard reads and never writes what runs record; it can be opened and closed at any
    time, in several terminals at once. ``?`` shows the keys.

    \b
    Examples:
      mlbench tui
      mlbench tui --db study.duckdb
    """
    from mlbench.errors import MisuseError
    from mlbench.store.paths import StorePaths
    from mlbench.tui.app import Dashboard

    paths = StorePaths(database)
    paths.check_home()
    streams = (sys.stdin, sys.stderr)  # Textual draws on stderr; a stream that is closed is None
    if not all(stream is not None and stream.isatty() for stream in streams):
        raise MisuseError(
            "the dashboard needs a terminal, on stdin for its keys and on stderr to draw on;"
            f" 'mlbench table{paths.option}' does without"
        )
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)  # where they are exported, they outlive the size that they tell
    Dashboard(paths).run()
