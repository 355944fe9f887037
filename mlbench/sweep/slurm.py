"""Submit jobs to Slurm through submitit, one task of an array for each.

An array is submitted and left alone. Its tasks write journals into the store, which lies in a
folder that all machines see; whoever looks takes them in.
"""

from __future__ import annotations

import io
import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlbench.errors import MisuseError, StoreError
from mlbench.store.paths import StorePaths
from mlbench.sweep.slurm_command import SlurmError, ask, gist, max_array
from mlbench.sweep.slurm_queue import Queue, TaskState, states_of
from mlbench.sweep.slurm_record import Submission, folder_of, submissions, sweeps
from mlbench.sweep.slurm_task import SlurmTask
from mlbench.sweep.slurm_turn import submitting

if TYPE_CHECKING:
    from submitit import SlurmExecutor

    from mlbench.sweep.job import Job

AS_OFTEN_AS_NEEDED = 10_000  # time-outs after which submitit gives up; SlurmTask does much earlier
MARGIN = 15.0  # seconds of the warning, or a third of it, left for going back to the queue
STANDING = ("ACCOUNT", "CONSTRAINT", "PARTITION", "QOS", "RESERVATION")
"""Options of sbatch that a user's environment may say, unless ``--slurm`` does."""


@dataclass(frozen=True)
class Submitted:
    """What became of jobs that were to be submitted.

    Args:
        arrays: What was submitted.
        in_flight: What was left out, because it is queued or running already.
    """

    arrays: tuple[Submission, ...]
    in_flight: tuple[TaskState, ...]


def submit(
    jobs: Sequence[Job],
    paths: StorePaths,
    name: str,
    options: Mapping[str, Any],
    *,
    parallel: int | None = None,
) -> Submitted:
    """Submit jobs, without those of their runs that are queued or running already.

    Ctrl-C is put off until what was submitted is written down.

    Args:
        jobs: None of whose runs is finished.
        paths: Where they write; in a folder that all machines see.
        name: What the sweep is called.
        options: As :func:`.slurm_options.options_of` returns them.
        parallel: How many jobs of an array run at once.

    Raises:
        SlurmError: Slurm is not here, does not answer, or refuses.
        MisuseError: The database's path is not one for Slurm.
        StoreError: Nothing can be written beside the database.
    """
    if "%" in str(paths.folder.absolute()):
        raise MisuseError(
            f"{paths.database} has a % in its path, which Slurm takes for a placeholder in the"
            " names of logs; name another database with --db"
        )
    executor_class = slurm_executor()
    with submitting(paths):
        queue = states_of(paths, submissions(paths))
        if queue.trouble is not None:
            raise SlurmError(queue.trouble)
        left, in_flight = leave_out(jobs, queue)
        arrays = []
        size = max_array() if len(left) > 1 else 1
        for start in range(0, len(left), size):
            part = Submission.of(name, left[start : start + size], options)
            arrays.append(hand_over(part, executor_class, paths, parallel))
    return Submitted(tuple(arrays), tuple(in_flight))


def slurm_executor() -> type[SlurmExecutor]:
    """Return submitit's executor.

    Raises:
        SlurmError: There is no submitit, or no Slurm.
    """
    os.environ["SUBMITIT_PREEMPT_SIGNAL"] = "USR2"  # read once, here and by the jobs
    try:
        from submitit import SlurmExecutor
    except ImportError:
        raise SlurmError(
            "jobs go to Slurm through submitit, which is not installed; pip install"
            " 'mlbench[slurm]'"
        ) from None
    for command in ("sbatch", "squeue", "srun"):
        if shutil.which(command) is None:
            raise SlurmError(
                f"there is no {command} here; submit on a machine of the cluster that has Slurm's"
                " commands"
            )
    return SlurmExecutor


