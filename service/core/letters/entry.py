"""One entry of the runbook."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """One reason: what it means, whose fault it is, what mends it, and whether a replay helps."""

    means: str
    fault: str
    fix: str
    replay: str

    @property
    def line(self) -> str:
        """In one line, for a table."""
        return f"{self.fault}: {self.replay}"
