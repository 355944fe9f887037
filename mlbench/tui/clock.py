"""What time it is; here alone, so that a test can say."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """Return the time as the store has it: UTC, without a time zone."""
    return datetime.now(UTC).replace(tzinfo=None)
