"""How many processes run at a time, and what each is given of the machine."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from mlbench.errors import MisuseError
from mlbench.run.device import check_device, usable_cores

GPU = re.compile(r"\d+|(GPU|MIG)-[0-9a-fA-F/-]+")
VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Places:
    """Places for processes.

    Args:
        variables: Of the environment of the process in each.
        threads: Of each.
        gpu: Whether they compute on GPUs; ``None`` if that is not ours to say.
    """

    variables: tuple[dict[str, str], ...]
    threads: int
    gpu: bool | None


def places_of(
    device: str, jobs: int | None = None, gpus: str | None = None, threads: int | None = None
) -> Places:
    """Return the places that this machine has.

    A process has one thread unless told otherwise: two that work by themselves get more done than
    one with two threads. GPUs are dealt out in turn, all that are visible unless some are named.

    Args:
        device: What runs are computed on; ``auto`` takes GPUs where there are any.
        jobs: Processes at a time; as many as there are GPUs, or cores for their threads.
        gpus: As ``0,1``.
        threads: Of each process.

    Raises:
        MisuseError: GPUs are named where none is used, or not as they are called; or the device
            is not here.
    """
    check_named(device)
    threads = threads or 1
    dealt: list[str] = []
    if gpus is not None:
        dealt = [name.strip() for name in gpus.split(",")]
        if not all(map(GPU.fullmatch, dealt)):
            raise MisuseError(f"--gpus {gpus!r} is not of the form 0,1; give their numbers")
        if device != "auto":
            raise MisuseError(f"--gpus deals GPUs out, and --device says {device}; leave one out")
    elif device == "auto":
        dealt = visible_gpus()
    jobs = jobs or len(dealt) or (1 if device.startswith("cuda") else 0)
    jobs = jobs or max(1, usable_cores() // threads)
    usual = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    variables = (
        usual | ({VISIBLE: dealt[place % len(dealt)]} if dealt else {}) for place in range(jobs)
    )
    return Places(tuple(variables), threads, gpu=bool(dealt) or device.startswith("cuda"))


def check_named(device: str) -> None:
    """Refuse a device that is not here, before every process does; takes no memory of a GPU.

    Raises:
        MisuseError: It is not here, or no device.
    """
    import torch

    if not device.startswith("cuda"):
        if device != "auto":
            check_device(device)
        return
    index = device.partition(":")[2] or "0"
    if not index.isdecimal() or int(index) >= torch.cuda.device_count():
        raise MisuseError(
            f"device {device!r} cannot be used: torch sees {torch.cuda.device_count()} GPUs here;"
            " --device cpu always can"
        )


def visible_gpus() -> list[str]:
    """Return the GPUs that a process of ours would see, as the environment names them."""
    import torch

    if not torch.cuda.is_available():
        return []
    named = [name.strip() for name in os.environ.get(VISIBLE, "").split(",") if name.strip()]
    return named or [str(number) for number in range(torch.cuda.device_count())]
