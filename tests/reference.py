"""Compare a technique with vectors that the authors' own code wrote down.

    python -m tests.reference FILE.npz ...

prints, for every group of tensors of each file, the largest deviation, and exits with 1 if one is
above tolerance. A deviation is relative to the largest entry of its group, since the bias of a
convolution in front of batch-norm has a gradient of zero. Adam divides a gradient by its own
size, so an entry whose gradient is near Adam's ε has an ill-conditioned step: there, an error of
the gradient is magnified by up to lr/ε. Such entries may deviate by that much more, absolutely.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mlbench.contract import Batch, Parameters, Problem, TaskBatch
from mlbench.engines import ENGINES, Engine, autograd_gradient
from mlbench.inner import GradientBased
from mlbench.learners import MLP, Conv4, Conv4Options, Learner
from mlbench.registry import load_algorithm

TOLERANCE = 1e-12
META_LR = 1e-3
ADAM_EPSILON = 1e-8


class NoTechniqueError(Exception):
    """A file is about a technique, or a form of one, that mlbench does not have."""


@dataclass
class Deviation:
    """The largest deviation of a group of tensors, and whether it is within tolerance."""

    group: str
    relative: float
    absolute: float = 0.0
    ill_conditioned: int = 0
    passed: bool = True


@dataclass
class Reference:
    """One file of vectors."""

    arrays: dict[str, np.ndarray[Any, np.dtype[Any]]]
    config: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.config = json.loads(str(self.arrays["config_json"]))

    @classmethod
    def read(cls, path: Path) -> Reference:
        with np.load(path, allow_pickle=False) as arrays:
            return cls(dict(arrays))

    def __contains__(self, key: str) -> bool:
        return key in self.arrays

    def tensor(self, key: str) -> Tensor:
        array = self.arrays[key]
        return torch.from_numpy(np.asarray(array, np.int64 if array.dtype.kind == "i" else None))

    def named(self, prefix: str) -> Parameters:
        """Return the tensors below a prefix, by our names, θ as one flat vector."""
        names = [key.removeprefix(prefix) for key in self.arrays if key.startswith(prefix)]
        theta = sorted((n for n in names if n.startswith("theta")), key=lambda n: int(n[5:]))
        parts = [self.tensor(prefix + name).flatten() for name in theta]
        found = {"theta": torch.cat(parts)}
        hidden = sum(n.startswith("phi_lin") and n.endswith("weight") for n in names)
        for name in names:
            if name.startswith("phi"):
                _, layer, kind = name.split("_")
                index = hidden if layer == "out" else int(layer.removeprefix("lin")) - 1
                found[f"phi.{index}.{kind}"] = self.tensor(prefix + name)
            elif name == "alpha":
                found["alpha"] = self.tensor(prefix + name).flatten()
        return found

    def task(self, prefix: str = "") -> TaskBatch:
        """Return one task, with a leading dimension of one."""
        parts = (
            Batch(*(self.tensor(f"{prefix}{part}_{x}")[None] for x in "xy"))
            for part in ("support", "query")
        )
        return TaskBatch(*parts)


def technique(reference: Reference, engine: Engine) -> GradientBased:
    """Return the technique that a file is about, set up as the file says."""
    config = reference.config
    if "base_lr" not in config and "layers" not in config:
        raise NoTechniqueError(f"no technique of mlbench's matches {config['alg']}")
    learner: Learner
    if config["problem"] == "sine":
        problem = Problem("regression", MLP(1, 1))
    else:
        _, _, channels, height, width = reference.task().support.x.shape
        outputs = reference.tensor("query_pred").shape[1]
        learner = Conv4((channels, height, width), outputs, Conv4Options(padding=0))
        problem = Problem("classification", learner)
    settings: dict[str, Any] = {
        "train_steps": config["T"],
        "test_steps": config.get("T_test", config["T"]),
        "order": 2 if config["second_order"] else 1,
        "clip": config["grad_clip"],
        "meta_clip": config["grad_clip"],
        "meta_batch": config["meta_batch_size"],
    }
    if "base_lr" in config:
        name = "maml"
        settings["inner_lr"] = config["base_lr"]
        if config["T"] == 1:
            settings["clip"] = None  # the authors' code clips where there are several steps
    else:
        name = "turtle"
        unsupported = {"layer_wise": False, "decouple": None, "act": "ReLU"}
        if any(config[key] != value for key, value in unsupported.items()):
            raise NoTechniqueError(f"mlbench's TURTLE has no other {', '.join(unsupported)}")
        if config["input_type"] != "raw_grads":
            raise NoTechniqueError(f"mlbench's TURTLE has no input {config['input_type']}")
        settings |= {
            "hidden": tuple(config["layers"][:-1]),
            "history": "gradients" if config["history"] == "grads" else config["history"],
            "beta": config["beta"],
            "learn_rates": config["param_lr"],
            "time": config["time_input"],
        }
    algorithm = load_algorithm(name)
    built = algorithm(algorithm.Hyper(**settings), problem, engine)
    assert isinstance(built, GradientBased)
    return built


class Training:
    """Θ and its Adam, stepped by hand, with the error that each step may magnify."""

    def __init__(self, algorithm: GradientBased, meta: Parameters) -> None:
        self.algorithm = algorithm
        self.meta = {name: value.clone().requires_grad_() for name, value in meta.items()}
        self.adam = algorithm.optimiser(list(self.meta.values()))
        self.slack = {name: torch.zeros_like(value) for name, value in meta.items()}

    def step(self, tasks: TaskBatch) -> None:
        gradients = self.algorithm.meta_step(self.meta, tasks).gradients
        largest = max(float(g.abs().max()) for g in gradients.values())
        for name, value in self.meta.items():
            gradient = gradients[name]
            value.grad = gradient
            amplified = META_LR * ADAM_EPSILON / (gradient.abs() + ADAM_EPSILON) ** 2
            self.slack[name] += (amplified * TOLERANCE * largest).clamp(max=2 * META_LR)
        self.adam.step()

    def deviations(self, group: str, expected: Parameters) -> Iterator[Deviation]:
        for name, value in expected.items():
            error = (self.meta[name].detach() - value).abs()
            scale = float(value.abs().max())
            ill = self.slack[name] > TOLERANCE * scale
            well_error = float(error[~ill].max()) if bool((~ill).any()) else 0.0
            ill_error = float(error[ill].max()) if bool(ill.any()) else 0.0
            allowed = TOLERANCE * scale + self.slack[name]
            yield Deviation(
                f"{group}/{name}",
                well_error / (scale or 1.0),
                ill_error,
                int(ill.sum()),
                bool((error <= allowed).all()),
            )


def compare(group: str, actual: Tensor, expected: Tensor, scale: float = 0.0) -> Deviation:
    """Return how far a tensor is off, relative to its largest entry or to a larger ``scale``."""
    expected = expected.to(torch.float64).reshape(actual.shape)
    scale = max(scale, float(expected.abs().max())) or 1.0
    relative = float((actual.detach() - expected).abs().max()) / scale
    return Deviation(group, relative, passed=relative <= TOLERANCE)


def deviations(reference: Reference, engine: Engine) -> Iterator[Deviation]:
    """Yield one deviation per group of tensors of a file."""
    algorithm = technique(reference, engine)
    meta = reference.named("init/")
    task = reference.task()
    yield from inner_steps(reference, algorithm, meta, task.task(0))
    unclipped = type(algorithm)(
        type(algorithm.hyper).from_values({**algorithm.hyper.values(), "meta_clip": None}),
        algorithm.problem,
        engine,
    )
    for group, version in (("metagrad_raw", unclipped), ("metagrad_clipped", algorithm)):
        gradients, predictions = version.meta_step(meta, task)
        expected = reference.named(f"{group}/")
        scale = max(float(value.abs().max()) for value in expected.values())
        for name, value in expected.items():
            yield compare(f"{group}/{name}", gradients[name], value, scale)
    yield compare("query_pred", predictions[0], reference.tensor("query_pred"))
    loss = algorithm.problem.loss(predictions[0], task.query.y[0])
    yield compare("query_loss", loss, reference.tensor("query_loss"))
    once = Training(algorithm, meta)
    once.step(task)
    yield from once.deviations("after_step1", reference.named("after_step1/"))
    yield from trajectory(reference, algorithm, once, task)


def inner_steps(
    reference: Reference, algorithm: GradientBased, meta: Parameters, task: TaskBatch
) -> Iterator[Deviation]:
    """Yield the deviations of every step of the main task's inner loop."""
    leaves = {name: value.clone().requires_grad_() for name, value in meta.items()}
    hyper = algorithm.hyper
    before = leaves["theta"]
    shown = record_inputs(algorithm)
    loop = algorithm.inner_loop(
        leaves, task.support, autograd_gradient, steps=hyper.train_steps, order=hyper.order
    )
    for t, update in enumerate(loop):
        actual = {
            "support_loss": update.loss,
            "support_grad": update.gradient,
            "weights": update.theta,
            "update": update.theta - before,
        }
        if shown:
            actual["metainput"] = shown[-1]
        before = update.theta
        for name, value in actual.items():
            key = f"step{t}_{name}"
            if key in reference:
                # an update is the difference of two weights, and known as well as they are
                scale = float(update.theta.detach().abs().max()) if name == "update" else 0.0
                yield compare(key, value, reference.tensor(key), scale)


