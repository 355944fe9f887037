"""What can go wrong, in words a user can act on; the command line prints no traceback.

Every message names the thing, the reason and the remedy, in one line.
"""

from __future__ import annotations

from typing import ClassVar


class MlbenchError(Exception):
    """Base of every error whose message is meant for the user."""

    exit_code: ClassVar[int] = 1


class MisuseError(MlbenchError):
    """What was asked for makes no sense: an unknown name, a value out of range."""

    exit_code = 2


class PluginError(MlbenchError):
    """A plugin is ambiguous, cannot be imported, or breaks the contract."""


class CompilationError(MlbenchError):
    """A compiler is there, and fails."""


class DataError(MlbenchError):
    """A data set is absent, incomplete, damaged or changed."""


class CheckpointError(MlbenchError):
    """A checkpoint is damaged or belongs to another run."""


class StoreError(MlbenchError):
    """The database or a journal cannot be used."""


class StoreBusyError(StoreError):
    """Another process held the database for longer than we were willing to wait.

    Args:
        message: For the user.
        holder: Which process, in a few words.
        ours: Whether that is this very process, by another of its threads.
    """

    def __init__(self, message: str, holder: str, *, ours: bool = False) -> None:
        super().__init__(message)
        self.holder = holder
        self.ours = ours


class StoreReadOnlyError(StoreError):
    """The database may be read here, but not written."""


class RunDoneError(StoreError):
    """A run that was to go on has its result already: another process was quicker.

    Args:
        message: For the user.
        run_ids: Which runs have theirs.
    """

    def __init__(self, message: str, run_ids: tuple[str, ...]) -> None:
        super().__init__(message)
        self.run_ids = run_ids


class NothingToDrawError(MlbenchError):
    """The chosen runs do not hold what a figure or a page shows."""


def first_line(error: BaseException) -> str:
    """Return the gist of what others say, who may go on for lines; its type if they say nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
