"""What tells that two images are one: the hash of decoded pixels, and a perceptual hash.

The perceptual hash is of the family of pHash (Zauner, 2010, "Implementation and benchmarking of
perceptual image hash functions"): of a small grey copy, the signs of the 64 lowest frequencies but
the mean. It survives another size, another compression and a change of brightness; not a crop.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mlbench.images.pack import MARK

SIDE = 16  # of the grey copy
WAVES = 11  # frequencies each way; the 64 lowest of both ways are among them
BITS = 64
SCALE = 4096  # of the cosines, which are rounded


def mark_of(image: Image.Image) -> NDArray[Any]:
    """Return what is kept of a decoded image, ``(1,)`` of :data:`MARK`."""
    content = sha256(f"{image.mode} {image.size}".encode())
    content.update(image.tobytes())
    return np.frombuffer(content.digest()[:16] + look_of(image), MARK)


def look_of(image: Image.Image) -> bytes:
    """Return the perceptual hash of an image: 64 bits, as they lie in :data:`MARK`."""
    # By triangles: averages over boxes differ in more bits between an image and its smaller copy.
    small = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    grey = np.frombuffer(small.tobytes(), np.uint8).astype(np.float64).reshape(SIDE, SIDE)
    return np.packbits((COSINES @ grey @ COSINES.T).take(LOWEST) > 0).tobytes()


def cosines() -> NDArray[np.float64]:
    """Return the basis of the discrete cosine transform, ``(WAVES, SIDE)``, as whole numbers.

    Their products with pixels are whole numbers too, and far below 2 ** 53: sums are exact in
    whatever order they are added, so that no bit hangs on the last digit of another machine.
    """
    angles = np.pi / (2 * SIDE) * np.arange(WAVES)[:, None] * (2 * np.arange(SIDE) + 1)
    whole: NDArray[np.float64] = np.rint(SCALE * np.cos(angles))
    return whole


def lowest() -> NDArray[np.int64]:
    """Return where the lowest frequencies stand among ``WAVES * WAVES``, the mean left out."""
    down, across = np.divmod(np.arange(WAVES**2), WAVES)
    return np.argsort(down + across, kind="stable")[1 : BITS + 1]


COSINES = cosines()
LOWEST = lowest()
