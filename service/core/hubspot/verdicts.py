"""What one answer says of one slot: a closed union, never an exception.

Success needs evidence: `Applied` is only ever made from a result that names the record (or a 204 to an
archive, which has no results). Blame needs solitude: `Refused` says that a whole call was refused, not
who is to blame. `Halted` is a fault of the set-up or of HubSpot as a whole: no event is condemned by it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple

from service.core.reasons import Reason
from service.core.waiting.parts import Progress


class Cause(StrEnum):
    """What kind of failure may go away by itself, and so how it is retried."""

    # 5xx, no reply, an answer nobody can read: the call, perhaps HubSpot, perhaps a record.
    SERVER = "server"
    # A 2xx that does not mention the record.
    SILENCE = "silence"
    # An error that names the record, in a category that is not final.
    RECORD = "record"
    # A record that the event links to is not there yet: waited for as long as patience lasts.
    MISSING = "missing"
    # 429: never counts towards giving up.
    THROTTLE = "throttle"


@dataclass(frozen=True, slots=True)
class Applied:
    """HubSpot says that it wrote the record."""

    record_id: str | None
    created: bool | None
    left_out: tuple[
        str, ...
        # Of a replay: properties whose newer values were left as they are.
    ] = ()


@dataclass(frozen=True, slots=True)
class Stale:
    """Nothing of the event is left to write: all of it is older than what the order holds.

    `by`: the event that overtook it, where known.
    """

    record_id: str | None
    left_out: tuple[str, ...] = ()
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """HubSpot named this record and refused it for good."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Retryable:
    """Not applied as far as anyone knows; worth another try."""

    reason: Reason
    cause: Cause
    # Seconds that HubSpot asked for.
    after: float | None = None
    # The write may have happened.
    ambiguous: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """The whole call was refused and nothing was written; or, in a 2xx, an error names nobody.

    `named`: the answer points at this record among others without proving its fault.
    """

    reason: Reason
    named: bool = False
    # Of a 2xx: the write may have happened.
    ambiguous: bool = False


class Where(NamedTuple):
    """A kind of request. A probe asks at the same place, about nobody."""

    kind: Literal["records", "links", "list"]
    endpoint: str
    object: str
    # Of links: the far end's object type.
    to: str = ""
    id_property: str = ""
    # Whether an event chose that property: that it is not unique is the event's affair then, not the set-up's.
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Halted:
    """It is about the set-up, or about HubSpot as a whole, unless one order alone meets it (core.hubspot.suspicion)."""

    reason: Reason
    after: float | None = None
    # The request that was answered so.
    where: Where | None = None


Verdict = Applied | Stale | Rejected | Retryable | Refused | Halted


@dataclass(frozen=True, slots=True)
class Partly:
    """The order is written, and of its lines and links `progress` is known; `rest` is what the slot still comes to."""

    progress: Progress
    rest: Verdict


Fate = Verdict | Partly
