"""Rows that would look alike are told apart, in few characters."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbench.stats.labels import short_names

ONE, OTHER = (sha256(text.encode()).hexdigest() for text in ("one", "other"))


def test_a_hash_is_named_by_its_first_eight_digits() -> None:
    assert short_names([ONE, OTHER, ONE]) == {ONE: ONE[:8], OTHER: OTHER[:8]}


def test_images_brought_to_other_shapes_are_told_apart_by_the_shape() -> None:
    small, large = (f"{ONE}@3x{n}x{n}, antialiased bicubic, luma of ITU-R 601" for n in (28, 84))
    assert short_names([small, large, ONE]) == {
        small: f"{ONE[:8]}@3x28x28",
        large: f"{ONE[:8]}@3x84x84",
        ONE: ONE[:8],
    }


def test_what_is_no_hash_is_named_by_one_unless_it_is_short() -> None:
    sine = "sine: A~U(0.1,5) phase~U(0,pi) x~U(-5,5)"
    assert short_names(["f-mini", sine]) == {
        "f-mini": "f-mini",
        sine: sha256(sine.encode()).hexdigest()[:8],
    }


@pytest.mark.parametrize("tail", ["@3x84x84, bicubic", " of 2026-11"])
def test_hashes_that_begin_alike_are_told_apart(tail: str) -> None:
    names = short_names([ONE[:8] + tail, ONE[:8] + tail + " and more", ONE])
    assert len(set(names.values())) == 3
    assert all(len(name) < 20 for name in names.values())


@given(st.sets(st.text(max_size=30), max_size=8))
def test_unequal_fingerprints_keep_unequal_names(fingerprints: set[str]) -> None:
    names = short_names(fingerprints)
    assert set(names) == fingerprints
    assert len(set(names.values())) == len(fingerprints)
