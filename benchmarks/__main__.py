"""Run benchmarks by name: ``python -m benchmarks [NAME ...] [--quick] [--list]``.

Each is also a program of its own, with options of its own: ``python -m benchmarks.NAME --help``.
Without names, those that compare with peers and show growth are run.
"""

from __future__ import annotations

import argparse
import ast
import shlex
import subprocess
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

USUAL = ("sine", "conv4", "memory", "growth")
GUARD = 'if __name__ == "__main__":'


class Program(NamedTuple):
    """A benchmark.

    Args:
        summary: The first line of what it says of itself.
        quick: Whether it says there that it can be told to be quick.
    """

    summary: str
    quick: bool


def programs() -> dict[str, Program]:
    """Return what can be run, by name: every file here that is a program."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        source = path.read_text(encoding="utf-8")
        if GUARD in source:
            text = ast.get_docstring(ast.parse(source)) or path.stem
            found[path.stem] = Program(text.partition("\n")[0], "--quick" in text)
    return found


def main() -> int:
    """Run one program after another; return 1 if one failed."""
    known = programs()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"[default: {' '.join(USUAL)}]")
    parser.add_argument("--quick", action="store_true", help="small sizes: does it work at all?")
    parser.add_argument("--list", action="store_true", help="what there is")
    asked = parser.parse_args()
    if asked.list:
        width = max(map(len, known))
        for name, program in known.items():
            print(f"{name:<{width}}  {program.summary}")
        return 0
    for name in asked.names:
        if name not in known:
            near = get_close_matches(name, known, 1)
            guess = f"did you mean {near[0]!r}? There are: " if near else "there are: "
            parser.error(f"no benchmark {name!r}; {guess}{', '.join(known)}")
    failed = [name for name in asked.names or USUAL if not run(name, known[name], asked.quick)]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def run(name: str, program: Program, quick: bool) -> bool:
    """Run a program; return whether it succeeded."""
    module = ["-m", f"benchmarks.{name}", *(["--quick"] if quick and program.quick else [])]
    print(f"\n$ python {shlex.join(module)}", flush=True)
    return subprocess.run([sys.executable, *module], check=False).returncode == 0  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
