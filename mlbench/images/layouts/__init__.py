"""How images lie on disk, and which class each belongs to: a reader per layout.

A :class:`Layout` looks at some folders or files and returns a :class:`Listing`, or ``None`` where
they are of another kind. It decodes no image.
"""

from __future__ import annotations

from mlbench.images.layouts.cub import OFFICIAL_CUB
from mlbench.images.layouts.folders import CLASS_FOLDERS, SPLIT_TREES
from mlbench.images.layouts.listing import Layout, Listing, each
from mlbench.images.layouts.pickles import CACHE_PICKLES, CATEGORY_PICKLES
from mlbench.images.layouts.tables import CSV, ILSVRC

__all__ = [
    "CACHE_PICKLES",
    "CATEGORY_PICKLES",
    "CLASS_FOLDERS",
    "CSV",
    "ILSVRC",
    "OFFICIAL_CUB",
    "SPLIT_TREES",
    "Layout",
    "Listing",
    "each",
]
