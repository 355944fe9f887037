"""Following what the dashboard started: that it began, or why it did not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from textual.timer import Timer

from mlbench.errors import MlbenchError
from mlbench.session.process import Launch
from mlbench.store.paths import StorePaths
from mlbench.store.snapshot import RunRow
from mlbench.tui import control
from mlbench.tui.aside import aside

if TYPE_CHECKING:
    from textual.app import App

    from mlbench.tui.app import Dashboard

LOOK_SECONDS = 0.3
STOPPED = (130, 143)  # how a run ends that was asked to
Tell = Callable[[str], None]


class LaunchWatch:
    """Looks after one process, and tells when its run began or why there is none.

    The process is waited for as long as the app lives, so that none is left as a zombie; after
    that it is nobody's child but the system's, and goes on.

    Args:
        begun: Told the run's name, once.
        refused: Told what the process said when it ended without a run, or failed.
    """

    def __init__(
        self, app: App[None], paths: StorePaths, launch: Launch, begun: Tell, refused: Tell
    ) -> None:
        self.paths = paths
        self.launch = launch
        self.begun = begun
        self.refused = refused
        self.run_id: str | None = None
        self.app = app
        self.looking = False
        self.timer: Timer = app.set_interval(LOOK_SECONDS, self.begin_to_look)

    def begin_to_look(self) -> None:
        """Look, unless that is going on; beside the app's messages, among which are its keys."""
        if not self.looking:
            self.looking = True
            self.app.run_worker(self.look(), group="launches")

    async def look(self) -> None:
        """See how things stand."""
        try:
            await self.follow()
        finally:
            self.looking = False

    async def follow(self) -> None:
        """Tell that the run began, and how the process ended."""
        code = self.launch.poll()  # before the journals: those of a dead process are complete
        if self.run_id is None:
            self.run_id = await aside(self.launch.run_id, self.paths)
            if self.run_id is not None:
                self.begun(self.run_id)
        if code is None:
            return
        self.timer.stop()
        if code == 0 and self.run_id is None:
            self.refused(self.launch.first_words())
        elif code != 0 and code not in STOPPED:
            self.refused(self.launch.last_words())


def tell_begun(app: App[None]) -> Tell:
    """Return what says that a run began."""
    return lambda run_id: app.notify(f"{run_id} is running", markup=False)


def tell_refused(app: App[None]) -> Tell:
    """Return what says that something did not work."""
    return lambda reason: app.notify(
        reason, title="Not done", severity="error", timeout=15, markup=False
    )


def resume_run(app: Dashboard, row: RunRow) -> None:
    """Go on with a run, in a process of its own, and tell how that goes."""
    app.run_worker(go_on(app, row), group="resume")


async def go_on(app: Dashboard, row: RunRow) -> None:
    """Start the process on a thread, unless the run cannot go on."""
    refused = tell_refused(app)
    try:
        launch = await aside(resumed, app.paths, row)
    except MlbenchError as error:
        refused(str(error))
        return
    app.notify(f"going on with {row.run_id} ...", markup=False)
    LaunchWatch(app, app.paths, launch, tell_begun(app), refused)


def resumed(paths: StorePaths, row: RunRow) -> Launch:
    """Return the process that goes on with a run.

    Raises:
        ControlError: The run is alive or has its result, or no process can be started.
        StoreError: Nothing can be written beside the database.
    """
    control.refuse_resuming(paths, row)
    return control.resume(paths, row.run_id)
