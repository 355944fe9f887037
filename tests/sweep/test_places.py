"""How many processes run at a time, and which GPU each is dealt."""

from __future__ import annotations

import pytest
import torch

from mlbench.errors import MisuseError
from mlbench.run.device import usable_cores
from mlbench.sweep.places import VISIBLE, places_of


@pytest.fixture(autouse=True)
def _no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv(VISIBLE, raising=False)


def test_every_core_has_a_process_of_one_thread() -> None:
    places = places_of("auto")
    assert (len(places.variables), places.threads) == (usable_cores(), 1)
    assert places.variables[0] == {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def test_processes_of_more_threads_are_fewer() -> None:
    assert len(places_of("cpu", threads=usable_cores()).variables) == 1
    assert len(places_of("cpu", jobs=7, threads=3).variables) == 7


def test_gpus_are_dealt_out_in_turn() -> None:
    places = places_of("auto", jobs=3, gpus="0, 2")
    assert [variables[VISIBLE] for variables in places.variables] == ["0", "2", "0"]
    assert len(places_of("auto", gpus="0,2").variables) == 2


def test_all_visible_gpus_are_dealt_unless_some_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [one[VISIBLE] for one in places_of("auto").variables] == ["0", "1"]
    assert VISIBLE not in places_of("cpu").variables[0]
    monkeypatch.setenv(VISIBLE, "3,GPU-1f")
    assert [one[VISIBLE] for one in places_of("auto").variables] == ["3", "GPU-1f"]


@pytest.mark.parametrize("gpus", ["", "0,", "all", "0;1", "-1", "0 1"])
def test_gpus_that_are_none_are_refused(gpus: str) -> None:
    with pytest.raises(MisuseError, match="is not of the form 0,1"):
        places_of("auto", gpus=gpus)


def test_gpus_beside_a_device_are_refused() -> None:
    with pytest.raises(MisuseError, match="--device says cpu"):
        places_of("cpu", gpus="0")


@pytest.mark.parametrize("device", ["cdua", "cuda:3", "cuda:x", "meta"])
def test_a_device_that_is_not_here_is_refused_once_and_at_once(device: str) -> None:
    with pytest.raises(MisuseError, match="cannot be used"):
        places_of(device)
