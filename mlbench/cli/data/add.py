"""``mlbench data add``."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mlbench.cli.data.shown import described, progress, show, tell
from mlbench.cli.output import Form, form_options
from mlbench.errors import MisuseError, PluginError

if TYPE_CHECKING:
    from mlbench.images.fetch.download import Download
    from mlbench.images.originals import Originals
    from mlbench.images.pack import Manifest
    from mlbench.images.packed import PackedImages
    from mlbench.images.packing import Added
    from mlbench.images.recipe import Recipe

F = TypeVar("F", bound=Callable[..., Any])
OWN_HELP = "Of your own images: classes for train, val and test, as numbers, shares or folders."


def pack_options(function: F) -> F:
    """Add the options of verbs that pack: replace, resize, crop and size."""
    options = (
        click.option(
            "--replace", is_flag=True, help="Take the place of other content of that name."
        ),
        click.option(
            "--resize",
            type=click.Choice(["squash-bicubic", "resize-crop", "area"]),
            default="squash-bicubic",
            show_default=True,
            help="How images become squares.",
        ),
        click.option(
            "--crop",
            type=click.Choice(["none", "bbox"]),
            default="none",
            show_default=True,
            help="Cut images to their bounding boxes first.",
        ),
        click.option(
            "--size", type=click.IntRange(min=8), help="Pixels a side.  [default: the data set's]"
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


@click.command("add")
@click.argument("name")
@click.argument(
    "paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "--partial", is_flag=True, help="Accept classes or files that are missing; results say so."
)
@click.option("--skip-damaged", is_flag=True, help="Leave out images that cannot be decoded.")
@pack_options
@click.option("--split", "splits", multiple=True, help=OWN_HELP)
@click.option(
    "--split-file",
    type=click.Path(path_type=Path),
    help="Of your own images: a CSV file with a line class,split for each.",
)
@form_options
def command(
    name: str,
    paths: tuple[Path, ...],
    splits: tuple[str, ...],
    split_file: Path | None,
    resize: Any,
    crop: Any,
    size: int | None,
    form: Form,
    **options: bool,
) -> None:
    r"""Pack data set NAME from PATH: folders, files or archives.

    Which of the layouts of NAME the images have is found out and said; a wrong PATH says which
    there are. A NAME that mlbench does not know becomes a data set of your own, made of any folder
    of class folders.

    \b
    Examples:
      mlbench data add mini ~/miniimagenet
      mlbench data add cub ~/CUB_200_2011.tgz --crop bbox
      mlbench data add mini ~/ILSVRC2012/train ~/ravi-csv
      mlbench data add pets ~/pets --split train=20,val=7,test=rest
      mlbench data add pets ~/pets --split train=dogs,train=cats,test=birds --size 64
    """
    from mlbench.images.originals import find_originals
    from mlbench.images.own import find_own
    from mlbench.images.splitting import parse_split

    for path in paths:
        if not path.exists():
            raise MisuseError(
                f"{path} is not there; give the folder, file or archive with the images"
            )
    known = packable(name)
    if known is None:
        tell_own(name)
    if known is not None and (splits or split_file):
        raise MisuseError(
            f"{name} has published splits, and a run chooses one"
            f" ({published(known)}); leave out --split and --split-file"
        )
    if splits and split_file:
        raise click.UsageError("--split and --split-file exclude each other; give one of them")
    split = parse_split(splits)
    split_words = tuple(word for text in splits for word in ("--split", text))
    if split_file:
        split_words = ("--split-file", str(split_file))

    def find(roots: Sequence[Path]) -> tuple[type[PackedImages], Originals]:
        if known is None:
            return find_own(name, roots, split, split_file, paths, split_words)
        return known, find_originals(known, *roots, named=paths)

    downloads = known.downloads if known else ()
    manifest = pack_paths(
        name, paths, downloads, find, resize=resize, crop=crop, size=size, **options
    )
    show([described(manifest)], form)


def pack_paths(
    name: str,
    paths: Sequence[Path],
    downloads: Sequence[Download],
    find: Callable[[Sequence[Path]], tuple[type[PackedImages], Originals]],
    *,
    resize: Any,
    crop: Any,
    size: int | None,
    **options: bool,
) -> Manifest:
    """Pack what some paths hold, and narrate it; return what is packed.

    Args:
        name: The data set.
        paths: Folders, files or archives.
        downloads: Its official files.
        find: Return the data set and its images in folders and files.
        resize: How images become squares.
        crop: To what they are cut first.
        size: Pixels a side; the data set's own by default.
        options: Those of :func:`mlbench.images.packing.add`.
    """
    from mlbench.images import packing
    from mlbench.images.fetch.archives import extracted

    with extracted(name, downloads, paths, tell) as roots:
        data, originals = find(roots)
        count = originals.listing.count
        tell(f"{name}: {count} images in {originals.places}: {originals.layout.name}")
        if unused := originals.unused:
            tell(f"{len(unused)} classes are in no split and left out, the first is {unused[0]}")
        if absent := originals.listing.absent:
            tell(f"{len(absent)} more are listed and absent, the first of them {absent[0]}")
        recipe = chosen_recipe(data, resize, crop, size)
        began = time.perf_counter()
        with progress(f"Packing {name}", count) as advance:
            added = packing.add(data, originals, recipe=recipe, advance=advance, **options)
    tell_added(added, time.perf_counter() - began)
    return added.manifest


def chosen_recipe(data: type[PackedImages], resize: Any, crop: Any, size: int | None) -> Recipe:
    """Return how images become pixels, as options say."""
    recipe = data.recipe()
    return replace(recipe, resize=resize, crop=crop, image_size=size or recipe.image_size)


def tell_own(name: str) -> None:
    """Say that a name is nobody's yet, and which known one it resembles."""
    from mlbench.registry import find_plugins

    known = [each for each, plugin in find_plugins("datasets").items() if plugin.pack is None]
    near = get_close_matches(name, known, 1, cutoff=0.8)
    guess = f" (there is {near[0]!r}, of which more is known)" if near else ""
    tell(f"{name} is no data set that mlbench knows, so it is one of your own{guess}")


