"""From what a user asks for to a spec, and from a spec to the objects that a run needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import get_args

import torch

from mlbench.contract import Algorithm, Dataset, Problem, Split, Stream, TaskBatch
from mlbench.errors import DataError, MisuseError
from mlbench.hyper import Hyper, situations
from mlbench.learners import MLP, Conv4, Conv4Options, Learner, MLPOptions
from mlbench.registry import load_algorithm, load_dataset
from mlbench.run.blame import blaming
from mlbench.run.device import Execution
from mlbench.run.spec import (
    PROTOCOL,
    BudgetName,
    Precision,
    ProtocolName,
    RunSpec,
    budget_of,
    protocol_of,
)

LEARNER = "learner"  # what ``--set learner.NAME=VALUE`` addresses
EVALUATION_SEED = 0  # every run is validated and tested on the same tasks


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a user asks for; ``None`` leaves a choice to the paper's defaults.

    Args:
        settings: Texts by name: ``inner_lr``, or ``shapes.image_size``, ``learner.channels`` and
            ``protocol.replacement`` for options of a data set, the base-learner and the protocol.
    """

    algorithm: str
    train: str
    evals: tuple[str, ...] = ()
    ways: int | None = None
    shots: int = 5
    queries: int | None = None
    seed: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)
    protocol: ProtocolName = "corrected"
    budget: BudgetName = "paper"
    train_tasks: int | None = None
    validation_tasks: int | None = None
    validate_every: int | None = None
    test_tasks: int | None = None
    precision: Precision = "float32"


@dataclass(frozen=True, eq=False)
class Experiment:
    """A spec and the objects that it describes, in the shape of the training data.

    Args:
        spec: What the run is.
        datasets: By name; the training data and those of the cross-domain tests.
        problem: What is to be learnt.
    """

    spec: RunSpec
    algorithm_class: type[Algorithm]
    datasets: dict[str, Dataset]
    problem: Problem

    def algorithm(self, execution: Execution) -> Algorithm:
        """Return the technique, ready to run."""
        cls = self.algorithm_class
        hyper = cls.Hyper.from_values(self.spec.hyperparameters, owner=cls.name)
        problem = execution.fitted(self.problem)
        with blaming(cls, "cannot be set up"):
            return cls(hyper, problem, execution.engine_for(problem))

    def stream(self, dataset: str, split: Split) -> Stream:
        """Return the stream of episodes that a phase of this run meets."""
        return stream_of(self.spec, self.datasets[dataset], split)

    def training_stream(self, algorithm: Algorithm) -> Stream:
        """Return the stream that meta-training meets: episodes, or flat batches."""
        stream = self.stream(self.spec.train_dataset, "train")
        if algorithm.training == "batches":
            return replace(stream, ways=None, shots=0, queries=algorithm.flat_batch)
        return replace(
            stream,
            ways=algorithm.train_ways or stream.ways,
            queries=algorithm.train_queries or stream.queries,
        )

    def draw(
        self, stream: Stream, dataset: str, start: int, stop: int, device: torch.device
    ) -> TaskBatch:
        """Return episodes ``start`` to ``stop - 1`` of a stream."""
        source = self.datasets[dataset]
        with blaming(type(source), "cannot draw episodes"):
            return source.draw(stream, start, stop, device=device, dtype=self.dtype)

    def outputs(self, stream: Stream) -> int:
        """Return how many outputs a prediction for a query of a stream has."""
        classes = self.problem.train_classes if stream.flat else stream.ways
        return classes or 1

    @property
    def train_tasks(self) -> int:
        """Return how many training tasks, or flat batches, the run meets."""
        return 0 if self.algorithm_class.training == "none" else self.spec.budget.train_tasks

    def with_seed(self, seed: int) -> Experiment:
        """Return this experiment with another seed, on the same data."""
        return replace(self, spec=replace(self.spec, seed=seed))

    @property
    def dtype(self) -> torch.dtype:
        """Return the type of every floating-point tensor."""
        return {"float32": torch.float32, "float64": torch.float64}[self.spec.precision]

    @property
    def incomplete(self) -> dict[str, str]:
        """Return what is missing, by data set; whole ones are left out."""
        notes = {name: dataset.incomplete for name, dataset in self.datasets.items()}
        return {name: note for name, note in notes.items() if note is not None}


