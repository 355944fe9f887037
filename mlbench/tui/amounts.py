"""How numbers are written on the dashboard: short, aligned, with their unit."""

from __future__ import annotations

import math

from mlbench.store.records import Kind

MINUTE, HOUR, DAY = 60, 3600, 86400
LONGEST = 8  # characters of a number
ROUNDED_UP = 0.5  # what rounds up to the next whole


def duration(seconds: float | None) -> str:
    """Return a length of time in its largest fitting unit, such as ``12 min`` or ``3.2 h``."""
    if seconds is None or not math.isfinite(seconds):
        return ""
    seconds = max(0.0, seconds)
    for size, unit in ((DAY, "d"), (HOUR, "h")):
        if seconds >= size:
            amount = seconds / size
            return f"{amount:.1f} {unit}" if amount < 9.95 else f"{amount:.0f} {unit}"
    if seconds >= MINUTE - ROUNDED_UP:
        return f"{seconds / MINUTE:.0f} min"
    return f"{seconds:.0f} s" if seconds >= 1 else "< 1 s"


def exact_duration(seconds: float | None) -> str:
    """Return a length of time to three digits, such as ``4.05 s`` or ``1 h 03 min``."""
    if seconds is None or not math.isfinite(seconds):
        return ""
    if seconds < MINUTE:
        return f"{seconds:#.3g} s"
    if seconds < HOUR:
        return f"{int(seconds // MINUTE)} min {int(seconds % MINUTE):02} s"
    return f"{int(seconds // HOUR)} h {int(seconds % HOUR // MINUTE):02} min"


def rate(per_second: float | None) -> str:
    """Return a rate to about three digits."""
    if per_second is None or not math.isfinite(per_second):
        return ""
    if not 0.01 <= per_second < 9.995e5:
        return number(per_second)
    return f"{per_second:.0f}" if per_second >= 99.95 else f"{per_second:#.3g}".rstrip(".")


def number(value: float | None) -> str:
    """Return a number to about three digits, never longer than eight characters."""
    if value is None:
        return ""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "∞" if value > 0 else "-∞"
    size = abs(value)
    if size and (size >= 9999.5 or size < 0.0005):
        text = f"{value:.1e}"
        return text if len(text) <= LONGEST else f"{value:.0e}"
    return f"{value:.{3 if size < 9.9995 else 2 if size < 99.995 else 1}f}"


def score(value: float | None, kind: Kind) -> str:
    """Return an accuracy in per cent, or a mean squared error, which has no unit."""
    if value is None:
        return ""
    if kind == "regression" or not math.isfinite(value):
        return number(value)
    return f"{100 * value:.1f} %"


def score_name(kind: Kind) -> str:
    """Return what scores of a kind of problem are."""
    return "accuracy" if kind == "classification" else "mean squared error"


def bar(share: float, width: int) -> tuple[str, str]:
    """Return the done and the open part of a progress bar."""
    done = min(width, max(0, math.floor(share * width + 1e-9)))
    return "━" * done, "─" * (width - done)


def percent(share: float) -> str:
    """Return a share in whole per cent; 100 only when it is all done."""
    return f"{min(100, math.floor(100 * share + 1e-9))} %"


def cut(text: str, width: int) -> str:
    """Return a text no longer than a width, saying so where it was."""
    return text if len(text) <= width else f"{text[: max(0, width - 1)]}…"
