"""The form that starts a run: technique, data, budget, and the technique's hyperparameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Button, Checkbox, Footer, Input, Select, Static

from mlbench.errors import MlbenchError
from mlbench.registry import find_plugins
from mlbench.session.process import command_text
from mlbench.tui import control
from mlbench.tui.aside import aside
from mlbench.tui.form import HYPERPARAMETER, MORE, NUMBERS, Values, arguments
from mlbench.tui.form_choices import (
    BUDGETS,
    OF_TASK,
    PREFERRED,
    PROTOCOLS,
    first,
    number_row,
    offered,
)
from mlbench.tui.form_facts import WHOLE, Facts, HyperField, look_up
from mlbench.tui.form_rows import ChoiceRow, FormRow, SeveralRow, TextRow, YesNoRow
from mlbench.tui.launches import LaunchWatch, tell_refused

if TYPE_CHECKING:
    from mlbench.tui.app import Dashboard

PAUSE_SECONDS = 0.25  # of typing, before what was typed is looked at


class Fields(VerticalScroll, can_focus=False, inherit_bindings=False):
    """The part of the form that scrolls; arrows go from field to field."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "app.focus_next", show=False),
        Binding("up", "app.focus_previous", show=False),
        Binding("pageup", "page_up", show=False),
        Binding("pagedown", "page_down", show=False),
    ]


