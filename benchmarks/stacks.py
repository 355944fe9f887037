"""Runs on sine as one program: what a task costs, and the whole of Figure 3.3.

    python -m benchmarks.stacks                       # 30 runs of six techniques; half an hour
    python -m benchmarks.stacks maml fo_maml          # these alone
    python -m benchmarks.stacks --device cuda
    python -m benchmarks.stacks --quick

Each technique is run alone, alone with the networks of its update rule in machine code if it has
any, stacked, and stacked and compiled with both, in turn and in one process; costs are CPU-seconds
of one thread, or seconds by the clock on a GPU. A stack is traced or recorded from its first
meta-step on, as in a run it soon is. What the figure takes is 30 runs of 70 000 tasks by these
costs, with their 29 validations of 1 000 tasks and their test of 2 000; the time to compile is in
it. ``at best`` are its matrix products of training alone, at the rate of large ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from statistics import median
from time import perf_counter, process_time
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measure import in_turn, timed
from benchmarks.shown import options, show, tell_machine
from mlbench import native
from mlbench.cli.progress import tell
from mlbench.contract import Randomness
from mlbench.errors import MisuseError
from mlbench.run.device import Execution, choose_execution
from mlbench.run.loop import EVALUATION_BATCH, Run
from mlbench.run.setup import Experiment, Request, prepare
from mlbench.run.stack import EVALUATED_AT_ONCE, Stack
from mlbench.run.together import unstackable, with_native_rules

FIGURE = ("maml", "fo_maml", "lstm", "lstm_enhanced", "turtle", "fo_turtle")
PAPER = prepare(Request(algorithm="maml", train="sine")).spec.budget
RUNS = 30
VALIDATIONS = 1 + PAPER.train_tasks // PAPER.validate_every
SIDE = 2048  # of the matrices whose product is the rate of large ones
EVALUATED = VALIDATIONS * PAPER.validation_tasks + PAPER.test_tasks


@dataclass
class Cost:
    """What was measured of one way to compute runs.

    Args:
        start: Seconds until the first meta-step is over.
        tasks: Seconds of each further training task of one run, as measured.
        evaluated: Seconds of each evaluated task of one run, likewise.
    """

    start: float
    tasks: list[float]
    evaluated: list[float]

    def figure(self) -> float:
        """Return the seconds that 30 runs of the paper's budget take."""
        each = PAPER.train_tasks * median(self.tasks) + EVALUATED * median(self.evaluated)
        return self.start + RUNS * each


