"""``mlbench resume``."""

from __future__ import annotations

from pathlib import Path

import click

from mlbench.cli.outcome import report
from mlbench.cli.parameters import database_option
from mlbench.errors import MisuseError


@click.command()
@click.argument("run", required=False)
@click.option("--device", help="Go on here.  [default: where it began]")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads.  [default: as it began]")
@database_option
@click.option("--json", "as_json", is_flag=True, help="Print results as JSON.")
def command(
    run: str | None, device: str | None, threads: int | None, database: Path, as_json: bool
) -> None:
    r"""Go on with RUN, or with the run that stopped last before its end.

    On a CPU with as many threads as before, the numbers are those of a run that never stopped. One
    of several seeds that were computed together goes on alone, to the same numbers up to rounding;
    the command that began them goes on with all of them.

    \b
    Examples:
      mlbench resume
      mlbench resume turtle-mini-1f3a9c2e
    """
    from mlbench.cli.progress import observer, tell
    from mlbench.session.resume import resumable, resume
    from mlbench.store.paths import StorePaths

    paths = StorePaths(database)
    if run is None:
        names = resumable(paths)
        if not names:
            raise MisuseError(
                f"no run of {database} was interrupted or failed;"
                f" 'mlbench list runs{paths.option}' shows them all"
            )
        run = names[0]
    launched = resume(paths, run, observer(), tell, device=device, threads=threads)
    report(launched, database, as_json=as_json)
    if launched.exit_code:
        raise SystemExit(launched.exit_code)
