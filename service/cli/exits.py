"""How commands end: sysexits.h's codes where it has one."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes; docs/commands.md lists them, they are promises."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 69
    NOT_AUTHORISED = 77
    CONFIGURATION = 78
