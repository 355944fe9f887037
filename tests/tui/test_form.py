"""The form that starts a run, without its screen: what it amounts to, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from mlbench.hyper import Hyper
from mlbench.registry import load_algorithm
from mlbench.session.process import command_text
from mlbench.tui.form import Values, arguments, refusals
from mlbench.tui.form_facts import WHOLE, look_up

SINE = Values(algorithm="maml", train="sine")
DEFAULTS = {
    "ways": "5",
    "shots": "5",
    "queries": "16",
    "train_tasks": "120",
    "set:inner_lr": "0.01",
}


def values(**changed: Any) -> Values:
    return Values(**{"algorithm": "maml", "train": "shapes", **changed})


CASES = {
    "nothing but the budget": (values(), "maml --train shapes --budget quick"),
    "cross-domain": (
        values(evals=("glyphs", "shapes", "cub"), budget="paper"),
        "maml --train shapes --eval glyphs --eval cub --budget paper",
    ),
    "released": (
        values(protocol="released"),
        "maml --train shapes --protocol released --budget quick",
    ),
    "numbers": (
        values(numbers={"threads": "2", "shots": "1", "test_tasks": "9", "validate_every": "7"}),
        "maml --train shapes --budget quick"
        " --shots 1 --validate-every 7 --test-tasks 9 --threads 2",
    ),
    "one seed": (values(numbers={"seeds": "3"}), "maml --train shapes --budget quick --seed 3"),
    "seeds": (values(numbers={"seeds": "0-4"}), "maml --train shapes --budget quick --seeds 0-4"),
    "defaults, typed": (
        values(numbers={"shots": " 5 ", "train_tasks": "120"}, settings={"inner_lr": "0.01"}),
        "maml --train shapes --budget quick",
    ),
    "changed": (
        values(settings={"inner_lr": "0.05", "order": "1"}),
        "maml --train shapes --budget quick --set inner_lr=0.05 --set order=1",
    ),
    "more": (
        values(more="learner.channels=32  'shapes.note=a b'", again=True),
        "maml --train shapes --budget quick --set learner.channels=32"
        " --set 'shapes.note=a b' --again",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_form_amounts_to_a_command_line(name: str) -> None:
    filled, line = CASES[name]
    assert command_text(arguments(filled, DEFAULTS)) == f"mlbench {line}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", {}),
        ("0-4, 7", {}),
        ("0-999999999999", {}),  # looked at without being counted out
        ("4-1", {"seeds": "'4-1' runs backwards"}),
        ("all", {"seeds": "'all' is not of the form 0-4 or 0,2,7"}),
    ],
)
def test_seeds_are_refused_in_the_words_of_the_command_line(
    text: str, told: dict[str, str]
) -> None:
    assert refusals(values(numbers={"seeds": text})) == told


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("learner.channels", "'learner.channels' is not of the form NAME=VALUE"),
        ("a=1 a=2", "a is given twice; give one value"),
        ("order=2", "order is given twice; give one value"),
    ],
)
def test_further_settings_are_of_the_form_name_is_value_and_given_once(
    more: str, told: str
) -> None:
    assert refusals(values(more=more, settings={"order": "1"})) == {"more": told}


def test_defaults_are_those_of_the_situation() -> None:
    defaults = {
        shots: look_up(
            Values(
                algorithm="lstm",
                train="sine" if shots == "sine" else "shapes",
                numbers={"shots": "1" if shots == "1" else "5"},
            )
        ).defaults
        for shots in ("1", "5", "sine")
    }
    assert [each["set:train_steps"] for each in defaults.values()] == ["12", "5", "5"]
    assert [each["queries"] for each in defaults.values()] == ["16", "16", "50"]
    assert [each["train_tasks"] for each in defaults.values()] == ["120", "120", "8000"]


@pytest.mark.parametrize(
    ("filled", "field", "told"),
    [
        (values(algorithm="protonet", train="sine"), WHOLE, "protonet does not do regression"),
        (values(evals=("sine",)), WHOLE, "shapes is classification and sine is regression"),
        (values(train="mini"), "train", "mini is not packed in"),
        (values(evals=("mini",)), "evals", "mini is not packed in"),
        (values(numbers={"shots": "100"}), WHOLE, "100 shots and 16 queries need 116 images"),
        (values(numbers={"ways": "1"}), "ways", "run cannot take ways=1"),
        (values(more="learner.padding=2"), "more", "learner cannot take padding=2"),
        (values(more="glyphs.seed=2"), "more", "--set glyphs.seed: 'glyphs' is neither"),
        (values(more="innerlr=2"), "more", "maml has no hyperparameter 'innerlr'"),
        (values(algorithm="mamml"), "algorithm", "there is no algorithm 'mamml'"),
    ],
)
def test_what_cannot_be_run_is_refused_where_it_was_filled_in(
    filled: Values, field: str, told: str
) -> None:
    found = look_up(filled).refusals
    assert list(found) == [field]
    assert told in found[field]


def test_a_check_of_the_users_plugin_that_raises_is_a_refusal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def parse(*_: object, **__: object) -> Hyper:
        raise ZeroDivisionError("by the user")

    monkeypatch.setattr(load_algorithm("maml").Hyper, "parse", parse)
    told = "maml: ZeroDivisionError: by the user; mend its file"
    assert look_up(SINE).refusals == {WHOLE: told}
    filled = values(train="sine", settings={"inner_lr": "1"})
    assert look_up(filled).refusals == {"set:inner_lr": told}
