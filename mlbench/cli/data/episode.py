"""``mlbench data episode``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlbench.cli.data.pictures import image_dataset, write_png
from mlbench.cli.data.shown import tell
from mlbench.cli.output import print_rows
from mlbench.cli.parameters import PerClass, PluginName, Setting

if TYPE_CHECKING:
    from mlbench.contract import Batch

NAMED = "-"  # stands for a file named after the episode


@click.command("episode")
@click.argument("name", type=PluginName("datasets"))
@click.option(
    "--index", type=click.IntRange(min=0), default=0, show_default=True, help="Which episode."
)
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test"]),
    default="test",
    show_default=True,
    help="Of which split.",
)
@click.option(
    "--ways", type=click.IntRange(min=2), default=5, show_default=True, help="Classes of it."
)
@click.option(
    "--shots", type=PerClass(), default=5, show_default=True, help="Support images a class."
)
@click.option("--queries", type=PerClass(), default=16, show_default=True, help="Queries a class.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of the run whose training episode it is; all runs share those of validation and test.",
)
@click.option(
    "--set", "settings", multiple=True, type=Setting(), help="Set an option of NAME; repeatable."
)
@click.option(
    "--png",
    is_flag=False,
    flag_value=NAMED,
    metavar="[FILE]",
    help="Draw it into a PNG file.  [default FILE: NAME-SPLIT-INDEX.png]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    name: str,
    index: int,
    settings: tuple[tuple[str, str], ...],
    png: str | None,
    as_json: bool,
    **choice: Any,
) -> None:
    r"""Show episode INDEX of data set NAME, as runs meet it and a learner is handed it.

    Validation and test episodes are the same for every technique and every seed. A run that tests
    on NAME at the size of other training data meets others.

    \b
    Examples:
      mlbench data episode mini --index 7 --png
      mlbench data episode cub --index 7 --shots 1 --split train --seed 3 --png bird.png
    """
    import torch

    from mlbench.contract import Stream
    from mlbench.images.sheet import episode_sheet
    from mlbench.run.setup import EVALUATION_SEED

    data = image_dataset(name, settings)
    seed = choice.pop("seed") if choice["split"] == "train" else EVALUATION_SEED
    choice["seed"] = seed
    stream = Stream(fingerprint=data.fingerprint, **choice)
    data.check(stream)
    device = torch.device("cpu")
    task = data.draw(stream, index, index + 1, device=device, dtype=torch.float32).task(0)
    rows = [
        {
            "part": part,
            "label": label,
            "images": int((batch.y == label).sum()),
            **tones(batch, label),
        }
        for part, batch in (("support", task.support), ("query", task.query))
        for label in range(stream.ways or 0)
    ]
    key = int(stream.keys(index, index + 1)[0])
    if as_json:
        about = {"name": name, "index": index, **choice, "episode_key": key}
        click.echo(json.dumps({**about, "shape": list(task.query.x.shape[1:]), "parts": rows}))
    else:
        click.echo(f"episode key {key}\n")
        print_rows(rows, tuple(rows[0]))
    if png is not None:
        path = Path(f"{name}-{stream.split}-{index}.png" if png == NAMED else png)
        heading = (
            f"{name}, {stream.split} episode {index}: {stream.ways}-way {stream.shots}-shot,"
            f" {stream.queries} queries a class"
        )
        write_png(episode_sheet(task, heading), path)
        tell(f"drawn into {path}")


def tones(batch: Batch, label: int) -> dict[str, float]:
    """Return the mean and the spread of the pixels of a label's images."""
    x = batch.x[batch.y == label]
    return {"mean": round(float(x.mean()), 3), "deviation": round(float(x.std()), 3)}
