"""RabbitMQ: reachable, new enough, holding the topology, and no policy that lets it drop what it should keep."""

from base64 import b64encode
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

import orjson
from yarl import URL

from service.core.hubspot.answers import NoReply
from service.core.settlement.journal import JOURNAL
from service.doctor.findings import Finding, Trouble, unseen, well
from service.doctor.neighbours import neighbours
from service.hubspot.http import Http
from service.rabbitmq.connection import session, version_of, virtual_host
from service.rabbitmq.errors import (
    AMQPError,
    AuthenticationError,
    InvalidFrameError,
    ProbableAuthenticationError,
)
from service.rabbitmq.topology import (
    Exchange,
    NotPermittedError,
    Queue,
    Topology,
    TopologyError,
    declare,
    survey,
)
from service.settings.rabbitmq import JournalSettings, RabbitMQ

# dead-lettering at least once needs it.
OLDEST: Final = (3, 10)
TIMEOUT: Final = 10.0  # seconds
# Keys of a policy that make the broker drop messages, or count looks at dead letters against them.
HARMFUL: Final = frozenset(
    {"delivery-limit", "message-ttl", "expires", "max-length", "max-length-bytes", "overflow"}
)
REACH: Final = (
    "see that it runs, that the host and port are right, and that nothing between drops connections"
)
MISSPELT: Final = "if that one is meant, correct the name in ORDERSYNC_RABBITMQ__…"
APPLY: Final = "run `ordersync topology apply` with a user that may configure"


async def examine(
    settings: RabbitMQ, journal: JournalSettings, management: str | None
) -> AsyncIterator[Finding]:
    """What is found on the broker; nothing but the first line where it cannot be reached."""
    url = settings.url.get_secret_value()
    wanted = Topology.of(settings, journal)
    reached = await _reached(url)
    yield reached
    if reached.trouble is not None and reached.trouble is not Trouble.WRONG:
        return
    there = await survey(url, wanted)
    place = _Place(url, management)
    async with Http(place.root, timeout=TIMEOUT) as http:
        api = _Management(http, place)
        yield await _complete(url, wanted, there, api)
        yield await _as_wanted(url, wanted, there)
        async for finding in _seen_by_management(api, wanted):
            yield finding


async def _reached(url: str) -> Finding:
    where = URL(url)
    place = f"{where.host}:{where.port}"
    try:
        async with session(url, "ordersync doctor") as opened:
            version = version_of(opened)
    except (AuthenticationError, ProbableAuthenticationError) as error:
        found = f"{place} does not let the user {where.user} in ({error})"
        fix = "set user and password in ORDERSYNC_RABBITMQ__URL, percent-encoded"
        return Finding("broker", found, Trouble.NOT_AUTHORISED, fix)
    except InvalidFrameError:  # what the client makes of "vhost not found" and "access refused"
        found = f"{place} let the user {where.user} in, but not to the virtual host {virtual_host(url)!r}"
        fix = (
            "check the last part of ORDERSYNC_RABBITMQ__URL; if it is right, create the virtual host and "
            "give the user permissions on it: deploy/rabbitmq/definitions.json"
        )
        return Finding("broker", found, Trouble.NOT_AUTHORISED, fix)
    except (AMQPError, OSError, TimeoutError) as error:
        said = str(error) or type(error).__name__
        found = f"{place} cannot be reached: {said}"
        return Finding("broker", found, Trouble.UNREACHABLE, REACH)
    return _recent(version, f"RabbitMQ {version} at {place}, as {where.user}")


def _recent(version: str, found: str) -> Finding:
    numbers = tuple(int(word) for word in version.split(".")[:2] if word.isdigit())
    if len(numbers) == 2 and numbers < OLDEST:
        fix = "RabbitMQ 3.10 or newer is needed"
        return Finding("broker", found, Trouble.WRONG, fix)
    return well("broker", found)


async def _complete(
    url: str, wanted: Topology, there: Mapping[Exchange | Queue, bool], api: "_Management"
) -> Finding:
    missing = [part for part, found in there.items() if not found]
    if not missing:
        return well("topology", f"{len(there)} exchanges and queues are there")
    listed = {kind: await api.names(kind) for kind in ("queue", "exchange")}
    near = await neighbours(url, missing, wanted, listed)
    told = (
        f"{part.kind} {part.name}"
        + (f" (did you mean {near[part]}, which is there?)" if part in near else "")
        for part in missing
    )
    found = f"missing: {', '.join(told)}"
    return Finding("topology", found, Trouble.WRONG, f"{MISSPELT}; else {APPLY}" if near else APPLY)


async def _as_wanted(url: str, wanted: Topology, there: Mapping[Exchange | Queue, bool]) -> Finding:
    """Declares again what is there already: that changes nothing, and the broker says what differs."""
    if not any(there.values()):
        return unseen("arguments", "nothing is there to compare", APPLY)
    held = replace(
        wanted,
        exchanges=tuple(part for part in wanted.exchanges if there[part]),
        queues=tuple(part for part in wanted.queues if there[part]),
        bindings=(),
    )
    try:
        await declare(url, held)
    except NotPermittedError:
        found = (
            "the user may not configure, so that the broker does not say whether arguments differ"
        )
        return unseen("arguments", found, "run the doctor as the user that applies the topology")
    except TopologyError as error:
        found, _, fix = str(error).partition("; ")
        return Finding("arguments", found, Trouble.WRONG, fix or APPLY)
    return well("arguments", "types and arguments are as ordersync needs them")


