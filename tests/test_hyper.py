"""Hyperparameters: parsed by type, checked wherever they come from, printed as they are typed."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, dataclass
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbench.errors import MisuseError
from mlbench.hyper import Hyper, Situation, hp, situations
from mlbench.notation import parse_text, value_text


@dataclass(frozen=True, kw_only=True)
class Example(Hyper):
    inner_lr: float = hp(0.01, "α, the rate of the inner loop", above=0)
    meta_batch: int = hp(4, "tasks per meta-step", at_least=1, when={"5-shot": 2, "released": 3})
    order: int = hp(2, "of the meta-gradient", one_of=(1, 2))
    hidden: tuple[int, ...] = hp((20, 20), "sizes of the hidden layers", at_least=1)
    beta: float = hp(0.9, "memory", at_least=0, below=1)
    clip: float | None = hp(10.0, "bound of a gradient's entries", above=0)
    history: Literal["none", "gradients"] = hp("gradients", "what is averaged")
    learn_rates: bool = hp(True, "one rate per weight")
    crop: tuple[int, float] = hp((1, 2.5), "two of different type")
    keep: float = hp(1.0, "share that is kept", above=0, at_most=1)
    note: str = hp("", "anything")


@dataclass(frozen=True, kw_only=True)
class Heir(Example):
    inner_lr: float = hp(0.1, "another default", above=0)
    extra: int | None = hp(None, "of its own")


EXAMPLES = st.builds(
    Example,
    inner_lr=st.floats(1e-300, 1e300),
    meta_batch=st.integers(1),
    order=st.sampled_from([1, 2]),
    hidden=st.lists(st.integers(1)).map(tuple),
    beta=st.floats(0, 1, exclude_max=True),
    clip=st.none() | st.floats(1e-300, 1e300),
    history=st.sampled_from(["none", "gradients"]),
    learn_rates=st.booleans(),
    crop=st.tuples(st.integers(), st.floats(allow_nan=False, allow_infinity=False)),
    keep=st.floats(0, 1, exclude_min=True),
    note=st.text(),
)


@given(EXAMPLES)
def test_values_survive_json(hyper: Example) -> None:
    assert Example.from_values(json.loads(json.dumps(hyper.values()))) == hyper


@given(EXAMPLES)
def test_what_is_printed_can_be_typed(hyper: Example) -> None:
    typed = {name: value_text(getattr(hyper, name)) for name in hyper.values() if name != "note"}
    assert Example.parse(typed) == Example(**{n: getattr(hyper, n) for n in typed})


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("inner_lr", "1", 1.0),
        ("inner_lr", " 1e-3 ", 1e-3),
        ("meta_batch", "16", 16),
        ("hidden", "20,40", (20, 40)),
        ("hidden", "(20, 40,)", (20, 40)),
        ("hidden", "7", (7,)),
        ("hidden", "()", ()),
        ("hidden", "", ()),
        ("crop", "3,4", (3, 4.0)),
        ("clip", "none", None),
        ("clip", "None", None),
        ("clip", "5", 5.0),
        ("history", "none", "none"),
        ("learn_rates", "no", False),
        ("learn_rates", "False", False),
        ("learn_rates", "1", True),
        ("keep", "1", 1.0),
        ("note", "none", "none"),
    ],
)
def test_a_text_is_read_by_the_type_of_its_field(name: str, text: str, value: object) -> None:
    read = getattr(Example.parse({name: text}), name)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("inner_lr", "0"),
        ("inner_lr", "-1"),
        ("inner_lr", "fast"),
        ("inner_lr", "nan"),
        ("inner_lr", "inf"),
        ("inner_lr", "none"),
        ("meta_batch", "0"),
        ("meta_batch", "2.0"),
        ("meta_batch", "true"),
        ("order", "3"),
        ("hidden", "20,0"),
        ("hidden", "20,,20"),
        ("hidden", "20x20"),
        ("crop", "1"),
        ("crop", "1,2,3"),
        ("beta", "1"),
        ("beta", "-0.1"),
        ("clip", "0"),
        ("keep", "1.01"),
        ("history", "updates"),
        ("learn_rates", "maybe"),
        ("learn_rates", "2"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(name: str, text: str) -> None:
    with pytest.raises(MisuseError, match=rf"^maml cannot take {name}=") as caught:
        Example.parse({name: text}, owner="maml")
    assert f"={text}: it must be " in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "values",
    [
        {"inner_lr": -1.0},
        {"inner_lr": float("nan")},
        {"inner_lr": float("inf")},
        {"inner_lr": 10**400},
        {"inner_lr": True},
        {"inner_lr": "0.1"},
        {"meta_batch": 2.0},
        {"meta_batch": True},
        {"order": 3},
        {"hidden": [20]},
        {"hidden": (20, "20")},
        {"learn_rates": 1},
        {"history": "updates"},
        {"note": None},
    ],
)
def test_values_given_in_code_are_checked_too(values: dict[str, Any]) -> None:
    with pytest.raises(MisuseError, match="Example cannot take"):
        Example(**values)


def test_an_integer_is_widened_where_a_float_is_declared() -> None:
    hyper = Example(inner_lr=1, crop=(1, 2))
    assert value_text(hyper.inner_lr) == "1.0"
    assert hyper == Example(inner_lr=1.0, crop=(1, 2.0))
    assert json.dumps(hyper.values()) == json.dumps(Example(inner_lr=1.0, crop=(1, 2.0)).values())


def test_hyperparameters_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Example().inner_lr = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("kind", "shots", "expected"),
    [
        ("regression", 1, "regression"),
        ("regression", 5, "regression"),
        ("classification", 1, "1-shot"),
        ("classification", 2, "5-shot"),
        ("classification", 5, "5-shot"),
        ("classification", 20, "5-shot"),
    ],
)
def test_the_situation_is_the_nearest_printed_one(
    kind: str, shots: int, expected: Situation
) -> None:
    assert situations(kind, shots, "corrected") == (expected,)
    assert situations(kind, shots, "released") == (expected, "released")
    one_step = {"train_steps": " 1", "inner_lr": "1"}
    assert situations(kind, shots, "released", one_step) == (expected, "1-step", "released")
    assert situations(kind, shots, "corrected", {"train_steps": "10"}) == (expected,)


def test_defaults_follow_the_situation_unless_set() -> None:
    assert Example.parse({}).meta_batch == 4
    assert Example.parse({}, situations=["1-shot"]).meta_batch == 4
    assert Example.parse({}, situations=["5-shot"]).meta_batch == 2
    assert Example.parse({"meta_batch": "8"}, situations=["5-shot"]).meta_batch == 8


def test_of_two_situations_the_last_one_weighs_most() -> None:
    assert Example.parse({}, situations=["5-shot", "released"]).meta_batch == 3
    assert Example.parse({}, situations=["released", "5-shot"]).meta_batch == 2
    assert Example.parse({}, situations=["released"]).meta_batch == 3


def test_an_unknown_name_is_answered_with_the_nearest_and_all() -> None:
    with pytest.raises(MisuseError) as caught:
        Example.parse({"lr": "1"}, owner="maml")
    assert str(caught.value) == (
        "maml has no hyperparameter 'lr'; did you mean 'inner_lr'? There are:"
        " inner_lr, meta_batch, order, hidden, beta, clip, history, learn_rates, crop, keep, note"
    )
    with pytest.raises(MisuseError, match=r"did you mean 'meta_batch' or 'beta'\?"):
        Example.parse({"ta": "1"}, owner="maml")
    with pytest.raises(MisuseError, match="'zzz'; there are: inner_lr, "):
        Example.parse({"zzz": "1"}, owner="maml")
    with pytest.raises(MisuseError, match="it has none at all"):
        Hyper.parse({"lr": "1"}, owner="sine")


def test_stored_values_must_be_those_there_are() -> None:
    values = Example().values()
    with pytest.raises(MisuseError, match="no hyperparameter 'extra'"):
        Example.from_values({**values, "extra": 1})
    del values["clip"]
    with pytest.raises(MisuseError, match=r"of maml lack clip; .* another version"):
        Example.from_values(values, owner="maml")


def test_an_heir_keeps_the_order_and_replaces_defaults() -> None:
    names = [each.name for each in Heir.describe()]
    assert names == [*(each.name for each in Example.describe()), "extra"]
    assert Heir().inner_lr == 0.1
    assert Heir.parse({"extra": "none"}).extra is None


def test_descriptions_say_how_values_are_typed() -> None:
    rows = {each.name: each for each in Example.describe()}
    assert rows["inner_lr"][1:] == ("float", "0.01", {}, "above 0", "α, the rate of the inner loop")
    assert rows["meta_batch"].when == {"5-shot": "2", "released": "3"}
    assert rows["beta"].range == "at least 0, below 1"
    types = {name: row.type for name, row in rows.items()}
    assert types == {
        "inner_lr": "float",
        "meta_batch": "int",
        "order": "1|2",
        "hidden": "int,...",
        "beta": "float",
        "clip": "float|none",
        "history": "none|gradients",
        "learn_rates": "true|false",
        "crop": "int,float",
        "keep": "float",
        "note": "str",
    }
    assert rows["hidden"].default == "20,20"
    assert rows["learn_rates"].default == "true"


def test_a_type_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(ValueError, match="x"):
        parse_text("x", dict[str, int])
