"""A table in the paper's shape, before it is text, LaTeX, a web page or a screen."""

from __future__ import annotations

from dataclasses import dataclass

from mlbench.stats.names import Statistic
from mlbench.store.records import Kind


@dataclass(frozen=True, kw_only=True)
class Printed:
    """What the paper prints for a cell: an accuracy in [0, 1] and its ± at 95 %."""

    score: float
    half_width: float
    best: bool


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A technique in one setting.

    Args:
        score: The statistic over runs; ``None`` where no run was tested.
        low: Of its 95 % interval; ``None`` where the runs give none.
        high: Likewise.
        runs: How many were tested.
        best: Whether its column has others, and none is better.
        tied: Whether it is not best, and its interval overlaps that of the best.
        notes: Numbers of the table's notes that it bears.
        printed: The paper's own number; ``None`` where it has none or was not asked for.
        query: SQL that lists the scores that it rests on, run by run.
    """

    score: float | None
    low: float | None
    high: float | None
    runs: int
    best: bool = False
    tied: bool = False
    notes: tuple[int, ...] = ()
    printed: Printed | None = None
    query: str = ""

    @property
    def difference(self) -> float | None:
        """Return by how much it exceeds the printed number."""
        if self.score is None or self.printed is None:
            return None
        return self.score - self.printed.score


@dataclass(frozen=True, kw_only=True)
class Column:
    """What all cells of a column share.

    Args:
        data: In what its data differ from those of columns that would otherwise look the same;
            often empty.
    """

    train_dataset: str
    eval_dataset: str
    ways: int | None
    shots: int
    data: str = ""

    @property
    def in_domain(self) -> bool:
        """Return whether techniques are tested on what they were trained on."""
        return self.train_dataset == self.eval_dataset

    @property
    def domain(self) -> str:
        """Return its data sets, as headings name them: ``mini`` or ``mini -> cub``."""
        name = self.train_dataset
        name += "" if self.in_domain else f" -> {self.eval_dataset}"
        return f"{name} ({self.data})" if self.data else name


@dataclass(frozen=True, kw_only=True)
class Row:
    """A technique under one set of hyperparameters; a cell per column, ``None`` where it has none.

    Args:
        algorithm: The technique's name; :func:`mlbench.report.palette.look` has its label.
        settings: In what it differs from rows that would otherwise look the same; often empty.
    """

    algorithm: str
    settings: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    """Techniques × settings that may be compared.

    Args:
        title: ``In-domain`` or ``Cross-domain``.
        conditions: What all of its runs share: protocol, budget and the like, in one line.
        statistic: What its scores are.
        kind: Accuracies or mean squared errors.
        columns: Data sets × shots, in order.
        rows: Techniques in the fixed order.
        notes: Footnotes, the first bearing number 1; each ends with a full stop.
        remarks: What is to be known of the whole table, such as how far few runs carry; each ends
            with a full stop.
    """

    title: str
    conditions: str
    statistic: Statistic
    kind: Kind
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def runs(self) -> tuple[int, int]:
        """Return from how many runs a cell is at least, and at most."""
        counts = [cell.runs for row in self.rows for cell in row.cells if cell is not None]
        return min(counts), max(counts)

    @property
    def compared(self) -> bool:
        """Return whether the numbers that the paper prints are beside its own."""
        return any(cell and cell.printed for row in self.rows for cell in row.cells)
