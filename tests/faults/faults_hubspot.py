"""Faults of HubSpot, by the twin's own script."""

import asyncio
from collections.abc import Awaitable, Callable
from fnmatch import fnmatch

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
    "empty": (("empty every=4 operation=upsert,update",), 6.0),
}


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


FAULTS = [
    Fault(f"hubspot-{name}", _scripted(rules, lasts), "hubspot")
    for name, (rules, lasts) in SCRIPTS.items()
]