def stream_of(spec: RunSpec, dataset: Dataset, split: Split) -> Stream:
    """Return the stream of episodes of one split under a spec."""
    return Stream(
        fingerprint=dataset.fingerprint,
        split=split,
        ways=spec.ways,
        shots=spec.shots,
        queries=spec.queries,
        seed=spec.seed if split == "train" else EVALUATION_SEED,
        replacement=spec.protocol.replacement and spec.kind == "classification",
    )


def prepare(request: Request) -> Experiment:
    """Return the experiment that a user asks for.

    Raises:
        MlbenchError: Something is unknown, out of range, absent or does not fit together.
    """
    algorithm = load_algorithm(request.algorithm)
    names = tuple(dict.fromkeys((request.train, *request.evals)))
    classes = {name: load_dataset(name) for name in names}
    kind = classes[request.train].kind
    check_kinds(algorithm, classes)
    own, scoped = sort_settings(request, classes)
    applying = situations(kind, request.shots, request.protocol, own)
    hyper = algorithm.Hyper.parse(own, situations=applying, owner=algorithm.name)
    parsed = {
        name: cls.Options.parse(scoped[name], situations=applying, owner=name)
        for name, cls in classes.items()
    }
    datasets = build_datasets(classes, parsed)
    protocol_name, protocol = protocol_of(
        request.protocol, scoped[PROTOCOL], algorithm.released_restores
    )
    learner_options = learner_class(kind).Options.parse(
        scoped[LEARNER], situations=applying, owner=LEARNER
    )
    spec = RunSpec(
        algorithm=algorithm.name,
        hyperparameters=hyper.values(),
        train_dataset=request.train,
        eval_datasets=names[1:],
        kind=kind,
        ways=request.ways if kind == "regression" or request.ways else 5,
        shots=request.shots,
        queries=request.queries or classes[request.train].default_queries,
        seed=request.seed,
        protocol_name=protocol_name,
        protocol=protocol,
        budget=budget_of(request.budget, kind, request.shots).with_numbers(
            train_tasks=request.train_tasks,
            validation_tasks=request.validation_tasks,
            validate_every=request.validate_every,
            test_tasks=request.test_tasks,
        ),
        precision=request.precision,
        learner=learner_options.values(),
        options={name: value.values() for name, value in parsed.items()},
        fingerprints={name: dataset.fingerprint for name, dataset in datasets.items()},
    )
    return assemble(spec, algorithm, datasets)


def restore(spec: RunSpec) -> Experiment:
    """Return the experiment of a spec that was stored.

    Raises:
        DataError: The data are no longer those that the spec was made with.
        MlbenchError: A plugin or a data set is not here.
    """
    algorithm = load_algorithm(spec.algorithm)
    classes = {name: load_dataset(name) for name in spec.test_datasets}
    options = {
        name: cls.Options.from_values(spec.options[name], owner=name)
        for name, cls in classes.items()
    }
    datasets = build_datasets(classes, options)
    for name, dataset in datasets.items():
        if dataset.fingerprint != spec.fingerprints[name]:
            raise DataError(
                f"{name} has changed since the run began (fingerprint {dataset.fingerprint},"
                f" was {spec.fingerprints[name]}); bring the old data back, or start a new run"
            )
    return assemble(spec, algorithm, datasets)


