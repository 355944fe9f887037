"""What ``--slurm KEY=VALUE`` says, as submitit's executor takes it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from mlbench.errors import MisuseError

DEFAULT_MINUTES = 240
SIGNAL_SECONDS = 120  # before the time is up; Slurm may be a minute early

ONE_PROCESS = "a job is one process on one machine"
JOURNALS = "outcomes and logs lie beside the database"
SURVIVAL = "jobs are requeued and go on by themselves"
RESERVED = {
    "array": "--jobs says how many run at once",
    "chdir": "jobs run where the sweep is submitted",
    "clusters": "jobs are looked for on the cluster at hand",
    "error": JOURNALS,
    "export": "jobs have the environment of the sweep",
    "export-file": "jobs have the environment of the sweep",
    "gid": "jobs are yours",
    "help": "'sbatch --help' shows what there is",
    "input": "jobs read no input",
    "job-name": "jobs are found again by the name that they are given",
    "nodes": ONE_PROCESS,
    "no-requeue": SURVIVAL,
    "ntasks": ONE_PROCESS,
    "ntasks-per-core": ONE_PROCESS,
    "ntasks-per-gpu": ONE_PROCESS,
    "ntasks-per-node": ONE_PROCESS,
    "ntasks-per-socket": ONE_PROCESS,
    "open-mode": JOURNALS,
    "output": JOURNALS,
    "parsable": "what sbatch prints is read",
    "quiet": "what sbatch prints is read",
    "requeue": SURVIVAL,
    "test-only": "--dry-run shows what a sweep is made of",
    "uid": "jobs are yours",
    "usage": "'sbatch --help' shows what there is",
    "version": "what sbatch prints is read",
    "wait": "a sweep is submitted and left alone",
    "wrap": "what runs is the sweep",
}
"""Options of sbatch that are decided already, each with the reason."""

KEY = re.compile(r"[a-z][a-z0-9-]*")
DIRECTIVE = "'#\"\\`$"  # none of these belongs into a line of a script that others read
SIGNAL = re.compile(r"(?:SIG)?USR2@(?P<seconds>[1-9][0-9]{0,4})")
TIME = re.compile(
    r"(?:(?P<days>\d+)-(?P<hours>\d+)(?::(?P<minutes>\d+)(?::(?P<seconds>\d+))?)?"
    r"|(?:(?P<h>\d+):)?(?P<m>\d+):(?P<s>\d+)|(?P<only>\d+))"
)


def options_of(texts: Iterable[str]) -> dict[str, Any]:
    """Return the parameters of submitit's ``SlurmExecutor`` that options spelled as sbatch's make.

    Args:
        texts: ``KEY=VALUE`` each, the key as ``sbatch --help`` has it, without the dashes;
            ``KEY=true`` for one that takes no value.

    Raises:
        MisuseError: One is malformed, given twice, or not for the user to say.
    """
    given: dict[str, str] = {}
    for text in texts:
        key, value = split(text)
        if key in given:
            raise MisuseError(f"--slurm {key} is given twice; give one value")
        given[key] = value
    minutes = minutes_of(given.pop("time", str(DEFAULT_MINUTES)))
    seconds = min(SIGNAL_SECONDS, 15 * minutes)
    if (wanted := given.pop("signal", None)) is not None:
        match = SIGNAL.fullmatch(wanted)
        if match is None:
            raise MisuseError(
                f"--slurm signal={wanted} is not the signal that jobs listen to; give"
                " signal=USR2@SECONDS, or leave it out"
            )
        seconds = int(match["seconds"])
    return {
        "time": minutes,
        "signal_delay_s": seconds,
        "additional_parameters": {
            key: True if value == "true" else value for key, value in given.items()
        },
    }


def cores_of(options: Mapping[str, Any]) -> int:
    """Return how many cores a job asks for, as :func:`options_of` returns its options."""
    cores = str(options["additional_parameters"].get("cpus-per-task", ""))
    return int(cores) if cores.isdecimal() and int(cores) else 1


def split(text: str) -> tuple[str, str]:
    """Return key and value of one option.

    Raises:
        MisuseError: It is malformed, not for the user to say, or more than one line of a script.
    """
    name, equals, value = text.partition("=")
    key = name.removeprefix("--").replace("_", "-")
    if not (equals and value and KEY.fullmatch(key)):
        raise MisuseError(
            f"--slurm {text!r} is not of the form KEY=VALUE, such as partition=gpu;"
            " 'sbatch --help' lists the keys"
        )
    if not value.isprintable() or any(sign in value for sign in DIRECTIVE):
        raise MisuseError(
            f"--slurm {key} has the value {value!r}, which would not stay one value in a script"
            f" for sbatch; leave out line breaks and {' '.join(DIRECTIVE)}"
        )
    # sbatch takes an option by any beginning that fits no other
    whole = key if key in RESERVED else next((r for r in RESERVED if r.startswith(key)), None)
    if whole is not None:
        raise MisuseError(f"--slurm {key} is not for you to say: {RESERVED[whole]}; leave it out")
    return key, value


def minutes_of(text: str) -> int:
    """Return a time limit in minutes, rounded up, from any of the forms that sbatch knows.

    Raises:
        MisuseError: It is none of them, or no time at all.
    """
    match = TIME.fullmatch(text)
    amounts = (
        {name: int(digits or 0) for name, digits in match.groupdict().items()} if match else {}
    )
    seconds = total_seconds(amounts) if amounts else 0
    if seconds <= 0:
        raise MisuseError(
            f"--slurm time={text} is no time limit; give minutes, HH:MM:SS or DAYS-HH:MM:SS"
            " (a job that does not end in time goes on in another)"
        )
    return -(-seconds // 60)


def total_seconds(amounts: Mapping[str, int]) -> int:
    """Return the seconds that the named groups of :data:`TIME` add up to."""
    hours = 24 * amounts["days"] + amounts["hours"] + amounts["h"]
    minutes = 60 * hours + amounts["minutes"] + amounts["m"] + amounts["only"]
    return 60 * minutes + amounts["seconds"] + amounts["s"]
