"""Families of outlines as polygons, and how far any point lies from one.

A family turns two numbers in [0, 1) into corners, ``(n, 2)``, around the middle of the plane and
about 1 away from it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mlbench.images.drawing import Numbers, Pixels, centres, mix, settled, turn

VERTICES = 48  # of an outline that is a curve
SAMPLES = 64  # a side of the map of distances
REACH = 1.25  # the map spans the square from -REACH to REACH


def polar(radius: Numbers) -> Numbers:
    """Return corners at these radii, at equal steps of the angle, the first one on top."""
    cosine, sine = turn(np.arange(len(radius)) / len(radius) - 0.25)
    return np.stack((radius * cosine, radius * sine), axis=1)


def mirrored(corners: list[tuple[float, float]], x: int, y: int) -> list[tuple[float, float]]:
    """Return corners and their images under a change of signs, the way around kept."""
    images = [(x * a, y * b) for a, b in corners]
    return corners + (images if x * y > 0 else images[::-1])


def polygon(p: Numbers) -> Numbers:
    """Return a regular polygon of three to six corners, somewhat flattened."""
    return polar(np.ones(3 + int(p[0] * 4))) * (1.0, 0.75 + 0.25 * p[1])


def star(p: Numbers) -> Numbers:
    """Return a star of five to eight points."""
    return polar(np.tile((1.1, 0.35 + 0.25 * p[1]), 5 + int(p[0] * 4)))


def ellipse(p: Numbers) -> Numbers:
    """Return an ellipse, upright or lying."""
    flat = 0.45 + 0.4 * p[0]
    return polar(np.ones(VERTICES)) * ((1.0, flat) if p[1] < 0.5 else (flat, 1.0))


def tile(p: Numbers) -> Numbers:
    """Return a superellipse between square and circle."""
    cosine, sine = np.abs(polar(np.ones(VERTICES))).T
    power = 4.0 + 3 * p[0]
    return polar(0.9 / (cosine**power + sine**power) ** (1 / power)) * (1.0, 0.7 + 0.3 * p[1])


def gear(p: Numbers) -> Numbers:
    """Return a wheel of six to nine teeth."""
    low = 0.65 + 0.15 * p[1]
    return polar(np.tile((1.0, 1.0, low, low), 6 + int(p[0] * 4)))


def flower(p: Numbers) -> Numbers:
    """Return three, five or seven round petals."""
    wave, _ = turn((3 + 2 * int(p[0] * 3)) * np.arange(VERTICES) / VERTICES)
    return polar(0.75 + (0.2 + 0.1 * p[1]) * wave)


def crescent(p: Numbers) -> Numbers:
    """Return a lying moon: half a circle, and a flatter arc back."""
    x, y = turn(np.linspace(0.0, 0.5, VERTICES // 2))
    arc, back = np.stack((x, y), axis=1), np.stack((-x, (0.05 + 0.4 * p[0]) * y), axis=1)
    return (np.concatenate((arc, back[1:-1])) - (0.0, 0.5)) * (1.0, 1.0 + 0.4 * p[1])


def hourglass(p: Numbers) -> Numbers:
    """Return two triangles that meet in a waist."""
    wide, waist = 0.6 + 0.3 * p[0], 0.12 + 0.3 * p[1]
    return np.array(mirrored([(-wide, -1.0), (wide, -1.0), (waist, 0.0)], -1, -1))


def arrow(p: Numbers) -> Numbers:
    """Return an arrow that points up."""
    shaft, neck = 0.15 + 0.25 * p[0], -0.3 + 0.5 * p[1]
    right = [(0.05, -1.0), (0.85, neck), (shaft, neck), (shaft, 1.0)]
    return np.array(mirrored(right, -1, 1))


def angle(p: Numbers) -> Numbers:
    """Return an L."""
    w, h = -0.4 + 0.4 * p[0], 0.4 - 0.4 * p[1]
    return np.array([(-0.9, -0.9), (w, -0.9), (w, h), (0.9, h), (0.9, 0.9), (-0.9, 0.9)])


def drop(p: Numbers) -> Numbers:
    """Return a drop: narrow on top, round below."""
    down, across = turn(np.arange(VERTICES) / VERTICES)
    width = (0.55 + 0.3 * p[0]) * (1 + down) / 2 + 0.3 * p[1]
    return np.stack((across * width, down), axis=1)


def bolt(p: Numbers) -> Numbers:
    """Return a lightning, its halves joined by a step."""
    step, w = 0.1 + 0.3 * p[0], 0.5 + 0.4 * p[1]
    return np.array(mirrored([(-0.3 * w, -1.0), (w, -1.0), (0.3 * w, -step), (w, -step)], -1, -1))


OUTLINES: dict[str, Callable[[Numbers], Numbers]] = {
    family.__name__: family
    for family in (
        *(polygon, star, ellipse, tile, gear, flower),
        *(crescent, hourglass, arrow, angle, drop, bolt),
    )
}


def depth_map(corners: Numbers) -> Pixels:
    """Return the distance to a polygon on a lattice, positive inside, ``(SAMPLES, SAMPLES)``."""
    corners = settled(corners)
    ax, ay = (corners[:, i, None, None].astype(np.float32) for i in range(2))
    bx, by = (np.roll(part, -1, axis=0) for part in (ax, ay))
    axis = centres(SAMPLES) * np.float32(REACH * SAMPLES / (SAMPLES - 1))
    x, y = axis[None, None, :], axis[None, :, None]
    ex, ey, wx, wy = bx - ax, by - ay, x - ax, y - ay
    along = np.clip((wx * ex + wy * ey) / (ex * ex + ey * ey), 0, 1)
    dx, dy = wx - ex * along, wy - ey * along
    distance = np.sqrt((dx * dx + dy * dy).min(axis=0))
    # A point is inside if a ray from it crosses an odd number of edges.
    left = ex * wy > ey * wx
    crossed = ((ay <= y) & (y < by) & left) | ((by <= y) & (y < ay) & ~left)
    inside: Pixels = np.where(np.logical_xor.reduce(crossed, axis=0), distance, -distance)
    return inside


def depth_at(depths: Pixels, x: Pixels, y: Pixels) -> Pixels:
    """Return a :func:`depth_map` between its samples, and beyond them as at its rim."""
    last = SAMPLES - 1
    x, y = (np.clip((w + REACH) * np.float32(last / (2 * REACH)), 0, last) for w in (x, y))
    column, row = (np.minimum(w.astype(np.int32), last - 1) for w in (x, y))
    x, y = x - column.astype(np.float32), y - row.astype(np.float32)
    flat, place = depths.ravel(), row * SAMPLES + column
    above = mix(flat[place], flat[place + 1], x)
    below = mix(flat[place + SAMPLES], flat[place + SAMPLES + 1], x)
    return mix(above, below, y)
