"""Every technique on a GPU: tasks a second, memory, and how near that is to what the card can do.

    python -m benchmarks.gpu                      # 5-way 1-shot at 84x84, all bundled techniques
    python -m benchmarks.gpu turtle maml --shots 5 --tf32

Runs as ``mlbench run`` computes them, on generated images: episodes are drawn, losses and scores
read, updates made, and only the journal is left out. Each is measured by the clock after its first
steps, in which kernels are chosen and graphs are recorded. ``train`` and ``evaluation`` are tasks a
second (batches a second for techniques that train on flat batches); ``of floor`` is the share of
that time which its operations need at least, one by one (benchmarks/roofline.py).
"""

from __future__ import annotations

import argparse
import gc
from collections.abc import Iterator
from dataclasses import replace
from time import perf_counter
from typing import Any

import torch

from benchmarks.roofline import Ceilings, Work, measured_ceilings
from mlbench.cli.output import print_rows
from mlbench.cli.progress import tell
from mlbench.contract import Randomness, TaskBatch
from mlbench.engines.branched import Branched
from mlbench.engines.captured import Captured
from mlbench.errors import MisuseError, MlbenchError
from mlbench.registry import find_plugins
from mlbench.run.device import Execution, choose_execution
from mlbench.run.events import Episodes, Event
from mlbench.run.loop import Run
from mlbench.run.setup import Experiment, Request, prepare

DATA = "shapes"
SMALL = 28  # pixels a side of images that are drawn and not used
WARM = 4  # events before the clock runs: the first, the recording, two replays
CHANCE = Randomness(bytes(16), 0, 1)


def main(words: list[str] | None = None) -> int:
    """Measure and print; return the exit code."""
    asked = options().parse_args(words)
    try:
        execution = on_a_gpu(asked)
        rows = measure(asked, execution)
    except MlbenchError as error:
        tell(f"error: {error}")
        return error.exit_code
    print_rows(rows, list(rows[0]), "json" if asked.json else "text")
    return 0


def options() -> argparse.ArgumentParser:
    """Return what can be asked."""
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("techniques", nargs="*", help="all bundled ones, if none is named")
    made.add_argument("--shots", type=int, default=1)
    made.add_argument("--image-size", type=int, default=84)
    made.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    made.add_argument("--engine", default="auto")
    made.add_argument("--compile", default="auto", choices=("auto", "on", "off"))
    made.add_argument("--tf32", action="store_true", help="round factors of products to TF32")
    made.add_argument("--deterministic", action="store_true")
    made.add_argument("--json", action="store_true")
    return made


def on_a_gpu(asked: argparse.Namespace) -> Execution:
    """Return how runs are to be computed.

    Raises:
        MisuseError: There is no GPU.
    """
    if not torch.cuda.is_available():
        raise MisuseError("there is no CUDA device here; run this on a machine that has one")
    return choose_execution(
        "classification",
        "cuda",
        engine=asked.engine,
        compile=asked.compile,
        tf32=asked.tf32,
        deterministic=asked.deterministic,
    )


def measure(asked: argparse.Namespace, execution: Execution) -> list[dict[str, Any]]:
    """Return a row for every technique."""
    execution.apply()
    device = execution.torch_device
    ceilings = measured_ceilings(device, torch.float32)
    tell(
        f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}:"
        f" {ceilings.flops / 1e12:.1f} TFLOP/s in a product of float32"
        f"{' rounded to TF32' if asked.tf32 else ''},"
        f" {ceilings.bandwidth / 1e12:.2f} TB/s in a copy"
    )
    rows = []
    first = None
    for name in asked.techniques or sorted(find_plugins("algorithms")):
        experiment = prepared(name, asked.shots, asked.image_size if first is None else SMALL)
        first = first or experiment  # its images are drawn, and moved to the device, once
        same = replace(experiment, datasets=first.datasets, problem=first.problem)
        rows.append(row(same, execution, ceilings, asked.seconds))
        tell(f"{name}: {rows[-1]['train']} and {rows[-1]['evaluation']} tasks/s")
    return rows


def prepared(name: str, shots: int, side: int) -> Experiment:
    """Return the experiment on one technique, with more tasks than will be met."""
    settings = {"image_size": str(side), "images_per_class": "30"}
    return prepare(
        Request(
            algorithm=name,
            train=DATA,
            shots=shots,
            settings={f"{DATA}.{option}": value for option, value in settings.items()},
        )
    )


