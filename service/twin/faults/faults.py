"""The faults: a closed union. Each docstring is what the help and the page say about it.

Every fault has a `word`, by which scripts call it, and says whether the call is carried out all the
same (`written`). Faults of a call strike the whole of it; faults of a record strike single inputs of
a batch and leave the others alone.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Literal, get_args

from service.twin.faults.when import When

Body = Literal["json", "html", "empty"]
# As HubSpot writes it, and in lower case, for clients that compare too exactly.
Policy = Literal["TEN_SECONDLY_ROLLING", "DAILY", "SEARCH", "BARE", "ten_secondly_rolling", "daily"]
Blame = Literal["property", "ids", "nobody"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Answer with a status: 401, 403, 423, 429, 477, 500, …; the number alone is short for it."""

    word: ClassVar[str] = "answer"
    status: int = 503
    body: Body = "json"
    policy: Policy = "TEN_SECONDLY_ROLLING"
    retry_after: int | None = None
    category: str = ""
    message: str = ""
    written: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hang:
    """Send no answer for `seconds`, then drop the connection."""

    word: ClassVar[str] = "hang"
    seconds: float = 120.0
    written: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Drop the connection: before the call is carried out, or with `written=true` after it."""

    word: ClassVar[str] = "cut"
    written: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncated:
    """Drop the connection in the middle of the answer."""

    word: ClassVar[str] = "truncate"
    written: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Answer 200 with a page of HTML."""

    word: ClassVar[str] = "html"
    written: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Slow:
    """Take `seconds` more; adds up with every other fault."""

    word: ClassVar[str] = "slow"
    written: ClassVar[bool] = True
    seconds: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Answer 200 where 201 or 207 is due, and 201 where 200 is."""

    word: ClassVar[str] = "drift"
    written: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Empty:
    """Answer 2xx without results."""

    word: ClassVar[str] = "empty"
    written: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lump:
    """Put all error entries of the answer into one that names them all."""

    word: ClassVar[str] = "lump"
    written: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RefuseBatch:
    """Refuse the whole batch in spite of trace ids.

    `blame=property` is a 400 with a property's message, `ids` a 400 with context.ids, `nobody` a 409
    that names no record.
    """

    word: ClassVar[str] = "refuse-batch"
    written: ClassVar[bool] = False
    blame: Blame = "property"
    property_name: str = ""
    code: str = "INVALID_OPTION"
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vanish:
    """Leave the record out of results and errors."""

    word: ClassVar[str] = "vanish"
    written: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Give the record an error entry of its own."""

    word: ClassVar[str] = "refuse"
    written: ClassVar[bool] = False
    category: str = "VALIDATION_ERROR"
    property_name: str = ""
    code: str = "INVALID_OPTION"
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anonymous:
    """Give the record an error entry without context."""

    word: ClassVar[str] = "anonymous"
    written: ClassVar[bool] = False
    category: str = "VALIDATION_ERROR"
    property_name: str = ""
    code: str = "INVALID_OPTION"
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """Return the record under another id, as after a merge."""

    word: ClassVar[str] = "merged"
    written: ClassVar[bool] = True


CallFault = Answered | Hang | Cut | Truncated | Page | Slow | Drift | Empty | Lump | RefuseBatch
RecordFault = Vanish | Refuse | Anonymous | Merged
Fault = CallFault | RecordFault

CALL_FAULTS: tuple[type[CallFault], ...] = get_args(CallFault)
RECORD_FAULTS: tuple[type[RecordFault], ...] = get_args(RecordFault)
BY_WORD: dict[str, type[Fault]] = {each.word: each for each in (*CALL_FAULTS, *RECORD_FAULTS)}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a script: what goes wrong, and when."""

    fault: Fault
    when: When = field(default_factory=When)
