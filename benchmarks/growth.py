"""How time and memory of a meta-step grow: with T, ways, shots, image size, meta-batch and runs.

    python -m benchmarks.growth                  # an hour; docs/images/benchmarks/*.csv and *.svg
    python -m benchmarks.growth steps ways       # these alone
    python -m benchmarks.growth --draw           # the pictures again, from the tables
    python -m benchmarks.growth --quick          # into a temporary folder

Every point has a process of its own: the time of a step after one to warm up, and the peak of the
memory above what its imports took. What is printed is how both grow at the end of a line, and
where it would meet the memory of this machine. ``rows`` is what ``benchmarks.queries`` measures.
"""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.apart import Apart
from benchmarks.cases import Case
from benchmarks.drawing import picture
from benchmarks.shown import options, show, tell_machine
from mlbench.cli.progress import tell
from mlbench.errors import MlbenchError
from mlbench.report.save import save
from mlbench.run.machine import memory_bytes

FOLDER = Path(__file__).parent.parent / "docs" / "images" / "benchmarks"
IMAGES = Case(side=84, shots=1)
WAVES = Case(shots=5, queries=50)
ROUNDS = 3  # steps of which the median counts
COLUMNS = ("value", "line", "CPU s", "s", "MB")
"""Of a table: where a point lies along the axis, on which line, and what it took."""


@dataclass(frozen=True)
class Axis:
    """What grows.

    Args:
        field: Of the case.
        title: In words.
        base: Everything else of the case.
        values: Along the axis.
        contestants: A line each.
    """

    field: str
    title: str
    base: Case
    values: tuple[int, ...]
    contestants: tuple[str, ...]

    def small(self) -> Axis:
        """Return what is quick to measure: two values, small images."""
        base = replace(self.base, steps=1)
        if base.side is not None:
            base = replace(base, side=28, queries=2, channels=8)
        return replace(self, base=base, values=self.values[:2])


CONVOLUTIONAL = ("plain loop", "mlbench", "mlbench, adjoint")
AXES = {
    "steps": Axis("steps", "updates per task, T", IMAGES, (1, 2, 5, 10, 20, 35, 50), CONVOLUTIONAL),
    "ways": Axis("ways", "ways", IMAGES, (2, 5, 10, 20), CONVOLUTIONAL),
    "shots": Axis("shots", "shots", IMAGES, (1, 2, 5, 10, 20), CONVOLUTIONAL),
    "side": Axis("side", "pixels a side", IMAGES, (28, 42, 56, 84, 112, 140), CONVOLUTIONAL),
    "tasks": Axis("tasks", "tasks of a meta-batch", IMAGES, (1, 2, 4, 8), CONVOLUTIONAL),
    "waves": Axis(
        "tasks",
        "tasks of a meta-batch",
        WAVES,
        (1, 4, 16, 64, 256, 1024),
        ("plain loop", "mlbench, loop", "mlbench, stacked"),
    ),
    "runs": Axis(
        "runs",
        "runs stacked",
        WAVES,
        (1, 3, 10, 30, 100),
        ("mlbench, runs", "mlbench, runs, compiled"),
    ),
}
ROWS = "rows"
NAMES = (*AXES, ROWS)


