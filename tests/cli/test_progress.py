"""What people see of a run while it goes on, from synthetic events and a clock of our own."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from io import StringIO

import pytest
import rich.console
from click import unstyle

from mlbench.cli import progress as module
from mlbench.cli.progress import BarObserver, LineObserver, opening, score_text
from mlbench.run.events import Episodes, Phase, PhaseEnded, Validated
from mlbench.run.progress import Progress
from mlbench.run.setup import Experiment, Request, prepare

SINE_WEIGHTS = (1 * 40 + 40) + (40 * 40 + 40) + (40 * 1 + 1)
Output = pytest.CaptureFixture[str]


class Clock:
    """Shows the time that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "monotonic", clock)
    monkeypatch.setattr(module, "LINE_SECONDS", 8.0)
    return clock


@pytest.fixture
def experiment() -> Experiment:
    """Return one of 100 training tasks, 20 of each validation and 40 of the test."""
    return prepare(Request(algorithm="maml", train="sine", budget="smoke"))


@pytest.fixture
def lines(clock: Clock, experiment: Experiment, capsys: Output) -> LineObserver:
    """Return an observer that began at 100 s and has said so."""
    observer = LineObserver()
    observer.begin(experiment, "r1", Progress())
    capsys.readouterr()
    return observer


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """Return what a terminal of 120 columns receives."""
    stream = StringIO()
    terminal = partial(
        rich.console.Console, file=stream, force_terminal=True, color_system=None, width=120
    )
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(rich.console, "Console", terminal)
    return stream


@pytest.fixture
def bar(clock: Clock, experiment: Experiment, screen: StringIO) -> Iterator[BarObserver]:
    observer = BarObserver()
    observer.begin(experiment, "r1", Progress())
    yield observer
    observer.end()


def episodes(phase: Phase, first: int, count: int) -> Episodes:
    ones = [1.0] * count
    return Episodes(phase, "sine", first, [0] * count, ones, ones, 0.5, list(range(count)))


def validated(tasks: int, score: float, *, best: bool) -> Validated:
    return Validated(step=tasks, tasks=tasks, loss=score, score=score, best=best)


def shown(bar: BarObserver, screen: StringIO) -> str:
    """Return the bar as it is drawn next."""
    assert bar.bars is not None
    screen.seek(0)
    screen.truncate()
    bar.bars.refresh()
    return unstyle(screen.getvalue()).strip()


def test_a_run_opens_with_what_it_is(experiment: Experiment) -> None:
    assert opening(experiment, "r1", Progress()) == (
        f"r1: maml, sine → sine, 5-shot, seed 0, smoke budget of 100 tasks, {SINE_WEIGHTS} weights"
    )


def test_a_resumed_run_opens_with_where_it_goes_on(experiment: Experiment) -> None:
    line = opening(experiment, "r1", Progress(position=71, tasks=50))
    assert line.endswith(", going on at task 50")


def test_images_open_with_ways_seed_and_every_data_set_tested_on() -> None:
    request = Request(
        algorithm="turtle",
        train="shapes",
        evals=("glyphs",),
        ways=3,
        shots=1,
        seed=7,
        train_tasks=8,
    )
    line = opening(prepare(request), "r2", Progress())
    assert line.startswith(
        "r2: turtle, shapes → shapes, glyphs, 3-way 1-shot, seed 7, custom budget of 8 tasks, "
    )


def test_a_technique_without_meta_training_opens_with_that(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiment.algorithm_class, "training", "none")
    line = opening(experiment, "r1", Progress())
    assert line.endswith(f"smoke budget, no meta-training, {SINE_WEIGHTS} weights")


@pytest.mark.parametrize("kind", [LineObserver, BarObserver])
def test_a_technique_without_meta_training_is_followed_to_its_end(
    kind: type[LineObserver | BarObserver],
    clock: Clock,
    experiment: Experiment,
    screen: StringIO,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(experiment.algorithm_class, "training", "none")
    observer = kind()
    observer.begin(experiment, "r1", Progress())
    events = (
        episodes("validation", 0, 20),
        validated(0, 3.25, best=True),
        PhaseEnded("train", "sine", 0.0),
        PhaseEnded("validation", "sine", 1.0),
        episodes("test", 0, 40),
        PhaseEnded("test", "sine", 1.0),
    )
    for event in events:
        clock.now += 10
        observer.see(event, Progress())
    counter = observer.counter
    assert (counter.phase, counter.done, counter.total) == ("test sine", 40, 40)
    observer.end()


@pytest.mark.parametrize(
    ("kind", "score", "text"),
    [
        ("classification", 0.4567, "accuracy 45.7 %"),
        ("regression", 0.4567, "MSE 0.457"),
        ("regression", None, "-"),
    ],
)
def test_a_score_is_told_in_the_units_of_its_kind(
    kind: str, score: float | None, text: str
) -> None:
    assert score_text(kind, score) == text


@pytest.mark.parametrize("kind", [LineObserver, BarObserver])
def test_both_open_on_stderr(
    kind: type[LineObserver | BarObserver],
    experiment: Experiment,
    screen: StringIO,
    capsys: Output,
) -> None:
    observer = kind()
    observer.begin(experiment, "r1", Progress(position=3, tasks=2))
    observer.end()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == opening(experiment, "r1", Progress(position=3, tasks=2)) + "\n"


def test_a_terminal_gets_a_bar_and_a_file_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: False)
    assert isinstance(module.observer(), LineObserver)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert isinstance(module.observer(), BarObserver)


