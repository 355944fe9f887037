"""Run the commands of the pages of results over the runs beside them, and write what they print.

    python docs/results.py            # also draws the figures
    python docs/results.py --check    # says what has changed, and changes nothing

The pages speak of databases such as ``sine.duckdb``; each is made here of the tables in a folder of
``docs/results``, in a folder of its own. What a session of a page prints on standard output is its
text.
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
PAGES = sorted((ROOT / "docs").glob("results*.md"))
TABLES = ROOT / "docs" / "results"
SESSION = re.compile(r"```console\n\$ (mlbench .*?[^\\])\n(.*?)```\n", re.DOTALL)
"""A command, which may go on after a backslash, and what it prints."""


def databases(folder: Path) -> dict[str, str]:
    """Return the databases of the runs that lie beside the pages, by the names that pages use."""
    made = {}
    for tables in sorted(path for path in TABLES.iterdir() if path.is_dir()):
        database = folder / f"{tables.name}.duckdb"
        printed(["merge", str(tables), "--db", str(database)])
        made[database.name] = str(database)
    return made


def refreshed(text: str, paths: dict[str, str], *, draw: bool) -> str:
    """Return a page with what its commands print now.

    Args:
        text: The page.
        paths: Those of :func:`databases`.
        draw: Whether to draw the figures, too, which print nothing.
    """

    def session(found: re.Match[str]) -> str:
        words = shlex.split(found[1].replace("\\\n", ""))[1:]
        if words[0] == "plot" and not draw:
            return found[0]
        told = printed([paths.get(word, word) for word in words])
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
    """Refresh the pages, or say whether they are fresh."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="change nothing")
    check = parser.parse_args().check
    stale = []
    with tempfile.TemporaryDirectory() as folder:
        paths = databases(Path(folder))
        for page in PAGES:
            before = page.read_text(encoding="utf-8")
            after = refreshed(before, paths, draw=not check)
            if check and after != before:
                stale.append(page.name)
            elif not check:
                page.write_text(after, encoding="utf-8")
    if stale:
        sys.exit(f"not what their commands print: {', '.join(stale)}")


if __name__ == "__main__":
    main()
