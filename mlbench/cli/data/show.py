"""``mlbench data show``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlbench.cli.data.pictures import image_dataset, write_png
from mlbench.cli.data.shown import described, tell
from mlbench.cli.output import cell_text, print_json, print_rows
from mlbench.cli.parameters import PluginName, Setting
from mlbench.printable import printable

if TYPE_CHECKING:
    from mlbench.images import ImageDataset


@click.command("show")
@click.argument("name", type=PluginName("datasets"))
@click.option(
    "--set", "settings", multiple=True, type=Setting(), help="Set an option of NAME; repeatable."
)
@click.option(
    "--sheet",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw a contact sheet into this PNG file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    name: str, settings: tuple[tuple[str, str], ...], sheet: Path | None, as_json: bool
) -> None:
    r"""Show what data set NAME holds: classes and images of each split, where it came from.

    \b
    Examples:
      mlbench data show mini --sheet mini.png
      mlbench data show cub --set split=feat
    """
    data = image_dataset(name, settings)
    facts = facts_of(data)
    if as_json:
        print_json(facts)
    else:
        print_facts(facts)
    if sheet is not None:
        from mlbench.contract import SPLITS
        from mlbench.images.sheet import contact_sheet

        splits = {split: data.split(split) for split in SPLITS}
        drawn = contact_sheet({split: some for split, some in splits.items() if some.count})
        write_png(drawn, sheet)
        tell(f"drawn into {sheet}")


def facts_of(data: ImageDataset) -> dict[str, Any]:
    """Return all that is known of a data set that is here."""
    from mlbench.contract import SPLITS
    from mlbench.images import PackedImages

    facts: dict[str, Any] = {"name": data.name, "source": data.source}
    if isinstance(data, PackedImages):
        packed = described(data.pack.manifest)
        facts |= {
            key: value for key, value in packed.items() if key not in {"splits", "name", "missing"}
        }
        facts["pack_fingerprint"] = facts.pop("fingerprint")
        facts["split_rule"] = data.class_split.rule
        facts["published_splits"] = [split.name for split in data.class_splits]
    facts |= {
        "fingerprint": data.fingerprint,
        "input": "x".join(map(str, data.input_shape)),
        "options": data.options.values(),
        "splits": [
            {
                "split": split,
                "classes": len(some.class_sizes),
                "images": some.count,
                "smallest_class": min(some.class_sizes, default=0),
                "largest_class": max(some.class_sizes, default=0),
            }
            for split, some in ((split, data.split(split)) for split in SPLITS)
        ],
    }
    return facts


def print_facts(facts: dict[str, Any]) -> None:
    """Print facts for people: a line each, then a row per split."""
    values = {**facts, "options": [f"{k}={cell_text(v)}" for k, v in facts["options"].items()]}
    lines = {key: cell_text(value) for key, value in values.items() if key != "splits"}
    width = max(map(len, lines))
    for key, text in lines.items():
        if text:
            click.echo(printable(f"{key.replace('_', ' '):<{width}}  {text}"))
    click.echo()
    print_rows(facts["splits"], tuple(facts["splits"][0]))
