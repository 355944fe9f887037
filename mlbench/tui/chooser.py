"""A choice on one line: opened by a click or Enter, gone through by keys."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.widgets import Select


class Chooser(Select[str]):
    """One of several things to look at, by name; nothing at first."""

    DEFAULT_CSS = """
    Chooser {
        width: 1fr;
        height: 1;
        & > SelectCurrent { background: $background; }
        &:focus > SelectCurrent {
            background: $block-cursor-background; color: $block-cursor-foreground;
        }
        & > SelectOverlay {
            width: auto; min-width: 100%; max-width: 78; border: none; background: $panel;
        }
    }
    """

    def __init__(self, id: str) -> None:  # noqa: A002  as all widgets call it
        super().__init__([("", "")], allow_blank=False, compact=True, id=id)
        self.offered: tuple[tuple[str, str], ...] = ()

    @property
    def chosen(self) -> str | None:
        """Return what is chosen, ``None`` while there is nothing to choose from."""
        return str(self.value) if self.offered else None

    def offer(self, options: Sequence[tuple[str, str]], default: str | None = None) -> None:
        """Set what there is, without a word of it: what was chosen stays so if it is there.

        Args:
            options: Label and value of each.
            default: What to choose if it is not; the first if this is ``None``.
        """
        if tuple(options) == self.offered:
            return
        values = [value for _, value in options]
        kept = self.chosen if self.chosen in values else default if default in values else None
        self.offered = tuple(options)
        with self.prevent(Select.Changed):
            self.set_options([(Text(label), value) for label, value in options or [("", "")]])
            if kept is not None:
                self.value = kept

    def turn(self, by: int) -> None:
        """Choose the next one, or the one before, and begin again at the end."""
        values = [value for _, value in self.offered]
        if len(values) > 1:
            self.value = values[(values.index(str(self.value)) + by) % len(values)]
