"""How long packing miniImageNet takes, and how much memory: 100 classes of 600 images at 84x84.

``python -m benchmarks.packing [FOLDER]`` makes stand-ins in FOLDER (3 GB; by default a temporary
one): JPEG files in class trees, of which ten at a time have one content, and the three
``mini-imagenet-cache`` pickles. Each is packed by ``mlbench data add`` in a process of its own,
whose peak of memory is told by the system.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import cast

import numpy as np
from PIL import Image

from mlbench.images import PackedImages
from mlbench.registry import load_dataset

EACH, SIDE, ALIKE = 600, 84, 10
FOLDERS = {"train": "train", "validation": "val", "test": "test"}
MEASURED = """
import resource, sys
from mlbench.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"PEAK {peak / 1024:.0f}", file=sys.stderr)
    raise
"""


def picture(generator: np.random.Generator) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return an image that compresses about as a photograph does."""
    coarse = generator.integers(0, 256, (12, 12, 3), dtype=np.uint8)
    smooth = Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    grain = generator.integers(-12, 13, (SIDE, SIDE, 3))
    return np.clip(np.asarray(smooth).astype(int) + grain, 0, 255).astype(np.uint8)


def make_trees(folder: Path, classes: dict[str, str]) -> None:
    """Write class trees of JPEG files."""
    generator = np.random.default_rng(0)
    for name, split in classes.items():
        home = folder / FOLDERS[split] / name
        home.mkdir(parents=True)
        for first in range(0, EACH, ALIKE):
            original = home / f"{first:03}.jpg"
            Image.fromarray(picture(generator)).save(original, quality=90)
            for number in range(first + 1, first + ALIKE):
                os.link(original, home / f"{number:03}.jpg")


def make_pickles(folder: Path, classes: dict[str, str]) -> None:
    """Write the three pickles."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(1)
    for split, word in FOLDERS.items():
        names = [name for name, belongs in classes.items() if belongs == split]
        few = np.stack([picture(generator) for _ in range(100)])
        data = few[generator.integers(0, 100, len(names) * EACH)]
        members = {n: list(range(i * EACH, (i + 1) * EACH)) for i, n in enumerate(names)}
        with (folder / f"mini-imagenet-cache-{word}.pkl").open("wb") as file:
            pickle.dump({"image_data": data, "class_dict": members}, file, protocol=4)


def pack(what: str, path: Path, home: Path) -> None:
    """Pack in a process of its own, and print its time and memory."""
    command = [sys.executable, "-c", MEASURED, "data", "add", "mini", str(path), "--replace"]
    began = perf_counter()
    done = subprocess.run(  # noqa: S603 - our own command
        command,
        env={**os.environ, "MLBENCH_DATA": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    took = perf_counter() - began
    if done.returncode:
        raise SystemExit(done.stderr)
    peak = next(line for line in done.stderr.splitlines() if line.startswith("PEAK "))
    print(
        f"{what:<8} {100 * EACH} images: {took:5.1f} s with start-up, {peak.split()[1]} MiB at most"
    )


def main(folder: Path) -> None:
    """Make what is not there, and pack both forms."""
    mini = load_dataset("mini")
    classes = dict(cast("type[PackedImages]", mini).class_splits[0].classes)
    for what, make in (("trees", make_trees), ("pickles", make_pickles)):
        if not (folder / what).exists():
            make(folder / what, cast("dict[str, str]", classes))
        pack(what, folder / what, folder / "home")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as made:
            main(Path(made))
