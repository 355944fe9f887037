"""Stand-ins for Slurm's commands, which say what a test tells them to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SBATCH = """#!/bin/bash
cp "$1" "{folder}/script.$(ls "{folder}" | grep -c '^script')"
env >"{folder}/environment"
{extra}
echo "Submitted batch job 4$(ls "{folder}" | grep -c '^script')"
"""
SQUEUE = """#!/bin/sh
echo "$@" >>"{folder}/asked"
cat "{folder}/queue" 2>/dev/null && exit
echo "squeue: error: Unable to contact slurm controller" >&2
exit 1
"""
SCONTROL = """#!/bin/sh
echo "MaxArraySize            = {size}"
"""


class FakeSlurm:
    """A folder of commands on ``PATH`` that stand in for Slurm's.

    Args:
        folder: Theirs, where they leave what they were asked.
        monkeypatch: Of the test.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        folder.mkdir()
        monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
        monkeypatch.delenv("SLURM_CONF", raising=False)
        self.says()
        self.put("srun", "#!/bin/sh\n")
        self.put("squeue", SQUEUE.format(folder=folder))
        self.sbatch("")
        self.largest_array(1000)

    def put(self, name: str, text: str) -> None:
        """Write a command."""
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o755)

    def sbatch(self, extra: str) -> None:
        """Let sbatch do something before it says which number the jobs have."""
        self.put("sbatch", SBATCH.format(folder=self.folder, extra=extra))

    def largest_array(self, size: int) -> None:
        """Say how many jobs an array may have."""
        self.put("scontrol", SCONTROL.format(size=size + 1))

    def says(self, *lines: str) -> None:
        """Let squeue list jobs: ``ID|STATE|NAME|REASON``."""
        (self.folder / "queue").write_text("".join(f"{line}\n" for line in lines))

    def is_down(self) -> None:
        """Let squeue fail."""
        (self.folder / "queue").unlink()

    @property
    def scripts(self) -> list[str]:
        """Return what was given to sbatch, in order."""
        return [path.read_text() for path in sorted(self.folder.glob("script.*"))]

    @property
    def environment(self) -> set[str]:
        """Return the names of the variables that sbatch saw last."""
        lines = (self.folder / "environment").read_text().splitlines()
        return {line.partition("=")[0] for line in lines}

    @property
    def asked(self) -> int:
        """Return how often squeue was called."""
        path = self.folder / "asked"
        return len(path.read_text().splitlines()) if path.exists() else 0
