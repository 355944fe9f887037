"""The ``mlbench`` command: a group whose verbs are imported when they are called for."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, NoReturn, cast

import click

from mlbench import __version__
from mlbench.errors import MlbenchError
from mlbench.printable import printable

VERBS = {
    "run": "run",
    "resume": "resume",
    "sweep": "sweep",
    "list": "list_",
    "describe": "describe",
    "new": "new",
    "check": "check",
    "data": "data",
    "sql": "sql",
    "table": "table",
    "compare": "compare",
    "plot": "plot",
    "report": "report",
    "rebuild": "rebuild",
    "merge": "merge",
    "export": "export",
    "prune": "prune",
    "backup": "backup",
    "tui": "tui",
    "doctor": "doctor",
}
"""The module of each verb, in the order of ``mlbench --help``; each defines ``command``."""

INTERRUPTED = 130  # 128 + SIGINT, as shells have it


class Verbs(click.Group):
    """A group that reports every failure in one line: the thing, the reason, the remedy."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs, in the order in which one meets them."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a verb."""
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"mlbench.cli.{VERBS[cmd_name]}")
        return keep_line_breaks(cast("click.Command", module.command))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb, or suggest the nearest."""
        verb = args[0]
        if verb not in VERBS and not verb.startswith("-") and not ctx.resilient_parsing:
            near = get_close_matches(verb, VERBS, 1)
            guess = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"There is no command {verb!r}.{guess}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb; print the traceback of an error made for the user only on demand."""
        try:
            return super().invoke(ctx)
        except MlbenchError as err:
            if ctx.params.get("show_traceback"):
                traceback.print_exception(err)
            raise

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Run a command line and exit."""
        try:
            status = super().main(args, prog_name or "mlbench", complete_var, False, **extra)
            sys.stdout.flush()
        except click.exceptions.NoArgsIsHelpError as err:
            err.show()
            sys.exit(err.exit_code)
        except (MlbenchError, click.ClickException) as err:
            click.echo(f"Error: {one_line(err)}", err=True)
            sys.exit(err.exit_code)
        except click.Abort as err:
            interrupted = isinstance(err.__cause__, KeyboardInterrupt)
            click.echo("Interrupted." if interrupted else "Nothing was done.", err=True)
            sys.exit(INTERRUPTED if interrupted else 1)
        except BrokenPipeError:
            # Whoever read our output has seen enough; Python must not complain when it exits.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        sys.exit(status if isinstance(status, int) else 0)


def keep_line_breaks(command: click.Command) -> click.Command:
    r"""Make click see its mark ``\b`` in raw docstrings, where that is two characters."""
    command.help = (command.help or "").replace("\\b\n", "\b\n")
    if isinstance(command, click.Group):
        for each in command.commands.values():
            keep_line_breaks(each)
    return command


def one_line(err: MlbenchError | click.ClickException) -> str:
    """Return an error's message in one line; of misused options, with where to read on."""
    if not isinstance(err, click.UsageError) or err.ctx is None:
        notes = "".join(f" ({note})" for note in getattr(err, "__notes__", ()))
        return printable(" ".join(str(err).splitlines()) + notes)
    message = printable(" ".join(err.format_message().split()))
    stop = "" if message.endswith((".", "?", "!", ")")) else "."
    return f"{message}{stop} See '{err.ctx.command_path} --help'."


@click.group("mlbench", cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mlbench")
@click.option("--traceback", "show_traceback", is_flag=True, help="Show where an error came from.")
def main(show_traceback: bool) -> None:
    """Benchmark few-shot meta-learning techniques."""
