"""What the keys do, on the screen in front and everywhere."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

MOVING = ("app.focus_next", "app.focus_previous")
UNTOLD = ("ctrl+q", "ctrl+c", "super+c")


class HelpScreen(ModalScreen[None]):
    """Lists keys; any of escape, ``?`` and ``q`` closes it.

    Args:
        screen: Whose keys.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "dismiss", "Close", key_display="esc")
    ]

    def __init__(self, screen: Screen[Any]) -> None:
        super().__init__()
        self.asked = screen

    def compose(self) -> ComposeResult:
        """Lay out what is known."""
        with VerticalScroll(id="keys") as box:
            box.border_title = "Keys"
            box.border_subtitle = "esc closes"
            yield Static(keys_text(self.asked))


def keys_text(screen: Screen[Any]) -> Content:
    """Return the keys of a screen: its own, those of all screens, and those that move about."""
    groups: dict[str, dict[str, list[str]]] = {
        "On this screen": {},
        "Everywhere": {},
        "Moving about": {},
    }
    for node, binding, enabled, _ in screen.active_bindings.values():
        if not (enabled and binding.description) or binding.system or binding.key in UNTOLD:
            continue
        if node is screen.app:
            group = groups["Everywhere"]
        elif binding.show or (node is screen and binding.action not in MOVING):
            group = groups["On this screen"]
        else:
            group = groups["Moving about"]
        keys = group.setdefault(binding.description, [])
        keys.append(screen.app.get_key_display(binding))
    lines: list[Content] = []
    width = max(len(", ".join(keys)) for group in groups.values() for keys in group.values())
    for title, group in groups.items():
        if group:
            lines += [Content(""), Content.styled(title, "bold")]
        for description, keys in group.items():
            key = (f"  {', '.join(keys):<{width}}  ", "$text-accent")
            lines.append(Content.assemble(key, description))
    return Content("\n").join(lines[1:])