class _Place:
    """Where RabbitMQ's management API is, for the credentials of the AMQP URL."""

    def __init__(self, amqp: str, named: str | None) -> None:
        where = URL(amqp)
        secure = where.scheme == "amqps"
        usual = f"https://{where.host}:15671" if secure else f"http://{where.host}:15672"
        self.root = (named or usual).rstrip("/")
        self.vhost = quote(virtual_host(amqp), safe="")
        self.who = f"{where.user or 'guest'}:{where.password or 'guest'}"


class _Management:
    """RabbitMQ's management API."""

    def __init__(self, http: Http, place: _Place) -> None:
        self._http, self.root, self.vhost = http, place.root, place.vhost
        self._headers = {"authorization": f"Basic {b64encode(place.who.encode()).decode()}"}

    async def get(self, path: str) -> Any:
        """The document at a path; None where the API is not there, or does not let us in."""
        answer = await self._http.ask("GET", f"/api/{path}", headers=self._headers)
        if isinstance(answer, NoReply) or answer.status != 200:
            return None
        try:
            return orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            return None

    async def names(self, kind: str) -> tuple[str, ...]:
        """All names of one kind in the virtual host; () where the API does not let us see them."""
        listed = await self.get(f"{kind}s/{self.vhost}")
        held = listed if isinstance(listed, list) else ()
        return tuple(str(each.get("name")) for each in held if isinstance(each, dict))


async def _seen_by_management(api: _Management, wanted: Topology) -> AsyncIterator[Finding]:
    queues = {
        q.name: await api.get(f"queues/{api.vhost}/{quote(q.name, safe='')}") for q in wanted.queues
    }
    if not any(isinstance(queue, dict) for queue in queues.values()):
        found = f"the management API at {api.root} does not answer this user"
        fix = "give the user the tag `monitoring`, or say where the API is: --management URL"
        yield unseen("policies", found, fix)
        return
    yield _unharmed({name: queue for name, queue in queues.items() if isinstance(queue, dict)})
    yield await _bound(api, wanted)
    for queue in wanted.queues[2:]:
        held = queues[queue.name]
        if isinstance(held, dict):
            if queue.name == JOURNAL:
                yield await _journal(api, queue, held)
                continue
            yield well(
                "queue",
                f"{queue.name}: {held.get('messages_ready', 0)} ready, "
                f"{held.get('messages_unacknowledged', 0)} held, {held.get('consumers', 0)} consumers",
            )


async def _journal(api: _Management, wanted: Queue, held: Mapping[str, Any]) -> Finding:
    bindings = await api.get(f"queues/{api.vhost}/{JOURNAL}/bindings")
    # Each queue is bound to the exchange without a name.
    sources = {each.get("source") for each in bindings or () if isinstance(each, dict)} - {""}
    if sources:
        found = f"{JOURNAL} is bound to {', '.join(sorted(map(str, sources)))}: what no other queue takes looks taken"
        fix = "remove that binding: the service writes the journal itself"
        return Finding("journal", found, Trouble.WRONG, fix)
    kept = f"{wanted.arguments['x-max-age']} and {wanted.arguments['x-max-length-bytes']} bytes"
    return well("journal", f"{JOURNAL}: {held.get('messages', 0)} groups of outcomes; {kept} kept")


def _unharmed(queues: Mapping[str, Mapping[str, Any]]) -> Finding:
    harm = list(_harmful(queues))
    if harm:
        fix = "take these keys out of the policy, or let it not match these queues: it can drop messages"
        return Finding("policies", "; ".join(harm), Trouble.WRONG, fix)
    return well("policies", "none lets the broker drop what it should keep")


def _harmful(queues: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name, queue in queues.items():
        # A copy with bounds of its own: a policy may tighten them.
        if name == JOURNAL:
            continue
        effective = queue.get("effective_policy_definition") or {}
        keys = sorted(HARMFUL.intersection(effective))
        if keys:
            policy = queue.get("policy") or queue.get("operator_policy")
            yield f"{', '.join(keys)} on {name} by policy {policy}"


async def _bound(api: _Management, wanted: Topology) -> Finding:
    missing = []
    for binding in wanted.bindings:
        path = f"bindings/{api.vhost}/e/{quote(binding.exchange, safe='')}/q/{quote(binding.queue, safe='')}"
        held = await api.get(path)
        keys = {each.get("routing_key") for each in held} if isinstance(held, list) else set()
        if binding.routing_key not in keys:
            missing.append(f"{binding.name} ({binding.routing_key})")
    if missing:
        return Finding("bindings", f"missing: {', '.join(missing)}", Trouble.WRONG, APPLY)
    return well("bindings", f"{len(wanted.bindings)} are in place")
