"""``mlbench data``: real images, packed once from the folders in which people have them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlbench.cli.output import Form, form_options, print_rows
from mlbench.errors import DataError, MisuseError, PluginError

if TYPE_CHECKING:
    from mlbench.images.pack import Manifest
    from mlbench.images.packed import PackedImages

TEXT_COLUMNS = ("name", "classes", "images", "megabytes", "fingerprint", "state")
ALL_COLUMNS = (
    *("name", "state", "missing", "fingerprint", "folder", "root", "layout", "split_rule"),
    *("resize", "image_size", "splits", "megabytes"),
)


@click.group("data")
def command() -> None:
    """Pack, list, check and remove data sets made of image files."""


@command.command()
@click.argument("name")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--partial", is_flag=True, help="Accept classes or files that are missing; results say so."
)
@click.option("--replace", is_flag=True, help="Take the place of other content of that name.")
@form_options
def add(name: str, path: Path, partial: bool, replace: bool, form: Form) -> None:
    r"""Pack data set NAME from folder PATH.

    Which of the layouts of NAME the images have is found out and said; a wrong PATH says which
    there are.

    \b
    Examples:
      mlbench data add mini ~/miniimagenet
      mlbench data add cub ~/CUB_200_2011
    """
    data = packable(name)
    from mlbench.images import packing
    from mlbench.images.originals import find_originals

    originals = find_originals(data, path)
    count = originals.listing.count
    tell(f"{name}: {count} images in {originals.root}, {originals.layout.name}")
    if absent := originals.listing.absent:
        tell(f"{len(absent)} more are listed and absent, the first of them {absent[0]}")
    began = time.perf_counter()
    with progress(f"Packing {name}", count) as advance:
        added = packing.add(data, originals, partial=partial, replace=replace, advance=advance)
    seconds = time.perf_counter() - began
    if added.outcome == "unchanged":
        tell(f"{name} was packed with this very content before; nothing has changed")
    else:
        tell(f"{added.outcome} in {seconds:.1f} s")
    if added.manifest.missing is not None:
        tell(f"incomplete: {added.manifest.missing}; every result of {name} will say so")
    show([described(added.manifest)], form)


@command.command("list")
@form_options
def list_packed(form: Form) -> None:
    r"""List the packed data sets.

    \b
    Examples:
      mlbench data list
      mlbench data list --json
    """
    from mlbench.images.home import data_home, packed_names
    from mlbench.images.pack import Pack

    names = packed_names()
    if not names:
        tell(f"no data set is packed in {data_home()}; to pack one: mlbench data add NAME PATH")
    rows = []
    for name in names:
        try:
            rows.append(described(Pack.open(name).manifest))
        except DataError as err:
            rows.append({**dict.fromkeys(ALL_COLUMNS), "name": name, "state": str(err)})
    show(rows, form)


@command.command()
@click.argument("name")
@form_options
def verify(name: str, form: Form) -> None:
    r"""Compare every pixel of NAME with its hash.

    \b
    Examples:
      mlbench data verify mini
    """
    from mlbench.images.home import require_packed
    from mlbench.images.pack import Pack

    require_packed(name)
    pack = Pack.open(name)
    for split in pack.manifest.splits:
        pack.verify(split)
    tell(f"{name} is as it was packed")
    show([described(pack.manifest)], form)


@command.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(name: str, yes: bool) -> None:
    r"""Remove packed data set NAME.

    The files it was packed from are left alone.

    \b
    Examples:
      mlbench data remove mini --yes
    """
    from mlbench.images.home import pack_folder, remove_pack, require_packed

    require_packed(name)
    if not yes:
        click.confirm(f"Remove {pack_folder(name)}?", abort=True, err=True)
    remove_pack(name)
    tell(f"{name} is removed")


def packable(name: str) -> type[PackedImages]:
    """Return a data set that is packed from files, or refuse the name and list those that are."""
    from mlbench.images.packed import PackedImages
    from mlbench.registry import find_plugins, load_dataset

    plugins = find_plugins("datasets")
    if name in plugins and issubclass(data := load_dataset(name), PackedImages):
        return data
    packables = []
    for each in plugins:
        try:
            if issubclass(load_dataset(each), PackedImages):
                packables.append(each)
        except PluginError as err:
            tell(f"left out: {err}")
    why = "is generated, not packed from files" if name in plugins else "is not known"
    raise MisuseError(f"data set {name!r} {why}; to add there are: {', '.join(packables)}")


def described(manifest: Manifest) -> dict[str, Any]:
    """Return what is printed of a packed data set."""
    from mlbench.images.home import pack_folder

    return {
        "name": manifest.name,
        "state": manifest.missing or "whole",
        "missing": manifest.missing,
        "fingerprint": manifest.fingerprint,
        "folder": str(pack_folder(manifest.name)),
        "root": manifest.root,
        "layout": manifest.layout,
        "split_rule": manifest.split_rule,
        "resize": manifest.resize,
        "image_size": manifest.image_size,
        "splits": {
            split: {"classes": len(packed.class_names), "images": packed.count}
            for split, packed in manifest.splits.items()
        },
        "megabytes": round(manifest.file_bytes / 1e6, 1),
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
def progress(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """Draw a bar on the terminal while images are packed; elsewhere, nothing."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(title, total=total)
        yield lambda images: bar.advance(task, images)


def tell(text: str) -> None:
    """Narrate on stderr."""
    click.echo(text, err=True)
