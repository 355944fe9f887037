"""``mlbench data overlap``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlbench.cli.data.shown import progress, tell
from mlbench.cli.output import Form, form_options, print_rows
from mlbench.errors import DataError, MisuseError

if TYPE_CHECKING:
    from mlbench.images.pack import Pack

SHOWN = 20  # pairs that are printed as text


@click.command("overlap")
@click.argument("a")
@click.argument("b", required=False)
@click.option(
    "--sheet",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw the pairs side by side into this PNG file.",
)
@form_options
def command(a: str, b: str | None, sheet: Path | None, form: Form) -> None:
    r"""Find images that packed data sets A and B both hold; without B, those that A holds twice.

    Copies are found that were compressed, resized, or made brighter; parts of images are not. What
    is found is kept, and runs that train on one and test on the other say so.

    \b
    Examples:
      mlbench data overlap mini cub
      mlbench data overlap mini cub --sheet pairs.png
      mlbench data overlap mini --csv
    """
    from mlbench.images.overlaps.records import compare, keep
    from mlbench.images.overlaps.report import COLUMNS, rows_of, summary
    from mlbench.images.pack import Pack

    for name in filter(None, (a, b)):
        refuse_generated(name)
    first = Pack.open(a)
    second = Pack.open(b) if b not in {None, a} else None
    with progress("Comparing", first.manifest.count) as advance:
        pairs = compare(first, second, advance)
    other = second.manifest if second else None
    try:
        keep(first.manifest, other, pairs)
    except DataError as err:
        tell(str(err))
    for line in summary(pairs, first.manifest, other):
        tell(line)
    rows = rows_of(pairs, first.manifest, other or first.manifest)
    print_rows(rows[:SHOWN] if form == "text" else rows, COLUMNS, form)
    if form == "text" and len(rows) > SHOWN:
        tell(f"the first {SHOWN} of {len(rows)} pairs; --csv and --json print all")
    if sheet is not None:
        draw(rows, first, second or first, sheet)


def refuse_generated(name: str) -> None:
    """Refuse what is not packed.

    Raises:
        MisuseError: The name is that of data that are generated, of no data set, or of one that is
            not packed.
    """
    from mlbench.images.home import packed_names, require_packed
    from mlbench.registry import find_plugins, load_dataset

    if name not in packed_names() and name in find_plugins("datasets"):
        from mlbench.images import PackedImages

        if not issubclass(load_dataset(name), PackedImages):
            raise MisuseError(
                f"{name} is generated, so it cannot share images with other data; compare data"
                " that are packed: mlbench data list"
            )
    require_packed(name)


def draw(rows: list[dict[str, Any]], first: Pack, second: Pack, path: Path) -> None:
    """Draw pairs, or say that there are none."""
    if not rows:
        tell(f"there is nothing to draw, and {path} is not written")
        return
    from mlbench.cli.data.pictures import write_png
    from mlbench.images.overlaps.sheet import MOST, pair_sheet

    write_png(pair_sheet(rows, first.pixels(), second.pixels()), path)
    tell(f"drawn into {path}: {min(len(rows), MOST)} of {len(rows)} pairs")
