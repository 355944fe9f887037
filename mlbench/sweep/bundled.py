"""The grids that come with mlbench, and those of the user's files."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path

from mlbench.errors import MisuseError
from mlbench.sweep.grid import Grid, parse_grid

SUFFIX = ".toml"


def bundled_names() -> list[str]:
    """Return the names of the bundled grids."""
    folder = files("mlbench.experiments")
    names = (file.name for file in folder.iterdir() if file.name.endswith(SUFFIX))
    return sorted(name.removesuffix(SUFFIX) for name in names)


def load_grid(name: str) -> Grid:
    """Return a grid by the name of a bundled one, or from a file.

    Raises:
        MisuseError: There is none, it cannot be read, or it is no grid.
    """
    known = bundled_names()
    if name in known:
        text = files("mlbench.experiments").joinpath(name + SUFFIX).read_text(encoding="utf-8")
        return resolved(parse_grid(text, name), known)
    path = Path(name)
    if not path.exists():
        near = get_close_matches(name, known, 1)
        guess = f"; did you mean {near[0]!r}?" if near else f"; bundled are: {', '.join(known)}"
        raise MisuseError(f"there is no file {name!r}, and no bundled sweep of that name{guess}")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise MisuseError(f"{name} cannot be read: {reason}; name a file in TOML") from error
    return resolved(parse_grid(text, path.name), known)


def resolved(grid: Grid, known: list[str]) -> Grid:
    """Return a grid with the runs of the bundled one that it names, if it names one."""
    if grid.runs_of is None:
        return grid
    if grid.runs_of not in known or grid.runs_of == grid.name:
        others = ", ".join(one for one in known if one != grid.name)
        raise MisuseError(f"{grid.name}: runs_of {grid.runs_of!r} is none of {others}")
    return replace(load_grid(grid.runs_of), name=grid.name, title=grid.title)
