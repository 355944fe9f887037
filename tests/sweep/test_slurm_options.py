"""What ``--slurm KEY=VALUE`` may say."""

from __future__ import annotations

import pytest

from mlbench.errors import MisuseError
from mlbench.sweep.slurm_options import RESERVED, options_of


def test_options_are_spelled_as_sbatch_spells_them() -> None:
    options = options_of(
        ["partition=gpu", "gres=gpu:a100:2", "cpus-per-task=4", "mem=16G", "exclusive=true"]
    )
    assert options["additional_parameters"] == {
        "partition": "gpu",
        "gres": "gpu:a100:2",
        "cpus-per-task": "4",
        "mem": "16G",
        "exclusive": True,
    }


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("90", 90),
        ("04:00:00", 240),
        ("1:30", 2),
        ("0:30", 1),
        ("2-12", 3600),
        ("1-00:30", 1470),
        ("1-00:00:01", 1441),
    ],
)
def test_a_time_limit_has_any_form_that_sbatch_knows(text: str, minutes: int) -> None:
    assert options_of([f"time={text}"])["time"] == minutes


@pytest.mark.parametrize("text", ["0", "soon", "-5", "1:2:3:4", "UNLIMITED", "4h"])
def test_what_is_no_time_limit_is_refused(text: str) -> None:
    with pytest.raises(MisuseError, match=r"is no time limit; give minutes, HH:MM:SS"):
        options_of([f"time={text}"])


def test_jobs_are_warned_in_time_to_save_their_state() -> None:
    assert options_of([])["signal_delay_s"] == 120
    assert options_of(["time=2"])["signal_delay_s"] == 30
    assert options_of(["signal=USR2@300"])["signal_delay_s"] == 300
    with pytest.raises(MisuseError, match="give signal=USR2@SECONDS"):
        options_of(["signal=B:TERM@60"])


@pytest.mark.parametrize("text", ["partition", "partition=", "=gpu", "", "Par tition=gpu", "-=1"])
def test_a_malformed_option_is_refused(text: str) -> None:
    with pytest.raises(MisuseError, match="is not of the form KEY=VALUE, such as partition=gpu"):
        options_of([text])


def test_an_option_is_given_once_however_it_is_spelled() -> None:
    with pytest.raises(MisuseError, match="--slurm cpus-per-task is given twice"):
        options_of(["cpus-per-task=2", "cpus_per_task=4"])


@pytest.mark.parametrize(
    "value",
    [
        "gpu\n#SBATCH --uid=0",
        "a\rb",
        "x #SBATCH --wrap",
        "'",
        '"',
        "$(id)",
        "`id`",
        "a\\",
        "\x1b[2J",
    ],
)
def test_a_value_stays_a_value_in_the_script(value: str) -> None:
    with pytest.raises(MisuseError, match="would not stay one value in a script for sbatch"):
        options_of([f"comment={value}"])


@pytest.mark.parametrize("key", [*sorted(RESERVED), "outp", "arr", "no-req"])
def test_what_a_sweep_decides_is_not_for_the_user_to_say(key: str) -> None:
    with pytest.raises(MisuseError, match=f"--slurm {key} is not for you to say: .*; leave it out"):
        options_of([f"{key}=1"])
