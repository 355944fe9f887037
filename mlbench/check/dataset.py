"""What a data set owes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np

from mlbench.check import drawing
from mlbench.check.description import check_refusals, check_words
from mlbench.check.drawing import Data, same
from mlbench.check.finding import BreachError, Check, NotDueError
from mlbench.contract import SPLITS, Hyper, Split, TaskBatch
from mlbench.errors import MisuseError
from mlbench.hyper import Limits
from mlbench.images import ImageDataset

SEEN = 40  # images of a class that are compared with those of other splits
OPENS = ("opens",)


def check_described(data: Data) -> None:
    """Look for docstrings, a source and lines of help."""
    check_words(data.cls, data.cls.source, data.cls.Options)


def check_options(data: Data) -> None:
    """Try options that must be refused."""
    check_refusals(data.cls.Options)


def check_opens(data: Data) -> None:
    """Open it, and draw from every split."""
    for split in data.splits:
        data.draw(data.stream(split), 0, 1)


def check_splits(data: Data) -> None:
    """Look for classes or images that two splits share."""
    dataset = data.opened
    if not isinstance(dataset, ImageDataset):
        raise NotDueError("it lists no classes")
    names: dict[str, Split] = {}
    pixels: dict[str, Split] = {}
    for split in SPLITS:
        found = dataset.split(split)
        for name, first, size in zip(
            found.class_names, found.starts, found.class_sizes, strict=True
        ):
            if names.setdefault(name, split) != split:
                raise BreachError(f"class {name} is in both {names[name]} and {split}")
            for image in found.gather(np.arange(first, first + min(size, SEEN))):
                digest = sha256(image.numpy().tobytes()).hexdigest()
                if pixels.setdefault(digest, split) != split:
                    raise BreachError(
                        f"an image of class {name} ({split}) is in {pixels[digest]} too"
                    )


def check_refuses(data: Data) -> None:
    """Ask for more than there is."""
    if not data.classifies:
        streams = [("ways", replace(data.stream(), ways=5))]
    else:
        streams = [
            ("ways", replace(data.stream(), ways=100_000)),
            ("shots", replace(data.stream(), shots=1_000_000)),
            ("queries", replace(data.stream(), queries=1_000_000)),
        ]
    for what, stream in streams:
        try:
            data.opened.check(stream)
        except MisuseError:
            continue
        raise BreachError(f"check lets {getattr(stream, what)} {what} pass")


def check_fingerprint(data: Data) -> None:
    """Change options one by one: other episodes, another fingerprint."""
    default, stream = data.opened, data.stream("test")
    episodes = data.draw(stream)
    for name, value in alternatives(data.cls.Options):
        other = data.open(replace(default.options, **{name: value}))
        if other.fingerprint != default.fingerprint:
            continue
        try:
            found = data.draw(stream, dataset=other)
        except MisuseError:
            found = None
        if found is None or not alike(found, episodes):
            raise BreachError(
                f"{name}={value} gives other episodes under the same fingerprint",
                "put every option that changes the data into the fingerprint",
            )


def alike(one: TaskBatch, other: TaskBatch) -> bool:
    """Return whether episodes are equal, also if their shapes differ."""
    return one.support.x.shape == other.support.x.shape and same(one, other)


def alternatives(options: type[Hyper]) -> Iterator[tuple[str, Any]]:
    """Yield another admissible value for every option that has an obvious one."""
    kinds = get_type_hints(options)
    for name, default in vars(options()).items():
        kind = kinds[name]
        limits: Limits = options.__dataclass_fields__[name].metadata.get("limits", Limits())
        choices: tuple[Any, ...] = limits.one_of or ()
        if get_origin(kind) is Literal:
            choices = get_args(kind)
        elif kind is bool:
            choices = (not default,)
        elif not choices and kind in (int, float):
            choices = (kind(default + 1), kind(default / 2))
        others = [value for value in choices if value != default and limits.admits(value)]
        if others:
            yield name, others[0]


def check_like(data: Data) -> None:
    """Ask for its own shape and for another."""
    dataset = data.opened
    if dataset.like(dataset.input_shape).input_shape != dataset.input_shape:
        raise BreachError("like its own shape, it has another")
    wanted = (1, 20, 20) if data.classifies else (2,)
    try:
        other = dataset.like(wanted)
    except MisuseError as refusal:
        raise NotDueError(f"it has one shape only: {refusal}") from refusal
    found = data.draw(data.stream(dataset=other), 0, 1, dataset=other).support.x
    if other.input_shape != wanted or tuple(found.shape[2:]) != wanted:
        raise BreachError(f"like {wanted}, it gives inputs of shape {tuple(found.shape[2:])}")


DATASET_CHECKS: tuple[Check[Data], ...] = (
    Check(
        "described",
        "file and class have docstrings, every option a line of help",
        check_described,
        "say it: 'mlbench list' and 'mlbench describe' show it",
    ),
    Check(
        "options",
        "refuse unknown names, wrong types and values out of range",
        check_options,
        'declare each as NAME: TYPE = hp(DEFAULT, "HELP", at_least=..., above=...)',
    ),
    Check(
        "opens",
        "every split gives an episode",
        check_opens,
        "give every split 2 classes or more, and every class 3 images or more",
    ),
    Check(
        "form",
        "shapes, types, ranges and labels are those due",
        drawing.check_form,
        "see Batch and TaskBatch in mlbench.contract",
        OPENS,
    ),
    Check(
        "deterministic",
        "an episode is a pure function of its stream and its number",
        drawing.check_deterministic,
        "take random numbers from stream.uniforms(start, stop, width), from nothing else",
        OPENS,
    ),
    Check(
        "disjoint",
        "no query is in the support set of its episode",
        drawing.check_disjoint,
        "draw shots and queries together, without replacement, and split them",
        OPENS,
    ),
    Check(
        "shuffled",
        "the place of a query tells nothing of its class",
        drawing.check_shuffled,
        "shuffle the queries of every episode by random numbers of its stream",
        OPENS,
    ),
    Check(
        "splits",
        "no class and no image is in two splits",
        check_splits,
        "let every class belong to one split, and look for duplicates",
        OPENS,
    ),
    Check(
        "refuses",
        "more ways, shots or queries than there are is misuse",
        check_refuses,
        "let check raise MisuseError, or do not override it",
        OPENS,
    ),
    Check(
        "fingerprint",
        "other episodes have another fingerprint",
        check_fingerprint,
        "put every option that changes the data into the fingerprint",
        (*OPENS, "deterministic"),
    ),
    Check(
        "like",
        "it gives inputs of another shape, or says that it cannot",
        check_like,
        "let like raise MisuseError, or do not override it",
        OPENS,
    ),
    Check(
        "flat",
        "flat batches show all training classes",
        drawing.check_flat,
        "see Stream.flat in mlbench.episodes",
        OPENS,
    ),
)
