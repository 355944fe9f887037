"""Every contestant takes the same meta-step: what is compared is speed, not mathematics."""

from __future__ import annotations

import os
import signal

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.apart import Apart, ContestantError
from benchmarks.cases import Case
from benchmarks.convolutions import layers, multiplications
from benchmarks.peers import CONTESTANTS, AbsentError, enter
from mlbench.errors import MisuseError

pytestmark = pytest.mark.filterwarnings("default")  # old libraries use what torch deprecates
WAVES = Case(tasks=3, shots=4, queries=6, steps=3, precision="float64")
IMAGES = Case(
    side=28, ways=3, shots=2, queries=2, steps=2, tasks=2, channels=6, precision="float64"
)
REFERENCE = "plain loop"
WITHOUT_GRADIENT = {"mlbench, runs", "mlbench, runs, compiled"}
COMPILED = {"mlbench, compiled"}  # takes half a minute; that machine code computes the same is
COMPARED = sorted(set(CONTESTANTS) - {REFERENCE} - WITHOUT_GRADIENT - COMPILED)  # tested elsewhere


@pytest.mark.parametrize(
    ("name", "case"),
    [
        *(
            pytest.param(
                name,
                WAVES,
                id=f"{name}, waves",
                marks=pytest.mark.slow if "traced" in name else (),  # to trace takes seconds
            )
            for name in COMPARED
        ),
        # convolutions are never traced by a run
        *(pytest.param(n, IMAGES, id=f"{n}, images") for n in COMPARED if "traced" not in n),
    ],
)
def test_a_contestant_has_the_meta_gradient_of_the_plain_loop(name: str, case: Case) -> None:
    reference = enter(REFERENCE, case)
    reference.step()
    try:
        peer = enter(name, case)
    except (AbsentError, MisuseError) as error:
        pytest.skip(str(error))
    for _ in range(2):  # the second finds what the first left behind
        peer.step()
        torch.testing.assert_close(peer.gradient(), reference.gradient(), rtol=0, atol=1e-10)


def test_the_limit_counts_the_convolutions_that_a_plain_loop_cannot_do_without() -> None:
    loop = enter(REFERENCE, IMAGES)
    with FlopCounterMode(display=False) as counter:
        loop.step()
    counts = counter.get_flop_counts()["Global"]
    done = sum(count for name, count in counts.items() if "conv" in str(name)) // 2
    # autograd derives the first layer's W by its input, too, which nobody asks for
    needless = IMAGES.steps * layers(IMAGES)[0].multiplications_of_one
    assert done == IMAGES.tasks * (multiplications(IMAGES) + needless)


def test_a_contestant_steps_in_a_process_of_its_own_and_its_death_is_told() -> None:
    with Apart(REFERENCE, WAVES) as contestant:
        cost = contestant.step()
        assert cost.cpu > 0
        assert contestant.peak > contestant.baseline > 0
        os.kill(contestant.process.pid, signal.SIGKILL)
        with pytest.raises(ContestantError, match=r"plain loop \(sine 4-shot\) was killed"):
            contestant.step()