def tell_added(added: Added, seconds: float) -> None:
    """Say what adding came to."""
    from mlbench.contract import SPLITS

    manifest = added.manifest
    if added.outcome == "unchanged":
        tell(f"{manifest.name} was packed with this very content before; nothing has changed")
    else:
        tell(f"{added.outcome} in {seconds:.1f} s")
    for picture in manifest.damaged:
        tell(f"left out, since it cannot be decoded: {picture}")
    empty = [split for split in SPLITS if manifest.own and not manifest.sizes(split)]
    if empty:
        tell(f"{manifest.name} has no {' and no '.join(empty)} classes; some runs need them")
    if manifest.missing is not None:
        tell(f"incomplete: {manifest.missing}; every result of {manifest.name} will say so")


def packable(name: str) -> type[PackedImages] | None:
    """Return a data set that is packed from files, or nothing for a name that is free.

    Raises:
        MisuseError: The name is that of data that are generated, or cannot be one.
    """
    from mlbench.images.packed import PackedImages
    from mlbench.registry import RESERVED, find_plugins, load_dataset

    plugin = find_plugins("datasets").get(name)
    if plugin is not None and plugin.pack is not None and len(plugin.places) > 1:
        raise PluginError(f"dataset {name!r} is ambiguous: {plugin.fault}")
    if plugin is None or plugin.pack is not None:
        taken = name in RESERVED
        if not name.isidentifier() or name.startswith("_") or taken:
            means = "; that means something else" if taken else ""
            raise MisuseError(
                f"{name!r} cannot be the name of a data set{means}; take letters, digits and"
                " underscores"
            )
        return None
    data = load_dataset(name)
    if not issubclass(data, PackedImages):
        raise MisuseError(
            f"data set {name!r} is generated, not packed from files; take another name"
        )
    return data


def published(data: type[PackedImages]) -> str:
    """Return how a run chooses a split."""
    names = [split.name for split in data.class_splits]
    if len(names) == 1:
        return f"there is one: {data.class_splits[0].rule}"
    return f"--set {data.name}.split={'|'.join(names)}"
