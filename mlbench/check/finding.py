"""What one check found, and how a check says so.

A check is a function of its subject that returns where the promise holds, raises
:class:`BreachError` where it does not, and :class:`NotDueError` where it is not owed. What else it
raises is the plugin's fault, told with the plugin's own line.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Generic, Literal, TypeVar

from mlbench.errors import MlbenchError

Subject = TypeVar("Subject")
Verdict = Literal["passed", "failed", "skipped"]


MEND = "mend that line"
LONGEST = 160  # characters of an exception's message


class BreachError(Exception):
    """The promise is broken; the message says how, and what to do if not what the check says."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.remedy = remedy


class NotDueError(Exception):
    """The promise is not owed, or cannot be checked; the message says why."""


@dataclass(frozen=True)
class Judgement:
    """A verdict on one subject.

    Args:
        verdict: Whether the promise holds.
        reason: Why not; empty where it does.
        remedy: What to do about it.
    """

    verdict: Verdict
    reason: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Check(Generic[Subject]):
    """One promise of the contract.

    Args:
        name: One word.
        promise: What holds, in a line.
        function: Looks whether it does.
        remedy: What to do where it does not.
        needs: Checks without which this one would say nothing.
    """

    name: str
    promise: str
    function: Callable[[Subject], None]
    remedy: str
    needs: tuple[str, ...] = ()

    def judge(self, subject: Subject, files: Collection[str]) -> Judgement:
        """Return what the check finds.

        Args:
            subject: What is checked.
            files: The plugin's, in which the line of an exception is looked for.
        """
        try:
            self.function(subject)
        except NotDueError as found:
            return Judgement("skipped", str(found))
        except BreachError as found:
            return Judgement("failed", str(found), found.remedy or self.remedy)
        except (Exception, SystemExit) as error:  # a plugin is anybody's code
            # What runs at all, and raises here, does so for what this check is about.
            return Judgement("failed", told(error, files), self.remedy if self.needs else MEND)
        return Judgement("passed")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of a plugin's check-up.

    Args:
        plugin: Its name.
        kind: What it is a plugin of.
        check: The check's name.
        promise: What the check looks for.
        verdict: Whether it was found.
        reason: Why not.
        remedy: What to do.
    """

    plugin: str
    kind: str
    check: str
    promise: str
    verdict: Verdict
    reason: str = ""
    remedy: str = ""


def told(error: BaseException, files: Collection[str]) -> str:
    """Return an exception in one line, with the innermost line of the plugin's that it crossed."""
    while isinstance(error, MlbenchError) and error.__cause__ is not None:
        error = error.__cause__
    text = textwrap.shorten(" ".join(str(error).split()), LONGEST, placeholder=" ...")
    if not isinstance(error, MlbenchError):
        text = f"{type(error).__name__}: {text}".removesuffix(": ")
    places = [(frame.tb_frame.f_code.co_filename, frame.tb_lineno) for frame in frames_of(error)]
    own = [place for place in places if place[0] in files] or places
    if not own:
        return text
    file, line = own[-1]
    return f"{text} ({Path(file).name}:{line})"


def frames_of(error: BaseException) -> Iterator[TracebackType]:
    """Yield the entries of a traceback, the innermost last."""
    trace = error.__traceback__
    while trace is not None:
        yield trace
        trace = trace.tb_next
