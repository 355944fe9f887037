"""Which classes are for what: amounts, parts of the data, or a file that says so."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from pathlib import Path

from mlbench.episodes import SPLITS, Split
from mlbench.errors import DataError, MisuseError
from mlbench.images.layouts.folders import read_class_folders
from mlbench.images.layouts.listing import SPLIT_NAMES, Listing
from mlbench.images.layouts.tables import Row, csv_rows, find_file, image_folders, listed

SPLIT_OF: dict[str, Split] = {word: split for split, words in SPLIT_NAMES.items() for word in words}
REST = "rest"
FORM = "train=64,val=16,test=20, as shares train=0.64,val=0.16,test=rest, or train=FOLDER,..."
SPLIT_COLUMNS = (("class", "split"), ("label", "split"), ("class_name", "split"))


@dataclass(frozen=True)
class Amounts:
    """How many classes each split gets, in the order of the hashes of their names.

    That order has nothing to do with what the classes are, and is the same on every machine.

    Args:
        shares: By split, a whole number of classes, a share below 1, or ``None`` for the rest.
    """

    shares: Mapping[Split, Decimal | None]

    @property
    def rule(self) -> str:
        """Return the split in words."""
        amounts = ", ".join(
            f"{split} {REST if amount is None else amount}" for split, amount in self.shares.items()
        )
        return f"by amounts ({amounts}) in the order of hashed names"

    def assign(self, names: Sequence[str]) -> dict[str, Split]:
        """Return the split of each class; what no split asks for is left out.

        Raises:
            MisuseError: More classes are asked for than there are.
        """
        wanted: dict[Split, int] = {}
        shares, shared = Decimal(0), 0
        for split, amount in self.shares.items():
            if amount is None:
                continue
            if amount < 1:  # rounded so that shares of 1 in all take as many classes as there are
                shares += amount
                wanted[split] = round(shares * len(names)) - shared
                shared += wanted[split]
            else:
                wanted[split] = int(amount)
        if shares > 1:
            raise MisuseError(f"--split gives shares that add up to {shares}; make that 1 or less")
        total = sum(wanted.values())
        if total > len(names):
            raise MisuseError(
                f"--split asks for {total} classes, and there are {len(names)}; ask for fewer"
            )
        order = sorted(names, key=lambda name: sha256(name.encode()).digest())
        assigned: dict[str, Split] = {}
        for split in self.shares:
            count = wanted.get(split, len(names) - total)
            assigned.update(dict.fromkeys(order[:count], split))
            order = order[count:]
        return assigned


@dataclass(frozen=True)
class Parts:
    """Folders of class folders, or CSV files, of each split; several of one split are joined.

    Args:
        parts: Their paths by split, relative to a folder that is added, or not.
    """

    parts: Mapping[Split, Sequence[str]]

    def listing(self, roots: Sequence[Path]) -> Listing:
        """Return the images of all parts.

        Raises:
            DataError: A part is not there, holds no class folders, or is no CSV file.
        """
        listing = Listing()
        for split, texts in self.parts.items():
            for text in texts:
                part = find_part(text, roots)
                found = read_part(part, split, roots)
                for name in found.images:
                    found.assign(name, split, part)
                listing.merge(found, part)
        return listing


def parse_split(texts: Iterable[str]) -> Amounts | Parts | None:
    """Return what ``--split`` says; given several times, all of it counts.

    Raises:
        MisuseError: It is not of the form that it must have.
    """
    words = [word.strip() for text in texts for word in text.split(",")]
    if not words:
        return None
    parts: dict[Split, list[str]] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if key.strip() not in SPLIT_OF or not equals or not value.strip():
            raise MisuseError(f"--split takes {FORM}; {word!r} is none of these")
        parts.setdefault(SPLIT_OF[key.strip()], []).append(value.strip())
    amounts = {split: [amount_of(value) for value in values] for split, values in parts.items()}
    if all(amount is None for values in amounts.values() for amount in values):
        return Parts({split: parts[split] for split in SPLITS if split in parts})
    shares: dict[Split, Decimal | None] = {}
    for split in SPLITS:
        if split not in parts:
            continue
        if len(parts[split]) > 1 or amounts[split][0] is None:
            raise MisuseError(
                f"--split gives {split} {' and '.join(parts[split])}; give every split one number,"
                f" or every split folders: {FORM}"
            )
        shares[split] = None if parts[split][0] == REST else amounts[split][0]
    if list(shares.values()).count(None) > 1:
        raise MisuseError(f"--split gives {REST} to two splits; give one of them a number")
    return Amounts(shares)


def amount_of(text: str) -> Decimal | None:
    """Return a whole number of classes or a share below 1; ``rest`` counts as 0, a path as none.

    Raises:
        MisuseError: It is a number, and neither of these.
    """
    if text == REST:
        return Decimal(0)
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    if not amount.is_finite() or amount < 0 or (amount >= 1 and not text.isdecimal()):
        raise MisuseError(f"--split cannot take {text}; take a whole number, or a share below 1")
    return amount


def find_part(text: str, roots: Sequence[Path]) -> Path:
    """Return the folder or file that a part of ``--split`` names.

    Raises:
        DataError: There is none.
    """
    home = os.path.expanduser(text)  # noqa: PTH111  which leaves alone what is nobody's home
    candidates = [*(root / text for root in roots), Path(home)]
    found = next(filter(os.path.exists, candidates), None)  # a name too long is not there
    if found is None:
        raise DataError(
            f"--split names {text}, which is not there; looked for it in"
            f" {' and '.join(map(str, roots))} and in this folder"
        )
    return found


def read_part(part: Path, split: Split, roots: Sequence[Path]) -> Listing:
    """Return the images of a folder of class folders, or of a CSV file beside its images."""
    if part.is_dir():
        found = read_class_folders(part)
        if found is None:
            raise DataError(f"{part} holds no folders of images; give a folder of class folders")
        return found
    rows = [Row(split, name, file, part) for file, name in csv_rows(part)]
    folders = [folder for root in (*roots, part.parent) for folder in image_folders(root)]
    return listed(rows, lambda row: find_file(folders, row), part.parent)


def read_split_file(path: Path, names: Sequence[str]) -> dict[str, Split]:
    """Return the split of each class that a CSV file names; others are left out.

    Raises:
        MisuseError: There is no such file.
        DataError: It names a class that is not there, twice, or another split.
    """
    if not path.is_file():
        raise MisuseError(f"--split-file {path} is not there; give a CSV file (class,split)")
    assigned: dict[str, Split] = {}
    for name, word in csv_rows(path, SPLIT_COLUMNS):
        if word not in SPLIT_OF:
            raise DataError(f"{path} puts {name} into {word!r}; it must be train, val or test")
        if name not in names:
            raise DataError(f"{path} names class {name}, which has no images; take the line out")
        if assigned.setdefault(name, SPLIT_OF[word]) != SPLIT_OF[word]:
            raise DataError(f"{path} puts {name} into two splits; take one of the lines out")
    if not assigned:
        raise DataError(f"{path} names no class; it needs lines of the form CLASS,train")
    return assigned
