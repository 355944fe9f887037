"""The rows of a form: a label, something to fill in, a line of help, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, ItemGrid, Vertical
from textual.content import Content
from textual.widgets import Checkbox, Input, Label, Select, Static


class FormRow(Vertical):
    """A labelled part of a form that can be refused.

    Args:
        field: Its name, among all that are refused or read.
        label: What people read.
    """

    DEFAULT_CSS = """
    FormRow { height: auto; }
    FormRow > Horizontal { height: auto; }
    FormRow Label { width: 17; text-style: bold; }
    FormRow .refusal { display: none; margin-left: 17; color: $text-error; }
    FormRow.-refused .refusal { display: block; }
    FormRow:focus-within Label { text-style: bold underline; color: $text-primary; }
    FormRow.-refused Label { color: $text-error; }
    """

    def __init__(self, field: str, label: str) -> None:
        super().__init__()
        self.field = field
        self.label = label
        self.refusal = Static(classes="refusal", markup=False)

    def compose(self) -> ComposeResult:
        """Lay out label, control and, beneath, room for a refusal."""
        with Horizontal():
            yield Label(self.label)
            yield from self.control()
        yield self.refusal

    def control(self) -> ComposeResult:
        """Yield what is filled in."""
        raise NotImplementedError

    def refuse(self, reason: str | None) -> None:
        """Say what is wrong, or that nothing is."""
        self.set_class(reason is not None, "-refused")
        if reason is not None and self.refusal.content != f"× {reason}":
            # in words, too: a terminal without colours shows no red
            self.refusal.update(f"× {reason}")


class TextRow(FormRow):
    """A text; where it is empty the default is shown, and holds."""

    DEFAULT_CSS = """
    TextRow Input { width: 22; margin-right: 1; background: $panel; }
    TextRow.-long Input { width: 1fr; margin-right: 0; }
    TextRow.-long .help { display: none; }
    TextRow .help { width: 1fr; color: $text-muted; }
    """

    def __init__(self, field: str, label: str, help_: str, text: str = "") -> None:
        super().__init__(field, label)
        self.input = Input(text, compact=True)
        self.help = Static(help_, classes="help", markup=False)

    def control(self) -> ComposeResult:
        """Yield a line to type in, and its help."""
        yield self.input
        yield self.help

    @property
    def text(self) -> str:
        """Return what was typed."""
        return self.input.value.strip()

    def default(self, text: str) -> None:
        """Show what holds while nothing is typed."""
        self.input.placeholder = text


class ChoiceRow(FormRow):
    """One of several."""

    DEFAULT_CSS = """
    ChoiceRow Select { width: 1fr; }
    ChoiceRow SelectCurrent Static#label {
        height: 1; text-wrap: nowrap; text-overflow: ellipsis;
    }
    ChoiceRow Select > SelectOverlay {
        border: none; background: $panel; text-wrap: nowrap; text-overflow: ellipsis;
    }
    ChoiceRow Select:focus > SelectCurrent {
        background: $block-cursor-background;
        color: $block-cursor-foreground;
        text-style: $block-cursor-text-style;
    }
    """

    def __init__(
        self, field: str, label: str, options: Iterable[tuple[str, str]], value: str
    ) -> None:
        super().__init__(field, label)
        # as Text: a plugin's summary, or what is wrong with it, may well have [brackets]
        shown = [(Text(label), name) for label, name in options]
        self.select = Select(shown, value=value, allow_blank=False, compact=True)

    def control(self) -> ComposeResult:
        """Yield what opens on Enter."""
        yield self.select

    @property
    def choice(self) -> str:
        """Return what is chosen."""
        return str(self.select.value)


class Tick(Checkbox):
    """A box whose mark is a character, and not only a colour."""

    DEFAULT_CSS = """
    Tick { background: $background; }
    Tick:focus {
        background: $block-cursor-background;
        color: $block-cursor-foreground;
    }
    """

    def render(self) -> Content:
        """Return box and label."""
        return Content.assemble(f"[{'x' if self.value else ' '}] ", self.label)


class SeveralRow(FormRow):
    """Any number of several."""

    DEFAULT_CSS = """
    SeveralRow Horizontal ItemGrid { height: auto; width: 1fr; }
    """

    def __init__(
        self, field: str, label: str, options: Iterable[str], chosen: Iterable[str]
    ) -> None:
        super().__init__(field, label)
        marked = frozenset(chosen)
        self.ticks = {name: Tick(name, name in marked, compact=True) for name in options}

    def control(self) -> ComposeResult:
        """Yield a box for each, in as many columns as there is room for."""
        width = max(map(len, self.ticks), default=0)
        with ItemGrid(min_column_width=width + len("[x]   ")):
            yield from self.ticks.values()

    @property
    def chosen(self) -> tuple[str, ...]:
        """Return what is ticked, in the order in which it is offered."""
        return tuple(name for name, tick in self.ticks.items() if tick.value)


class YesNoRow(FormRow):
    """Yes or no."""

    DEFAULT_CSS = """
    YesNoRow Tick { width: 1fr; }
    """

    def __init__(self, field: str, label: str, text: str, *, value: bool = False) -> None:
        super().__init__(field, label)
        self.tick = Tick(text, value, compact=True)

    def control(self) -> ComposeResult:
        """Yield a box to tick."""
        yield self.tick

    @property
    def ticked(self) -> bool:
        """Return whether it is ticked."""
        return self.tick.value
