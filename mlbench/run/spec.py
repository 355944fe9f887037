"""What a run is: everything that decides its result, frozen and hashed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import Any, Literal

from mlbench.contract import Hyper, Normalisation, ProblemKind, Restores, hp
from mlbench.errors import MisuseError, StoreError
from mlbench.hyper import Situation
from mlbench.notation import value_text

BudgetName = Literal["paper", "quick", "smoke", "custom"]
ProtocolName = Literal["corrected", "released"]
Precision = Literal["float32", "float64"]
PROTOCOL = "protocol"  # what ``--set protocol.NAME=VALUE`` addresses


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How many tasks a run meets.

    Args:
        name: ``custom`` where any number was given by hand.
        train_tasks: Tasks met in meta-training.
        validation_tasks: Tasks of one validation.
        validate_every: Training tasks between two validations.
        test_tasks: Tasks of the meta-test on one data set.
    """

    name: BudgetName
    train_tasks: int
    validation_tasks: int
    validate_every: int
    test_tasks: int

    def __post_init__(self) -> None:
        for option, least in (("train", 0), ("validation", 1), ("test", 1)):
            if getattr(self, f"{option}_tasks") < least:
                raise MisuseError(f"a budget needs {least} or more {option} tasks")
        if self.validate_every < 1:
            raise MisuseError("a budget validates every 1 or more training tasks")

    def with_numbers(self, **numbers: int | None) -> Budget:
        """Return this budget with those numbers replaced that are not ``None``."""
        given = {name: number for name, number in numbers.items() if number is not None}
        changed = replace(self, **given)  # type: ignore[arg-type]
        return self if changed == self else replace(changed, name="custom")


def budget_of(name: BudgetName, kind: ProblemKind, shots: int) -> Budget:
    """Return a budget by name; ``paper`` is that of sections 3.5.2 and 3.5.3."""
    regression = kind == "regression"
    numbers = {
        "paper": (70_000, 1_000, 2_500, 2_000)
        if regression
        else (60_000 if shots == 1 else 40_000, 600, 2_500, 600),
        "quick": (8_000, 250, 2_000, 500) if regression else (120, 20, 60, 50),
        "smoke": (100, 20, 50, 40) if regression else (4, 2, 4, 4),
    }[name]
    train, validation, every, test = numbers
    return Budget(
        name=name,
        train_tasks=train,
        validation_tasks=validation,
        validate_every=every,
        test_tasks=test,
    )


@dataclass(frozen=True, kw_only=True)
class Protocol(Hyper):
    """What the authors' code does otherwise than their text, and what the text leaves open.

    The defaults are the text's; ``released`` is what the code does, and what it restores differs
    by technique. Quirks of one technique or of the base-learner are hyperparameters of those.
    """

    replacement: bool = hp(
        False, "an image may be drawn twice in an episode", when={"released": True}
    )
    normalisation: Normalisation = hp(
        "transductive", "batch-norm of queries: by their own statistics, or by the support set's"
    )
    restores: Restores = hp(
        "everything",
        "what the best validated state brings back before the test; released: see the technique",
    )
    statistic: Literal["median", "mean", "trimmed"] = hp(
        "median", "what tables say of several runs", when={"released": "trimmed"}
    )


def protocol_of(
    name: ProtocolName, settings: Mapping[str, str], released_restores: Restores
) -> tuple[str, Protocol]:
    """Return a protocol and what to call it: its preset, with what was set otherwise.

    Args:
        name: The preset.
        settings: What the user set, as texts.
        released_restores: What the authors' code restores of the technique.

    Raises:
        MisuseError: A setting is unknown or out of range.
    """
    released: tuple[Situation, ...] = ("released",) if name == "released" else ()
    restores = {"restores": released_restores} if name == "released" else {}
    preset = Protocol.parse(restores, situations=released, owner=PROTOCOL)
    chosen = Protocol.parse({**restores, **settings}, situations=released, owner=PROTOCOL)
    before = preset.values()
    other = [
        f"{key}={value_text(value)}"
        for key, value in chosen.values().items()
        if value != before[key]
    ]
    return ", ".join([name, *other]), chosen


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """Everything that decides a run's result, up to the rounding of the machine.

    Args:
        algorithm: The technique's name.
        hyperparameters: All of its hyperparameters, by name.
        train_dataset: Meta-trained, validated and tested on this.
        eval_datasets: Tested on these too, besides ``train_dataset``.
        kind: Regression or classification.
        ways: Classes per episode; ``None`` for regression.
        shots: Support examples, per class in classification.
        queries: Query examples, per class in classification.
        seed: Decides the initial meta-parameters and the stream of training tasks; validation
            and test tasks are the same for every seed.
        protocol_name: The preset that the protocol is, with what differs from it.
        protocol: The text's, or the released code's.
        budget: How many tasks.
        precision: Of the arithmetic.
        learner: The base-learner's options.
        options: The options of each data set.
        fingerprints: What the data are, by data set.
    """

    algorithm: str
    hyperparameters: dict[str, Any]
    train_dataset: str
    eval_datasets: tuple[str, ...]
    kind: ProblemKind
    ways: int | None
    shots: int
    queries: int
    seed: int
    protocol_name: str
    protocol: Protocol
    budget: Budget
    precision: Precision
    learner: dict[str, Any]
    options: dict[str, dict[str, Any]]
    fingerprints: dict[str, str]

    @property
    def test_datasets(self) -> tuple[str, ...]:
        """Return what the run is tested on, in order."""
        return (self.train_dataset, *self.eval_datasets)

    def record(self) -> dict[str, Any]:
        """Return the spec as the journal holds it; :meth:`from_record` is the inverse."""
        fields = asdict(self)
        protocol_name = fields.pop("protocol_name")
        budget = fields.pop("budget")
        return {
            **fields,
            "eval_datasets": list(self.eval_datasets),
            "protocol": protocol_name,
            "protocol_settings": self.protocol.values(),
            "budget": budget.pop("name"),
            **budget,
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> RunSpec:
        """Return the spec that a record describes.

        Raises:
            StoreError: Another version of mlbench wrote it.
        """
        fields = dict(record)
        numbers = ("train_tasks", "validation_tasks", "validate_every", "test_tasks")
        try:
            protocol = Protocol.from_values(fields.pop("protocol_settings"), owner=PROTOCOL)
            fields["protocol_name"] = fields.pop("protocol")
            budget = Budget(name=fields.pop("budget"), **{n: fields.pop(n) for n in numbers})
            fields["eval_datasets"] = tuple(fields["eval_datasets"])
            return cls(protocol=protocol, budget=budget, **fields)
        except (TypeError, KeyError, MisuseError) as error:
            raise StoreError(
                f"the spec of this run was written by another version of mlbench ({error});"
                " start it anew with mlbench run"
            ) from error

    @property
    def hash(self) -> str:
        """Return 16 hexadecimal digits: equal hashes, equal results.

        Names of presets are left out: a budget by hand that equals ``quick`` is ``quick``. So is
        the statistic, which says how runs are summed up.
        """
        record = self.record()
        del record["protocol_settings"]["statistic"]
        for preset in ("budget", "protocol"):
            del record[preset]
        text = json.dumps(record, sort_keys=True, separators=(",", ":"))
        return sha256(text.encode()).hexdigest()[:16]
