"""``mlbench data remove``."""

from __future__ import annotations

import click

from mlbench.cli.data.shown import tell


@click.command("remove")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(name: str, yes: bool) -> None:
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
