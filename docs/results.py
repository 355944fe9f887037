"""Run the commands of docs/results.md over the runs beside it, and write below what they print.

    python docs/results.py            # also draws the figures
    python docs/results.py --check    # says what has changed, and changes nothing

The page speaks of a database ``results.duckdb``; here it is made of the tables in ``docs/results``
in a folder of its own. What a session of the page prints on standard output is its text.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "results.md"
TABLES = ROOT / "docs" / "results"
DATABASE = "results.duckdb"
SESSION = re.compile(r"```console\n\$ (mlbench .*?[^\\])\n(.*?)```\n", re.DOTALL)
"""A command, which may go on after a backslash, and what it prints."""


def store(folder: Path) -> Path:
    """Return a database of all runs that lie beside the page."""
    database = folder / DATABASE
    for tables in sorted(path for path in TABLES.iterdir() if path.is_dir()):
        printed(["merge", str(tables), "--db", str(database)])
    return database


def refreshed(text: str, database: Path, *, draw: bool) -> str:
    """Return the page with what its commands print now.

    Args:
        text: The page.
        database: That of :func:`store`.
        draw: Whether to draw the figures, too, which print nothing.
    """

    def session(found: re.Match[str]) -> str:
        words = shlex.split(found[1].replace("\\\n", ""))[1:]
        if words[0] in {"merge", "sweep"} or (words[0] == "plot" and not draw):
            return found[0]
        told = printed([str(database) if word == DATABASE else word for word in words])
        return f"```console\n$ {found[1]}\n{told}```\n"

    return SESSION.sub(session, text)


def printed(words: list[str]) -> str:
    """Return what ``mlbench`` prints, called from the root of the repository.

    Raises:
        RuntimeError: It failed.
    """
    done = subprocess.run(  # noqa: S603 - commands of our own page
        [sys.executable, "-m", "mlbench", *words],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"mlbench {shlex.join(words)}: {done.stderr.strip()}")
    return done.stdout


def main() -> None:
    """Refresh the page, or say whether it is fresh."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="change nothing")
    check = parser.parse_args().check
    before = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        after = refreshed(before, store(Path(folder)), draw=not check)
    if check:
        sys.exit("docs/results.md is not what its commands print" if after != before else 0)
    PAGE.write_text(after, encoding="utf-8")


if __name__ == "__main__":
    main()
