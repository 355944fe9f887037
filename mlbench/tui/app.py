"""``mlbench tui``: the app, its screens and what they share."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import work
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.filter import LineFilter
from textual.reactive import reactive
from textual.screen import Screen

from mlbench.errors import MlbenchError
from mlbench.store.paths import StorePaths
from mlbench.store.snapshot import Snapshot
from mlbench.tui import themes
from mlbench.tui.aside import aside
from mlbench.tui.runs_screen import RunsScreen
from mlbench.tui.shown import NothingSteers
from mlbench.tui.view import View

if TYPE_CHECKING:
    from mlbench.report.material import Material
    from mlbench.store.feed import Feed

REFRESH_SECONDS = 1.0
QUEUE_SECONDS = 10.0  # between two looks at a cluster's queue
NOTHING_STEERS = NothingSteers()


@dataclass(frozen=True)
class Place:
    """A screen that has a key; the class is imported when it is first gone to."""

    key: str
    name: str
    summary: str
    module: str
    screen: str


PLACES = {
    "runs": Place(
        "1", "Runs", "All runs and how they stand", "mlbench.tui.runs_screen", "RunsScreen"
    ),
    "tables": Place(
        "2", "Tables", "Techniques against data sets", "mlbench.tui.tables_screen", "TablesScreen"
    ),
    "times": Place(
        "3", "Times", "Running time against accuracy", "mlbench.tui.times_screen", "TimesScreen"
    ),
    "compare": Place(
        "4",
        "Compare",
        "Two techniques on the same episodes",
        "mlbench.tui.compare_screen",
        "CompareScreen",
    ),
}
"""By mode, in the order of their keys."""
OTHERS = (
    ("mlbench.tui.run_screen", "RunScreen"),
    ("mlbench.tui.start_screen", "StartScreen"),
    ("mlbench.tui.help_screen", "HelpScreen"),
)


class Dashboard(App[None]):
    """Shows what a store holds while runs write to it.

    Args:
        paths: The store.
        feed: Follows its runs; ``None`` for a new one.
    """

    TITLE = "mlbench"
    CSS_PATH = "dashboard.tcss"
    DEFAULT_MODE = "runs"
    MODES: ClassVar[dict[str, Any]] = {"runs": RunsScreen}
    COMMAND_PALETTE_DISPLAY = "^p"
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(place.key, f"go({mode!r})", place.name, show=False)
            for mode, place in PLACES.items()
        ),
        Binding("n", "start", "New run"),
        Binding("e", "export", "Export", tooltip="Write what is seen into the current folder"),
        Binding("d", "switch_theme", "Light or dark", show=False),
        Binding("escape", "back", "Back", show=False),
        Binding("question_mark", "keys", "Keys", key_display="?"),
        Binding("q", "quit", "Quit"),
    ]
    snapshot: reactive[Snapshot] = reactive(Snapshot(), init=False, always_update=True)

    def __init__(self, paths: StorePaths, feed: Feed | None = None) -> None:
        super().__init__()
        self.paths = paths
        self.feed = feed
        self.polled = False
        self.polling = False
        self.queued = 0  # runs in a cluster's queue
        self.troubled = False  # whether the last look at the store failed
        self.latest: tuple[int, Material] | None = None
        self.making = threading.Lock()
        for theme in (themes.DARK, themes.LIGHT):
            self.register_theme(theme)
        self.theme = themes.DARK.name

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return what every line of every screen passes on its way to the terminal."""
        return [*super().get_line_filters(), NOTHING_STEERS]

    def on_mount(self) -> None:
        """Follow the store."""
        self.poll()
        self.set_interval(REFRESH_SECONDS, self.poll)
        self.ask_cluster()
        self.set_interval(QUEUE_SECONDS, self.ask_cluster)

    def poll(self) -> None:
        """Look at the store, unless that is going on."""
        if not self.polling:
            self.polling = True
            self.take_snapshot()

    @work(group="poll")
    async def take_snapshot(self) -> None:
        """Look at the store on a thread; after the first time import what keys may ask for."""
        try:
            snapshot = await aside(self.look)
        except MlbenchError as error:
            self.troubled = True
            if (view := self.view) is not None:
                view.warn(str(error))
        else:
            if self.troubled and (view := self.view) is not None:
                view.warn(None)
            self.troubled = False
            if not self.polled:
                self.import_screens()
            self.polled = True
            self.snapshot = snapshot
        finally:
            self.polling = False

    def look(self) -> Snapshot:
        """Return how all runs stand; the database's library is imported when it is needed."""
        if self.feed is None:
            from mlbench.store.feed import Feed

            self.feed = Feed(self.paths)
        return replace(self.feed.poll(), queued=self.queued)

    @work(exclusive=True, group="queue")
    async def ask_cluster(self) -> None:
        """Count what waits in a cluster's queue, on a thread of its own: clusters take their time.

        What else there is to say of it, ``mlbench sweep --status`` says.
        """
        with suppress(MlbenchError):
            self.queued = await aside(queued_runs, self.paths)

    def watch_snapshot(self, snapshot: Snapshot) -> None:
        """Pass a new snapshot on to the screen in front."""
        if (view := self.view) is not None:
            view.take(snapshot)

    @property
    def view(self) -> View | None:
        """Return the screen in front if it shows the store; ``None`` at the very end, too."""
        front = self.screen_stack[-1] if self.screen_stack else None
        return front if isinstance(front, View) else None

    def material(self, stamp: int) -> Material:
        """Return what tables and figures are made of, the same for all screens of one stamp.

        Called on threads: it imports what statistics need.
        """
        from mlbench.report.material import Material

        with self.making:
            if self.latest is None or self.latest[0] != stamp:
                self.latest = stamp, Material(self.paths)
            return self.latest[1]

    @work(group="import")
    async def import_screens(self) -> None:
        """Import all screens on a thread, so that later keys need not wait for that."""
        for module, name in [*((place.module, place.screen) for place in PLACES.values()), *OTHERS]:
            await aside(screen_class, module, name)

    def places(self) -> list[tuple[str, str, str]]:
        """Return key, mode and name of the screens that have a key."""
        return [(place.key, mode, place.name) for mode, place in PLACES.items()]

    @work(exclusive=True, group="go")
    async def action_go(self, mode: str) -> None:
        """Go to the screen of a mode; if it is in front already, to what lies at its bottom.

        Screens are not waited for here: the next key cancels this, and one that is half taken
        down when that happens would stay so.
        """
        if mode == self.current_mode:
            self.call_later(self.uncover)
            return
        if mode not in self._modes:
            place = PLACES[mode]
            self.add_mode(mode, await aside(screen_class, place.module, place.screen))
        self.switch_mode(mode)

    async def uncover(self) -> None:
        """Take away all screens of a mode but the one at its bottom."""
        while len(self.screen_stack) > 1:
            await self.pop_screen()

    @work(exclusive=True, group="go")
    async def open(self, module: str, name: str, *arguments: object) -> None:
        """Put a screen in front, importing it on a thread."""
        made: Callable[..., Screen[Any]] = await aside(screen_class, module, name)
        self.push_screen(made(*arguments))

    def open_run(self, run_id: str) -> None:
        """Show one run."""
        self.open("mlbench.tui.run_screen", "RunScreen", run_id)

    def action_start(self) -> None:
        """Show the form that starts a run."""
        self.open("mlbench.tui.start_screen", "StartScreen")

    def action_keys(self) -> None:
        """Show what the keys do on this screen."""
        self.open("mlbench.tui.help_screen", "HelpScreen", self.screen)

    async def action_back(self) -> None:
        """Go back to the screen that this one was opened from."""
        if len(self.screen_stack) > 1:
            await self.pop_screen()

    def action_switch_theme(self) -> None:
        """Change from dark to light, or back."""
        self.theme = themes.other(self.current_theme, self.available_themes)

    @work(exclusive=True, group="export")
    async def action_export(self) -> None:
        """Write what is seen into the current folder."""
        screen = self.screen
        if not isinstance(screen, View) or type(screen).export is View.export:
            self.notify("There is nothing to export on this screen.", severity="warning")
            return
        self.notify("Exporting ...", timeout=2)
        try:
            folder = here()
            files = await aside(screen.export, folder)
        except MlbenchError as error:
            self.notify(str(error), title="Nothing exported", severity="error", markup=False)
        else:
            names = "\n".join(file.name for file in files)
            self.notify(names, title=f"Exported to {folder}", markup=False)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Yield what the command palette offers: whatever a key does, and what this screen adds."""
        if isinstance(screen, View):
            for title, summary, action in screen.commands():
                yield SystemCommand(title, summary, action)
        for mode, place in PLACES.items():
            yield SystemCommand(
                f"Go to {place.name}", place.summary, lambda mode=mode: self.action_go(mode)
            )
        yield SystemCommand("New run", "Fill in a form and start a run", self.action_start)
        yield SystemCommand(
            "Export", "Write what is seen into the current folder", self.action_export
        )
        yield SystemCommand("Light or dark", "Switch between the two", self.action_switch_theme)
        yield SystemCommand("Theme", "Choose one of all themes", self.action_change_theme)
        yield SystemCommand("Keys", "What the keys do on this screen", self.action_keys)
        yield SystemCommand("Quit", "Leave the dashboard; runs go on", self.action_quit)


def queued_runs(paths: StorePaths) -> int:
    """Return how many runs of a store wait in a cluster's queue."""
    from mlbench.sweep.slurm_queue import queue_states

    states = queue_states(paths).by_spec().values()
    return sum(state.standing in {"queued", "requeued"} for state in states)


def here() -> Path:
    """Return the current folder.

    Raises:
        MlbenchError: It has been removed.
    """
    try:
        return Path.cwd()
    except OSError as error:
        raise MlbenchError(
            f"the current folder is gone: {error.strerror}; start 'mlbench tui' in another one"
        ) from error


def screen_class(module: str, name: str) -> type[Screen[Any]]:
    """Import a screen's class."""
    found: type[Screen[Any]] = getattr(importlib.import_module(module), name)
    return found
