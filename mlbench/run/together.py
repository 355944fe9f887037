"""Whether runs are computed as one program, and whether a program is compiled."""

from __future__ import annotations

from dataclasses import replace

import torch

from mlbench.errors import CompilationError, MisuseError
from mlbench.inner import GradientBased
from mlbench.native import build
from mlbench.run.compiling import missing_compiler
from mlbench.run.device import Execution
from mlbench.run.members import adam_of
from mlbench.run.setup import Experiment
from mlbench.run.start import initial

COMPILING_PAYS = {"alone": 20_000, "stacked": 4_000}
"""From how many meta-steps on, of a run or of a stack of runs, ``auto`` compiles on a CPU. On a
GPU, where a meta-step is launched whole, compiling takes as long as it saves in 50 000 meta-steps
(``python -m benchmarks.stacks maml --device cuda``)."""

NATIVE_PAYS = 10_000_000
"""From how many updates of one weight on, in training, those of all runs, ``auto`` compiles the
networks of update rules: that takes 4 seconds and saves about .5 µs of each."""


def unstackable(experiment: Experiment, execution: Execution) -> str | None:
    """Return why runs of an experiment cannot be one program; ``None`` if they can."""
    if execution.engine not in {"auto", "stacked"}:
        return f"the engine {execution.engine} runs one at a time"
    if experiment.spec.kind != "regression" and execution.engine == "auto":
        return "convolutions gain nothing by it"
    return unmappable(experiment, execution)


def unmappable(experiment: Experiment, execution: Execution) -> str | None:
    """Return why a technique's meta-step is no pure function of tensors; ``None`` if it is."""
    cls, name = experiment.algorithm_class, experiment.spec.algorithm
    if not cls.stackable or cls.training != "episodes":
        return f"{name} is not stackable"
    algorithm = experiment.algorithm(execution)
    if adam_of(algorithm, initial(experiment, algorithm, torch.device("cpu"))) is None:
        return f"the optimiser of {name} is no plain Adam"
    return None


def one_program(
    experiment: Experiment, execution: Execution, *, stacked: int, compiled: bool
) -> bool:
    """Return whether a program of pure functions computes some runs, or a single one.

    A single run gains by it where a meta-step has several tasks: on a CPU the program is traced,
    which halves its time. One task by itself is as fast without.
    """
    if stacked > 1 or compiled:
        return True
    if execution.on_gpu or experiment.spec.kind != "regression":
        return False
    several = experiment.algorithm(execution).meta_batch > 1
    return several and unstackable(experiment, execution) is None


def compilation(
    experiment: Experiment, execution: Execution, stacked: int
) -> tuple[bool, str | None]:
    """Return whether to compile the meta-step of some runs, and what to say of it.

    The choice follows from the experiment and the number of runs alone, so that a run which goes
    on computes as it did before.

    Raises:
        MisuseError: That was asked for, and cannot be.
    """
    asked = execution.compile == "on"
    if not asked and not (execution.compile == "auto" and pays(experiment, execution, stacked)):
        return False, None
    reason = unmappable(experiment, execution)
    if reason is None and execution.engine not in {"auto", "stacked"}:
        reason = f"the engine {execution.engine} runs task by task in Python"
    if reason is not None:
        if asked:
            raise MisuseError(f"--compile on: {reason}; leave --compile out")
        return False, None
    lack = missing_compiler(execution.torch_device)
    if lack is None:
        return True, "Compiling the meta-step, which takes a minute the first time."
    if asked:
        raise MisuseError(f"--compile on: {lack}; install one, or leave --compile out")
    return False, f"Not compiled, and so slower: {lack}; --compile off says that this is meant."


def with_native_rules(
    experiment: Experiment, execution: Execution, runs: int
) -> tuple[Execution, str | None]:
    """Return an execution by machine code of update rules, where there is any, and a remark.

    Raises:
        CompilationError: That was asked for, and the compiler cannot.
    """
    asked = execution.compile == "on"
    if execution.on_gpu or execution.compile == "off":
        return execution, None
    algorithm = experiment.algorithm(execution)
    if not isinstance(algorithm, GradientBased) or not algorithm.rule.native:
        return execution, None
    tasks, weights = experiment.train_tasks * runs, experiment.problem.learner.size
    if not asked and tasks * algorithm.hyper.train_steps * weights < NATIVE_PAYS:
        return execution, None
    try:
        build()
    except CompilationError as error:
        if asked:
            raise
        return execution, f"Slower than it could be: {error}."
    return replace(execution, native=True), None


def pays(experiment: Experiment, execution: Execution, stacked: int) -> bool:
    """Return whether compiling the meta-step of some runs saves more time than it takes."""
    if experiment.spec.kind != "regression" or execution.on_gpu:
        return False
    steps = experiment.train_tasks // max(1, experiment.algorithm(execution).meta_batch)
    return steps >= COMPILING_PAYS["alone" if stacked == 1 else "stacked"]