def main() -> None:
    """Measure, write and draw."""
    parser = options(__doc__)
    parser.add_argument("axes", nargs="*", metavar="AXIS", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--folder", type=Path, help="[default: docs/images/benchmarks]")
    parser.add_argument("--draw", action="store_true", help="draw what was measured before")
    asked = parser.parse_args()
    if unknown := set(asked.axes) - set(NAMES):
        parser.error(f"no axis {min(unknown)!r}; there are: {', '.join(NAMES)}")
    folder = asked.folder or (Path(tempfile.mkdtemp()) if asked.quick else FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    tell_machine()
    found = []
    for name in asked.axes or NAMES:
        table = folder / f"{name}.csv"
        try:
            if not asked.draw:
                write(table, measured(name, asked.rounds or ROUNDS, quick=asked.quick))
            points = read(table)
        except MlbenchError as error:
            tell(f"{name} is left out: {error}")
            continue
        draw(name, points, table.with_suffix(".svg"))
        found += [{"axis": name, **row} for row in endings(points)]
    show(found, asked.form)


def measured(name: str, rounds: int, *, quick: bool) -> list[dict[str, Any]]:
    """Return a row for every point of an axis."""
    if name == ROWS:
        return questions(quick=quick)
    axis = AXES[name]
    return lines(axis.small() if quick else axis, rounds)


def lines(axis: Axis, rounds: int) -> list[dict[str, Any]]:
    """Return a row for every point; a line ends where a contestant cannot go on."""
    rows = []
    for name in axis.contestants:
        for value in axis.values:
            tell(f"{axis.title} = {value}: {name}")
            try:
                taken = point(axis, name, value, rounds)
            except MlbenchError as error:
                tell(f"the line ends here: {error}")
                break
            rows.append({"value": value, "line": name, **taken})
    return rows


def point(axis: Axis, name: str, value: int, rounds: int) -> dict[str, float]:
    """Return what a meta-step takes."""
    changed: dict[str, Any] = {axis.field: value}
    with Apart(name, replace(axis.base, **changed)) as contestant:
        contestant.step()
        costs = [contestant.step() for _ in range(rounds)]
        return {
            "CPU s": median(cost.cpu for cost in costs),
            "s": median(cost.wall for cost in costs),
            "MB": contestant.megabytes,
        }


def questions(*, quick: bool) -> list[dict[str, Any]]:
    """Return a row for every question to a database and every size of it.

    Raises:
        MlbenchError: ``benchmarks.queries`` failed.
    """
    command = [sys.executable, "-m", "benchmarks.queries", "--json"]
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [*command, *(["--quick"] if quick else [])], stdout=subprocess.PIPE, check=False
    )
    if done.returncode:
        raise MlbenchError(f"benchmarks.queries ended with code {done.returncode}; see above")
    return [
        {"value": row["episodes"], "line": row["what"], "CPU s": row["CPU s"], "s": row["s"]}
        for row in map(json.loads, done.stdout.splitlines())
    ]


def draw(name: str, points: Sequence[Mapping[str, Any]], target: Path) -> None:
    """Write the picture of an axis."""
    if name == ROWS:
        chart = picture("The database, by its size", "", "episodes", points)
    else:
        axis = AXES[name]
        title = f"A second-order meta-step, by {axis.title}"
        steps = "" if axis.field == "steps" else f", T = {axis.base.steps}"
        chart = picture(title, f"from {axis.base.label}{steps}, MAML", axis.title, points)
    save(chart, target)
    tell(f"wrote {target} and its table")


def endings(points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return, for every line, how it goes on: by its last two points.

    The exponents are those of a power law through both; the wall is where a straight line through
    both meets the memory of this machine.
    """
    found = []
    for name in dict.fromkeys(row["line"] for row in points):
        line = [row for row in points if row["line"] == name]
        if len(line) < 2:
            continue
        before, last = line[-2:]
        time = "s" if last["CPU s"] is None else "CPU s"
        found.append(
            {
                "line": name,
                "at": int(last["value"]),
                "seconds": last[time],
                "MB": last["MB"],
                "time as x^": exponent(before, last, time),
                "memory as x^": exponent(before, last, "MB"),
                "memory full at": wall(before, last),
            }
        )
    return found


def exponent(before: Mapping[str, Any], last: Mapping[str, Any], column: str) -> float | None:
    """Return the power with which a column grows between two points; ``None`` without it."""
    if before[column] is None or last[column] is None:
        return None
    return math.log(last[column] / before[column]) / math.log(last["value"] / before["value"])


def wall(before: Mapping[str, Any], last: Mapping[str, Any]) -> float | None:
    """Return the value at which the memory of this machine is full; ``None`` if it never is."""
    total = memory_bytes()
    if total is None or before["MB"] is None or last["MB"] is None:
        return None
    slope = (last["MB"] - before["MB"]) / (last["value"] - before["value"])
    return None if slope <= 0 else float(last["value"] + (total / 1e6 - last["MB"]) / slope)


def write(table: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write points, to four digits."""
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()})


def read(table: Path) -> list[dict[str, Any]]:
    """Return the points of a table; an empty cell is ``None``.

    Raises:
        MlbenchError: There is no such table, or it is empty.
    """
    if not table.exists():
        raise MlbenchError(f"{table} is not there; measure first, without --draw")
    with table.open(newline="", encoding="utf-8") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    if not rows:
        raise MlbenchError(f"{table} holds no point; measure again, without --draw")
    for row in rows:
        row |= {key: float(row[key]) if row[key] else None for key in COLUMNS if key != "line"}
    return rows


if __name__ == "__main__":
    main()
