"""The image files of a data set, found in a folder and compared with what should be there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image, UnidentifiedImageError

from mlbench.errors import DataError, MisuseError
from mlbench.images.layouts import Layout, Listing

if TYPE_CHECKING:
    from mlbench.images.packed import PackedImages

UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)
"""All that Pillow's decoders raise at a file that is no image, or half of one."""


class Originals(NamedTuple):
    """The image files of a data set.

    Args:
        layout: How they lie.
        root: The folder that holds them.
        listing: Themselves, by class.
        missing: What they lack, in a few words.
        chosen: Whether they are a selection on purpose: of every class, and all that their own
            index names.
    """

    layout: Layout
    root: Path
    listing: Listing
    missing: str | None
    chosen: bool


def find_originals(data: type[PackedImages], root: Path) -> Originals:
    """Return the images of a data set in a folder; of a few of them the size is read.

    Raises:
        MisuseError: There is no such folder.
        DataError: It is of no layout of this data set, or holds another one.
    """
    wanted = ", or ".join(layout.name for layout in data.layouts)
    try:
        if not root.is_dir():
            raise MisuseError(f"{root} is not a folder; give the one that holds {wanted}")
        root = root.resolve()
        layout, listing = _read(data, root)
        if layout is None:
            is_what = "is of another layout" if any(root.iterdir()) else "is empty"
            raise DataError(f"{root} {is_what}; {data.name} is packed from {wanted}")
    except OSError as err:
        raise DataError(
            f"{err.filename or root} cannot be read ({err.strerror}); make it readable"
        ) from err
    if not listing.images:
        example = f": {listing.absent[0]} is absent" if listing.absent else ""
        raise DataError(f"{root} has {layout.name}, but no images{example}; get {data.obtain}")
    _refuse_strangers(data, root, listing)
    every_class = len(listing.images) == len(data.classes)
    chosen = listing.indexed and not listing.absent and every_class
    return Originals(layout, root, listing, _missing(data, listing), chosen)


def damaged(path: Path, err: BaseException) -> DataError:
    """Return the refusal of a file that Pillow cannot decode."""
    reason = "it is no image" if isinstance(err, UnidentifiedImageError) else str(err)
    return DataError(
        f"{path} cannot be decoded ({reason});"
        " restore it from the original, or take it out and add the rest with --partial"
    )


def _read(data: type[PackedImages], root: Path) -> tuple[Layout | None, Listing]:
    """Return the first layout that fits, and what is there."""
    for layout in data.layouts:
        listing = layout.read(root)
        if listing is not None:
            return layout, listing
    return None, Listing()


def _refuse_strangers(data: type[PackedImages], root: Path, listing: Listing) -> None:
    """Refuse classes that the data set lacks or has in another split."""
    for name in sorted(listing.images):
        if name not in data.classes:
            raise DataError(
                f"{root} holds class {name}, which {data.name} (split of {data.split_rule}) does"
                f" not have, so it is another data set or another selection; get {data.obtain}"
            )
        split = listing.splits.get(name, data.classes[name])
        if split != data.classes[name]:
            raise DataError(
                f"{root} has class {name} in {split}, which the split of {data.split_rule} has in"
                f" {data.classes[name]}, so it is split otherwise; get {data.obtain}"
            )


def _missing(data: type[PackedImages], listing: Listing) -> str | None:
    """Return in what the images differ from the whole data set, as far as counting tells."""
    sizes = {len(files) for files in listing.images.values()}
    each = data.images_per_class
    parts = []
    if len(listing.images) < len(data.classes):
        parts.append(f"{len(listing.images)} of {len(data.classes)} classes")
    if listing.count != data.images or (each is not None and sizes != {each}):
        average = f"~{round(data.images / len(data.classes))}" if each is None else str(each)
        if len(sizes) > 1:
            parts.append(f"{listing.count} of {data.images} images")
        elif sizes != {each}:
            parts.append(f"{min(sizes)} of {average} images a class")
    if data.originals_vary and (size := _one_size(listing)):
        parts.append(f"not the original images (all {size[0]}x{size[1]})")
    return ", ".join(parts) or None


def _one_size(listing: Listing) -> tuple[int, int] | None:
    """Return width and height if the first and the last image of every class have the same."""
    sizes = set()
    for files in listing.images.values():
        for path in (files[0], files[-1]):
            try:
                with Image.open(path) as image:
                    sizes.add(image.size)
            except UNREADABLE as err:
                raise damaged(path, err) from err
    return sizes.pop() if len(sizes) == 1 and listing.count > 1 else None
