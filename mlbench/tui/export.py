"""What is seen as files: texts and figures that share a name and a moment.

Files are made in a folder aside and moved to their place when all of them are whole; none that is
there is written over.
"""

from __future__ import annotations

import itertools
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import polars as pl

from mlbench.errors import MlbenchError, NothingToDrawError
from mlbench.report.frames import frame_csv
from mlbench.report.material import Material
from mlbench.report.tables.model import Table
from mlbench.store.snapshot import RunRow
from mlbench.store.user_sql import sql

Writer = Callable[[Path], None]
"""Writes one file to where it is told; the ending says what it is."""

FOREIGN = re.compile(r"[^\w.+-]")  # in a name of a run, which may hold anything
LONGEST = 120  # characters of it

EPISODES = "SELECT * FROM episodes WHERE run_id = '{run_id}' ORDER BY phase, eval_dataset, episode"


def write_files(folder: Path, what: str, writers: Mapping[str, Writer]) -> list[Path]:
    """Write files that belong together, and return them.

    Args:
        folder: Where to; made if it is not there.
        what: The middle of their names: ``tables`` for ``mlbench-tables-20261120-080000.csv``.
        writers: By the end of the name, such as ``.csv`` or ``-paired.svg``. A figure that has
            nothing to draw is left out.

    Raises:
        MlbenchError: One of them cannot be made or written; there is then none.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".mlbench-", dir=folder) as aside:
            made = dict(make(Path(aside), writers))
            stem = free_stem(folder, FOREIGN.sub("_", what)[:LONGEST], list(made))
            return [path.rename(folder / f"{stem}{ending}") for ending, path in made.items()]
    except OSError as error:
        raise MlbenchError(
            f"nothing was exported to {folder}: {error.strerror or error}; make room or start"
            " 'mlbench tui' in a folder that can be written"
        ) from error


def make(aside: Path, writers: Mapping[str, Writer]) -> Iterator[tuple[str, Path]]:
    """Write files into a folder of their own, and yield those that there was something for."""
    for ending, writer in writers.items():
        path = aside / f"new{ending}"
        with suppress(NothingToDrawError):
            writer(path)
            yield ending, path


def free_stem(folder: Path, what: str, endings: Sequence[str]) -> str:
    """Return a name, without its ending, that no file bears."""
    moment = f"mlbench-{what}-{datetime.now():%Y%m%d-%H%M%S}"  # noqa: DTZ005  the user's clock
    stems = itertools.chain([moment], (f"{moment}-{n}" for n in itertools.count(2)))
    return next(
        stem for stem in stems if not any((folder / f"{stem}{end}").exists() for end in endings)
    )


def text_writer(text: str) -> Writer:
    """Return what writes a text, with one line feed at its end."""

    def write(path: Path) -> None:
        path.write_text(text.rstrip("\n") + "\n", encoding="utf-8")

    return write


def frame_writer(frame: pl.DataFrame) -> Writer:
    """Return what writes a frame as CSV."""
    return text_writer(frame_csv(frame))


def figure_writer(figure: str, material: Material, run_ids: Iterable[str]) -> Writer:
    """Return what draws a figure of some runs; Altair is loaded when it does."""
    quoted = ", ".join("'" + run_id.replace("'", "''") + "'" for run_id in sorted(set(run_ids)))
    chosen = Material(
        material.paths, where=f"run_id IN ({quoted or 'NULL'})", statistic=material.statistic
    )

    def write(path: Path) -> None:
        from mlbench.report.figures import FIGURES
        from mlbench.report.save import save

        save(FIGURES[figure].draw(chosen), path)

    return write


def export_runs(folder: Path, rows: Sequence[RunRow]) -> list[Path]:
    """Write runs as CSV, in the order in which they are seen.

    Raises:
        MlbenchError: There is none, or the file cannot be written.
    """
    if not rows:
        raise MlbenchError("there are no runs to export; start one, or clear the filter with Esc")
    frame = pl.DataFrame([asdict(row) for row in rows], infer_schema_length=None)
    return write_files(folder, "runs", {".csv": frame_writer(frame)})


def export_run(folder: Path, material: Material, run_id: str) -> list[Path]:
    """Write the learning curves of a run as a figure, and its episodes as CSV.

    Raises:
        MlbenchError: It has recorded nothing yet, or the files cannot be written.
    """
    quoted = run_id.replace("'", "''")
    episodes = sql(material.paths, EPISODES.format(run_id=quoted))
    if episodes.is_empty():
        raise NothingToDrawError(f"{run_id} has recorded no episode yet; try again in a while")
    writers = {
        "-learning-curve.svg": figure_writer("learning-curves", material, [run_id]),
        "-episodes.csv": frame_writer(episodes),
    }
    return write_files(folder, f"run-{run_id}", writers)


def export_table(folder: Path, table: Table) -> list[Path]:
    """Write a table as CSV, Markdown and LaTeX.

    Raises:
        MlbenchError: The files cannot be written.
    """
    from mlbench.report.tables.latex import latex
    from mlbench.report.tables.markdown import markdown

    writers = {
        ".csv": frame_writer(table_frame(table)),
        ".md": text_writer(markdown([table])),
        ".tex": text_writer(latex([table])),
    }
    return write_files(folder, "tables", writers)


def table_frame(table: Table) -> pl.DataFrame:
    """Return a table with a row per cell: what it is of, its numbers, and those of the paper."""
    cells = [
        {
            "title": table.title,
            "conditions": table.conditions,
            "statistic": table.statistic,
            "algorithm": row.algorithm,
            "settings": row.settings,
            "train_dataset": column.train_dataset,
            "eval_dataset": column.eval_dataset,
            "ways": column.ways,
            "shots": column.shots,
            "runs": cell.runs,
            "score": cell.score,
            "low": cell.low,
            "high": cell.high,
            "best": cell.best,
            "tied": cell.tied,
            "printed": cell.printed.score if cell.printed else None,
            "printed_half_width": cell.printed.half_width if cell.printed else None,
            "difference": cell.difference,
            "notes": " ".join(table.notes[number - 1] for number in cell.notes),
        }
        for row in table.rows
        for column, cell in zip(table.columns, row.cells, strict=True)
        if cell is not None
    ]
    return pl.DataFrame(cells, infer_schema_length=None)
