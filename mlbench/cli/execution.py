"""The options that say what runs are computed on, of every verb that computes some."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from mlbench.contract import ProblemKind
    from mlbench.run.device import Compile, EngineName, Execution

F = TypeVar("F", bound=Callable[..., Any])
COUNT = click.IntRange(min=1)


@dataclass(frozen=True, kw_only=True)
class ExecutionOptions:
    """What was said of device, threads and engine; ``auto`` and ``None`` leave it to mlbench."""

    device: str = "auto"
    threads: int | None = None
    engine: EngineName = "auto"
    compile: Compile = "auto"
    tf32: bool = False
    deterministic: bool = False

    def choose(self, kind: ProblemKind) -> Execution:
        """Return what this machine offers for a kind of problem, as it was asked for.

        Raises:
            MisuseError: It offers no such thing.
        """
        from mlbench.run.device import choose_execution

        return choose_execution(
            kind,
            self.device,
            self.threads,
            self.engine,
            self.compile,
            tf32=self.tf32,
            deterministic=self.deterministic,
        )

    @property
    def arguments(self) -> tuple[str, ...]:
        """Return what gives a command line of ``mlbench run`` the same options."""
        given: list[str] = []
        for name in ("device", "threads", "engine", "compile"):
            value = getattr(self, name)
            if value != getattr(ExecutionOptions, name):
                given += [f"--{name}", str(value)]
        given += [f"--{name}" for name in ("tf32", "deterministic") if getattr(self, name)]
        return tuple(given)


OPTIONS = (
    click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:1, ..."),
    click.option("--threads", type=COUNT, help="CPU threads.  [default: all cores; regression: 1]"),
    click.option(
        "--engine",
        type=click.Choice(["auto", "loop", "stacked", "mixed", "adjoint"]),
        default="auto",
        show_default=True,
        help="How tasks are run together; results agree. adjoint: memory that does not grow with"
        " T.",
    ),
    click.option(
        "--compile",
        type=click.Choice(["auto", "on", "off"]),
        default="auto",
        show_default=True,
        help="Make machine code of the meta-step of small learners, and of the networks of update"
        " rules; auto: where the budget pays for it.",
    ),
    click.option(
        "--tf32", is_flag=True, help="GPU: round the factors of float32 products to TF32."
    ),
    click.option(
        "--deterministic", is_flag=True, help="GPU: the same bits every time, more slowly."
    ),
)


def execution_options(function: F) -> F:
    """Add these options, which a command takes as ``execution: ExecutionOptions``."""

    @wraps(function)
    def command(**given: Any) -> Any:
        names = ExecutionOptions.__dataclass_fields__
        said = {name: given.pop(name) for name in names}
        return function(execution=ExecutionOptions(**said), **given)

    for option in reversed(OPTIONS):
        command = option(command)
    return command  # type: ignore[return-value]
