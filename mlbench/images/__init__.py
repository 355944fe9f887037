"""Images by class: in memory or packed on disk, and episodes drawn from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlbench.images.dataset import ImageDataset
    from mlbench.images.packed import PackedImages
    from mlbench.images.split import ImageSplit

__all__ = ["ImageDataset", "ImageSplit", "PackedImages"]


def __getattr__(name: str) -> Any:
    """Import what needs torch when it is asked for: listing packed data sets does without."""
    if name == "PackedImages":
        from mlbench.images.packed import PackedImages

        return PackedImages
    if name in __all__:
        from mlbench.images import dataset

        return getattr(dataset, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
