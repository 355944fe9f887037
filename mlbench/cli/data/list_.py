"""``mlbench data list``."""

from __future__ import annotations

import click

from mlbench.cli.data.shown import ALL_COLUMNS, described, show, tell
from mlbench.cli.output import Form, form_options
from mlbench.errors import DataError


@click.command("list")
@form_options
def command(form: Form) -> None:
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
