"""How lengths of time and amounts of memory are written, and read."""

from __future__ import annotations

import re

DURATION_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0}
DURATION = re.compile("".join(rf"(?:(?P<{unit}>\d+(?:\.\d+)?){unit})?" for unit in DURATION_UNITS))
BYTE_UNITS = {"K": 1, "M": 2, "G": 3, "T": 4}
BYTES = re.compile(r"(?P<amount>\d+(?:\.\d+)?)\s*(?P<unit>[KMGTkmgt])[Bb]?")


def parse_duration(text: str) -> float:
    """Return the seconds of a text such as ``4h``, ``1h30m``, ``2d`` or ``90s``.

    Raises:
        ValueError: It is not of that form, or nothing.
    """
    match = DURATION.fullmatch(text.strip())
    seconds = sum(
        float(amount) * DURATION_UNITS[unit]
        for unit, amount in (match.groupdict() if match else {}).items()
        if amount
    )
    if not seconds:
        raise ValueError(f"{text!r} is not of the form 4h, 1h30m, 2d or 90s")
    return seconds


def parse_bytes(text: str) -> int:
    """Return the bytes of a text such as ``8G`` or ``500MB``; units are powers of 1000.

    Raises:
        ValueError: It is not of that form, or nothing.
    """
    match = BYTES.fullmatch(text.strip())
    amount = (
        round(float(match["amount"]) * 1000 ** BYTE_UNITS[match["unit"].upper()]) if match else 0
    )
    if not amount:
        raise ValueError(f"{text!r} is not of the form 8G or 500M")
    return amount


def duration_text(seconds: float) -> str:
    """Return a duration as people write it: ``1h30m``, ``45s``, ``0.5s``."""
    if seconds < 60:
        return f"{seconds:.3g}s"
    whole = round(seconds)
    days, rest = divmod(whole, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, last = divmod(rest, 60)
    parts = ((days, "d"), (hours, "h"), (minutes, "m"), (last, "s"))
    return "".join(f"{amount}{unit}" for amount, unit in parts if amount)


def bytes_text(amount: float) -> str:
    """Return an amount of memory as people write it: ``1.5 GB``, powers of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:.3g} TB"
