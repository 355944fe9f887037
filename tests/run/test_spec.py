"""A spec survives its journal, and its hash tells experiments apart."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from mlbench.errors import MisuseError
from mlbench.run.setup import Request, prepare
from mlbench.run.spec import Protocol, ProtocolName, RunSpec, budget_of

SINE = prepare(Request(algorithm="maml", train="sine", budget="smoke")).spec


def test_a_spec_survives_json() -> None:
    assert RunSpec.from_record(json.loads(json.dumps(SINE.record()))) == SINE


@pytest.mark.parametrize(
    "change",
    [
        {"algorithm": "fo_maml"},
        {"hyperparameters": {**SINE.hyperparameters, "inner_lr": 0.02}},
        {"eval_datasets": ("shapes",)},
        {"shots": 10},
        {"queries": 10},
        {"seed": 1},
        {"protocol": Protocol(replacement=True)},
        {"protocol": Protocol(normalisation="inductive")},
        {"protocol": Protocol(restores="theta")},
        {"budget": SINE.budget.with_numbers(train_tasks=7)},
        {"budget": SINE.budget.with_numbers(test_tasks=7)},
        {"precision": "float64"},
        {"learner": {"hidden": [40]}},
        {"fingerprints": {"sine": "another"}},
    ],
)
def test_whatever_decides_the_result_decides_the_hash(change: dict[str, object]) -> None:
    assert replace(SINE, **change).hash != SINE.hash  # type: ignore[arg-type]


def test_a_budget_by_hand_that_equals_a_preset_is_that_preset() -> None:
    smoke = SINE.budget
    by_hand = replace(budget_of("paper", "regression", 5)).with_numbers(
        train_tasks=smoke.train_tasks,
        validation_tasks=smoke.validation_tasks,
        validate_every=smoke.validate_every,
        test_tasks=smoke.test_tasks,
    )
    assert by_hand.name == "custom"
    assert replace(SINE, budget=by_hand).hash == SINE.hash


def test_a_protocol_set_by_hand_that_equals_a_preset_is_that_preset() -> None:
    by_hand = Request(
        algorithm="maml",
        train="sine",
        budget="smoke",
        settings={"protocol.replacement": "true", "protocol.statistic": "trimmed"},
    )
    preset = replace(by_hand, settings={}, protocol="released")
    assert prepare(by_hand).spec.protocol_name != prepare(preset).spec.protocol_name
    assert prepare(by_hand).spec.hash == prepare(preset).spec.hash


@pytest.mark.parametrize(
    ("kind", "shots", "numbers"),
    [
        ("regression", 5, (70_000, 1_000, 2_500, 2_000)),
        ("classification", 1, (60_000, 600, 2_500, 600)),
        ("classification", 5, (40_000, 600, 2_500, 600)),
    ],
)
def test_the_papers_budget_is_that_of_the_paper(
    kind: str, shots: int, numbers: tuple[int, ...]
) -> None:
    paper = budget_of("paper", kind, shots)  # type: ignore[arg-type]
    found = (paper.train_tasks, paper.validation_tasks, paper.validate_every, paper.test_tasks)
    assert found == numbers


@pytest.mark.parametrize(
    ("protocol", "settings", "padding"),
    [("corrected", {}, 1), ("released", {}, 0), ("released", {"learner.padding": "1"}, 1)],
)
def test_the_protocol_decides_the_padding_unless_the_user_does(
    protocol: ProtocolName, settings: dict[str, str], padding: int
) -> None:
    large = {"shapes.image_size": "64", "shapes.images_per_class": "21"}
    asked = Request(algorithm="maml", train="shapes", protocol=protocol, settings=large | settings)
    assert prepare(asked).spec.learner["padding"] == padding


@pytest.mark.parametrize(
    ("algorithm", "protocol", "settings", "name", "expected"),
    [
        ("maml", "corrected", {}, "corrected", Protocol()),
        (
            "maml",
            "released",
            {},
            "released",
            Protocol(replacement=True, statistic="trimmed"),
        ),
        (
            "turtle",
            "released",
            {},
            "released",
            Protocol(replacement=True, restores="theta", statistic="trimmed"),
        ),
        (
            "turtle",
            "released",
            {"protocol.restores": "nothing"},
            "released, restores=nothing",
            Protocol(replacement=True, restores="nothing", statistic="trimmed"),
        ),
        (
            "maml",
            "corrected",
            {"protocol.replacement": "true", "protocol.normalisation": "inductive"},
            "corrected, replacement=true, normalisation=inductive",
            Protocol(replacement=True, normalisation="inductive"),
        ),
        ("maml", "corrected", {"protocol.replacement": "false"}, "corrected", Protocol()),
    ],
)
def test_a_protocol_is_a_preset_whose_settings_can_each_be_set_alone(
    algorithm: str,
    protocol: ProtocolName,
    settings: dict[str, str],
    name: str,
    expected: Protocol,
) -> None:
    asked = Request(algorithm=algorithm, train="sine", protocol=protocol, settings=settings)
    spec = prepare(asked).spec
    assert (spec.protocol_name, spec.protocol) == (name, expected)
    assert RunSpec.from_record(json.loads(json.dumps(spec.record()))) == spec


def test_the_statistic_changes_no_run_and_replacement_no_wave() -> None:
    plain = Request(algorithm="maml", train="sine")
    other = replace(plain, settings={"protocol.statistic": "mean"})
    assert prepare(other).spec.hash == prepare(plain).spec.hash
    again = prepare(replace(plain, settings={"protocol.replacement": "true"}))
    assert again.stream("sine", "test").digest == prepare(plain).stream("sine", "test").digest
    shapes = replace(plain, train="shapes", settings={"protocol.replacement": "true"})
    digests = {
        prepare(each).stream("shapes", "test").digest
        for each in (shapes, replace(shapes, settings={}))
    }
    assert len(digests) == 2


def test_an_unknown_setting_of_the_protocol_is_refused() -> None:
    asked = Request(algorithm="maml", train="sine", settings={"protocol.padding": "0"})
    with pytest.raises(
        MisuseError, match=r"protocol has no hyperparameter 'padding'; there are: r"
    ):
        prepare(asked)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"train_tasks": -1}, "0 or more train tasks"),
        ({"validation_tasks": 0}, "1 or more validation tasks"),
        ({"test_tasks": 0}, "1 or more test tasks"),
        ({"validate_every": 0}, "every 1 or more"),
    ],
)
def test_an_impossible_budget_is_refused(numbers: dict[str, int], message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        SINE.budget.with_numbers(**numbers)


@pytest.mark.parametrize("protocol", ["corrected", "released"])
@pytest.mark.parametrize(
    ("algorithm", "settings", "clip"),
    [
        ("maml", {"train_steps": "1"}, None),
        ("fo_maml", {"train_steps": "1"}, None),
        ("maml", {"train_steps": "1", "clip": "3"}, 3.0),
        ("maml", {"train_steps": "2"}, 10.0),
        ("maml", {}, 10.0),
        ("turtle", {"train_steps": "1"}, 10.0),
    ],
)
def test_maml_clips_no_support_gradient_where_there_is_one_update(
    algorithm: str, settings: dict[str, str], clip: float | None, protocol: ProtocolName
) -> None:
    request = Request(algorithm=algorithm, train="sine", settings=settings, protocol=protocol)
    assert prepare(request).spec.hyperparameters["clip"] == clip