def record_inputs(algorithm: GradientBased) -> list[Tensor]:
    """Return a list that grows by what TURTLE's meta-network is shown at each step."""
    shown: list[Tensor] = []
    see = getattr(algorithm.rule, "see", None)
    if see is not None:

        def record(*args: Any) -> Tensor:
            shown.append(see(*args))
            return shown[-1]

        vars(algorithm.rule)["see"] = record
    return shown


def trajectory(
    reference: Reference, algorithm: GradientBased, training: Training, main: TaskBatch
) -> Iterator[Deviation]:
    """Yield the deviations after training on the further tasks, in their order."""

    def evaluate() -> Tensor:
        prediction = algorithm.predict(training.meta, main.support, main.query.x)
        return algorithm.problem.scores(prediction, main.query.y)[0]

    if "traj/eval_before" in reference:
        yield compare("traj/eval_before", evaluate(), reference.tensor("traj/eval_before"))
    tasks = [reference.task(f"traj/task{i}_") for i in range(4)]
    size = algorithm.meta_batch
    for start in range(0, len(tasks), size):
        some = tasks[start : start + size]
        parts = ((t.support for t in some), (t.query for t in some))
        training.step(TaskBatch(*(Batch(*map(torch.cat, zip(*p, strict=True))) for p in parts)))
    yield from training.deviations("after_traj", reference.named("after_traj/"))
    if "traj/eval_after" in reference:
        yield compare("traj/eval_after", evaluate(), reference.tensor("traj/eval_after"))


