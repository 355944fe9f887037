"""What the verbs that draw data share."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from mlbench.errors import MisuseError

if TYPE_CHECKING:
    from PIL import Image

    from mlbench.images import ImageDataset


def image_dataset(name: str, settings: tuple[tuple[str, str], ...]) -> ImageDataset:
    """Return a data set of images with options as ``--set`` gives them, with or without its name.

    Raises:
        MisuseError: It has no images, or an option is unknown or out of range.
    """
    from mlbench.images import ImageDataset
    from mlbench.registry import load_dataset

    cls = load_dataset(name)
    if not issubclass(cls, ImageDataset):
        raise MisuseError(f"{name} has no images to show; choose a data set of images")
    texts = {key.removeprefix(f"{name}."): text for key, text in settings}
    return cls(cls.Options.parse(texts, owner=name))


def write_png(picture: Image.Image, path: Path) -> None:
    """Write a picture whole or not at all.

    Raises:
        MlbenchError: The file cannot be written.
    """
    from mlbench.report.file import write

    content = io.BytesIO()
    picture.save(content, "PNG")
    write(path, content.getvalue())
