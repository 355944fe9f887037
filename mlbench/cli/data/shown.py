"""What verbs of ``mlbench data`` share: how packed data sets are printed, progress, narration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mlbench.cli.output import Form, narrate, print_rows

if TYPE_CHECKING:
    from mlbench.images.pack import Manifest

TEXT_COLUMNS = ("name", "classes", "images", "megabytes", "fingerprint", "state")
ALL_COLUMNS = (
    *("name", "state", "missing", "damaged", "fingerprint", "folder", "roots", "layout"),
    *(
        "resize",
        "crop",
        "invert",
        "image_size",
        "channels",
        "splits",
        "split_rule",
        "megabytes",
        "licence",
    ),
)


def described(manifest: Manifest) -> dict[str, Any]:
    """Return what is printed of a packed data set."""
    from mlbench.episodes import SPLITS
    from mlbench.images.home import pack_folder

    return {
        "name": manifest.name,
        "state": manifest.missing or "whole",
        "missing": manifest.missing,
        "damaged": list(manifest.damaged),
        "fingerprint": manifest.fingerprint,
        "folder": str(pack_folder(manifest.name)),
        "roots": list(manifest.roots),
        "layout": manifest.layout,
        "resize": manifest.recipe.resize,
        "crop": manifest.recipe.crop,
        "invert": manifest.recipe.invert,
        "image_size": manifest.recipe.image_size,
        "channels": manifest.recipe.channels,
        "splits": {
            split: {"classes": len(sizes), "images": sum(sizes)}
            for split, sizes in ((split, manifest.sizes(split)) for split in SPLITS)
        },
        "split_rule": manifest.split.rule,
        "megabytes": round(manifest.file_bytes / 1e6, 1),
        "licence": manifest.licence,
    }


def show(rows: list[dict[str, Any]], form: Form) -> None:
    """Print data sets: briefly as text, in full otherwise."""
    if form != "text":
        print_rows(rows, ALL_COLUMNS, form)
        return
    shown = []
    for row in rows:
        splits = (row["splits"] or {}).values()
        shown.append(
            {
                **row,
                "classes": "/".join(str(each["classes"]) for each in splits),
                "images": sum(each["images"] for each in splits),
                "fingerprint": (row["fingerprint"] or "")[:12],
            }
        )
    print_rows(shown, TEXT_COLUMNS)


@contextmanager
def progress(title: str, total: int, *, bytes_: bool = False) -> Iterator[Callable[[int], None]]:
    """Draw a bar on the terminal while something is counted; elsewhere, nothing.

    Args:
        title: What goes on.
        total: What is counted to: images, or bytes.
        bytes_: Whether it is bytes.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    console = Console(stderr=True)
    counts = (DownloadColumn(), TransferSpeedColumn()) if bytes_ else (MofNCompleteColumn(),)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        *counts,
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(title, total=total)
        yield lambda count: bar.advance(task, count)


def tell(text: str) -> None:
    """Narrate on stderr."""
    narrate(text)