def row(
    experiment: Experiment, execution: Execution, ceilings: Ceilings, seconds: float
) -> dict[str, Any]:
    """Return the figures of one technique."""
    trains = experiment.train_tasks > 0
    train, held, direct = trained(experiment, execution, seconds) if trains else (None, None, False)
    evaluation, held_then, direct_then = evaluated(experiment, execution, seconds)
    floors = Floors(experiment, execution, ceilings)
    return {
        "technique": experiment.spec.algorithm,
        "train": shown(train),
        "of floor": share(train, floors.training() if train else None),
        "evaluation": shown(evaluation),
        "of its floor": share(evaluation, floors.evaluation()),
        "train GB": shown(held),
        "evaluation GB": shown(held_then),
        "recorded": not direct and not direct_then,
    }


def trained(
    experiment: Experiment, execution: Execution, seconds: float
) -> tuple[float, float, bool]:
    """Return tasks a second in meta-training, the memory then held, and whether it is eager."""
    budget = replace(experiment.spec.budget, validation_tasks=1, validate_every=10**9)
    return timed(experiment, budget, execution, "train", seconds)


def evaluated(
    experiment: Experiment, execution: Execution, seconds: float
) -> tuple[float, float, bool]:
    """Return the same of validation."""
    budget = replace(experiment.spec.budget, validation_tasks=10**6)
    return timed(experiment, budget, execution, "validation", seconds)


def timed(
    experiment: Experiment, budget: Any, execution: Execution, phase: str, seconds: float
) -> tuple[float, float, bool]:
    """Return tasks a second of a phase, the gigabytes held, and whether anything ran eagerly."""
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    run = Run(replace(experiment, spec=replace(experiment.spec, budget=budget)), execution)
    events = of_phase(run.events(), phase)
    for _ in range(WARM):
        next(events)
    torch.cuda.synchronize()
    began, tasks = perf_counter(), 0
    while perf_counter() - began < seconds:
        tasks += len(next(events).losses)
    torch.cuda.synchronize()
    took = perf_counter() - began
    engine = run.algorithm.engine
    eager = not isinstance(engine, Captured) or bool(engine.refused) or not engine.met
    return tasks / took, torch.cuda.max_memory_reserved() / 1e9, eager


def of_phase(events: Iterator[Event], phase: str) -> Iterator[Episodes]:
    """Yield the episodes of a phase."""
    return (each for each in events if isinstance(each, Episodes) and each.phase == phase)


class Floors:
    """The least time that a task of a technique takes, by what it computes for one task."""

    def __init__(self, experiment: Experiment, execution: Execution, ceilings: Ceilings) -> None:
        self.experiment = experiment
        self.execution = execution
        self.ceilings = ceilings
        cls = experiment.algorithm_class
        hyper = cls.Hyper.from_values(experiment.spec.hyperparameters, owner=cls.name)
        self.algorithm = cls(hyper, execution.fitted(experiment.problem), Branched())
        meta = self.algorithm.initialise(torch.Generator().manual_seed(0))
        self.meta = {name: value.to(execution.torch_device) for name, value in meta.items()}

    def training(self) -> float:
        """Return the seconds of a training task at least."""
        tasks = self.draw(self.experiment.training_stream(self.algorithm))
        with Work(self.ceilings) as work:
            self.algorithm.meta_step(self.meta, tasks)
        return float(work.seconds)

    def evaluation(self) -> float:
        """Return the seconds of an evaluation task at least."""
        tasks = self.draw(self.experiment.stream(DATA, "validation"))
        with Work(self.ceilings) as work:
            self.algorithm.predict(self.meta, tasks.support, tasks.query.x, CHANCE)
        return float(work.seconds)

    def draw(self, stream: Any) -> TaskBatch:
        """Return one task."""
        device, dtype = self.execution.torch_device, self.experiment.dtype
        return self.experiment.datasets[DATA].draw(stream, 0, 1, device=device, dtype=dtype)


def shown(value: float | None) -> float | None:
    """Return a number to three significant digits."""
    return None if value is None else float(f"{value:.3g}")


def share(rate: float | None, floor: float | None) -> float | None:
    """Return how much of a task's time its floor is."""
    return None if rate is None or floor is None else shown(rate * floor)


if __name__ == "__main__":
    raise SystemExit(main())
