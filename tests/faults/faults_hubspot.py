"""Faults of HubSpot, by the twin's own script."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from fnmatch import fnmatch

from tests.faults.gateway import Gateway
from tests.faults.run import Fault
from tests.faults.stand import Stand

# name -> the rules, and for how many seconds they are in force
SCRIPTS: dict[str, tuple[tuple[str, ...], float]] = {
    "commit-then-timeout": (("hang every=6 seconds=30 operation=upsert,update",), 12.0),
    "commit-then-5xx": (("502 every=4 written=true",), 6.0),
    "5xx-bursts": (("503 rate=0.5 body=html",), 6.0),
    "outage": (("503",), 15.0),
    "429-storm": (("429 rate=0.7",), 6.0),
    "cut-mid-body": (("truncate every=4",), 6.0),
    "cut": (("cut every=4", "cut nth=2 written=true"), 6.0),
    "html-with-200": (("html every=3",), 6.0),
    "vanished": (
        (
            "vanish rate=0.03 operation=upsert,update",
            "vanish rate=0.02 operation=upsert,update written=true",
        ),
        6.0,
    ),
    "anonymous": (("anonymous key=*7 operation=upsert,update",), 6.0),
    "refused-whole": (("refuse-batch key=*37 operation=upsert,update blame=nobody",), 6.0),
    "4xx-half": (
        ("400 rate=0.3 category=INTERNAL_ERROR", "422 rate=0.3 message=Unprocessable"),
        6.0,
    ),
    "empty": (("empty every=4 operation=upsert,update",), 6.0),
}
# Seconds that a gateway answers in HubSpot's place.
GATEWAY = float(os.environ.get("FAULT_GATEWAY", "15"))
# Each adds its part at random: a call takes 0.3, 0.7, … up to 3 s.
SLOW = (
    "slow seconds=0.15",
    "slow seconds=0.4 rate=0.5",
    "slow seconds=0.8 rate=0.5",
    "slow seconds=1.5 rate=0.5",
)
QUOTA, WINDOW = 190, 10.0  # calls in so many seconds
USED = 0.7  # of the quota, at least, in the fullest window; more is proven in virtual time
MEASURED = 20.0  # seconds: two windows


def _named(rules: tuple[str, ...], key: str) -> bool:
    """Whether a rule refuses this order by its key: then HubSpot does mean it."""
    globs = (word[4:] for rule in rules for word in rule.split() if word.startswith("key="))
    return any(fnmatch(key, glob) for glob in globs)


def _scripted(rules: tuple[str, ...], lasts: float) -> Callable[[Stand], Awaitable[None]]:
    async def strike(on: Stand) -> None:
        on.refused |= {event.key for event in on.events if _named(rules, event.key)}
        on.arm(*rules)
        await asyncio.sleep(lasts)
        on.arm()
        on.healed()

    return strike


async def _gateway(on: Stand) -> None:
    """A gateway answers in HubSpot's place: 4xx in JSON, to writes and to probes. It is nobody's refusal."""
    proxy = on.replicas[0].http
    async with Gateway().listening() as gateway:
        right, proxy.targets = proxy.targets, (("127.0.0.1", gateway.port),)
        proxy.reset()
        await asyncio.sleep(GATEWAY)
        proxy.targets = right
        proxy.reset()
    on.healed()
    on.remarks.append(f"the gateway answered {gateway.answers} calls")


async def _slow(on: Stand) -> None:
    """Calls take 0.3 to 3 s, by chance: a window's quota is used all the same, and never exceeded."""
    on.arm(*SLOW)
    since = on.now()
    await asyncio.sleep(MEASURED)
    on.arm()
    on.healed()
    calls = list(on.twin.journal.calls)
    moments = [call["arrived"] for call in calls if call["arrived"] >= since]
    fullest = max(sum(at <= each < at + WINDOW for each in moments) for at in moments)
    refused = sum(call["status"] == 429 for call in calls)
    on.remarks.append(f"{fullest / QUOTA:.0%} of the quota used, {refused} calls answered 429")
    if fullest < USED * QUOTA or refused:
        on.complaints.append(on.remarks[-1])


FAULTS = [
    *(
        Fault(f"hubspot-{name}", _scripted(rules, lasts), "hubspot")
        for name, (rules, lasts) in SCRIPTS.items()
    ),
    Fault("hubspot-gateway-4xx", _gateway, "hubspot"),
    Fault(
        "hubspot-slow",
        _slow,
        "hubspot",
        at=0.02,
        beforehand=1.0,
        events=3000,
        whole=False,
        twin={"calls": QUOTA, "window": WINDOW, "association_calls": 0},
        settings={
            "ORDERSYNC_HUBSPOT__CALLS": str(QUOTA),
            "ORDERSYNC_HUBSPOT__WINDOW": str(WINDOW),
            "ORDERSYNC_HUBSPOT__CONCURRENCY": "auto",
            "ORDERSYNC_BATCH__SIZE": "1",
            "ORDERSYNC_RABBITMQ__PREFETCH": "2000",
        },
    ),
]
