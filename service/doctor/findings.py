"""What the doctor found: a fact each, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class Trouble(StrEnum):
    """What kind of wrong; the exit code follows from it."""

    UNREACHABLE = "unreachable"
    NOT_AUTHORISED = "not authorised"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    found: str  # a sentence
    trouble: Trouble | None = None
    fix: str | None = (
        # What to do; with no trouble: why nothing could be seen, or what to consider.
        None
    )

    @property
    def mark(self) -> str:
        """ok, fault, or unseen."""
        if self.trouble is not None:
            return "fault"
        return "ok" if self.fix is None else "unseen"


def well(subject: str, found: str) -> Finding:
    """A tick."""
    return Finding(subject, found)


def unseen(subject: str, found: str, fix: str) -> Finding:
    """Nobody let us look; `fix` says how to let us."""
    return Finding(subject, found, None, fix)
