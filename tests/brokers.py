"""RabbitMQ for the tests: fresh vhosts of the session's broker.

Law: a test never sees what another one left behind. Each gets a vhost of its own, in which the
product's default names are free.
"""

import base64
import json
import os
import uuid
from collections.abc import Iterable
from typing import Any, Protocol
from urllib.error import URLError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import Request, urlopen

import pytest

from service.broker import Broker

GIANT, BELOW_16_MIB = 110_000_000, 15 << 20  # bytes; RabbitMQ 4 takes no message above 16 MiB
POOL = 20  # a vhost costs some 12 ms, each call of rabbitmqctl half a second

ADD = (
    "[begin"
    " ok = rabbit_vhost:add(V, <<{user}>>),"
    " ok = rabbit_auth_backend_internal:set_permissions("
    '<<{user}>>, V, <<".*">>, <<".*">>, <<".*">>, <<{user}>>)'
    " end || V <- [{names}]]."
)


def giant(version: str) -> int:
    """Bytes of a message that no memory of ours holds, or the largest that this RabbitMQ takes."""
    return GIANT if version.startswith("3.") else BELOW_16_MIB


class VhostMaker(Protocol):
    """Makes vhosts on one broker, and removes them."""

    def add(self, names: Iterable[str]) -> None: ...
    def remove(self, names: Iterable[str]) -> None: ...


class ByRabbitmqctl:
    """On a broker of our own: one `rabbitmqctl eval` for many; removed with the broker."""

    def __init__(self, broker: Broker) -> None:
        assert broker.ctl is not None
        self._ctl = broker.ctl
        self._user = urlsplit(broker.url).username or "guest"

    def add(self, names: Iterable[str]) -> None:
        quoted = ",".join(f'<<"{name}">>' for name in names)
        self._ctl("eval", ADD.format(user=f'"{self._user}"', names=quoted))

    def remove(self, names: Iterable[str]) -> None:
        """Nothing: they go with the broker."""


class ByManagement:
    """On a broker that was given by URL: its management API, on port 15672 of the same host.

    `RABBITMQ_MANAGEMENT_URL` names it where it is elsewhere.
    """

    def __init__(self, broker: Broker) -> None:
        where = urlsplit(broker.url)
        self._user = where.username or "guest"
        self._api = os.environ.get("RABBITMQ_MANAGEMENT_URL") or f"http://{where.hostname}:15672"
        secret = f"{self._user}:{where.password or 'guest'}".encode()
        self._authorization = f"Basic {base64.b64encode(secret).decode()}"

    def add(self, names: Iterable[str]) -> None:
        rights = {"configure": ".*", "write": ".*", "read": ".*"}
        for name in names:
            self._call("PUT", f"/api/vhosts/{name}")
            self._call("PUT", f"/api/permissions/{name}/{self._user}", rights)

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            self._call("DELETE", f"/api/vhosts/{name}")

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> None:
        headers = {"Authorization": self._authorization, "Content-Type": "application/json"}
        content = json.dumps(body or {}).encode()
        request = Request(self._api + path, content, headers, method=method)
        try:
            urlopen(request, timeout=10).close()
        except URLError as error:
            pytest.fail(
                "The tests make vhosts of their own on the broker that ORDERSYNC_RABBITMQ__URL"
                f" names, and its management API at {self._api} does not let them: {error}."
                " Unset the variable, and they start a broker of their own.",
                pytrace=False,
            )


class Vhosts:
    """Hands out the URLs of fresh vhosts of one broker."""

    def __init__(self, broker: Broker) -> None:
        self._where = urlsplit(broker.url)
        self._maker: VhostMaker = (ByRabbitmqctl if broker.ctl else ByManagement)(broker)
        self._fresh: list[str] = []
        self._made: list[str] = []

    def fresh(self) -> str:
        """The AMQP URL of a vhost that nobody has used."""
        if not self._fresh:
            self._fresh = [f"test-{uuid.uuid4().hex[:12]}" for _ in range(POOL)]
            self._made += self._fresh
            self._maker.add(self._fresh)
        return urlunsplit(self._where._replace(path=f"/{self._fresh.pop()}"))

    def close(self) -> None:
        """Remove every vhost that was made."""
        self._maker.remove(self._made)
