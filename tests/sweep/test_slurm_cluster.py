"""A real Slurm of one node: jobs that fail, are preempted, run out of time or die, and go on.

``tests/slurm/start.sh`` starts one and says how it is found; without it, these are skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from mlbench.run.setup import Request, prepare
from mlbench.store.ingest import refresh
from mlbench.store.journal import journals_of
from mlbench.store.paths import StorePaths
from mlbench.store.states import find_in_journals
from mlbench.store.user_sql import sql
from mlbench.sweep.job import Job, job_of
from mlbench.sweep.slurm import Submitted, cancel, submit
from mlbench.sweep.slurm_options import options_of
from mlbench.sweep.slurm_queue import TaskState, queue_states
from tests.slurm.broken import BROKEN

pytestmark = pytest.mark.slow

REQUEST = Request(
    algorithm="maml",
    train="sine",
    queries=10,
    train_tasks=600,
    validation_tasks=10,
    validate_every=100,
    test_tasks=50,
)
COMPUTED = ("--threads", "1", "--device", "cpu")
EPISODES = """
    SELECT phase, eval_dataset, episode, step, loss, score, position
    FROM episodes JOIN runs USING (run_id) WHERE algorithm = 'maml' AND seed = {} ORDER BY position
"""
GRID = """
[[grid]]
algorithm = ["maml", "broken"]
train = "sine"
seeds = [7]
budget = "smoke"
"""
SUBMITTER = """
import signal, sys, time
from pathlib import Path
from mlbench.store.paths import StorePaths
from mlbench.sweep.job import Job
from mlbench.sweep.slurm import submit
from mlbench.sweep.slurm_options import options_of

signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored
hashes, base = tuple(sys.argv[1:2]), tuple(sys.argv[2:])
job = Job(label="short", base=base, seeds=(6,), spec_hashes=hashes, database="r.duckdb")
submit([job], StorePaths(Path("r.duckdb")), "short", options_of(["time=10"]))
print("submitted", flush=True)
time.sleep(600)
"""


@cache
def lack_of_slurm() -> str | None:
    """Return why there is no Slurm to try things on; ``None`` if there is."""
    if shutil.which("scontrol") is None:
        return "Slurm is not installed"
    command = ["timeout", "5", "scontrol", "show", "config"]  # without Slurm it asks for a minute
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return "no Slurm answers; tests/slurm/start.sh starts one"
    lines = map(str.split, done.stdout.splitlines())
    if ["ClusterName", "=", "mlbench"] not in lines:
        return "the Slurm that answers is not the one of tests/slurm/start.sh"
    return None


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StorePaths]:
    """Return an empty store in the folder that we are in; its jobs do not outlive the test."""
    pytest.importorskip("submitit", reason="submitit is not installed (mlbench[slurm])")
    if (lack := lack_of_slurm()) is not None:
        pytest.skip(lack)
    monkeypatch.chdir(tmp_path)
    store = StorePaths(Path("r.duckdb"))
    yield store
    cancel(queue_states(store).states)


def until(holds: Callable[[], bool], what: str, patience: float = 240.0) -> None:
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, f"not within {patience} s: {what}"
        time.sleep(0.1)


def job(paths: StorePaths, seed: int) -> Job:
    spec = prepare(REQUEST).with_seed(seed).spec
    return job_of(REQUEST, f"maml {seed}", [(seed, spec.hash)], paths, COMPUTED)


def write_plugin() -> None:
    Path("algorithms").mkdir()
    Path("algorithms/broken.py").write_text(BROKEN)


def broken() -> Job:
    write_plugin()
    base = ("run", "broken", "--train", "sine", "--budget", "smoke", *COMPUTED)
    return Job(label="broken", base=base, seeds=(0,), spec_hashes=("broken",), database="r.duckdb")


def send(paths: StorePaths, *jobs: Job, partition: str = "batch") -> Submitted:
    options = options_of(["time=20", f"partition={partition}"])
    return submit(jobs, paths, "a sweep", options, parallel=2)


def state(paths: StorePaths, spec_hash: str) -> TaskState:
    return queue_states(paths).by_spec()[spec_hash]


def has_saved(paths: StorePaths, one: Job) -> bool:
    run = find_in_journals(paths, one.spec_hashes[0])
    return run is not None and paths.checkpoint(run.run_id).exists()


def has_ended(paths: StorePaths, one: Job) -> bool:
    return state(paths, one.spec_hashes[0]).standing in {"ended", "gone"}


def process_of(paths: StorePaths, one: Job) -> int:
    run = find_in_journals(paths, one.spec_hashes[0])
    assert run is not None
    return int(paths.run_lock(run.run_id).read_text())


def attempts(paths: StorePaths, one: Job) -> int:
    run = find_in_journals(paths, one.spec_hashes[0])
    assert run is not None
    assert run.status == "finished"
    return len(journals_of(paths, run.run_id))


def undisturbed(one: Job) -> pl.DataFrame:
    """Return the episodes of a run that nothing happens to, here and without Slurm."""
    arguments = (*one.base, "--seeds", str(one.seeds[0]), "--db", "whole.duckdb")
    command = [sys.executable, "-P", "-m", "mlbench", *arguments]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    return sql(StorePaths(Path("whole.duckdb")), EPISODES.format(one.seeds[0]))


def episodes(paths: StorePaths, one: Job) -> pl.DataFrame:
    refresh(paths)  # as whoever looks does
    return sql(paths, EPISODES.format(one.seeds[0]))


def slurm(*command: str) -> str:
    return subprocess.check_output(command, text=True, timeout=30)


def test_an_array_has_one_run_that_fails_one_requeued_and_one_out_of_time(
    paths: StorePaths,
) -> None:
    requeued, late, failing = job(paths, 0), job(paths, 1), broken()
    (array,) = send(paths, requeued, late, failing).arrays
    until(lambda: has_saved(paths, requeued) and has_saved(paths, late), "both have a checkpoint")
    again = send(paths, requeued, late, failing)
    assert again.arrays == ()
    assert [each.task_id for each in again.in_flight] == [f"{array.number}_{i}" for i in range(3)]

    slurm("scontrol", "requeue", f"{array.number}_0")
    slurm("scancel", "--signal=USR2", f"{array.number}_1")  # as before the limit
    until(lambda: state(paths, requeued.spec_hashes[0]).standing == "requeued", "it is requeued")
    until(lambda: state(paths, late.spec_hashes[0]).standing == "requeued", "so is the other")
    whole = undisturbed(requeued)
    until(lambda: all(has_ended(paths, one) for one in (requeued, late, failing)), "all end")

    assert attempts(paths, requeued) == 2
    assert attempts(paths, late) == 2
    assert len(whole) > 600
    assert episodes(paths, requeued).equals(whole)
    assert episodes(paths, late).equals(undisturbed(late))
    for one in (requeued, late):
        assert state(paths, one.spec_hashes[0]).failure is None
    failed = state(paths, "broken")
    assert failed.standing == "ended"
    assert failed.exit_code == 1
    assert "KeyError: 'gradients'" in str(failed.failure)
    assert failed.log.exists()


def test_a_job_that_is_preempted_with_a_period_of_grace_goes_on(paths: StorePaths) -> None:
    one = job(paths, 2)
    send(paths, one)
    until(lambda: has_saved(paths, one), "it has a checkpoint")
    slurm("sbatch", "--partition=urgent", "--exclusive", "--output=/dev/null", "--wrap=sleep 1")
    until(lambda: state(paths, one.spec_hashes[0]).standing == "requeued", "it is requeued")
    until(lambda: has_ended(paths, one), "it ends")
    assert attempts(paths, one) == 2
    assert episodes(paths, one).equals(undisturbed(one))


def test_jobs_that_die_without_a_word_have_failed_with_a_reason(paths: StorePaths) -> None:
    lost, killed = job(paths, 3), job(paths, 4)
    send(paths, lost, killed)
    until(lambda: has_saved(paths, lost) and has_saved(paths, killed), "both have begun")
    os.kill(process_of(paths, killed), signal.SIGKILL)  # as the kernel does when memory is short
    run = process_of(paths, lost)
    os.kill(int(Path(f"/proc/{run}/stat").read_text().split()[3]), signal.SIGKILL)  # the job
    os.kill(run, signal.SIGKILL)
    until(lambda: has_ended(paths, lost) and has_ended(paths, killed), "both are over")
    assert "left Slurm's queue without a word" in str(state(paths, lost.spec_hashes[0]).failure)
    failure = str(state(paths, killed.spec_hashes[0]).failure)
    assert "exited with 137" in failure
    assert "ask for more: --slurm mem=..." in failure

    send(paths, lost, killed)  # what was lost goes on from its checkpoint
    until(lambda: has_ended(paths, lost) and has_ended(paths, killed), "both end")
    assert attempts(paths, lost) == attempts(paths, killed) == 2


def test_a_job_that_is_cancelled_saves_its_state_and_stays_away(paths: StorePaths) -> None:
    one = job(paths, 5)
    send(paths, one)
    until(lambda: has_saved(paths, one), "it has a checkpoint")
    cancel(queue_states(paths).states)
    until(lambda: has_ended(paths, one), "it ends")
    run = find_in_journals(paths, one.spec_hashes[0])
    assert run is not None
    assert run.status == "interrupted"
    assert not state(paths, one.spec_hashes[0]).in_flight


def test_ctrl_c_of_the_submitter_leaves_the_jobs_alone(paths: StorePaths) -> None:
    one = job(paths, 6)
    command = [sys.executable, "-c", SUBMITTER, one.spec_hashes[0], *one.base]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as submitter:
        assert submitter.stdout is not None
        assert submitter.stdout.readline() == b"submitted\n"
        submitter.send_signal(signal.SIGINT)
        submitter.communicate(timeout=60)
    until(lambda: has_ended(paths, one), "it ends")
    assert attempts(paths, one) == 1


def mlbench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "mlbench", *arguments, "--db", "r.duckdb"]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)


def told(paths: StorePaths) -> dict[str, dict[str, str]]:
    """Return what ``mlbench sweep --status`` says, by what the runs are."""
    lines = mlbench("sweep", "grid.toml", "--status", "--json").stdout.splitlines()
    return {row["runs"].partition(",")[0]: row for row in map(json.loads, lines)}


def test_a_sweep_is_submitted_left_alone_and_asked_after(paths: StorePaths) -> None:
    write_plugin()
    Path("grid.toml").write_text(GRID)
    sweep = ("sweep", "grid.toml", "--executor", "slurm", "--slurm", "time=00:20:00")
    assert "2 jobs" in mlbench(*sweep).stderr
    assert {row["standing"] for row in told(paths).values()} <= {"queued", "running"}

    until(
        lambda: {row["standing"] for row in told(paths).values()} <= {"done", "failed"}, "both end"
    )
    rows = told(paths)
    assert rows["maml"]["standing"] == "done"
    assert rows["broken"]["standing"] == "failed"
    assert "KeyError" in rows["broken"]["error"]
    assert "Nothing is left to submit" in mlbench(*sweep).stderr
    assert "1 job" in mlbench(*sweep, "--retry-failed").stderr
