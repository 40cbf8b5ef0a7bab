"""The only place that reads the wall clock. `stamp` is what is written on messages, never a delay."""

from datetime import UTC, datetime


def stamp() -> datetime:
    """Now, aware, in UTC."""
    return datetime.now(UTC)  # noqa: TID251  (the one place)
