"""The same run started twice: at once, one after the other, and everything between."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlbench.errors import PluginError, RunDoneError
from mlbench.run.device import Execution
from mlbench.run.setup import Request, prepare
from mlbench.session import launch
from mlbench.session.drive import Attempt, Attempts
from mlbench.session.keeper import refuse
from mlbench.store.journal import list_journals
from mlbench.store.liveness import RunLock
from mlbench.store.paths import StorePaths
from mlbench.store.queries import find_run
from mlbench.store.states import RunState, last_status
from tests.survival.typed import SINE, SINE_EPISODES, recorded, run_ids, typed

pytestmark = pytest.mark.slow

CPU = Execution(device="cpu", threads=1, engine="auto")
REQUEST = Request(
    algorithm="maml",
    train="sine",
    queries=10,
    train_tasks=10,
    validation_tasks=4,
    validate_every=10,
    test_tasks=4,
    settings={"train_steps": "1", "test_steps": "1"},
)
AT_ONCE = """
import os, sys
from pathlib import Path
from mlbench.cli import main
from mlbench.session import launch
import mlbench.session.drive, mlbench.store.queries
from tests.survival.typed import SINE

folder, processes = Path(sys.argv[1]), int(sys.argv[2])
gate, opened = os.pipe()
children = []
for number in range(processes):
    if not (child := os.fork()):
        for stream, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(folder / f"{number}.{name}", os.O_WRONLY | os.O_CREAT), stream)
        os.close(opened)
        os.read(gate, 1)
        code = 1
        try:
            main([*SINE, "--db", str(folder / "runs.duckdb")])
        except SystemExit as end:
            code = end.code
        finally:
            sys.stdout.flush()
            os._exit(code)  # threads of libraries do not survive a fork, nor do they end after it
    children.append(child)
os.close(opened)
print(*(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""


class Silent:
    def begin(self, *_: object) -> None: ...
    def see(self, *_: object) -> None: ...
    def end(self) -> None: ...


def test_a_run_that_finished_since_it_was_planned_is_not_run_again(paths: StorePaths) -> None:
    experiment = prepare(REQUEST)
    Attempt(experiment, CPU, paths, "run").drive(Silent())
    before = paths.journal("run", 1).read_bytes()
    with pytest.raises(RunDoneError, match=r"^run finished in another process mean.*; the") as told:
        Attempt(experiment, CPU, paths, "run").drive(Silent())
    assert told.value.run_ids == ("run",)
    assert [journal.path.name for journal in list_journals(paths)] == ["run.1.jsonl"]
    assert paths.journal("run", 1).read_bytes() == before


def test_of_a_stack_the_runs_that_finished_are_named_and_none_is_begun(paths: StorePaths) -> None:
    experiment = prepare(REQUEST)
    experiments = [experiment.with_seed(seed) for seed in range(3)]
    Attempt(experiments[1], CPU, paths, "b").drive(Silent())
    with pytest.raises(RunDoneError) as told:
        Attempts(experiments, CPU, paths, ["a", "b", "c"]).drive(Silent(), print)
    assert told.value.run_ids == ("b",)
    assert len(list_journals(paths)) == 1


def test_whoever_comes_between_plan_and_start_shows_the_result_of_the_other(
    paths: StorePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide = launch.plan

    def decide_slowly(*arguments: Any, **options: Any) -> Any:
        planned = decide(*arguments, **options)
        with monkeypatch.context() as patch:
            patch.setattr(launch, "plan", decide)
            assert typed(paths, *SINE).code == 0  # the other process, from beginning to end
        return planned

    with monkeypatch.context() as patch:
        patch.setattr(launch, "plan", decide_slowly)
        late = typed(paths, *SINE)
    assert late.code == 0, late.err
    assert "finished in another process meanwhile" in late.err
    assert late.out == typed(paths, *SINE).out
    (run_id,) = run_ids(paths)
    assert len(list_journals(paths)) == 1
    assert len(recorded(paths, run_id)) == SINE_EPISODES


def test_a_run_that_began_since_the_store_was_asked_has_the_name_that_was_chosen(
    paths: StorePaths,
) -> None:
    experiment = prepare(REQUEST)

    def find_too_early(store: StorePaths, spec_hash: str) -> RunState | None:
        known = find_run(store, spec_hash)
        Attempt(experiment, CPU, paths, launch.base_id(experiment.spec)).drive(Silent())
        return known

    planned = launch.plan(experiment, paths, print, find_too_early, again=False)
    assert isinstance(planned, launch.Planned)
    assert planned.run_id == launch.base_id(experiment.spec)


def test_a_result_is_not_made_a_failure_by_whoever_was_too_late_to_go_on(
    paths: StorePaths,
) -> None:
    Attempt(prepare(REQUEST), CPU, paths, "run").drive(Silent())
    with RunLock(paths, "run"):
        refuse(paths, "run", PluginError("sine has gone"))
    state = last_status(paths, "run")
    assert state is not None
    assert state.status == "finished"


@pytest.mark.parametrize("text", [b"", b'{"type":"star'])
def test_a_start_that_was_killed_before_its_first_line_gives_no_second_run(
    paths: StorePaths, text: bytes
) -> None:
    first = typed(paths, *SINE)
    (run_id,) = run_ids(paths)
    paths.database.unlink()
    paths.journal(run_id, 1).write_bytes(text)
    again = typed(paths, *SINE)
    assert again.code == 0, again.err
    assert [journal.path.name for journal in list_journals(paths)] == [
        f"{run_id}.1.jsonl",
        f"{run_id}.2.jsonl",
    ]
    assert run_ids(paths) == [run_id]
    assert first.out.splitlines()[:-1] == again.out.splitlines()[:-1]  # the last has seconds


def test_of_processes_that_start_a_run_at_once_one_runs_it_and_none_is_wrong(
    tmp_path: Path,
) -> None:
    processes = 3
    command = [sys.executable, "-c", AT_ONCE, str(tmp_path), str(processes)]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    codes = list(map(int, done.stdout.split()))
    paths = StorePaths(tmp_path / "runs.duckdb")
    told = [(tmp_path / f"{number}.err").read_text() for number in range(processes)]
    assert codes.count(0) >= 1, told
    for code, text in zip(codes, told, strict=True):
        if code:
            assert code == 1
            assert text.splitlines()[-1].startswith("Error: run ")
            assert "is already running as PID" in text
    assert [journal.attempt for journal in list_journals(paths)] == [1], told
    assert typed(paths, *SINE).code == 0
    (run_id,) = run_ids(paths)
    assert len(recorded(paths, run_id)) == SINE_EPISODES
