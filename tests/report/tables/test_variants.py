"""Rows of one technique: what makes them, and what they are called."""

from __future__ import annotations

from collections.abc import Mapping

from mlbench.report.tables.variants import Variant, labels


def variant(column: int, settings_hash: str = "5e77", **values: str) -> Variant:
    return Variant(column=column, values=values, settings_hash=settings_hash)


def names(*variants: Variant) -> list[str]:
    return [label for label, _ in labels(variants)]


def test_a_technique_that_differs_from_column_to_column_has_one_row() -> None:
    one, five = variant(1, "a", train_steps="12"), variant(5, "b", train_steps="5")
    assert names(one, five) == ["", ""]


def test_variants_of_one_column_are_called_by_what_they_differ_in() -> None:
    assert names(variant(1, order="1", inner_lr="0.1"), variant(1, order="2", inner_lr="0.1")) == [
        "order=1",
        "order=2",
    ]


def test_the_lone_variant_of_another_column_goes_to_the_row_that_it_belongs_to() -> None:
    assert names(variant(1, order="1"), variant(1, order="2"), variant(5, order="2")) == [
        "order=1",
        "order=2",
        "order=2",
    ]


def test_a_hyperparameter_that_a_variant_lacks_is_none() -> None:
    assert names(variant(1), variant(1, order="2")) == ["order=none", "order=2"]


def test_variants_that_nothing_tells_apart_have_names_of_their_own() -> None:
    by_hash = names(variant(1, "a" * 16), variant(1, "b" * 16))
    assert by_hash == ["settings=aaaaaaaa", "settings=bbbbbbbb"]
    by_number = names(variant(1), variant(1))
    assert by_number == ["settings=5e77", "settings=5e77 (2)"]


def test_rows_are_in_the_order_of_numbers_and_of_length() -> None:
    values: list[Mapping[str, str]] = [
        {"hidden": hidden, "train_steps": steps}
        for hidden in ("[20, 20]", "[]", "[20]")
        for steps in ("10", "5", "0.5")
    ]
    found = labels([Variant(column=1, values=each, settings_hash="") for each in values])
    assert [label for label, _ in sorted(found, key=lambda each: each[1])] == [
        f"hidden={hidden}, train_steps={steps}"
        for hidden in ("[]", "[20]", "[20, 20]")
        for steps in ("0.5", "5", "10")
    ]