def test_every_validation_is_a_line_and_the_best_are_marked(
    lines: LineObserver, capsys: Output
) -> None:
    lines.see(validated(0, 3.25, best=True), Progress())
    lines.see(validated(50, 4.5, best=False), Progress())
    assert capsys.readouterr().err.splitlines() == [
        "  task 0: validation MSE 3.250  best so far",
        "  task 50: validation MSE 4.500",
    ]


def test_the_end_of_a_test_is_a_line_and_that_of_training_is_none(
    lines: LineObserver, capsys: Output
) -> None:
    lines.see(PhaseEnded("train", "sine", 4.0), Progress())
    lines.see(PhaseEnded("test", "sine", 2.26), Progress())
    assert capsys.readouterr().err == "  tested on sine in 2.3 s\n"


def test_where_a_run_diverged_is_a_line_once(lines: LineObserver, capsys: Output) -> None:
    lines.see(episodes("train", 0, 10), Progress(tasks=10))
    assert capsys.readouterr().err == ""
    diverged = Progress(tasks=20, diverged="its loss was not finite")
    lines.see(episodes("train", 10, 10), diverged)
    assert capsys.readouterr().err == "  task 20: diverged, training ends here\n"
    lines.see(episodes("test", 0, 10), diverged)
    assert capsys.readouterr().err == ""


def test_a_validation_that_ends_a_run_is_told_before_that_it_diverged(
    lines: LineObserver, capsys: Output
) -> None:
    diverged = Progress(tasks=50, diverged="it has no finite validation loss")
    lines.see(validated(50, float("nan"), best=False), diverged)
    assert capsys.readouterr().err.splitlines() == [
        "  task 50: validation MSE nan",
        "  task 50: diverged, training ends here",
    ]


def test_a_run_that_goes_on_after_it_diverged_does_not_say_so_again(
    clock: Clock, experiment: Experiment, capsys: Output
) -> None:
    diverged = Progress(position=3, tasks=20, diverged="its loss was not finite")
    observer = LineObserver()
    observer.begin(experiment, "r1", diverged)
    capsys.readouterr()
    observer.see(episodes("test", 0, 10), diverged)
    assert capsys.readouterr().err == ""


def test_a_long_phase_is_told_now_and_then_with_its_rate_and_what_is_left(
    lines: LineObserver, clock: Clock, capsys: Output
) -> None:
    told = []
    for clock.now, first, count in ((102, 0, 10), (110, 10, 10), (115, 20, 20), (120, 40, 10)):
        lines.see(episodes("train", first, count), Progress())
        told.append(capsys.readouterr().err)
    assert told == [
        "",
        "  train sine: 20/100 tasks, 2.0 tasks/s, 40 s left\n",  # 20 in 10 s, 80 to go
        "",
        "  train sine: 50/100 tasks, 2.5 tasks/s, 20 s left\n",  # 50 in 20 s, 50 to go
    ]


def test_a_validation_line_puts_off_the_periodic_one(
    lines: LineObserver, clock: Clock, capsys: Output
) -> None:
    clock.now = 107
    lines.see(validated(0, 1.0, best=False), Progress())
    capsys.readouterr()
    clock.now = 112
    lines.see(episodes("train", 0, 10), Progress())
    assert capsys.readouterr().err == ""


def test_the_rate_is_that_of_the_phase_under_way(
    lines: LineObserver, clock: Clock, capsys: Output
) -> None:
    clock.now = 101
    lines.see(episodes("train", 0, 50), Progress())
    clock.now = 111
    lines.see(episodes("validation", 0, 5), Progress())
    assert capsys.readouterr().err == (
        "  validation sine: 5/20 tasks, 0.5 tasks/s, 30 s left\n"  # 5 in 10 s, 15 to go
    )
    clock.now = 121
    lines.see(episodes("test", 0, 10), Progress())
    assert capsys.readouterr().err == "  test sine: 10/40 tasks, 1.0 tasks/s, 30 s left\n"


