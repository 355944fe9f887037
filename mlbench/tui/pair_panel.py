"""Two techniques on the same episodes, drawn with characters: difference, wins, distribution."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.text import Text
from textual.app import RenderResult
from textual.widget import Widget

from mlbench.report.palette import look
from mlbench.store.records import Kind
from mlbench.tui.histogram import columns
from mlbench.tui.marks import glyph
from mlbench.tui.table_grid import signed

WIDEST = 101  # columns of a drawing; odd, so that zero has one of its own
WORDS: dict[Kind, str] = {"classification": "accuracy", "regression": "MSE"}


@dataclass(frozen=True)
class Pair:
    """What is drawn.

    Args:
        row: Of the comparisons.
        differences: Of each episode, the means over runs of the first less the second.
        family: How many pairs Holm's adjustment is over.
    """

    row: Mapping[str, Any]
    differences: Sequence[float]
    family: int

    @property
    def kind(self) -> Kind:
        """Return what its scores are."""
        kind: Kind = self.row["kind"]
        return kind

    @property
    def colours(self) -> tuple[str, str]:
        """Return the colours of what is left and right of zero: of who is better there."""
        first, second = look(self.row["first"]).colour, look(self.row["second"]).colour
        return (first, second) if self.kind == "regression" else (second, first)


class PairPanel(Widget):
    """Draws a pair as large as there is room for; the distribution only if there is enough."""

    def __init__(self, id: str) -> None:  # noqa: A002  as all widgets call it
        super().__init__(id=id)
        self.pair: Pair | None = None

    def draw(self, pair: Pair | None) -> None:
        """Show another pair, or none."""
        self.pair = pair
        self.refresh()

    def render(self) -> RenderResult:
        """Return the drawing."""
        width, height = self.content_size
        if self.pair is None or width < 20:
            return Text()
        lines = [title(self.pair), *measured(self.pair, width)]
        if height >= len(lines) + 4:
            lines += histogram(self.pair, drawing_width(width), min(6, height - len(lines) - 2))
        return Text("\n", no_wrap=True, overflow="ellipsis").join(lines)


def title(pair: Pair) -> Text:
    """Return who is compared, and on how much."""
    row = pair.row
    text = Text.assemble(called(row, "first"), (" − ", "bold"), called(row, "second"))
    runs = f"{row['runs']} run{'s' * (row['runs'] != 1)} each"
    return text.append(f"   {runs}, {row['episodes']} common episodes", "dim")


def called(row: Mapping[str, Any], side: str) -> Text:
    """Return the first or the second technique, with its settings."""
    seen = look(row[side])
    text = Text.assemble((glyph(row[side]), seen.colour), f" {seen.label}")
    text.stylize("bold")
    if settings := row[f"{side}_settings"]:
        text.append(f" ({settings})", "dim")
    return text


def measured(pair: Pair, width: int) -> list[Text]:
    """Return the difference with its interval, the episodes won and lost, and the tests."""
    row, kind = pair.row, pair.kind
    if row["difference"] is None:
        return [Text(no_difference(row))]
    amount = Text.assemble(
        f"difference of {WORDS[kind]} ", (signed(row["difference"], kind), "bold")
    )
    if row["low"] is None:
        amount.append("; too little for an interval", "dim")
        return [amount, wins(pair, width), p_values(pair)]
    ends = f"{signed(row['low'], kind)} to {signed(row['high'], kind)}"
    sides = "includes" if row["low"] <= 0 <= row["high"] else "excludes"
    amount.append(f", 95 % interval {ends} ({sides} 0)")
    return [amount, *interval_bar(pair, drawing_width(width)), wins(pair, width), p_values(pair)]


def no_difference(row: Mapping[str, Any]) -> str:
    """Return why two techniques cannot be compared."""
    if not row["episodes"]:
        return "There is no difference to tell: they have no seed or no episode in common."
    return (
        f"There is no difference to tell: on {row['nan_episodes']} of {row['episodes']} episodes"
        " a score is not finite."
    )


def interval_bar(pair: Pair, width: int) -> list[Text]:
    """Return the interval as a bar around zero, and the axis under it."""
    row = pair.row
    reach = 1.1 * max(abs(row["low"]), abs(row["high"]), abs(row["difference"])) or 1.0
    middle = width // 2

    def column(value: float) -> int:
        return middle + round(value / reach * middle)

    cells = [" "] * width
    for place in range(column(row["low"]), column(row["high"]) + 1):
        cells[place] = "━"
    low, high = column(row["low"]), column(row["high"])
    if high > low:
        cells[low], cells[high] = "┣", "┫"
    cells[middle] = "┃" if cells[middle] == " " else "╋"
    cells[column(row["difference"])] = "●"
    bar = Text("".join(cells))
    colours = pair.colours
    bar.stylize(colours[0], 0, middle)
    bar.stylize(colours[1], middle + 1, width)
    return [bar, axis(pair, reach, width)]


def axis(pair: Pair, reach: float, width: int) -> Text:
    """Return the ends of a drawing around zero, and who is better on which side."""
    kind = pair.kind
    sides = [look(pair.row[side]).label for side in ("second", "first")]
    left, right = reversed(sides) if kind == "regression" else sides
    half = width // 2
    ends = (f"{signed(-reach, kind)}", f"{signed(reach, kind)}")
    west, east = f"← {left} better", f"{right} better →"
    if half < max(len(west), len(east)) + len(ends[0]) + 4:
        west = east = ""
    text = f"{ends[0]}{west.rjust(half - len(ends[0]) - 1)} 0 "
    text += f"{east.ljust(width - half - len(ends[1]) - 2)}{ends[1]}"
    return Text(text, "dim")


def wins(pair: Pair, width: int) -> Text:
    """Return on how many episodes which is better, in numbers and as a bar."""
    row = pair.row
    counts = row["wins"], row["ties"], row["losses"]
    total = sum(counts) or 1
    left, right = f"won {row['wins']} ", f" lost {row['losses']}, equal {row['ties']}"
    room = max(0, min(WIDEST, width) - len(left) - len(right))
    lengths = [round(room * counts[0] / total), round(room * (counts[0] + counts[1]) / total)]
    bar = Text("█" * lengths[0], look(row["first"]).colour)
    bar.append("░" * (lengths[1] - lengths[0]), "dim")
    bar.append("▓" * (room - lengths[1]), look(row["second"]).colour)
    return Text.assemble(left, bar, right)


def p_values(pair: Pair) -> Text:
    """Return what the test says, alone and among all pairs."""
    row = pair.row
    if row["p_value"] is None:
        return Text("no test: a score is not finite", "dim")
    return Text(
        f"Wilcoxon signed rank p {p_text(row['p_value'])},"
        f" by Holm over {pair.family} pair{'s' * (pair.family != 1)} p {p_text(row['p_holm'])}"
    )


def p_text(p: float | None) -> str:
    """Return a p-value with what stands before it, to two digits."""
    if p is None:
        return "unknown"
    return "< 0.0001" if p < 1e-4 else f"= {p:.2g}" if p < 0.1 else f"= {p:.2f}"


def histogram(pair: Pair, width: int, height: int) -> list[Text]:
    """Return how the differences of episodes are spread around zero, over an axis.

    Args:
        pair: Whose episodes.
        width: Of the drawing, odd.
        height: Lines of the bars.
    """
    values = [value for value in pair.differences if math.isfinite(value)]
    reach = max(map(abs, values), default=0.0)
    if not values:
        return []  # what there is instead has been said
    if not reach:
        return [Text("All episodes are equal.", "dim")]
    counts = [0] * width
    for value in values:
        counts[min(width - 1, int((value / reach + 1) / 2 * width))] += 1
    most = max(counts)
    lines = [Text(line) for line in columns(counts, height, most=most)]
    for line in lines:
        line.stylize(pair.colours[0], 0, width // 2)
        line.stylize(pair.colours[1], width // 2 + 1, width)
    heading = Text(f"differences on {len(values)} episodes, up to {most} in a column", "dim")
    return [heading, *lines, axis(pair, reach, width)]


def drawing_width(width: int) -> int:
    """Return how wide drawings are: odd, so that zero has a column of its own."""
    return min(WIDEST, width - 1 + width % 2)
