"""The tables beneath the plot of running times, and how orders compare in a line."""

from __future__ import annotations

from typing import Any

import polars as pl
from rich.text import Text
from textual.widgets import DataTable

from mlbench.report.palette import in_order, look
from mlbench.tui.filling import fill
from mlbench.tui.marks import named
from mlbench.tui.table_grid import number

Unit = tuple[float, str]  # seconds, and its name
UNITS: tuple[Unit, ...] = ((3600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))
PHASES = ("train", "validation", "test")


def numbered(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Return rows in the fixed order of techniques, each with its place from 1 as ``place``."""
    order = in_order(frame["algorithm"])
    rows = sorted(frame.to_dicts(), key=lambda row: order.index(row["algorithm"]))
    return [row | {"place": place} for place, row in enumerate(rows, 1)]


def fill_times(table: DataTable[Text], rows: list[dict[str, Any]], unit: Unit) -> None:
    """Fill a table with times and scores."""
    kind = rows[0]["kind"]
    several = len({row["algorithm"] for row in rows}) < len(rows)
    heads = ["technique", "runs", unit[1], "95 %", "score", "95 %"]
    heads += ["training", "validation", "test"]
    headings = [
        Text(head, justify="left" if head == "technique" else "right")
        for head in (["#"] if several else []) + heads
    ]
    lines = []
    for row in rows:
        name = named(row["algorithm"])
        if row["settings"]:
            name.append(f"  {row['settings']}", "dim")
        diverged = f" +{row['diverged']}≈" if row["diverged"] else ""
        texts = [
            f"{row['runs']}{diverged}",
            in_unit(row["seconds"], unit),
            interval(
                in_unit(row["seconds_low"], unit),
                in_unit(row["seconds_high"], unit),
                known=row["seconds_low"] is not None,
            ),
            number(row["score"], kind),
            interval(
                number(row["low"], kind), number(row["high"], kind), known=row["low"] is not None
            ),
            *(in_unit(row[f"{phase}_seconds"], unit) for phase in PHASES),
        ]
        place = [Text(str(row["place"]), justify="right")] if several else []
        lines.append([*place, name, *(Text(text, justify="right") for text in texts)])
    fill(table, headings, lines)
    table.fixed_columns = 1 + several


def fill_ratios(table: DataTable[Text], ratios: pl.DataFrame) -> None:
    """Fill a table with how long the first of two techniques takes beside the second."""
    table.fixed_columns = 0
    headings = [Text(head) for head in ("first", "second")]
    headings += [Text(h, justify="right") for h in ("first / second", "95 %", "pairs", "apart")]
    lines = []
    for row in ratios.iter_rows(named=True):
        sides = [
            named(row[side]).append(f"  {row[f'{side}_settings']}".rstrip(), "dim")
            for side in ("first", "second")
        ]
        texts = [
            f"{row['ratio']:.2f}",
            interval(
                f"{row['low'] or 0:.2f}", f"{row['high'] or 0:.2f}", known=row["low"] is not None
            ),
            str(row["pairs"]),
            in_unit(row["apart"], unit_of([row["apart"]])) + " " + unit_of([row["apart"]])[1],
        ]
        lines.append([*sides, *(Text(text, justify="right") for text in texts)])
    fill(table, headings, lines)


def orders(ratios: pl.DataFrame) -> Text:
    """Return how first-order techniques compare with their second-order forms, in one line."""
    found = [row for row in ratios.iter_rows(named=True) if differ_in_order(row)]
    if not found:
        return Text("No technique ran in first and in second order on this machine.", "dim")
    parts = []
    for row in found:
        sides = [
            f"{look(row[side]).label} {row[f'{side}_settings']}".strip()
            for side in ("first", "second")
        ]
        spread = "" if row["low"] is None else f" ({row['low']:.2f}–{row['high']:.2f})"
        parts.append(f"{'/'.join(sides)} {row['ratio']:.2f}{spread}")
    counts = sorted({row["pairs"] for row in found})
    pairs = "–".join(map(str, dict.fromkeys([counts[0], counts[-1]])))
    each = f"; {pairs} pair{'s' * (counts[-1] != 1)} of runs each"
    return Text.assemble(("Time ratios: ", "dim"), ", ".join(parts), (each, "dim"))


def differ_in_order(row: dict[str, Any]) -> bool:
    """Return whether two techniques are one in first and in second order, and the same besides."""
    first, second = (
        (row[side].removeprefix("fo_").removesuffix("_enhanced"), stripped(row[f"{side}_settings"]))
        for side in ("first", "second")
    )
    return first == second and (row["first"], row["first_settings"]) != (
        row["second"],
        row["second_settings"],
    )


def stripped(settings: str) -> list[str]:
    """Return settings but for the order."""
    return [part for part in settings.split(", ") if not part.startswith("order=")]


def unit_of(seconds: list[float | None]) -> Unit:
    """Return the unit in which times are best read."""
    longest = max((value for value in seconds if value is not None), default=0.0)
    return next((unit for unit in UNITS if longest >= 2 * unit[0]), UNITS[-1])


def in_unit(seconds: float | None, unit: Unit) -> str:
    """Return a time without its unit, to three digits or to the last whole number."""
    if seconds is None:
        return "-"
    value = seconds / unit[0]
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def interval(low: str, high: str, *, known: bool) -> str:
    """Return an interval, a dash where there is none."""
    return f"{low}–{high}" if known else "-"
