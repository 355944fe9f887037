"""The images of a data set, found on disk and compared with what should be there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mlbench.errors import DataError, MisuseError
from mlbench.images.layouts.listing import Layout, Listing
from mlbench.images.pictures import ArrayImage, FileImage

if TYPE_CHECKING:
    from mlbench.images.packed import PackedImages


class Originals(NamedTuple):
    """The images of a data set.

    Args:
        layout: How they lie.
        roots: The folders and files that hold them, as messages and manifests name them.
        listing: Themselves, by class.
        missing: What they lack, in a few words.
        chosen: Whether they are a selection on purpose: of every class, and all that their own
            index names.
        unused: Classes that are there and in no split, so that they are left out.
    """

    layout: Layout
    roots: tuple[Path, ...]
    listing: Listing
    missing: str | None
    chosen: bool
    unused: tuple[str, ...] = ()

    @property
    def places(self) -> str:
        """Return the roots, in words."""
        return " and ".join(map(str, self.roots))


class Found(NamedTuple):
    """What some folders or files hold, by the first layout that fits.

    Args:
        layout: That layout; ``None`` where none fits.
        listing: The images, by class.
        roots: The folders and files.
        names: What to call them: themselves, or the archives that they were extracted from.
    """

    layout: Layout | None
    listing: Listing
    roots: tuple[Path, ...]
    names: tuple[Path, ...]

    @property
    def places(self) -> str:
        """Return the names, in words."""
        return " and ".join(map(str, self.names))


def find_originals(
    data: type[PackedImages], *roots: Path, named: Sequence[Path] | None = None
) -> Originals:
    """Return the images of a data set in some folders or files; of a few of them the size is read.

    Args:
        data: Which data set.
        roots: Where its images lie.
        named: What to call the roots: the archives that they were extracted from.

    Raises:
        MisuseError: One of them does not exist.
        DataError: They are of no layout of this data set, or hold another one.
    """
    return originals_of(data, look(data.layouts, roots, forms_of(data.layouts), named))


def look(
    layouts: Sequence[Layout], roots: Sequence[Path], wanted: str, named: Sequence[Path] | None
) -> Found:
    """Return what is there, by the first layout that fits.

    Args:
        layouts: Those that may fit.
        roots: Folders and files.
        wanted: What they should hold, in words.
        named: What to call them.

    Raises:
        MisuseError: One of them does not exist.
        DataError: One cannot be read, or is not as its layout asks.
    """
    for root in roots:
        if not root.exists():
            raise MisuseError(f"{root} is not there; give the folder that holds {wanted}")
    roots = tuple(dict.fromkeys(root.resolve() for root in roots))
    found = Found(
        None, Listing(), roots, tuple(dict.fromkeys(path.resolve() for path in named or roots))
    )
    with _reading(found.places):
        for layout in layouts:
            listing = layout.read(roots)
            if listing is not None:
                return found._replace(layout=layout, listing=listing)
    return found


def originals_of(data: type[PackedImages], found: Found) -> Originals:
    """Return what was found as the images of a data set.

    Raises:
        DataError: It is of no layout of this data set, or another one.
    """
    layout, listing, roots, names = found
    places = found.places
    if layout is None:
        raise unfit(data.name, forms_of(data.layouts), found)
    if not listing.images:
        example = f": {listing.absent[0]} is absent" if listing.absent else ""
        raise DataError(f"{places} has {layout.name}, but no images{example}; get {data.obtain}")
    if names != roots:
        _relabel(listing, roots, places)
    listing.count_once()
    _refuse_strangers(data, places, listing)
    chosen = (
        listing.indexed and not listing.absent and set(listing.images) == set(data.class_names())
    )
    return Originals(layout, names, listing, _missing(data, listing), chosen)


def unfit(name: str, forms: str, found: Found) -> DataError:
    """Return the refusal of folders and files that no layout of a data set fits."""
    with _reading(found.places):
        empty = all(root.is_dir() and not any(root.iterdir()) for root in found.roots)
    is_what = "is empty" if empty else "is of another layout"
    return DataError(f"{found.places} {is_what}; {name} is packed from {forms}")


def forms_of(layouts: Sequence[Layout]) -> str:
    """Return layouts in words, as what a data set is packed from."""
    return ", or ".join(layout.name for layout in layouts)


@contextmanager
def _reading(places: str) -> Iterator[None]:
    """Put into words what cannot be read."""
    try:
        yield
    except OSError as err:
        raise DataError(
            f"{err.filename or places} cannot be read ({err.strerror}); make it readable"
        ) from err


def _relabel(listing: Listing, roots: Sequence[Path], places: str) -> None:
    """Call files by what they are extracted from, and their place in it."""
    for pictures in listing.images.values():
        for number, picture in enumerate(pictures):
            if isinstance(picture, FileImage):
                root = next((each for each in roots if each in picture.path.parents), None)
                if root is not None:
                    label = f"{places}: {picture.path.relative_to(root)}"
                    pictures[number] = replace(picture, label=label)


def _refuse_strangers(data: type[PackedImages], places: str, listing: Listing) -> None:
    """Refuse classes that the data set lacks, or has in another split by every published rule."""
    known = set(data.class_names())
    for name in sorted(listing.images):
        if name not in known:
            raise DataError(
                f"{places} holds class {name}, which {data.name} (split of {data.rules()}) does"
                f" not have, so it is another data set or another selection; get {data.obtain}"
            )
    first = data.class_splits[0]
    for split in data.class_splits:
        if all(split.classes.get(name, where) == where for name, where in listing.splits.items()):
            return
    theirs = sorted(listing.splits.items())
    name, where = next((n, w) for n, w in theirs if first.classes.get(n, w) != w)
    raise DataError(
        f"{places} has class {name} in {where}, which the split of {first.rule} has in"
        f" {first.classes[name]}, so it is split otherwise; get {data.obtain}"
    )


def _missing(data: type[PackedImages], listing: Listing) -> str | None:
    """Return in what the images differ from the whole data set, as far as counting tells."""
    if data.own:
        whole = listing.count + len(listing.absent)
        return f"{listing.count} of {whole} images" if listing.absent else None
    sizes = {len(pictures) for pictures in listing.images.values()}
    whole = len(data.class_names())
    each = data.images_per_class
    parts = []
    if len(listing.images) < whole:
        parts.append(f"{len(listing.images)} of {whole} classes")
    if listing.count != data.images or (each is not None and sizes != {each}):
        average = f"~{round(data.images / whole)}" if each is None else str(each)
        if len(sizes) > 1:
            parts.append(f"{listing.count} of {data.images} images")
        elif sizes != {each}:
            parts.append(f"{min(sizes)} of {average} images a class")
    if data.originals_vary and (size := _one_size(listing)):
        parts.append(f"not the original images (all {size[0]}x{size[1]})")
    return ", ".join(parts) or None


def _one_size(listing: Listing) -> tuple[int, int] | None:
    """Return width and height if the first and the last image of every class have the same.

    A file that cannot be read has none: whoever decodes it says so.
    """
    sizes = set()
    for pictures in listing.images.values():
        for picture in (pictures[0], pictures[-1]):
            if isinstance(picture, (FileImage, ArrayImage)):
                try:
                    sizes.add(picture.size())
                except DataError:
                    continue
    return sizes.pop() if len(sizes) == 1 and listing.count > 1 else None
