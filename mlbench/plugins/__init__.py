"""Where plugin files lie; each kind is a package whose ``__path__`` spans all its folders.

A technique in ``./algorithms/mine.py`` is the module ``mlbench.plugins.algorithms.mine``, so its
class pickles, ``from .maml import Maml`` finds its sibling, and nothing is importable as
``datasets``.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Literal

Kind = Literal["algorithms", "datasets"]
KINDS: tuple[Kind, ...] = ("algorithms", "datasets")
ROOTS_VARIABLE = "MLBENCH_PLUGINS"


def plugin_folders(kind: Kind) -> list[Path]:
    """Return the folders that hold plugins of a kind: bundled, ``./``, ``$MLBENCH_PLUGINS``.

    A folder with an ``__init__.py`` is a package of somebody else's and is left alone; one that
    is reached by two ways counts once.
    """
    root = checkout()
    roots = [*([root] if root else []), Path.cwd(), *named_roots()]
    folders = {(Path(__file__).parent / kind).resolve(): None}
    for folder in (root / kind for root in roots):
        if _is_plugin_folder(folder):
            folders[folder.resolve()] = None
    return list(folders)


def named_roots() -> list[Path]:
    """Return the roots that ``$MLBENCH_PLUGINS`` names, whether or not they hold anything."""
    texts = os.environ.get(ROOTS_VARIABLE, "").split(os.pathsep)
    return [Path(text).expanduser() for text in texts if text]


def idle_roots() -> list[Path]:
    """Return the roots of ``$MLBENCH_PLUGINS`` in which there is no plugin folder."""
    return [
        root for root in named_roots() if not any(_is_plugin_folder(root / kind) for kind in KINDS)
    ]


def _is_plugin_folder(folder: Path) -> bool:
    readable = folder.is_dir() and os.access(folder, os.R_OK | os.X_OK)
    return readable and not (folder / "__init__.py").exists()


def checkout() -> Path | None:
    """Return the checkout that mlbench runs from, if it runs from one.

    Only mlbench's own pyproject.toml tells: ``site-packages/algorithms`` is somebody else's.
    """
    root = Path(__file__).parents[2]
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        ours = project["name"] == "mlbench"
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return root if ours else None


def recorded_path(file: Path) -> str:
    """Return a plugin file's path as runs record it: ``algorithms/maml.py`` if it is bundled.

    Where mlbench is installed is nobody else's business; a user's own file is told in full.
    """
    for root in filter(None, (checkout(), Path(__file__).parent)):
        if file.is_relative_to(root.resolve()):
            return file.relative_to(root.resolve()).as_posix()
    return str(file)
