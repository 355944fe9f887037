"""What a refused command prints: nothing on stdout, and one line that names its error."""

from __future__ import annotations

from click.testing import Result


def refusal(result: Result, code: int) -> str:
    """Return the line, seen to be the last of what a command of that exit code says."""
    assert result.exit_code == code
    assert result.stdout == ""
    line = result.stderr.splitlines()[-1]
    assert line.startswith("Error: ")
    return line
