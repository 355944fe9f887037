"""Compare a technique with vectors that the authors' own code wrote down.

    python -m tests.reference FILE.npz ...

prints, for every group of tensors of each file, the largest deviation, and exits with 1 if one is
above tolerance. A deviation is relative to the largest entry of its group, since the bias of a
convolution in front of batch-norm has a gradient of zero. Adam divides a gradient by its own
size, so an entry whose gradient is near Adam's ε has an ill-conditioned step: there, an error of
the gradient is magnified by up to lr/ε. Such entries may deviate by that much more, absolutely.
"""

from __future__ import annotations

from tests.reference.comparison import Deviation, deviations
from tests.reference.report import main
from tests.reference.vectors import Reference

__all__ = ["Deviation", "Reference", "deviations", "main"]