class Contestant:
    """Takes meta-steps of some runs and evaluates them, a little at a time."""

    def __init__(
        self, computation: Run | Stack, runs: int, clock: Any, *, machine_code: bool
    ) -> None:
        self.computation = computation
        self.runs = runs
        self.clock = clock
        self.machine_code = machine_code
        native.use(machine_code)
        began = clock()
        self.step(0, 1)
        self.cost = Cost(clock() - began, [], [])
        self.evaluate(1)

    def step(self, start: int, count: int) -> None:
        """Take some meta-steps of every run."""
        if isinstance(self.computation, Stack):
            starts = list(range(start, start + count))
            for tasks in self.computation.meta_batches(starts, start + count, 1):
                met = self.computation.step(tasks)
            met.losses.tolist()
            return
        run = self.computation
        stream = run.experiment.training_stream(run.algorithm)
        for index in range(start, start + count):
            tasks = run.experiment.draw(stream, "sine", index, index + 1, run.device)
            taught = run.algorithm.meta_step(run.meta, tasks)
            losses, _ = run.judge(taught.predictions, tasks, 1)
            run.learn(taught, losses)

    def evaluate(self, count: int) -> None:
        """Evaluate tasks with every run."""
        computation = self.computation
        stream = computation.experiment.stream("sine", "validation")
        tasks = computation.experiment.draw(stream, "sine", 0, count, computation.device)
        if isinstance(computation, Stack):
            computation.judged(computation.condition.meta, tasks, 1)
            return
        chance = Randomness(bytes(16), 0, count)
        found = computation.algorithm.predict(
            computation.meta, tasks.support, tasks.query.x, chance
        )
        computation.judge(found, tasks, 1)

    def turn(self, start: int, count: int) -> None:
        """Measure some meta-steps and one batch of an evaluation."""
        native.use(self.machine_code)
        began = self.clock()
        self.step(start, count)
        self.cost.tasks.append((self.clock() - began) / count / self.runs)
        batch = EVALUATION_BATCH["regression"]
        if isinstance(self.computation, Stack):
            batch = EVALUATED_AT_ONCE.get(self.computation.device.type, batch)
        batch = max(1, batch // self.runs)
        began = self.clock()
        self.evaluate(batch)
        self.cost.evaluated.append((self.clock() - began) / batch / self.runs)


def contestants(
    experiment: Experiment, execution: Execution, clock: Any
) -> Iterator[tuple[str, Contestant]]:
    """Yield one run alone and the stack, both without and with machine code."""
    compiling = replace(execution, compile="off" if execution.compile == "off" else "on")
    has_native, _ = with_native_rules(experiment, compiling, RUNS)
    alone = replace(execution, engine="auto")
    yield "alone", Contestant(Run(experiment, alone), 1, clock, machine_code=False)
    if has_native.native:
        yield "alone, native", Contestant(Run(experiment, alone), 1, clock, machine_code=True)
    if (reason := unstackable(experiment, execution)) is not None:
        tell(f"{experiment.spec.algorithm} is measured alone: {reason}")
        return
    seeds = [experiment.with_seed(seed) for seed in range(RUNS)]
    ways = [(False, "stacked"), (True, "stacked, compiled")]
    for compiled, name in ways[:1] if execution.compile == "off" else ways:
        with_rules = replace(execution, native=compiled and has_native.native)
        stack = Stack(seeds, with_rules, [None] * RUNS, compiled=compiled)
        stack.programs.traced_after = 0
        yield name, Contestant(stack, RUNS, clock, machine_code=with_rules.native)


def measure(
    experiment: Experiment, execution: Execution, rounds: int, steps: int, rate: float
) -> Iterator[dict[str, Any]]:
    """Yield a row for every way to compute the runs of one technique.

    Args:
        experiment: Of that technique.
        execution: What it is run on.
        rounds: Turns that every way takes.
        steps: Meta-steps of a turn.
        rate: Floating-point operations a second, at best.
    """
    clock = process_time if execution.device == "cpu" else perf_counter
    found = dict(contestants(experiment, execution, clock))
    for number in range(rounds):
        for way in in_turn(found, number):
            found[way].turn(1 + number * steps, steps)
    alone = found["alone"].cost
    at_best = RUNS * PAPER.train_tasks * products(experiment, execution)
    for way, one in found.items():
        cost = one.cost
        yield {
            "technique": experiment.spec.algorithm,
            "runs": way,
            "ms per task": 1e3 * median(cost.tasks),
            "alone = 1": median(a / b for a, b in zip(alone.tasks, cost.tasks, strict=True)),
            "ms per evaluated task": 1e3 * median(cost.evaluated),
            "seconds to begin": cost.start,
            "Figure 3.3, hours": cost.figure() / 3600,
            "at best": at_best / rate / 3600,
        }


def products(experiment: Experiment, execution: Execution) -> int:
    """Return the floating-point operations of matrix products for one training task."""
    run = Run(experiment, replace(execution, engine="auto", compile="off"))
    tasks = run.draw(experiment.training_stream(run.algorithm), "sine", 0, 1)
    with FlopCounterMode(display=False) as counter:
        run.algorithm.meta_step(run.meta, tasks)
    return int(counter.get_total_flops())


def rate_of_products(execution: Execution) -> float:
    """Return the floating-point operations a second of large matrix products."""
    a, b = torch.randn(2, SIDE, SIDE, device=execution.torch_device)

    def product() -> object:
        return (a @ b)[0, 0].item()

    product()
    return 2 * SIDE**3 / median(timed(product).wall for _ in range(9))


def main() -> None:
    """Measure and print."""
    parser = options(__doc__)
    parser.add_argument("techniques", nargs="*", metavar="TECHNIQUE", help="[default: all six]")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--compile", choices=("auto", "off"), default="auto", help="off: do not")
    asked = parser.parse_args()
    names = asked.techniques or (FIGURE[:1] if asked.quick else FIGURE)
    try:
        experiments = [prepare(Request(algorithm=name, train="sine")) for name in names]
    except MisuseError as error:
        parser.error(str(error))
    tell_machine()
    execution = choose_execution("regression", asked.device, threads=1, compile=asked.compile)
    if execution.device != "cpu":
        tell(torch.cuda.get_device_name(execution.torch_device))
    execution.apply()
    rate = rate_of_products(execution)
    tell(f"large matrix products: {rate / 1e9:.0f} GFLOP/s")
    rounds = asked.rounds or (2 if asked.quick else 9)
    steps = 2 if asked.quick else 20
    found = (measure(one, execution, rounds, steps, rate) for one in experiments)
    show(list(chain.from_iterable(found)), asked.form)


if __name__ == "__main__":
    main()
