"""``mlbench data verify``."""

from __future__ import annotations

import click

from mlbench.cli.data.shown import described, show, tell
from mlbench.cli.output import Form, form_options


@click.command("verify")
@click.argument("name")
@form_options
def command(name: str, form: Form) -> None:
    r"""Compare every pixel of NAME with its hash.

    \b
    Examples:
      mlbench data verify mini
    """
    from mlbench.images.home import require_packed
    from mlbench.images.pack import Pack

    require_packed(name)
    pack = Pack.open(name)
    pack.verify()
    tell(f"{name} is as it was packed")
    show([described(pack.manifest)], form)