def main(paths: list[str]) -> int:
    """Print every deviation of every file; return 1 if one is too large."""
    if not paths:
        sys.stderr.write("usage: python -m tests.reference FILE.npz ...\n")
        return 2
    failed = unread = 0
    for path in paths:
        try:
            failed += report(Path(path))
        except (NoTechniqueError, OSError, ValueError, KeyError) as error:
            unread += 1
            sys.stdout.write(f"{Path(path).name} cannot be compared: {error}\n")
    sys.stdout.write(f"{failed} above tolerance ({TOLERANCE:g} relative), {unread} not compared\n")
    return 1 if failed or unread else 0


def report(path: Path) -> int:
    """Print the deviations of one file, engine by engine; return how many are too large."""
    reference = Reference.read(path)
    failed = 0
    for name in ("loop", "stacked"):
        sys.stdout.write(f"{path.name}, engine {name}\n")
        for found in deviations(reference, ENGINES[name]()):
            failed += not found.passed
            verdict = "" if found.passed else "  ABOVE TOLERANCE"
            ill = f"  {found.ill_conditioned} ill-conditioned: {found.absolute:.1e} absolute"
            sys.stdout.write(
                f"  {found.group:32} {found.relative:.1e}"
                f"{ill if found.ill_conditioned else ''}{verdict}\n"
            )
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
