"""``mlbench data download``."""

from __future__ import annotations

import math
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlbench.cli.data.add import chosen_recipe, pack_options, pack_paths
from mlbench.cli.data.shown import described, progress, show, tell
from mlbench.cli.output import Form, form_options
from mlbench.errors import DataError, MisuseError

if TYPE_CHECKING:
    from mlbench.images.originals import Originals
    from mlbench.images.pack import Manifest
    from mlbench.images.packed import PackedImages
    from mlbench.images.recipe import Recipe


@click.command("download")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Accept the licence, and do not ask.")
@click.option(
    "--keep/--no-keep",
    default=True,
    show_default=True,
    help="Keep the downloaded files when they are packed.",
)
@pack_options
@form_options
def command(
    name: str,
    yes: bool,
    keep: bool,
    replace: bool,
    resize: Any,
    crop: Any,
    size: int | None,
    form: Form,
) -> None:
    r"""Download data set NAME from where its authors publish it, and pack it.

    What will come, from where and under which licence is said first. A download that breaks off is
    gone on with by the same command. Of a data set that mlbench may not download, this says how to
    get it.

    \b
    Examples:
      mlbench data download omniglot
      mlbench data download cub --crop bbox --yes
    """
    from mlbench.images.originals import find_originals

    data = downloadable(name)
    recipe = chosen_recipe(data, resize, crop, size)
    again = repeated(data, recipe, replace=replace)
    if not replace and (before := packed_before(data, recipe, again)):
        tell(f"{name} is packed already, and whole; nothing is downloaded")
        show([described(before)], form)
        return
    announce(data, recipe)
    if not yes:
        ask_for_consent(name, again)
    with resumable(name, again):
        paths = fetched(data)

        def find(roots: Sequence[Path]) -> tuple[type[PackedImages], Originals]:
            return data, find_originals(data, *roots, named=paths)

        manifest = pack_paths(
            name, paths, data.downloads, find, replace=replace, resize=resize, crop=crop, size=size
        )
    show([described(manifest)], form)
    if keep:
        tell(
            f"the downloaded files are kept in {paths[0].parent}; mlbench needs them no more, so"
            " you may delete them"
        )
    else:
        remove(paths)


def remove(paths: Sequence[Path]) -> None:
    """Remove files, and the folder that holds them if it holds nothing else."""
    for path in paths:
        path.unlink(missing_ok=True)
    with suppress(OSError):
        paths[0].parent.rmdir()


def downloadable(name: str) -> type[PackedImages]:
    """Return a data set that has official files to download.

    Raises:
        MisuseError: There is none of that name, or it is not made of files that are published.
        DataError: Its files may not be downloaded so.
    """
    from mlbench.images.packed import PackedImages
    from mlbench.registry import load_dataset

    data = load_dataset(name)
    if not issubclass(data, PackedImages):
        raise MisuseError(
            f"data set {name!r} is generated, not packed from files; there is nothing to download,"
            " and it can be used as it is"
        )
    if data.own:
        raise MisuseError(
            f"data set {name!r} is made of your own images, which are published nowhere;"
            f" to pack them again: mlbench data add {name} PATH --replace"
        )
    if not data.downloads:
        raise DataError(
            f"mlbench knows no official address with a published checksum that {name} may be"
            f" fetched from without asking (licence: {data.licence});"
            f" get {data.obtain}; then run: mlbench data add {name} PATH"
        )
    return data


def repeated(data: type[PackedImages], recipe: Recipe, *, replace: bool) -> str:
    """Return the command that goes on with this one."""
    from mlbench.images.pack import recipe_words

    words = [*recipe_words(recipe, data.recipe()), *["--replace"] * replace]
    return shlex.join(["mlbench", "data", "download", data.name, *words])


def packed_before(data: type[PackedImages], recipe: Recipe, again: str) -> Manifest | None:
    """Return what has the name already, if it is what is asked for.

    Raises:
        DataError: It is something else.
    """
    from mlbench.images.home import data_home, packed_names
    from mlbench.images.pack import Pack

    if data.name not in packed_names():
        return None
    try:
        manifest = Pack.open(data.name).manifest
        words = manifest.missing or ("" if manifest.recipe == recipe else "in another way")
    except DataError:
        words = "and damaged"
    if words:
        raise DataError(
            f"{data.name} is packed in {data_home()} already, {words};"
            f" to replace it: {again} --replace"
        )
    return manifest


def announce(data: type[PackedImages], recipe: Recipe) -> None:
    """Say what will come from where to where, under which licence.

    Raises:
        DataError: The disk has no room for it.
    """
    from mlbench.images.fetch.fetcher import bytes_left, make_downloads_folder
    from mlbench.images.home import require_space

    folder = make_downloads_folder(data.name)
    whole = sum(each.bytes for each in data.downloads)
    left = bytes_left(data.name, data.downloads)
    # Images hardly shrink in an archive: what is extracted is about as large.
    extracted = sum(each.bytes for each in data.downloads if each.extract)
    pack = data.images * math.prod(recipe.shape)
    tell(f"{data.name}: {data.source}")
    tell(f"licence: {data.licence}")
    for each in data.downloads:
        tell(f"from: {each.url} ({amount(each.bytes)})")
    tell(f"to: {folder}" + (f", where {amount(whole - left)} are" if left < whole else ""))
    tell(
        f"disk: about {amount(left + extracted + pack)} to download ({amount(left)}), extract"
        f" ({amount(extracted)}, for a while) and pack ({amount(pack)});"
        f" {amount(shutil.disk_usage(folder).free)} are free"
    )
    require_space(data.name, left + extracted + pack)


def amount(count: float) -> str:
    """Return a number of bytes in words."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f} bytes"


def ask_for_consent(name: str, again: str) -> None:
    """Ask whether the licence is accepted.

    Raises:
        MisuseError: There is nobody to answer.
    """
    if not on_terminal():
        raise MisuseError(
            f"{name} is downloaded by those who accept its licence, and there is no terminal to"
            f" ask on; to accept it: {again} --yes"
        )
    click.confirm("Accept the licence, and download?", abort=True, err=True)


def on_terminal() -> bool:
    """Return whether somebody can answer."""
    return bool(sys.stdin) and sys.stdin.isatty()


def fetched(data: type[PackedImages]) -> list[Path]:
    """Return the official files, downloaded."""
    from mlbench.images.fetch.fetcher import Fetcher

    whole = sum(each.bytes for each in data.downloads)
    with progress(f"Downloading {data.name}", whole, bytes_=True) as advance:
        return Fetcher(name=data.name, advance=advance, tell=tell).fetch_all(data.downloads)


@contextmanager
def resumable(name: str, again: str) -> Iterator[None]:
    """Say what is kept, and how to go on, when somebody ends this early."""
    from mlbench.images.fetch.fetcher import downloads_folder

    try:
        yield
    except KeyboardInterrupt:
        tell(f"what was downloaded is kept in {downloads_folder(name)}; to go on: {again}")
        raise