class StartScreen(ModalScreen[None]):
    """Shows the command line that it amounts to, says what is wrong as one types, and starts it.

    Args:
        preset: What to begin with; a small run where that is ``None``.
    """

    CSS_PATH = "start_screen.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "start", "Start", priority=True),
        Binding("ctrl+y", "copy", "Copy the command", priority=True),
        Binding("escape", "dismiss", "Leave"),
    ]

    def __init__(self, preset: Values | None = None) -> None:
        super().__init__()
        self.preset = preset or Values(
            algorithm=first("algorithms", PREFERRED["algorithm"]),
            train=first("datasets", PREFERRED["train"]),
        )
        self.facts: Facts | None = None
        self.fields: tuple[HyperField, ...] = ()
        self.pause: Timer | None = None
        self.starting = False

    @property
    def dashboard(self) -> Dashboard:
        """Return the app that this screen belongs to."""
        from mlbench.tui.app import Dashboard

        assert isinstance(self.app, Dashboard)  # noqa: S101  for the type checker
        return self.app

    def compose(self) -> ComposeResult:
        """Lay out the form, and beneath it what it amounts to."""
        preset = self.preset
        yield Static("[b]mlbench[/b]  Start a run", id="title")
        with Fields(id="form"):
            yield ChoiceRow("algorithm", "Technique", offered("algorithms"), preset.algorithm)
            yield ChoiceRow("train", "Train on", offered("datasets"), preset.train)
            yield SeveralRow("evals", "Also test on", find_plugins("datasets"), preset.evals)
            for name in OF_TASK:
                yield number_row(name, preset)
            yield ChoiceRow("protocol", "Protocol", PROTOCOLS, preset.protocol)
            yield ChoiceRow("budget", "Budget", BUDGETS, preset.budget)
            for name in NUMBERS:
                if name not in OF_TASK:
                    yield number_row(name, preset)
            yield Static("", id="heading", markup=False)
            yield Vertical(id="hyper")
            row = TextRow(MORE, "More settings", "", preset.more)
            row.add_class("-long")
            yield row
            yield YesNoRow("again", "Again", "even if this very spec has its result")
        with Vertical(id="foot"):
            yield Static("", id="message", markup=False)
            yield Static("", id="command", markup=False)
            with Horizontal():
                yield Button("Start (^s)", id="start", variant="primary", compact=True)
                yield Button("Leave (esc)", id="leave", compact=True)
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Look up what there is to know of what the form begins with."""
        self.row(MORE).default("learner.channels=32 protocol.normalisation=inductive")
        self.put("#heading", "Hyperparameters: loading ...")
        self.refresh_command()
        self.examine()

    def row(self, field: str) -> TextRow:
        """Return the row of a text field."""
        return next(row for row in self.query(TextRow) if row.field == field)

    @property
    def values(self) -> Values:
        """Return what stands in the form."""
        choices = {row.field: row.choice for row in self.query(ChoiceRow)}
        texts = {row.field: row.text for row in self.query(TextRow)}
        return Values(
            algorithm=choices["algorithm"],
            train=choices["train"],
            evals=self.query_one(SeveralRow).chosen,
            protocol=choices["protocol"],
            budget=choices["budget"],
            numbers={name: texts[name] for name in NUMBERS if texts[name]},
            settings={
                name.removeprefix(HYPERPARAMETER): text
                for name, text in texts.items()
                if name.startswith(HYPERPARAMETER) and text
            },
            more=texts[MORE],
            again=self.query_one(YesNoRow).ticked,
        )

    @property
    def arguments(self) -> tuple[str, ...]:
        """Return what is written after ``mlbench run``, as far as defaults are known."""
        return arguments(self.values, self.facts.defaults if self.facts else {})

    @property
    def command(self) -> str:
        """Return the command line, as one would type it here."""
        text = command_text(("run", *self.arguments))
        return text + self.dashboard.paths.option

    @on(Input.Changed)
    @on(Select.Changed)
    @on(Checkbox.Changed)
    def change(self) -> None:
        """Show the command line at once, and what is wrong with it after a pause."""
        self.refresh_command()
        if self.pause is not None:
            self.pause.stop()
        self.pause = self.set_timer(PAUSE_SECONDS, self.examine)

    @on(Input.Submitted)
    def submit(self) -> None:
        """Go on to the next field."""
        self.focus_next()

    def refresh_command(self) -> None:
        """Show the command line that the form amounts to."""
        self.put("#command", self.command)

    def put(self, where: str, text: str) -> None:
        """Show a text; only where it changed, since that lays out the whole form again."""
        static = self.query_one(where, Static)
        if static.content != text:
            static.update(text)

    @work(exclusive=True, group="examine")
    async def examine(self) -> None:
        """Look up, on a thread, defaults and what is wrong.

        What is shown of it is not shown from here: this is cancelled by the next key, and rows
        that are half put up when that happens stay so.
        """
        facts = await aside(look_up, self.values)
        self.call_later(self.show_facts, facts)

    async def show_facts(self, facts: Facts) -> None:
        """Show defaults and refusals; start, if that waited for them."""
        if self.values != facts.values:  # another look is on its way
            return
        self.facts = facts
        await self.show_fields(facts)
        if self.values != facts.values:  # those of another technique came and went
            self.examine()
            return
        for row in self.query(FormRow):
            row.refuse(facts.refusals.get(row.field))
            if isinstance(row, TextRow) and row.field != MORE:
                row.default(facts.defaults.get(row.field, ""))
        self.say(facts.refusals.get(WHOLE), wrong=True)
        self.refresh_command()
        if self.starting:
            self.starting = False
            self.start(facts)

    async def show_fields(self, facts: Facts) -> None:
        """Show the technique's hyperparameters: other ones for another technique."""
        name = facts.values.algorithm
        fields = facts.fields or ()
        heading = f"Hyperparameters of {name}" if fields else f"{name} has no hyperparameters"
        if facts.fields is None:
            heading = f"Hyperparameters of {name}: not known, see above"
        self.put("#heading", heading)
        if [each.name for each in fields] != [each.name for each in self.fields]:
            place = self.query_one("#hyper", Vertical)
            await place.remove_children()
            preset = self.preset.settings if name == self.preset.algorithm else {}
            await place.mount_all(
                TextRow(
                    f"{HYPERPARAMETER}{each.name}", each.name, each.help, preset.get(each.name, "")
                )
                for each in fields
            )
        self.fields = fields

    def say(self, text: str | None, *, wrong: bool = False) -> None:
        """Show a message above the command line, or none."""
        message = self.query_one("#message", Static)
        self.put("#message", f"× {text}" if text and wrong else text or "")
        message.set_class(wrong, "-wrong")
        message.display = bool(text)

    def action_start(self) -> None:
        """Start, once what stands in the form is known to be fine; only one run at a time."""
        if self.query_one("#start", Button).disabled:
            return
        self.starting = True
        self.say("checking ...")
        self.examine()

    def start(self, facts: Facts) -> None:
        """Start the run, or lead to what is wrong."""
        if facts.refusals:
            wrong = next((row for row in self.query(FormRow) if row.field in facts.refusals), None)
            if wrong is not None:
                wrong.query("Input, Select, Tick").first().focus()
                self.say("something above is refused; nothing was started", wrong=True)
            return
        self.query_one("#start", Button).disabled = True
        self.app.run_worker(self.launch(self.arguments), group="launches")

    async def launch(self, arguments: tuple[str, ...]) -> None:
        """Start the process on a thread and have it followed, even if the form has been left."""
        app = self.dashboard
        try:
            launch = await aside(control.start, app.paths, arguments)
        except MlbenchError as error:
            self.refused(str(error))
            return
        if self.is_current:
            self.say(f"starting as PID {launch.pid}; its log is {launch.log}")
        LaunchWatch(app, app.paths, launch, self.begun, self.refused)

    def begun(self, run_id: str) -> None:
        """Say that the run began, and leave."""
        self.app.notify(f"{run_id} is running", markup=False)
        if self.is_current:
            self.dismiss()

    def refused(self, reason: str) -> None:
        """Say why there is no run; here, as long as the form is open."""
        if not self.is_current:
            tell_refused(self.app)(reason)
            return
        self.query_one("#start", Button).disabled = False
        self.say(reason, wrong=True)

    def action_copy(self) -> None:
        """Copy the command line, if the terminal lets us."""
        self.app.copy_to_clipboard(self.command)
        self.notify("copied, where the terminal allows it", markup=False)

    @on(Button.Pressed, "#start")
    def press_start(self) -> None:
        """Start by the button."""
        self.action_start()

    @on(Button.Pressed, "#leave")
    def press_leave(self) -> None:
        """Leave by the button."""
        self.dismiss()
