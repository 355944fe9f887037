"""Where a run came from: command, code, packages and machine."""

from __future__ import annotations

import os
import platform
import shlex
import socket
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from mlbench.plugins import checkout, recorded_path
from mlbench.registry import plugin_hashes
from mlbench.run.device import Execution, keep_memory, usable_cores
from mlbench.run.setup import Experiment

PACKAGES = ("mlbench", "torch", "torchvision", "numpy", "pillow", "duckdb", "polars")


def provenance(
    experiment: Experiment, execution: Execution, *, stacked: int, compiled: bool, program: bool
) -> dict[str, Any]:
    """Return what a journal's first line says of an attempt's origin.

    Args:
        experiment: What is run.
        execution: What on.
        stacked: How many runs are computed as one program.
        compiled: Whether their meta-step is.
        program: Whether they, or a single one, are a program of pure functions.
    """
    commit, dirty = git_state()
    return {
        "command": command_line(),
        "git_commit": commit,
        "git_dirty": dirty,
        "python": platform.python_version(),
        "packages": package_versions(),
        "plugin_files": plugin_files(experiment),
        "host": socket.gethostname(),
        "os": platform.platform(),
        "cpu": cpu_name(),
        "cores": usable_cores(),
        "memory_bytes": memory_bytes(),
        "gpu": gpu_name(execution),
        "device": execution.device,
        "threads": execution.threads,
        "engine": engine_name(experiment, execution, program=program),
        "stacked": stacked,
        "compiled": compiled,
        **execution.arithmetic(),
        "allocator": keep_memory(),
        "pid": os.getpid(),
    }


def engine_name(experiment: Experiment, execution: Execution, *, program: bool) -> str:
    """Return the engine's name, and how else the run is computed than the engine says."""
    # in such a program, tasks are stacked as runs are
    name = "stacked" if program else execution.engine_for(experiment.problem).name
    return f"{name}, native" if execution.native else name


def command_line() -> str:
    """Return what was typed, fit to be typed again."""
    program = Path(sys.argv[0]).name
    if program == "__main__.py":
        return shlex.join(["python", "-m", "mlbench", *sys.argv[1:]])
    return shlex.join([program, *sys.argv[1:]])


def package_versions() -> dict[str, str]:
    """Return the versions of what decides numbers; packages that are absent are left out."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def plugin_files(experiment: Experiment) -> dict[str, str]:
    """Return the SHA-256 of the files of the technique and of the data sets, by recorded path."""
    hashes = dict(plugin_hashes(experiment.algorithm_class))
    for dataset in experiment.datasets.values():
        hashes |= plugin_hashes(type(getattr(dataset, "original", dataset)))
    return {recorded_path(Path(file)): digest for file, digest in hashes.items()}


def git_state() -> tuple[str | None, bool | None]:
    """Return mlbench's own commit and whether it has changes; ``None`` for what is no checkout."""
    folder = checkout()
    if folder is None:
        return None, None
    commit = git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None, None
    changes = git(folder, "status", "--porcelain", "--untracked-files=no")
    return commit, None if changes is None else bool(changes)


def git(folder: Path, *arguments: str) -> str | None:
    """Return what a git command prints; ``None`` outside a checkout or without git."""
    try:
        done = subprocess.run(  # noqa: S603
            ["git", *arguments],  # noqa: S607
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def cpu_name() -> str | None:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or None
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine() or None)


def memory_bytes() -> int | None:
    """Return the memory of this machine."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def gpu_name(execution: Execution) -> str | None:
    """Return the GPU's name, where a run uses one."""
    device = execution.torch_device
    return torch.cuda.get_device_name(device) if device.type == "cuda" else None
