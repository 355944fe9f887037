"""``mlbench data``: real images, packed once from the forms in which people have them."""

from __future__ import annotations

import click

from mlbench.cli.data import add, download, episode, list_, overlap, remove, show, verify


@click.group("data")
def command() -> None:
    """Download, pack, list, look at, check, compare and remove data sets made of images."""


for _verb in (add, download, list_, show, episode, verify, overlap, remove):
    command.add_command(_verb.command)
