"""The sections of a page, one a file, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Callable

from mlbench.report.page.sections import (
    comparisons,
    figures,
    origin,
    provenance,
    runs,
    statistics,
    tables,
    times,
)
from mlbench.report.page.study import Section, Study

SECTIONS: tuple[Callable[[Study], Section], ...] = (
    runs.section,
    origin.section,
    tables.section,
    figures.section,
    comparisons.section,
    times.section,
    statistics.section,
    provenance.section,
)
