"""What is behind a click: the query of a number, the settings of a run."""

from __future__ import annotations

from hashlib import sha256

from mlbench.report.page.markup import Child, Html, joined, tag
from mlbench.store.paths import StorePaths


class Popups:
    """The boxes of one page, each once however many buttons open it.

    They are HTML popovers, which open, close on Escape and take the keyboard without a script;
    a browser that knows none shows them one after the other at the end of the page.

    Args:
        paths: The store, which the advice on a query names.
    """

    def __init__(self, paths: StorePaths) -> None:
        self.paths = paths
        self.boxes: dict[str, Html] = {}
        self.queries: dict[str, None] = {}

    def query(self, label: Child, sql: str, *, about: str, class_: str = "number") -> Html:
        """Return a number that opens the query that it comes from.

        Args:
            label: The number.
            sql: One query, fit for ``mlbench sql``.
            about: What the query lists, for the heading of the box.
            class_: Of the button.
        """
        if not sql:
            return joined(label)
        text = tidied(sql)
        self.queries[text] = None
        body = (
            tag("p", about),
            tag("pre", tag("code", text)),
            tag(
                "p",
                tag("button", "Copy", type="button", class_="copy", hidden=True),
                " Answered by ",
                tag("code", f"mlbench sql -{self.paths.option}"),
                ", which reads it from its standard input.",
            ),
        )
        return self.button(label, body, heading="SQL", class_=class_)

    def button(self, label: Child, body: Child, *, heading: str, class_: str = "more") -> Html:
        """Return a button that opens a box."""
        content = joined([tag("h3", heading), body])
        name = f"box-{sha256(content.encode()).hexdigest()[:12]}"
        if name not in self.boxes:
            close = tag(
                "button",
                "×",
                type="button",
                class_="close",
                aria_label="Close",
                popovertarget=name,
                popovertargetaction="hide",
            )
            self.boxes[name] = tag("div", close, content, id=name, popover=True)
        return tag(
            "button",
            label,
            type="button",
            class_=class_,
            popovertarget=name,
            aria_haspopup="dialog",
        )

    def html(self) -> Html:
        """Return all boxes."""
        return joined(self.boxes.values())


def tidied(sql: str) -> str:
    """Return a query without the indentation that it has in the code."""
    lines = sql.strip("\n").rstrip().splitlines()
    indents = [len(line) - len(line.lstrip()) for line in lines if line.strip()]
    return "\n".join(line[min(indents, default=0) :].rstrip() for line in lines)
