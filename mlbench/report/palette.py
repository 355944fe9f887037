"""How a technique is called, placed and coloured: the same in every figure, table and screen.

The hues are those of Okabe and Ito (2008), which people with any of the common forms of colour
blindness tell apart, and readable on white and on black. No two techniques have the same shape and
filling, so that no figure speaks by colour alone; a first-order form shares the hue and the shape
of its second-order one, but is lighter, hollow and dashed.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Shape = Literal[
    "circle",
    "square",
    "diamond",
    "cross",
    "star",
    "pentagon",
    "triangle-up",
    "triangle-down",
    "triangle-left",
    "triangle-right",
]


@dataclass(frozen=True)
class Look:
    """How one technique is shown.

    Args:
        label: As papers write it.
        colour: ``#rrggbb``.
        shape: Of its points.
        hollow: Whether points are outlined and lines dashed.
    """

    label: str
    colour: str
    shape: Shape
    hollow: bool = False


LOOKS: dict[str, Look] = {
    "train_from_scratch": Look("TrainFromScratch", "#7f7f7f", "cross"),
    "finetuning": Look("Finetuning", "#56b4e9", "square", hollow=True),
    "baseline_pp": Look("Baseline++", "#0072b2", "square"),
    "lstm": Look("meta-learner LSTM", "#f0b840", "diamond", hollow=True),
    "lstm_enhanced": Look("enhanced LSTM", "#c98a00", "diamond"),
    "fo_maml": Look("FO-MAML", "#4cc9a4", "triangle-up", hollow=True),
    "maml": Look("MAML", "#00805d", "triangle-up"),
    "fo_turtle": Look("FO-TURTLE", "#f08a4b", "circle", hollow=True),
    "turtle": Look("TURTLE", "#c44e00", "circle"),
    "reptile": Look("Reptile", "#8c6d31", "triangle-down", hollow=True),
    "anil": Look("ANIL", "#31a354", "triangle-down"),
    "meta_sgd": Look("Meta-SGD", "#637939", "triangle-right"),
    "imaml": Look("iMAML", "#17a2b8", "triangle-right", hollow=True),
    "proto_maml": Look("Proto-MAML", "#7b4173", "triangle-left", hollow=True),
    "protonet": Look("ProtoNet", "#cc79a7", "triangle-left"),
    "matching_net": Look("Matching Networks", "#9467bd", "cross", hollow=True),
    "r2d2": Look("R2-D2", "#5a5fcf", "star"),
}
"""The techniques that mlbench brings, in the order in which every table and legend has them."""

OTHERS = ("#bcbd22", "#a55194", "#3182bd", "#843c39", "#e377c2", "#5254a3")
"""Colours of techniques of the user's own, chosen by name: the same in every session."""


def look(algorithm: str) -> Look:
    """Return how a technique is shown; one that mlbench does not bring keeps its own name."""
    if algorithm in LOOKS:
        return LOOKS[algorithm]
    colour = OTHERS[zlib.crc32(algorithm.encode()) % len(OTHERS)]
    return Look(algorithm, colour, "pentagon")


def in_order(algorithms: Iterable[str]) -> list[str]:
    """Return techniques, each once, in the fixed order; the user's own follow by name."""
    places = {name: place for place, name in enumerate(LOOKS)}
    return sorted(set(algorithms), key=lambda name: (places.get(name, len(places)), name))
