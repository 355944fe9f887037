"""What all screens of the dashboard have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Footer

from mlbench.errors import MlbenchError
from mlbench.store.snapshot import Snapshot
from mlbench.tui.aside import aside
from mlbench.tui.status import StatusLine, TitleLine

if TYPE_CHECKING:
    from mlbench.report.material import Material
    from mlbench.tui.app import Dashboard

RETRY_SECONDS = 5.0  # before the database is asked again what it could not answer


class View(Screen[None]):
    """A screen on a store: it changes nothing that runs recorded, and no key waits for it.

    Progress comes by :meth:`show_snapshot`, about once a second. What the database has to be
    asked for is loaded on a thread by :meth:`load` when there is something new, and shown by
    :meth:`show`. A screen that shows nothing of the database leaves both as they are.
    """

    HEADING: ClassVar[str] = ""
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (132, "-wide")]  # noqa: RUF012
    shown_stamp: int | None = None
    loading: bool = False
    asked_at: float = 0.0

    @property
    def dashboard(self) -> Dashboard:
        """Return the app that this screen belongs to."""
        from mlbench.tui.app import Dashboard

        assert isinstance(self.app, Dashboard)  # noqa: S101  for the type checker
        return self.app

    @property
    def heading(self) -> str:
        """Return what the title line calls this screen."""
        return self.HEADING

    def compose(self) -> ComposeResult:
        """Lay out title, body, status line and keys."""
        app = self.dashboard
        yield TitleLine(app.places(), app.current_mode, self.heading, app.paths.database)
        yield from self.body()
        yield StatusLine()
        yield Footer(compact=True)

    def warn(self, trouble: str | None) -> None:
        """Show on the status line why something could not be done; ``None``: it can be again."""
        if self.laid_out:
            self.query_one(StatusLine).warn(trouble)

    @abstractmethod
    def body(self) -> ComposeResult:
        """Yield the widgets between title and status line."""

    @property
    def laid_out(self) -> bool:
        """Return whether there is something to show things in: not before, nor at the very end."""
        return bool(self.query(StatusLine)) and self.is_running

    def on_screen_resume(self) -> None:
        """Catch up with what happened while another screen was in front."""
        if self.dashboard.polled:
            self.take(self.dashboard.snapshot)

    def take(self, snapshot: Snapshot) -> None:
        """Show a new snapshot, and load again what is out of date.

        While the database is held there is no use in asking it: the stamp tells when it is free.
        """
        if not self.laid_out:
            return
        self.query_one(StatusLine).tell(snapshot)
        self.show_snapshot(snapshot)
        due = self.shown_stamp is not None or monotonic() - self.asked_at > RETRY_SECONDS
        if due and not snapshot.held and not self.loading and self.outdated(snapshot):
            self.reload()

    def outdated(self, snapshot: Snapshot) -> bool:
        """Return whether there is something new to load."""
        return self.shown_stamp != snapshot.stamp

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Show how runs stand; called about once a second, and when the screen comes to front."""

    def reload(self) -> None:
        """Load again and show: after a change of what is asked, say."""
        if type(self).load is View.load and type(self).ask is View.ask:
            return
        self.loading = True
        self.asked_at = monotonic()
        self.shown_stamp = self.dashboard.snapshot.stamp
        self.load_and_show(self.shown_stamp)

    @work(exclusive=True, group="load")
    async def load_and_show(self, stamp: int) -> None:
        """Ask on a thread: a busy database must not freeze the keyboard.

        Of several that were asked only the last is shown; this is cancelled with its screen.
        """
        try:
            loaded = await aside(self.ask, stamp)
        except MlbenchError as error:
            self.loading = False
            if self.laid_out:
                self.failed(str(error))
            return
        self.loading = False
        if self.laid_out:
            self.query_one(StatusLine).warn(None)
            self.show(loaded)

    def ask(self, stamp: int) -> Any:
        """Return what :meth:`load` makes of the store as it is at a stamp; runs on a thread."""
        return self.load(self.dashboard.material(stamp))

    def load(self, material: Material) -> Any:
        """Return what :meth:`show` needs; runs on a thread and touches no widget."""

    def show(self, loaded: Any) -> None:
        """Show what :meth:`load` returned."""

    def failed(self, reason: str) -> None:
        """Say that the database could not be asked; what was there before stays on the screen."""
        self.shown_stamp = None  # and try again in a while
        self.warn(reason)

    def export(self, folder: Path) -> list[Path]:
        """Write what is seen into a folder and return the files; runs on a thread.

        Raises:
            MlbenchError: There is nothing to write, or it cannot be written.
        """
        raise NotImplementedError

    def commands(self) -> Iterable[tuple[str, str, Callable[[], Any]]]:
        """Yield title, help and action of what the command palette offers here besides."""
        return ()
