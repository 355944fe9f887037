"""Text of anybody's as text and nothing else: what would steer a terminal is spelt out.

Names of runs, techniques and data sets, errors and hosts come from journals, databases and packs
that somebody else may have made. Escape sequences in them could move the cursor, retitle the
window or hide what follows, and marks of direction could turn a line round.
"""

from __future__ import annotations

from unicodedata import category

STEERING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Controls, formats such as direction, halves of characters, and separators of lines."""


def printable(text: str, *, lines: bool = False) -> str:
    r"""Return a text with what would steer a terminal spelt out, as ``\x1b``.

    Args:
        text: Anybody's.
        lines: Whether line breaks stay.
    """
    if text.isprintable():
        return text
    return "".join(
        ascii(letter)[1:-1] if steers(letter) and not (lines and letter == "\n") else letter
        for letter in text
    )


def steers(letter: str) -> bool:
    """Return whether a character does something instead of being seen."""
    return category(letter) in STEERING


def printable_json(text: str) -> str:
    """Return JSON with the same meaning, in which nothing would steer a terminal."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(
        escaped(letter) if steers(letter) and letter != "\n" else letter for letter in text
    )


def escaped(letter: str) -> str:
    """Return a character as JSON spells it out."""
    code = ord(letter)
    if code <= 0xFFFF:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
