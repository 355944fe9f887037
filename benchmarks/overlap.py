"""How many changed copies of images are found, and how long comparing data sets takes.

``python -m benchmarks.overlap NAME`` takes images of a packed data set as originals, changes each
in several ways, and counts the copies that are found again; then it counts what is found in the
data set itself, which a person must judge (``mlbench data overlap NAME --sheet pairs.png``). Last,
it times random hashes: as many as miniImageNet and CUB have.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from time import perf_counter

import numpy as np
from PIL import Image, ImageEnhance

from mlbench.images.overlaps.marks import mark_of
from mlbench.images.overlaps.pairs import Side, find_pairs
from mlbench.images.overlaps.records import compare, side_of
from mlbench.images.pack import MARK, Pack
from mlbench.images.recipe import Recipe

SAMPLE = 500  # images of the data set that are changed
MINI, CUB = 60_000, 11_788
RECIPE = Recipe(image_size=16, channels=1)


def compressed(image: Image.Image, quality: int) -> Image.Image:
    """Return an image as JPEG leaves it."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def resized(image: Image.Image, factor: float) -> Image.Image:
    """Return an image of another size."""
    size = (round(image.width * factor), round(image.height * factor))
    return image.resize(size, Image.Resampling.BICUBIC)


def trimmed(image: Image.Image, part: float) -> Image.Image:
    """Return an image without a part of it on each side."""
    across, down = round(part * image.width), round(part * image.height)
    return image.crop((across, down, image.width - across, image.height - down))


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG, quality 60": lambda image: compressed(image, 60),
    "JPEG, quality 20": lambda image: compressed(image, 20),
    "half the size": lambda image: resized(image, 0.5),
    "twice the size": lambda image: resized(image, 2),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "20 % brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "30 % darker": lambda image: ImageEnhance.Brightness(image).enhance(0.7),
    "30 % more contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.3),
    "5 % cut off each side": lambda image: trimmed(image, 0.05),
}


def copies(name: str) -> None:
    """Print how many changed copies of a data set's images are found."""
    side = side_of(Pack.open(name))
    recipe = side.recipe
    chosen = np.linspace(0, len(side.pixels) - 1, min(SAMPLE, len(side.pixels))).astype(int)
    originals = [Image.fromarray(side.pixels[i].squeeze()).convert("RGB") for i in chosen]
    classes = np.arange(len(chosen))
    truth = side_from(originals, classes, recipe)
    for what, change in CHANGES.items():
        pairs = find_pairs(truth, side_from([change(each) for each in originals], classes, recipe))
        found = len(np.unique(pairs["a"][pairs["a"] == pairs["b"]]))
        others = len(pairs) - found
        print(f"{what:<24} {found} of {len(chosen)} found, {others} pairs of other images")


def side_from(images: list[Image.Image], classes: object, recipe: Recipe) -> Side:
    """Return images as a packed data set would be compared."""
    plain = Recipe(image_size=recipe.image_size, channels=recipe.channels)
    pixels = np.stack([plain.apply(_NOWHERE, image) for image in images])
    marks = np.concatenate([mark_of(image) for image in images])
    return Side(marks, pixels, np.asarray(classes), plain)


class _Nowhere:
    """A picture that was never in a file."""

    box = None

    def decode(self) -> Image.Image:
        """Return nothing."""
        raise NotImplementedError


_NOWHERE = _Nowhere()


def alone(name: str) -> None:
    """Print what a data set holds twice, by our measure."""
    pack = Pack.open(name)
    began = perf_counter()
    pairs = compare(pack)
    print(
        f"{name}: {len(pairs)} pairs among {pack.manifest.count} images"
        f" ({int(pairs['exact'].sum())} exact), in {perf_counter() - began:.1f} s"
    )


def speed() -> None:
    """Print how long random hashes of two sizes take."""
    generator = np.random.default_rng(0)

    def side(count: int) -> Side:
        marks = np.frombuffer(generator.bytes(MARK.itemsize * count), MARK)
        pixels = generator.integers(0, 256, (count, 16, 16, 1), dtype=np.uint8)
        return Side(marks, pixels, np.arange(count) // 600, RECIPE)

    for ours, theirs in ((MINI, CUB), (MINI, MINI)):
        one, other = side(ours), side(theirs)
        began = perf_counter()
        found = find_pairs(one, other)
        print(f"{ours} x {theirs} hashes: {perf_counter() - began:.1f} s, {len(found)} pairs")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("python -m benchmarks.overlap NAME")
    copies(sys.argv[1])
    alone(sys.argv[1])
    speed()
