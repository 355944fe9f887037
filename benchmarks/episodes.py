"""What drawing episodes costs, beside a meta-step of MAML, and what opening a data set costs.

``python -m benchmarks.episodes [NAME ...]`` takes packed data sets by name; without one, it packs
6 000 images of noise at 84x84 into a temporary folder. Draws and meta-steps alternate in one
process with one thread; ratios are medians. Where there is a GPU, draws are measured there, too.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import cast

import numpy as np
import torch
from PIL import Image

from mlbench.contract import Stream, TaskBatch
from mlbench.images import ImageDataset, PackedImages
from mlbench.registry import load_dataset
from mlbench.run.device import Execution
from mlbench.run.setup import Request, prepare

ROUNDS = 5
CLASSES, EACH, SIDE = 100, 60, 84


def seconds(step: Callable[[], object]) -> float:
    """Return how long a step takes."""
    began = perf_counter()
    step()
    return perf_counter() - began


def noise(folder: Path) -> str:
    """Pack class folders of noise as a user's own data set, and return its name."""
    from mlbench.images.own import find_own
    from mlbench.images.packing import add
    from mlbench.images.splitting import parse_split

    generator = np.random.default_rng(0)
    for number in range(CLASSES):
        home = folder / "originals" / f"{number:03}"
        home.mkdir(parents=True)
        for image in range(EACH):
            pixels = generator.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(home / f"{image}.jpg")
    split = parse_split(["train=64,val=16,test=20"])
    data, originals = find_own("noise", [folder / "originals"], split, None)
    took = seconds(lambda: add(data, originals))
    print(f"packed {CLASSES * EACH} images of {SIDE}x{SIDE} in {took:.1f} s")
    return "noise"


def opening(name: str) -> None:
    """Print how long opening takes, and how much memory it holds."""
    before = resident()
    cls = load_dataset(name)
    times = []
    for _ in range(ROUNDS):
        data = cast("ImageDataset", cls())
        began = perf_counter()
        _ = data.fingerprint
        data.split("train")
        times.append(perf_counter() - began)
    size = data.pack.manifest.file_bytes if isinstance(data, PackedImages) else 0
    print(
        f"{name}: opened in {1000 * statistics.median(times):.1f} ms;"
        f" {size / 1e6:.0f} MB on disk, {resident() - before:+.1f} MB of memory"
    )


def resident() -> float:
    """Return the memory of this process, in MB; 0 where the system does not tell."""
    status = Path("/proc/self/statm")
    if not status.exists():
        return 0.0
    return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def drawing(name: str) -> None:
    """Print what a 5-way 5-shot batch of MAML costs to draw, and beside its meta-step."""
    experiment = prepare(Request(algorithm="maml", train=name))
    algorithm = experiment.algorithm(Execution(device="cpu", threads=1, engine="loop"))
    meta = algorithm.initialise(torch.Generator().manual_seed(0))
    data = experiment.datasets[name]
    stream, width = experiment.stream(name, "train"), algorithm.meta_batch
    draw = drawer(data, stream, width, torch.device("cpu"))
    ratios, draws = [], []
    for turn in range(ROUNDS):
        took = statistics.median(seconds(lambda: draw(turn)) for _ in range(10))  # noqa: B023
        tasks = draw(turn)
        step = seconds(lambda: algorithm.meta_step(meta, tasks))  # noqa: B023
        draws.append(took)
        ratios.append(took / step)
    print(
        f"{name}: {width} episodes of 5-way 5-shot, 16 queries, in"
        f" {1000 * statistics.median(draws):.1f} ms:"
        f" {100 * statistics.median(ratios):.2f} % of a meta-step of MAML"
        f" (worst {100 * max(ratios):.2f} %), {width / statistics.median(draws):.0f} episodes/s"
    )
    if torch.cuda.is_available():
        remote = drawer(data, stream, width, torch.device("cuda"))
        remote(0)
        took = statistics.median(seconds(lambda: remote(1)) for _ in range(20))
        print(f"{name}: the same on {torch.cuda.get_device_name()} in {1000 * took:.2f} ms")


def drawer(
    data: object, stream: Stream, width: int, device: torch.device
) -> Callable[[int], TaskBatch]:
    """Return a function that draws meta-batch ``n``, and waits for it."""
    images = cast("ImageDataset", data)

    def draw(turn: int) -> TaskBatch:
        start = turn * width
        tasks = images.draw(stream, start, start + width, device=device, dtype=torch.float32)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return tasks

    return draw


def main(names: list[str]) -> None:
    """Measure the data sets of these names, or one of noise."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        if not names:
            os.environ["MLBENCH_DATA"] = str(Path(folder) / "home")
            names = [noise(Path(folder))]
        for name in names:
            opening(name)
            drawing(name)


if __name__ == "__main__":
    main(sys.argv[1:])
