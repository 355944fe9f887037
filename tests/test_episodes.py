"""Episodes are pure functions of their key."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbench.episodes import Stream, choose, choose_again, seed_for

STREAM = Stream(fingerprint="f", split="train", ways=5, shots=1, queries=3, seed=0)
PUBLISHED_DIGEST = "e3e3417184ee0bdd504d042a99de0da0"
PUBLISHED_KEY = 15928086759729128426
PUBLISHED_NUMBERS = [8982895627619102, 1089050662285345, 8026131251652464]


@given(start=st.integers(0, 10**9), count=st.integers(1, 20), width=st.integers(1, 40))
def test_an_episode_is_the_same_drawn_alone_or_among_others(
    start: int, count: int, width: int
) -> None:
    together = STREAM.uniforms(start, start + count, width)
    alone = [STREAM.uniforms(i, i + 1, width)[0] for i in range(start, start + count)]
    np.testing.assert_array_equal(together, np.stack(alone))
    assert together.min() >= 0
    assert together.max() < 1


def test_numbers_of_neighbouring_episodes_do_not_overlap() -> None:
    numbers = STREAM.uniforms(0, 100, 7)
    assert len(np.unique(numbers)) == numbers.size


@pytest.mark.parametrize(
    "change",
    [
        {"fingerprint": "g"},
        {"split": "test"},
        {"ways": 4},
        {"ways": None},
        {"shots": 2},
        {"queries": 4},
        {"seed": 1},
        {"replacement": True},
    ],
)
def test_every_part_of_the_key_decides(change: dict[str, object]) -> None:
    other = replace(STREAM, **change)  # type: ignore[arg-type]
    assert other.digest != STREAM.digest
    assert set(other.keys(0, 50)).isdisjoint(STREAM.keys(0, 50))


def test_episodes_are_those_that_were_published() -> None:
    """Results name episodes by key: neither keys nor numbers may change between versions."""
    assert STREAM.digest.hex() == PUBLISHED_DIGEST
    assert STREAM.keys(7, 8).tolist() == [PUBLISHED_KEY]
    assert (STREAM.uniforms(7, 8, 3)[0] * 2**53).astype(int).tolist() == PUBLISHED_NUMBERS


def test_keys_wrap_around_instead_of_overflowing() -> None:
    origin = int(STREAM.keys(0, 1)[0])
    assert int(STREAM.keys(2**64 - origin, 2**64 - origin + 1)[0]) == 0


@given(
    seed=st.integers(0, 2**32),
    population=st.lists(st.integers(6, 30), min_size=1, max_size=8),
    k=st.integers(1, 6),
)
def test_chosen_indices_are_distinct_and_in_range(seed: int, population: list[int], k: int) -> None:
    sizes = np.array(population)
    uniforms = replace(STREAM, seed=seed).uniforms(0, len(sizes), k)
    chosen = choose(uniforms, sizes)
    assert chosen.shape == (len(sizes), k)
    assert (chosen >= 0).all()
    assert (chosen < sizes[:, None]).all()
    assert all(len(set(row)) == k for row in chosen.tolist())


def test_every_order_of_every_subset_is_equally_likely() -> None:
    rows = 60_000
    chosen = choose(STREAM.uniforms(0, rows, 2), np.full(rows, 4))
    pairs, counts = np.unique(chosen, axis=0, return_counts=True)
    assert len(pairs) == 12
    expected = rows / 12
    chi_squared = ((counts - expected) ** 2 / expected).sum()
    assert chi_squared < 31.3  # the 99.9 % point for 11 degrees of freedom


def test_with_replacement_an_index_comes_again() -> None:
    chosen = choose_again(STREAM.uniforms(0, 1_000, 3), np.full(1_000, 3))
    repeats = np.mean([len(set(row)) < 3 for row in chosen.tolist()])
    assert repeats == pytest.approx(1 - 6 / 27, abs=0.05)


def test_seeds_of_different_purpose_differ() -> None:
    assert seed_for("initialisation", 0) != seed_for("plugins", 0)
    assert seed_for("plugins", 0) != seed_for("plugins", 1)
    assert 0 <= seed_for("plugins", 3) < 2**63
