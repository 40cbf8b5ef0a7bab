"""What on-call does about each reason: the one text behind `dlq show`, `dlq stats` and docs/runbook.md.

Every code of core.reasons has an entry, and so have the reasons for which the broker itself dead-letters.
A code without one fails a test; the page is written from here (`make schemas`).
"""

from collections.abc import Iterator, Mapping
from typing import Final

from service.core.hubspot.pauses import LONG_THROTTLE
from service.core.letters.condemnations import CONDEMNATIONS
from service.core.letters.entry import Entry
from service.core.reasons import Code

BROKER_REASONS: Final = ("delivery_limit", "expired", "rejected", "maxlen")  # of x-death

_PAUSE = (
    "Nothing to replay: intake pauses, events wait in the queue and go on by themselves: when the cause "
    "is gone, after half an hour at the latest, or at once after a restart."
)

_PAUSES: Final[Mapping[str, Entry]] = {
    Code.THROTTLED: Entry(
        "HubSpot's burst limit was hit: more calls than allowed in ten seconds. From the first 429 on the "
        "log says `throttled`, `/readyz` names the limit beside its status, and "
        "`ordersync_throttled{policy}` is 1; calls wait and are sent again. Intake pauses when nothing "
        f"but 429 has been heard for {LONG_THROTTLE:g} s.",
        "quota",
        "See who else calls with this token or app: the log line and `/readyz` say how many of the "
        "window's calls are ours. Give ordersync a private app of its own, or set "
        "`ORDERSYNC_HUBSPOT__CALLS` to what the account has and the others leave. `ordersync doctor` "
        "exits with 69 while it lasts.",
        _PAUSE,
    ),
    Code.DAILY_LIMIT: Entry(
        "The account's calls of the day are used up.",
        "quota",
        "Wait until midnight of the account's time zone, or buy the API add-on; see what else calls, and "
        "whether ORDERSYNC_HUBSPOT__DAILY_CALLS is too low.",
        _PAUSE,
    ),
    Code.UNAUTHENTICATED: Entry(
        "HubSpot does not accept the token.",
        "set-up",
        "Renew the private app's token and put it where the service reads it. A file (`hubspot/token` in "
        "the secrets folder) is read again by itself. The variable `ORDERSYNC_HUBSPOT__TOKEN`, which wins "
        "over the file, is read at the start alone: set it anew and restart "
        "(`kubectl rollout restart deploy/ordersync`).",
        _PAUSE,
    ),
    Code.SCOPE_MISSING: Entry(
        "The token may not write orders.",
        "set-up",
        "Give the app the scopes crm.objects.orders.read and crm.objects.orders.write.",
        _PAUSE,
    ),
    Code.ID_PROPERTY_NOT_UNIQUE: Entry(
        "The identifying property does not exist, or does not hold unique values.",
        "set-up",
        "Create it with `hasUniqueValue`, or correct `ORDERSYNC_HUBSPOT__ID_PROPERTY`; uniqueness cannot "
        "be added to a property that exists.",
        _PAUSE,
    ),
    Code.ENDPOINT_UNKNOWN: Entry(
        "The address answers, but not as HubSpot's orders API.",
        "set-up",
        "Check `ORDERSYNC_HUBSPOT__BASE_URL` and `…__API_VERSION`.",
        _PAUSE,
    ),
    Code.MIGRATING: Entry(
        "HubSpot is moving the account between data centres.",
        "HubSpot",
        "Wait: it takes up to a day.",
        _PAUSE,
    ),
    Code.OUTAGE: Entry(
        "HubSpot fails every call.",
        "HubSpot",
        "Look at status.hubspot.com; there is nothing to do here.",
        _PAUSE,
    ),
}

_BROKERS: Final[Mapping[str, Entry]] = {
    "delivery_limit": Entry(
        "The broker gave up: the message was delivered more often than the queue's delivery limit "
        "allows without being settled. The service crashed or lost its channel with it, again and again.",
        "ordersync or broker",
        "Look for restarts of the service at that time (out of memory, crash). Neighbours of a message "
        "that kills the process end here too.",
        "Yes: one alone first (`--limit 1`), and watch the service.",
    ),
    "expired": Entry(
        "The message's time to live ran out in the queue: the producer or a policy set one.",
        "producer or broker's set-up",
        "Remove `expiration` from the producer or `message-ttl` from the policy; see whether the service "
        "stood still.",
        "Yes: what is newer meanwhile stays.",
    ),
    "rejected": Entry(
        "A consumer refused the message without requeueing it. ordersync does so with a body above 1 MB, "
        "which it never holds, and reports it as `oversized`; all else was refused by somebody who also "
        "consumes the queue.",
        "producer, or another consumer",
        "Look at the size: above 1 MB, see `oversized`. Else find the other consumer "
        "(`rabbitmqctl list_consumers`).",
        "Not what is oversized; the rest, once that consumer is gone.",
    ),
    "maxlen": Entry(
        "The queue was full and the broker dropped its oldest messages: a policy sets a length and "
        "`drop-head`.",
        "broker's set-up",
        "Remove the policy, or set its overflow to `reject-publish`.",
        "Yes, once the queue has room.",
    ),
}

RUNBOOK: Final[Mapping[str, Entry]] = {**CONDEMNATIONS, **_PAUSES, **_BROKERS}

UNKNOWN: Final = Entry(
    "Nothing says why it is here, or a reason that this version does not know: it was put here by hand, "
    "or by a newer ordersync.",
    "whoever put it here",
    "Look at the headers and the body with `dlq show`.",
    "Try one (`--limit 1`); where nothing says where it came from, with `--to-queue`.",
)


def entry(reason: str) -> Entry:
    """The entry of a reason; one that says so where there is none."""
    return RUNBOOK.get(reason, UNKNOWN)


def page() -> str:
    """docs/runbook.md."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield "# Runbook: dead letters and pauses\n"
    yield (
        "A section for each reason code, as `ordersync dlq show` prints it. Start with "
        "`ordersync dlq stats`; [dead-letters.md](dead-letters.md) tells how to look, mend and replay.\n"
        "This page is written from `service/core/letters/runbook.py`.\n"
    )
    for group, title in _GROUPS.items():
        yield f"## {title}\n"
        for reason, each in RUNBOOK.items():
            if _group(reason) == group:
                yield f"### `{reason}`\n"
                yield f"{each.means}\n\n- **Whose fault**: {each.fault}."
                yield f"- **Fix**: {each.fix}\n- **Replay**: {each.replay}\n"


def _group(reason: str) -> str:
    if not isinstance(reason, Code):
        return "broker"
    return "pause" if reason.kind.pauses else "dead letter"


_GROUPS: Final = {
    "dead letter": "Why an event is a dead letter",
    "broker": "What the broker itself dead-letters",
    "pause": "Why intake pauses (never a dead letter)",
}
