"""What verbs that read the database say of what could not be taken in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mlbench.cli.output import narrate
from mlbench.errors import MlbenchError
from mlbench.store.paths import StorePaths


@contextmanager
def up_to_date(paths: StorePaths, what: str) -> Iterator[tuple[str, ...]]:
    """Take in what waits in the journals, and yield why something could not be.

    That is told at the end; an error tells it too.

    Args:
        paths: The store.
        what: What is made of it, such as ``the table``.
    """
    from mlbench.store.ingest import refresh

    report = refresh(paths)
    troubles = (*report.damaged, *filter(None, [report.waiting]))
    try:
        yield troubles
    except MlbenchError as error:
        for trouble in troubles:
            if trouble not in str(error):
                error.add_note(f"{what} lacks what was recorded last: {trouble}")
        raise
    for trouble in troubles:
        narrate(f"Note: {what} may lack what was recorded last: {trouble}")