def test_what_an_earlier_attempt_did_does_not_count_into_the_rate(
    clock: Clock, experiment: Experiment, capsys: Output
) -> None:
    observer = LineObserver()
    observer.begin(experiment, "r1", Progress(position=71, tasks=50))
    capsys.readouterr()
    clock.now = 110
    observer.see(episodes("train", 50, 20), Progress())
    assert capsys.readouterr().err == "  train sine: 70/100 tasks, 2.0 tasks/s, 15 s left\n"


def test_a_phase_that_ended_before_this_attempt_has_no_rate_to_tell(
    lines: LineObserver, clock: Clock, capsys: Output
) -> None:
    clock.now = 200
    lines.see(PhaseEnded("train", "sine", 4.0), Progress())
    assert capsys.readouterr().err == ""


def test_the_bar_shows_phase_count_rate_and_the_last_validation(
    bar: BarObserver, clock: Clock, screen: StringIO
) -> None:
    clock.now = 102
    bar.see(episodes("validation", 0, 20), Progress())
    text = shown(bar, screen)
    assert text.startswith("validation sine ")
    assert " 20/20 10.0 tasks/s " in text
    assert "MSE" not in text
    bar.see(validated(0, 3.25, best=True), Progress())
    assert "validation MSE 3.250" in shown(bar, screen)
    clock.now = 110
    bar.see(episodes("train", 0, 20), Progress())
    text = shown(bar, screen)
    assert text.startswith("train sine ")
    assert "  20/100 2.5 tasks/s " in text
    assert text.endswith("validation MSE 3.250")
    bar.see(validated(20, 4.5, best=False), Progress())
    assert shown(bar, screen).endswith("validation MSE 4.500")


def test_the_bar_says_that_a_run_diverged_and_goes_on_with_its_test(
    bar: BarObserver, screen: StringIO
) -> None:
    bar.see(validated(0, 3.25, best=True), Progress())
    bar.see(episodes("train", 0, 20), Progress(tasks=20))
    assert "diverged" not in shown(bar, screen)
    diverged = Progress(tasks=40, diverged="its loss was not finite")
    bar.see(episodes("train", 20, 20), diverged)
    text = shown(bar, screen)
    assert " 40/100 " in text
    assert text.endswith("diverged, validation MSE 3.250")
    bar.see(episodes("test", 0, 40), diverged)
    text = shown(bar, screen)
    assert text.startswith("test sine ")
    assert " 40/40 " in text
    assert "diverged" in text


def test_the_bar_and_not_the_numbers_get_shorter_on_a_narrow_screen(
    bar: BarObserver, screen: StringIO
) -> None:
    assert bar.bars is not None
    bar.bars.console.width = 75
    bar.see(validated(0, 3.25, best=True), Progress())
    bar.see(episodes("train", 0, 20), Progress())
    text = shown(bar, screen)
    assert text.startswith("train sine ")
    assert " 20/100 " in text
    assert text.endswith("validation MSE 3.250")


def test_there_is_one_bar_at_a_time_and_it_starts_where_an_attempt_goes_on(
    bar: BarObserver, clock: Clock
) -> None:
    assert bar.bars is not None
    clock.now = 105
    bar.see(episodes("train", 50, 20), Progress())
    (task,) = bar.bars.tasks
    assert (task.description, task.completed, task.total) == ("train sine", 70, 100)
    assert task.fields["rate"] == "4.0 tasks/s"
    bar.see(episodes("test", 0, 10), Progress())
    bar.see(PhaseEnded("test", "sine", 1.0), Progress())
    (task,) = bar.bars.tasks
    assert (task.description, task.completed, task.total) == ("test sine", 10, 40)


def test_what_comes_before_the_first_episodes_moves_no_bar(bar: BarObserver) -> None:
    assert bar.bars is not None
    bar.see(PhaseEnded("train", "sine", 4.0), Progress())
    assert bar.bars.tasks == []


@pytest.mark.parametrize("kind", [LineObserver, BarObserver])
def test_an_end_without_a_beginning_is_quiet(
    kind: type[LineObserver | BarObserver], capsys: Output
) -> None:
    observer = kind()
    observer.end()
    observer.end()
    assert capsys.readouterr() == ("", "")


def test_the_bar_goes_at_the_end_however_often_that_is_told(
    bar: BarObserver, screen: StringIO
) -> None:
    assert bar.bars is not None
    bar.see(episodes("train", 0, 10), Progress())
    bar.end()
    assert not bar.bars.live.is_started
    left = screen.getvalue()
    assert left.endswith("\x1b[2K")  # the line is erased
    bar.end()
    assert screen.getvalue() == left