def leave_out(jobs: Sequence[Job], queue: Queue) -> tuple[list[Job], list[TaskState]]:
    """Return the jobs without the runs that are in flight, and the states of those."""
    flying = {one: state for one, state in queue.by_spec().items() if state.in_flight}
    left, found = [], []
    for job in jobs:
        free = [one for one in job.spec_hashes if one not in flying]
        found += [flying[one] for one in job.spec_hashes if one in flying]
        if len(free) == len(job.spec_hashes):
            left.append(job)
        elif free:
            left.append(job.narrowed(free))
    return left, list({id(state): state for state in found}.values())


def hand_over(
    submission: Submission,
    executor_class: type[SlurmExecutor],
    paths: StorePaths,
    parallel: int | None,
) -> Submission:
    """Submit one array, and return it with its number.

    It is written down before, under a name that Slurm is told, and its number after: should we
    be killed between the two, ``squeue`` still says what became of it.
    """
    submission.save(paths)
    folder = folder_of(paths, submission).absolute()
    try:
        with unconfused(submission.options), redirect_stderr(io.StringIO()):
            python = f"{shlex.quote(sys.executable)} -P"  # nothing here is taken for a library
            executor = executor_class(folder, AS_OFTEN_AS_NEEDED, python=python)
            executor.update_parameters(**parameters(submission, parallel))
            warning = submission.options["signal_delay_s"]
            patience = warning - min(MARGIN, warning / 3)
            tasks = [
                SlurmTask(task.arguments, str(folder / str(index)), patience)
                for index, task in enumerate(submission.tasks)
            ]
            first = executor.submit_array(tasks)[0]
    except OSError as err:
        withdraw(submission, paths)
        raise StoreError(
            f"{folder} cannot be written: {err.strerror or err}; free or unlock that place, or"
            " name another database with --db"
        ) from err
    except RuntimeError as err:
        withdraw(submission, paths)
        raise SlurmError(
            f"Slurm refuses the jobs: {gist(str(err))}; correct what --slurm says of them"
        ) from err
    return submission.with_number(first.job_id.partition("_")[0]).save(paths)


def parameters(submission: Submission, parallel: int | None) -> dict[str, Any]:
    """Return the parameters of submitit's executor."""
    options = dict(submission.options)
    extra = dict(options.pop("additional_parameters"))
    # srun asks for the processors of its step anew
    cores = [f"--cpus-per-task={extra['cpus-per-task']}"] if "cpus-per-task" in extra else []
    return {
        **options,
        "job_name": submission.id,
        "wckey": None,  # submitit's own, which a site that keeps account of them would refuse
        "array_parallelism": parallel or len(submission.tasks),
        "stderr_to_stdout": True,
        "srun_args": ["--open-mode=append", *cores],
        "additional_parameters": {**extra, "requeue": True},
    }


def withdraw(submission: Submission, paths: StorePaths) -> None:
    """Forget what Slurm did not take."""
    shutil.rmtree(folder_of(paths, submission), ignore_errors=True)
    with suppress(OSError):
        (sweeps(paths) / f"{submission.id}.json").unlink()


def cancel(states: Sequence[TaskState]) -> None:
    """Take jobs off Slurm; those that run save their state.

    Raises:
        SlurmError: Slurm does not answer, or refuses.
    """
    task_ids = [state.task_id for state in states if state.in_flight and state.task_id]
    if task_ids:
        ask("scancel", *task_ids)


@contextmanager
def unconfused(options: Mapping[str, Any]) -> Iterator[None]:
    """Hide what would overrule a script from ``sbatch``: the job we are in, and its own variables.

    What a user's environment says of the account and the like stays, unless options say it.
    """
    said = {key.replace("-", "_").upper() for key in options["additional_parameters"]}
    kept = {"SLURM_CONF", *(f"SBATCH_{name}" for name in STANDING if name not in said)}
    hidden = {
        name: os.environ.pop(name)
        for name in list(os.environ)
        if name.startswith(("SBATCH_", "SLURM", "SRUN_")) and name not in kept
    }
    try:
        yield
    finally:
        os.environ.update(hidden)
