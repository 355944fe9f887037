"""What this machine has, what is missing or broken, and what to do about it.

Nothing heavy is imported before it is known to import: a broken torch is a finding, too.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mlbench import __version__
from mlbench.errors import DataError, MlbenchError, PluginError, StoreBusyError
from mlbench.native.compiler import command
from mlbench.plugins import ROOTS_VARIABLE, idle_roots
from mlbench.registry import KINDS, NOUNS, Plugin, find_plugins, load_plugin

if TYPE_CHECKING:
    from mlbench.contract import Dataset
    from mlbench.store.paths import StorePaths

Mark = Literal["ok", "warn", "fail"]
PACKAGES = (
    *("torch", "torchvision", "numpy", "pillow", "duckdb", "polars", "pyarrow"),
    *("scipy", "click", "rich", "textual", "altair"),
)
PATIENCE = 0.5  # seconds to wait for a database that others use
LITTLE_MEMORY = 2e9
LITTLE_SPACE = 2e9
NO_SPACE = 50e6


@dataclass(frozen=True)
class Finding:
    """One line of a check-up.

    Args:
        topic: What was looked at.
        mark: ``warn`` limits what can be done here, ``fail`` is broken.
        found: What it is like.
        remedy: What to do about it.
    """

    topic: str
    mark: Mark
    found: str
    remedy: str = ""


def check_up(database: Path) -> Iterator[Finding]:
    """Yield what is found, one after the other: some of it takes a second."""
    yield Finding("python", "ok", f"{platform.python_version()} at {sys.executable}")
    yield Finding("mlbench", "ok", f"{__version__} at {Path(__file__).parent}")
    yield from map(check_package, PACKAGES)
    torch = check_torch()
    yield torch
    if torch.mark != "fail":
        yield from check_processor()
        yield check_gpu()
        yield check_compiler()
        yield from check_plugins()
        yield from check_data()
    yield from check_database(database)
    yield from check_space(database)


def check_package(name: str) -> Finding:
    """Return whether a package is installed, in a version that mlbench can use."""
    try:
        found = version(name)
    except PackageNotFoundError:
        return Finding(name, "fail", "not installed", "pip install mlbench brings it")
    if name == "duckdb" and not (1, 5, 6) <= tuple(map(int, re.findall(r"\d+", found)[:3])) < (2,):
        return Finding(
            name,
            "fail",
            f"{found}, which may lose rows that several processes write",
            "pip install 'duckdb>=1.5.6,<2'",
        )
    return Finding(name, "ok", found)


def check_torch() -> Finding:
    """Return whether torch and torchvision can be imported together."""
    try:
        import torch
        import torchvision
    except (ImportError, OSError, RuntimeError) as err:
        reason = " ".join(str(err).split())
        return Finding(
            "torch import",
            "fail",
            f"torch and torchvision do not load together: {reason}",
            "pip install --force-reinstall torch torchvision, both from one index",
        )
    return Finding("torch import", "ok", f"{torch.__version__} with {torchvision.__version__}")


def check_processor() -> Iterator[Finding]:
    """Yield cores, threads and memory."""
    import torch

    from mlbench.run.device import usable_cores
    from mlbench.run.machine import cpu_name, memory_bytes

    cores = f"{usable_cores()} of {os.cpu_count()} cores usable"
    yield Finding("cpu", "ok", f"{cpu_name()}, {cores}, {torch.get_num_threads()} threads of torch")
    memory = memory_bytes()
    if memory is not None:
        little = memory < LITTLE_MEMORY
        remedy = "choose small budgets or a smaller learner" if little else ""
        yield Finding("memory", "warn" if little else "ok", f"{memory / 1e9:.1f} GB", remedy)


def check_gpu() -> Finding:
    """Return which GPUs torch can use."""
    import torch

    if torch.cuda.is_available():
        devices = (torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count()))
        names = ", ".join(f"{d.name} ({d.total_memory / 1e9:.0f} GB)" for d in devices)
        return Finding("gpu", "ok", names)
    if shutil.which("nvidia-smi"):
        return Finding(
            "gpu",
            "warn",
            f"there is an NVIDIA driver that torch {torch.__version__} cannot use",
            "update the driver, or install a torch that is built for its CUDA version",
        )
    return Finding("gpu", "ok", "none; runs are computed on the CPU")


def check_compiler() -> Finding:
    """Return the C++ compiler that torch.compile would call."""
    if found := shutil.which(name := command()[0]):
        return Finding("compiler", "ok", found)
    missing = f"torch.compile would call {name}, which is not here"
    remedy = "install it (on Debian and Ubuntu: apt install g++), or name another in CXX"
    return Finding("compiler", "warn", missing, remedy)


def check_plugins() -> Iterator[Finding]:
    """Yield how many plugins there are, and each that cannot be used."""
    for kind in KINDS:
        plugins = find_plugins(kind).values()
        faults = list(filter(None, map(plugin_fault, plugins)))
        yield Finding(kind, "ok", f"{len(plugins) - len(faults)} usable, see 'mlbench list {kind}'")
        for fault in faults:
            reason, _, remedy = fault.rpartition("; ")
            yield Finding(NOUNS[kind], "fail", reason, remedy)
    for root in idle_roots():
        remedy = f"make one of them there, or take it out of {ROOTS_VARIABLE}"
        found = f"{ROOTS_VARIABLE} names {root}, where neither algorithms/ nor datasets/ is"
        yield Finding("plugins", "warn", found, remedy)


def plugin_fault(plugin: Plugin) -> str | None:
    """Return why a plugin cannot be used, or ``None``."""
    try:
        load_plugin(plugin)
    except PluginError as err:
        return str(err)
    return None


def check_data() -> Iterator[Finding]:
    """Yield where data lie, and for each data set whether it is there."""
    from mlbench.images.home import HOME_VARIABLE, data_home

    home = data_home()
    if home.exists() and not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        remedy = f"set {HOME_VARIABLE} to a folder that can be written"
        yield Finding("data home", "warn", f"{home} cannot be read and written", remedy)
    else:
        yield Finding("data home", "ok", str(home))
    for plugin in find_plugins("datasets").values():
        if plugin_fault(plugin) is None:
            cls: type[Dataset] = load_plugin(plugin)  # type: ignore[assignment]
            yield check_dataset(cls)


def check_dataset(cls: type[Dataset]) -> Finding:
    """Return whether a data set is there and whole; what it lacks is in its own words."""
    topic = f"dataset {cls.name}"
    try:
        dataset = cls()
        identity, missing = dataset.fingerprint, dataset.incomplete
    except DataError as err:
        reason, _, remedy = str(err).partition("; ")
        return Finding(topic, "warn", reason, remedy)
    except Exception as err:  # a plugin is anybody's code
        return Finding(topic, "fail", f"{type(err).__name__}: {err}", "correct the plugin")
    if missing:
        remedy = "add all of it for results that compare with published ones"
        return Finding(topic, "warn", f"incomplete: {missing}", remedy)
    return Finding(topic, "ok", f"complete ({identity})")


def check_database(database: Path) -> Iterator[Finding]:
    """Yield the state of the database and of the journals that wait to be taken in."""
    try:
        from mlbench.store.paths import StorePaths

        yield from check_store(StorePaths(database))
    except StoreBusyError as err:
        reason, _, remedy = str(err).partition("; ")
        yield Finding("database", "warn", reason, f"{remedy}; runs go on meanwhile")
    except MlbenchError as err:
        reason, _, remedy = str(err).partition("; ")
        yield Finding("database", "fail", reason, remedy)
    except ImportError as err:
        yield Finding("database", "fail", str(err), "pip install mlbench brings what is missing")


def check_store(paths: StorePaths) -> Iterator[Finding]:
    """Yield what a store holds.

    Raises:
        StoreError: It cannot be used.
    """
    from mlbench.store import connection, schema
    from mlbench.store.ingest import refresh
    from mlbench.store.journal import list_journals

    paths.check_home()
    journals = list_journals(paths)
    if not connection.exists(paths.database) and not journals:
        yield Finding("database", "ok", f"{paths.database} does not exist; the first run makes it")
        return
    report = refresh(paths, patience=PATIENCE)
    with connection.read(paths, patience=PATIENCE) as connected:
        found = schema.version(connected)
        rows = connected.execute("SELECT status, count(*) FROM runs GROUP BY 1 ORDER BY 1")
        counts = ", ".join(f"{count} {status}" for status, count in rows.fetchall())
    yield Finding("database", "ok", f"{paths.database}: schema {found}; runs: {counts or 'none'}")
    if report.waiting:
        reason, _, remedy = report.waiting.partition("; ")
        yield Finding("journals", "warn", f"what is in them waits: {reason}", remedy)
    for damage in report.damaged:
        reason, _, remedy = damage.partition("; ")
        yield Finding("journals", "warn", reason, remedy)


def check_space(database: Path) -> Iterator[Finding]:
    """Yield the free space where runs are recorded and where data lie."""
    from mlbench.images.home import data_home

    for topic, folder in (("disk of the database", database), ("disk of the data", data_home())):
        folders = (folder.absolute(), *folder.absolute().parents)
        existing = next(each for each in folders if each.is_dir())
        free = shutil.disk_usage(existing).free
        mark: Mark = "fail" if free < NO_SPACE else "warn" if free < LITTLE_SPACE else "ok"
        remedy = "" if mark == "ok" else "make room: checkpoints and packed data sets need some GB"
        yield Finding(topic, mark, f"{free / 1e9:.1f} GB free at {existing}", remedy)