def assemble(spec: RunSpec, algorithm: type[Algorithm], datasets: dict[str, Dataset]) -> Experiment:
    """Return the experiment, after checking that its data can give its episodes."""
    splits: dict[str, tuple[Split, ...]] = dict.fromkeys(spec.eval_datasets, ("test",))
    splits[spec.train_dataset] = get_args(Split)
    for name, dataset in datasets.items():
        with blaming(type(dataset), "cannot check episodes"):
            for split in splits[name]:
                dataset.check(stream_of(spec, dataset, split))
    train = datasets[spec.train_dataset]
    problem = Problem(
        spec.kind,
        build_learner(spec, train.input_shape),
        spec.protocol.normalisation,
        train.train_classes,
    )
    experiment = Experiment(spec, algorithm, datasets, problem)
    check_training(experiment, train)
    return experiment


def check_training(experiment: Experiment, train: Dataset) -> None:
    """Refuse training episodes that the data cannot give, where they differ from the test's."""
    algorithm = experiment.algorithm(Execution(device="cpu", threads=1, engine="loop"))
    stream = experiment.stream(experiment.spec.train_dataset, "train")
    training = experiment.training_stream(algorithm)
    if training.flat or training == stream:
        return
    with blaming(type(train), "cannot check episodes"):
        try:
            train.check(training)
        except MisuseError as err:
            raise MisuseError(
                f"{algorithm.name} trains with {training.ways} ways and {training.queries} queries:"
                f" {err}; or set them by --set train_ways and --set train_queries"
            ) from err


def build_datasets(
    classes: Mapping[str, type[Dataset]], options: Mapping[str, Hyper]
) -> dict[str, Dataset]:
    """Return the data sets, the first of them as it is and the others in its shape."""
    built: dict[str, Dataset] = {}
    shape: tuple[int, ...] = ()
    for name, cls in classes.items():
        with blaming(cls, "cannot be opened"):
            dataset = cls(options[name])
            shape = shape or dataset.input_shape
            built[name] = dataset.like(shape)
    return built


def learner_class(kind: str) -> type[MLP | Conv4]:
    """Return the base-learner of a kind of problem."""
    return MLP if kind == "regression" else Conv4


def build_learner(spec: RunSpec, input_shape: tuple[int, ...]) -> Learner:
    """Return the base-learner that a spec describes."""
    if spec.kind == "regression":
        options = MLPOptions.from_values(spec.learner, owner=LEARNER)
        return MLP(input_shape[0], 1, options)
    conv_options = Conv4Options.from_values(spec.learner, owner=LEARNER)
    return Conv4(input_shape, spec.ways or 1, conv_options)


def check_kinds(algorithm: type[Algorithm], classes: Mapping[str, type[Dataset]]) -> None:
    """Refuse regression beside classification, and a technique that has no such form."""
    (train, kind), *others = ((name, cls.kind) for name, cls in classes.items())
    for name, other in others:
        if other != kind:
            raise MisuseError(
                f"{train} is {kind} and {name} is {other}: a learner of one cannot be tested on"
                f" the other; choose an --eval of the kind of {train}"
            )
    if kind not in algorithm.kinds:
        raise MisuseError(
            f"{algorithm.name} does not do {kind}, which {train} is;"
            f" it does {' and '.join(algorithm.kinds)}"
        )


def sort_settings(
    request: Request, classes: Mapping[str, type[Dataset]]
) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Return the settings of the technique, and those of data sets, base-learner and protocol."""
    own: dict[str, str] = {}
    scoped: dict[str, dict[str, str]] = {name: {} for name in (*classes, LEARNER, PROTOCOL)}
    for name, text in request.settings.items():
        scope, dot, option = name.partition(".")
        if not dot:
            own[name] = text
        elif scope in scoped:
            scoped[scope][option] = text
        else:
            raise MisuseError(
                f"--set {name}: {scope!r} is neither {LEARNER!r} nor {PROTOCOL!r} nor a data set of"
                f" this run; there are: {', '.join(scoped)}"
            )
    return own, scoped
