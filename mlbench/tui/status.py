"""The lines on top and at the bottom of every screen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Static

from mlbench.store.records import Status
from mlbench.store.snapshot import Snapshot

ORDER: tuple[Status, ...] = ("running", "finished", "diverged", "interrupted", "failed")
SYMBOLS: dict[Status, str] = {
    "running": "▶",
    "finished": "✓",
    "diverged": "≈",
    "interrupted": "‖",
    "failed": "✗",
}
STYLES: dict[Status, str] = {
    "running": "$text-primary",
    "finished": "$text-success",
    "diverged": "$text-warning",
    "interrupted": "$text-warning",
    "failed": "$text-error",
}
QUEUED = "◷"
LOOKING = "looking at the database ..."


class TitleLine(Horizontal):
    """Which screen this is, which there are, and of which database.

    Args:
        places: Key, mode and name of each screen that has a key.
        mode: The one that this screen belongs to.
        heading: What this screen is called; not repeated where it is its mode's own.
        database: Whose runs are shown.
    """

    def __init__(
        self, places: Sequence[tuple[str, str, str]], mode: str, heading: str, database: Path
    ) -> None:
        super().__init__()
        self.places = places
        self.mode = mode
        self.heading = heading
        self.database = database

    def compose(self) -> ComposeResult:
        """Lay out names on the left, the database on the right."""
        yield Static(self.names(), id="places")
        yield Static(Content(self.database.name), id="database")

    def names(self) -> Content:
        """Return the names of the screens; a click on one goes there."""
        parts = [Content.styled("mlbench ", "bold")]
        below = True
        for key, mode, name in self.places:
            current = mode == self.mode
            style = "bold reverse" if current else ""
            below = below and not (current and name == self.heading)
            text = Content.from_markup(f"[@click=app.go('{mode}')] {key} $name [/]", name=name)
            parts.append(text.stylize(style) if style else text)
        if below and self.heading:
            parts.append(Content.styled(f" › {self.heading}", "bold"))
        return Content("").join(parts)


class StatusLine(Static):
    """How many runs there are, and what is in the way of seeing them; as high as that takes."""

    def __init__(self) -> None:
        super().__init__(LOOKING)
        self.counts: Content = Content(LOOKING)
        self.reasons: list[str] = []
        self.trouble: str | None = None

    def tell(self, snapshot: Snapshot) -> None:
        """Sum up a snapshot."""
        self.counts = counts(snapshot)
        self.reasons = list(reasons(snapshot))
        self.refresh_text()

    def warn(self, trouble: str | None) -> None:
        """Show why something could not be done, until it could; ``None``: it could."""
        self.trouble = trouble
        self.refresh_text()

    def refresh_text(self) -> None:
        """Show counts, then a line for each thing that is in the way."""
        shown = list(dict.fromkeys([*self.reasons, *filter(None, [self.trouble])]))
        self.set_class(bool(shown), "held")
        lines = [self.counts, *(Content.styled(f"! {line}", "$text-warning") for line in shown)]
        self.update(Content("\n").join(lines))


def counts(snapshot: Snapshot) -> Content:
    """Return how many runs there are of each status."""
    found = Counter(run.status for run in snapshot.runs)
    if not found and not snapshot.queued:
        return Content("no runs yet")
    parts = [Content(f"{QUEUED} {snapshot.queued} queued")] if snapshot.queued else []
    parts += [
        Content.styled(f"{SYMBOLS[status]} {found[status]} {status}", STYLES[status])
        for status in ORDER
        if found[status]
    ]
    return Content("  ").join(parts)


def reasons(snapshot: Snapshot) -> Iterable[str]:
    """Yield what keeps the database, or a part of the journals, from being read."""
    if snapshot.held:
        yield snapshot.held
    if snapshot.damaged:
        first, *more = snapshot.damaged
        also = f" (and {len(more)} more journals)" if more else ""
        yield f"{first}{also}"
