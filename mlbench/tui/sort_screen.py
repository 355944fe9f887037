"""A choice of what runs are sorted by."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from mlbench.tui.runs_columns import COLUMNS

NAMES = {
    "started": "when started",
    "technique": "technique",
    "data": "data sets",
    "shots": "shots",
    "seed": "seed",
    "status": "status",
    "progress": "progress",
    "rate": "tasks per second",
    "left": "time left",
    "validation": "last validation",
    "test": "test score",
}


class SortScreen(ModalScreen[str | None]):
    """Returns the column that was chosen; choosing the present one turns its order round."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Leave it"),
        Binding("s", "dismiss(None)", "Leave it", show=False),
    ]

    def __init__(self, sorting: tuple[str, bool]) -> None:
        super().__init__()
        self.sorting = sorting

    def compose(self) -> ComposeResult:
        """Lay out the columns, the present one with its direction."""
        key, descending = self.sorting
        options = []
        for name, text in NAMES.items():
            arrow = ("▼" if descending else "▲") if name == key else " "
            options.append(Option(f"{arrow} {text}", id=name))
        box = OptionList(*options, id="choices", compact=True)
        box.border_title = "Sort by"
        box.highlighted = list(NAMES).index(key) if key in NAMES else 0
        box.border_subtitle = "enter; again turns round"
        yield box

    @on(OptionList.OptionSelected)
    def choose(self, event: OptionList.OptionSelected) -> None:
        """Return the column."""
        self.dismiss(event.option_id)


assert set(NAMES) <= {column.key for column in COLUMNS}  # noqa: S101
