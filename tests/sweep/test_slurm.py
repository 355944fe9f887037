"""Submission to a Slurm that is made of stand-ins, and what is known of it afterwards."""

from __future__ import annotations

import json
import os
import signal
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from mlbench.errors import MisuseError
from mlbench.store.paths import StorePaths
from mlbench.sweep.job import Job
from mlbench.sweep.slurm import Submitted, cancel, submit
from mlbench.sweep.slurm_command import SlurmError
from mlbench.sweep.slurm_options import options_of
from mlbench.sweep.slurm_queue import TaskState, queue_states
from mlbench.sweep.slurm_record import Submission, folder_of, submissions, sweeps
from tests.slurm.commands import FakeSlurm

submitit = pytest.importorskip("submitit", reason="submitit is not installed (mlbench[slurm])")


@pytest.fixture
def paths(tmp_path: Path) -> StorePaths:
    return StorePaths(tmp_path / "of mine" / "runs.duckdb")


@pytest.fixture(autouse=True)
def slurm(tmp_path: Path, paths: StorePaths, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    paths.database.parent.mkdir()
    return FakeSlurm(tmp_path / "slurm", monkeypatch)


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Let SIGINT interrupt, which a process that was started in the background ignores."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def job(*seeds: int) -> Job:
    hashes = tuple(f"spec-{seed}" for seed in seeds)
    base = ("run", "maml", "--train", "sine")
    return Job(label=f"maml {seeds}", base=base, seeds=seeds, spec_hashes=hashes, database="r.db")


def send(
    paths: StorePaths, *jobs: Job, options: Sequence[str] = (), parallel: int = 2
) -> Submitted:
    return submit(jobs, paths, "grids/my sweep.toml", options_of(options), parallel=parallel)


def states(paths: StorePaths) -> dict[str, TaskState]:
    return queue_states(paths).by_spec()


def test_an_array_has_a_task_for_every_job(paths: StorePaths, slurm: FakeSlurm) -> None:
    (array,) = send(paths, job(0), job(1), job(2, 3), options=["partition=gpu", "time=90"]).arrays
    (script,) = slurm.scripts
    lines = script.splitlines()
    for option in (
        "array=0-2%2",
        f"job-name={array.id}",
        "partition=gpu",
        "time=90",
        "requeue",
        "signal=USR2@120",
        "open-mode=append",
    ):
        assert f"#SBATCH --{option}" in lines
    assert array.number == "41"
    assert [array.task_id(index) for index in range(3)] == ["41_0", "41_1", "41_2"]
    assert array.tasks[2].spec_hashes == ("spec-2", "spec-3")
    assert array.tasks[2].arguments[-1] == "--no-ingest"
    assert submissions(paths) == [array]


def test_one_job_is_no_array(paths: StorePaths, slurm: FakeSlurm) -> None:
    (array,) = send(paths, job(0)).arrays
    assert "--array" not in slurm.scripts[0]
    assert array.task_id(0) == "41"
    slurm.says(f"41|RUNNING|{array.id}|None")
    assert states(paths)["spec-0"].standing == "running"


def test_jobs_have_the_processors_that_were_asked_for(paths: StorePaths, slurm: FakeSlurm) -> None:
    send(paths, job(0), options=["cpus-per-task=4"])
    (command,) = (line for line in slurm.scripts[0].splitlines() if line.startswith("srun"))
    assert " --cpus-per-task=4 " in command


def test_more_jobs_than_an_array_may_have_are_several(paths: StorePaths, slurm: FakeSlurm) -> None:
    slurm.largest_array(2)
    arrays = send(paths, *map(job, range(5)), parallel=0).arrays
    assert [len(array.tasks) for array in arrays] == [2, 2, 1]
    assert [array.number for array in arrays] == ["41", "42", "43"]


def test_what_is_queued_or_running_is_not_submitted_again(
    paths: StorePaths, slurm: FakeSlurm
) -> None:
    (first,) = send(paths, job(0), job(1), job(2)).arrays
    slurm.says(
        f"41_0|RUNNING|{first.id}|None",
        f"41_1|PENDING|{first.id}|Resources",
        f"41_2|FAILED|{first.id}|NonZeroExitCode",
    )
    again = send(paths, job(0), job(1), job(2))
    assert [task.spec_hashes for array in again.arrays for task in array.tasks] == [("spec-2",)]
    assert [state.task_id for state in again.in_flight] == ["41_0", "41_1"]


def test_of_several_seeds_those_in_flight_are_left_out(paths: StorePaths, slurm: FakeSlurm) -> None:
    (first,) = send(paths, job(0, 1)).arrays
    slurm.says(f"41|RUNNING|{first.id}|None")
    (second,) = send(paths, job(0, 1, 2)).arrays
    assert second.tasks[0].spec_hashes == ("spec-2",)
    assert second.tasks[0].arguments[-5:-3] == ("--seeds", "2")


def test_nothing_is_submitted_while_slurm_cannot_say_what_is_queued(
    paths: StorePaths, slurm: FakeSlurm
) -> None:
    send(paths, job(0))
    slurm.is_down()
    with pytest.raises(SlurmError, match=r"squeue fails: Unable to contact .*; ask 'sinfo'"):
        send(paths, job(1))
    assert len(slurm.scripts) == 1


def test_what_slurm_refuses_is_told_in_one_line_and_forgotten(
    paths: StorePaths, slurm: FakeSlurm, capfd: pytest.CaptureFixture[str]
) -> None:
    slurm.sbatch("echo 'sbatch: error: invalid partition specified: gpu' >&2; exit 1")
    with pytest.raises(SlurmError) as refusal:
        send(paths, job(0), options=["partition=gpu"])
    assert str(refusal.value) == (
        "Slurm refuses the jobs: invalid partition specified: gpu; correct what --slurm says of"
        " them"
    )
    assert submissions(paths) == []
    assert [path.name for path in sweeps(paths).iterdir()] == ["submit.lock"]
    assert capfd.readouterr() == ("", "")


def test_without_slurm_the_user_is_told_where_to_go(
    paths: StorePaths, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    with pytest.raises(SlurmError, match=r"there is no sbatch here; submit on a machine"):
        send(paths, job(0))


def test_a_path_that_slurm_would_take_for_a_pattern_is_refused(tmp_path: Path) -> None:
    (tmp_path / "50%j").mkdir()
    with pytest.raises(MisuseError, match="has a % in its path"):
        send(StorePaths(tmp_path / "50%j" / "runs.duckdb"), job(0))


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_while_submitting_waits_until_it_is_written_down(
    paths: StorePaths, slurm: FakeSlurm
) -> None:
    slurm.sbatch("kill -INT $PPID; kill -INT $$")  # a terminal sends it to both
    with pytest.raises(KeyboardInterrupt):
        send(paths, job(0), job(1))
    (array,) = submissions(paths)
    assert array.number == "41"
    assert len(list(folder_of(paths, array).glob("*_submitted.pkl"))) == 2


def test_a_submitter_that_was_killed_is_made_up_for_by_the_queue(
    paths: StorePaths, slurm: FakeSlurm
) -> None:
    lost = Submission.of("lost", [job(0), job(1)], options_of([])).save(paths)
    slurm.says(f"77_0|RUNNING|{lost.id}|None", f"77_1|PENDING|{lost.id}|Priority")
    found = states(paths)
    assert (found["spec-0"].task_id, found["spec-0"].standing) == ("77_0", "running")
    assert (found["spec-1"].task_id, found["spec-1"].standing) == ("77_1", "queued")
    slurm.says()
    failure = states(paths)["spec-0"].failure
    assert failure is not None
    assert failure.startswith("it never reached Slurm; submit it again")


def test_options_in_the_environment_do_not_overrule_those_given(
    paths: StorePaths, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SBATCH_TIMELIMIT", "SBATCH_ACCOUNT", "SBATCH_PARTITION", "SLURM_JOB_ID"):
        monkeypatch.setenv(name, "7")
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm/slurm.conf")
    send(paths, job(0), options=["partition=gpu"])
    assert {"SBATCH_ACCOUNT", "SLURM_CONF"} <= slurm.environment
    assert not {"SBATCH_TIMELIMIT", "SBATCH_PARTITION", "SLURM_JOB_ID"} & slurm.environment
    assert os.environ["SBATCH_TIMELIMIT"] == "7"


def test_states_are_told_by_the_queue_and_by_what_jobs_left_behind(
    paths: StorePaths, slurm: FakeSlurm
) -> None:
    (array,) = send(paths, *map(job, range(8))).arrays
    folder = folder_of(paths, array)
    for name in ("41_1_0_log.out", "3.exit-0", "4.exit-2", "7.exit-143"):
        (folder / name).touch()
    (folder / "41_4_0_log.out").write_text(
        "Error: no data set 'zine'\x1b[2J\nsrun: error: n1: task 0: Exited with exit code 2\n"
    )
    (folder / "41_6_0_log.out").write_text(
        "submitit INFO (2026-01-01) - Starting\nslurmstepd: error: Detected 1 oom_kill event\n"
    )
    slurm.says(
        f"41_0|PENDING|{array.id}|Priority",
        f"41_1|PENDING|{array.id}|BeginTime",
        f"41_2|RUNNING|{array.id}|None",
        f"41_5|NODE_FAIL|{array.id}|None",
        f"41_7|PENDING|{array.id}|BeginTime",
        "41_3|RUNNING|of somebody else|None",
    )
    found = [states(paths)[f"spec-{seed}"] for seed in range(8)]
    assert [state.standing for state in found] == [
        "queued",
        "requeued",
        "running",
        "ended",
        "ended",
        "gone",
        "gone",
        "queued",
    ]
    assert [state.reason for state in found[:2]] == ["Priority", "BeginTime"]
    assert [state.failure is not None for state in found] == [False] * 4 + [True] * 3 + [False]
    log = folder / "41_4_0_log.out"
    assert found[4].failure == (
        f"job 41_4 exited with 2: Error: no data set 'zine'\\x1b[2J (log: {log})"
    )
    assert "left Slurm's queue without a word: NODE_FAIL" in str(found[5].failure)
    assert "Detected 1 oom_kill event" in str(found[6].failure)


def test_a_job_that_was_told_to_stop_may_be_back_in_the_queue(
    paths: StorePaths, slurm: FakeSlurm
) -> None:
    (array,) = send(paths, job(0)).arrays
    (folder_of(paths, array) / "0.exit-143").touch()
    assert states(paths)["spec-0"].standing == "ended"
    assert states(paths)["spec-0"].failure is None
    slurm.says(f"41|PENDING|{array.id}|BeginTime")
    assert states(paths)["spec-0"].in_flight


def test_slurm_is_not_asked_when_all_have_ended(paths: StorePaths, slurm: FakeSlurm) -> None:
    (array,) = send(paths, job(0), job(1)).arrays
    before = slurm.asked
    for index in range(2):
        (folder_of(paths, array) / f"{index}.exit-0").touch()
    assert {state.standing for state in queue_states(paths).states} == {"ended"}
    assert slurm.asked == before


def test_without_an_answer_states_are_unknown_and_not_failed(
    paths: StorePaths, slurm: FakeSlurm
) -> None:
    send(paths, job(0))
    slurm.is_down()
    queue = queue_states(paths)
    assert [state.standing for state in queue.states] == ["unknown"]
    assert queue.states[0].failure is None
    assert "Unable to contact slurm controller" in str(queue.trouble)


def test_what_was_submitted_last_counts(paths: StorePaths, slurm: FakeSlurm) -> None:
    send(paths, job(0, 1))
    (second,) = send(paths, job(0)).arrays
    slurm.says(f"42|RUNNING|{second.id}|None")
    found = states(paths)
    assert found["spec-0"].standing == "running"
    assert found["spec-1"].standing == "gone"


def test_records_that_cannot_be_read_are_left_out(paths: StorePaths, slurm: FakeSlurm) -> None:
    (array,) = send(paths, job(0)).arrays
    good = json.loads((sweeps(paths) / f"{array.id}.json").read_text())
    garbage = ["", "[]", "{", "null", "[" * 100_000, json.dumps({**good, "tasks": 3})]
    garbage.append(json.dumps({**good, "number": "1; rm -rf /"}))
    for number, text in enumerate(garbage):
        (sweeps(paths) / f"mlbench-x{number}.json").write_text(text)
    assert submissions(paths) == [array]


def test_cancelling_names_each_job_that_is_in_flight(paths: StorePaths, slurm: FakeSlurm) -> None:
    (array,) = send(paths, job(0), job(1)).arrays
    slurm.says(f"41_0|RUNNING|{array.id}|None", f"41_1|FAILED|{array.id}|None")
    slurm.put("scancel", f'#!/bin/sh\necho "$@" >"{slurm.folder}/cancelled"\n')
    cancel(queue_states(paths).states)
    assert (slurm.folder / "cancelled").read_text() == "41_0\n"


def test_journals_and_records_are_for_colleagues_to_read_too(paths: StorePaths) -> None:
    (array,) = send(paths, job(0)).arrays
    mode = (sweeps(paths) / f"{array.id}.json").stat().st_mode
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(mode) == 0o666 & ~umask
