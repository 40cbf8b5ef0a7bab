"""Faults of the network, between the service and the broker and between the service and HubSpot."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping

from tests.faults.proxy import Proxy
from tests.faults.replica import Replica
from tests.faults.run import Fault
from tests.faults.stand import Stand

URL = "ORDERSYNC_HUBSPOT__BASE_URL"
Break = Callable[[Proxy], None]
WHERE: dict[str, Callable[[Replica], Proxy]] = {
    "broker": lambda each: each.amqp,
    "hubspot": lambda each: each.http,
}


def _cut(proxy: Proxy) -> None:
    proxy.cut()


def _reset(proxy: Proxy) -> None:
    proxy.reset()


def _gone(proxy: Proxy) -> None:
    proxy.refusing = True
    proxy.reset()


def _deaf(proxy: Proxy) -> None:
    proxy.dropping = {"up"}


def _dumb(proxy: Proxy) -> None:
    proxy.dropping = {"down"}


def _late(proxy: Proxy) -> None:
    proxy.delay = 2.0


def _slow(proxy: Proxy) -> None:
    proxy.rate = 1024.0


def _truncated(proxy: Proxy) -> None:
    proxy.truncating = True


def _severed(proxy: Proxy) -> None:
    for link in tuple(proxy.links.values()):
        link.close_server_side()


# what -> how it is done, and for how many seconds it lasts
BREAKS: dict[str, tuple[Break, float]] = {
    "cut": (_cut, 0.0),
    "reset": (_reset, 0.0),
    "gone": (_gone, 6.0),
    "half-open-up": (_deaf, 12.0),
    "half-open-down": (_dumb, 12.0),
    "2s-late": (_late, 8.0),
    "1kBps": (_slow, 10.0),
    "truncated": (_truncated, 0.5),
}


def _strike(
    where: Callable[[Replica], Proxy], how: Break, lasts: float
) -> Callable[[Stand], Awaitable[None]]:
    async def strike(on: Stand) -> None:
        proxy = where(on.replicas[0])
        watch = proxy.watch
        how(proxy)
        await asyncio.sleep(lasts)
        proxy.heal()
        proxy.watch = watch
        on.healed()

    return strike


def _refused(where: Callable[[Replica], Proxy]) -> Callable[[Stand], Awaitable[None]]:
    async def strike(on: Stand) -> None:
        """Nobody listens: connection refused."""
        proxy = where(on.replicas[0])
        proxy.close()
        proxy.reset()
        await asyncio.sleep(8.0)
        await proxy.listen()
        on.healed()

    return strike


async def _unresolved(on: Stand) -> None:
    """HubSpot's name is one that no resolver knows, until somebody mends it and starts the service anew."""
    right = on.replicas[0].settings
    await _restarted(on, {**right, URL: "http://hubspot.invalid"})
    await asyncio.sleep(8.0)
    await _restarted(on, right)
    on.healed()


async def _restarted(on: Stand, settings: Mapping[str, str]) -> None:
    each = on.replicas[0]
    each.signal(signal.SIGTERM)
    assert await each.ended() == 0
    on.losses.append(on.now())
    each.settings = settings
    each.start()
    await each.opened()


FAULTS = [
    *(
        Fault(f"{where}-{what}", _strike(proxy, how, lasts), "network", recovers_within=20.0)
        for where, proxy in WHERE.items()
        for what, (how, lasts) in BREAKS.items()
    ),
    *(
        Fault(f"{where}-refused", _refused(proxy), "network", recovers_within=20.0)
        for where, proxy in WHERE.items()
    ),
    Fault("hubspot-unresolved", _unresolved, "network", recovers_within=20.0),
]
