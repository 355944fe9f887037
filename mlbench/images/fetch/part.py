"""The part of a download that is here, and which file of the server's it is a part of."""

from __future__ import annotations

import json
from email.message import Message
from pathlib import Path

TELLTALES = ("ETag", "Last-Modified")
"""What changes when the server's file does."""


class Part:
    """What has come of a file, beside the place where the whole is to be.

    Args:
        target: That place.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f"{target.name}.part")
        self.note = target.with_name(f"{target.name}.part.json")

    @property
    def size(self) -> int:
        """Return how many bytes are here."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    @property
    def seen(self) -> dict[str, str]:
        """Return the telltales of the server's file, as far as it sent any."""
        try:
            seen = json.loads(self.note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        if not isinstance(seen, dict):
            return {}
        return {key: str(seen[key]) for key in TELLTALES if key in seen}

    def asking(self) -> dict[str, str]:
        """Return the headers that ask for the rest, or for all if the file has changed."""
        if not self.size:
            return {}
        seen = self.seen
        strong = [text for text in seen.values() if not text.startswith("W/")]
        condition = {"If-Range": strong[0]} if strong else {}
        return {"Range": f"bytes={self.size}-", **condition}

    def differs(self, headers: Message) -> bool:
        """Return whether a server's headers are those of another file."""
        seen = self.seen
        return any(key in headers and headers[key] != text for key, text in seen.items())

    def begin(self, headers: Message) -> None:
        """Begin with nothing, and note which file it is."""
        self.path.write_bytes(b"")
        seen = {key: headers[key] for key in TELLTALES if key in headers}
        self.note.write_text(json.dumps(seen), encoding="utf-8")

    def discard(self) -> None:
        """Remove what is here."""
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def finish(self) -> None:
        """Put what is here in its place."""
        self.path.replace(self.target)
        self.note.unlink(missing_ok=True)
