"""HubSpot: reachable, the token valid, the scopes there, the identifying property unique, the clocks agreed."""

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

import orjson

from service.clock import stamp
from service.core.events.order_event import ORDERS
from service.core.hubspot.answers import BatchReply, NoReply
from service.core.hubspot.calls import find
from service.core.hubspot.lookups import read_keys
from service.core.hubspot.probe import KEY
from service.core.hubspot.throttles import DAILY, Throttle, throttle_of
from service.core.hubspot.verdicts import Halted
from service.doctor.complete_orders import Addresses, line_findings, ready_key
from service.doctor.dead_letters import SUBJECT as LETTERS
from service.doctor.findings import Finding, Trouble, unseen, well
from service.hubspot.addresses import links_path, records_path
from service.hubspot.client import orders_path
from service.hubspot.http import Http
from service.hubspot.token import token_of
from service.settings.hubspot import HubSpotSettings

# Seconds by which the clocks may differ.
SKEW: Final = 30.0
READ, WRITE, SCHEMA = (
    "crm.objects.orders.read",
    "crm.objects.orders.write",
    "crm.schemas.orders.read",
)
LIMIT: Final = "x-hubspot-ratelimit-max"
# With 5xx: HubSpot's own, whatever was asked.
FAILURES: Final = frozenset({408, 423, 477})


class UnansweredError(Exception):
    """HubSpot did not answer, or not as HubSpot; the message says how."""


class ThrottledError(Exception):
    """HubSpot answered 429: nothing else that it is asked now says anything."""

    def __init__(self, throttle: Throttle) -> None:
        super().__init__(throttle.message)
        self.throttle = throttle


async def examine(
    http: Http, settings: HubSpotSettings, used: frozenset[str] | Finding
) -> AsyncIterator[Finding]:
    """What is found at HubSpot; nothing after the token where there is none that is accepted.

    `used`: properties that dead letters set, or why they cannot be seen.
    """
    try:
        token = await token_of(settings).current(http)
        if not isinstance(token, str):
            yield _no_token(token, settings)
            return
        async for finding in _Visit(http, settings, token).findings(used):
            yield finding
    except UnansweredError as error:
        yield Finding(
            "hubspot",
            f"{settings.base_url} {error}",
            Trouble.UNREACHABLE,
            "see that HTTPS to it is let out, and what ORDERSYNC_HUBSPOT__BASE_URL says; a 5xx is "
            "HubSpot's own: status.hubspot.com",
        )
    except ThrottledError as error:
        yield _throttled(error.throttle)


_SHARED: Final = (
    "run the doctor again then; if it lasts, something else calls with this token or app, or "
    "ORDERSYNC_HUBSPOT__CALLS of the service that runs is more than the account has"
)


def _throttled(throttle: Throttle) -> Finding:
    """Exit 69: until the limit is given out again nothing can be asked, by `run` neither."""
    until = "until midnight in the account's time zone"
    if throttle.seconds is not None:
        until = f"until {stamp() + timedelta(seconds=throttle.seconds):%H:%M:%S} UTC at the latest"
    said = f": {throttle.said}" if throttle.said else ""
    found = f"HubSpot answers 429{said} (limit {throttle.policy}, {until})"
    fix = throttle.advice if throttle.policy == DAILY else _SHARED
    return Finding("limit", found, Trouble.UNREACHABLE, fix)


def _no_token(why: BatchReply | NoReply, settings: HubSpotSettings) -> Finding:
    if isinstance(why, NoReply):
        fix = "see that HTTPS to HubSpot is let out; then again"
        return Finding("token", why.message, Trouble.UNREACHABLE, fix)
    _usable(why, settings)
    found = str(_document(why.body).get("message", "the refresh token was not accepted"))
    fix = "renew ORDERSYNC_HUBSPOT__REFRESH_TOKEN, …__CLIENT_ID and …__CLIENT_SECRET: install the app again"
    return Finding("token", found, Trouble.NOT_AUTHORISED, fix)


class _Visit:
    """With a token in hand."""

    def __init__(self, http: Http, settings: HubSpotSettings, token: str) -> None:
        self._http, self._settings = http, settings
        self._headers = {"authorization": f"Bearer {token}"}
        version = settings.api_version
        self._orders = orders_path(version)
        root = "/crm/v3/properties" if version == "v3" else f"/crm/properties/{version}"
        self._root, self._definitions = root, f"{root}/orders"
        self._addresses = Addresses(
            root,
            lambda name: records_path(name, version),
            lambda name: links_path(ORDERS, name, version),
        )

    async def findings(self, used: frozenset[str] | Finding) -> AsyncIterator[Finding]:
        answer = await self._get(self._orders, limit="1")
        yield well("hubspot", f"{self._settings.base_url} answers")
        yield _clock(answer)
        if answer.status == 401:
            found = f"HubSpot does not accept it ({_message(answer)})"
            fix = (
                "copy the private app's access token anew into ORDERSYNC_HUBSPOT__TOKEN or its file"
            )
            yield Finding("token", found, Trouble.NOT_AUTHORISED, fix)
            return
        yield well("token", "accepted")
        yield _scope(READ, answer)
        yield _scope(WRITE, await self._nothing_written())
        yield await self._identifying()
        if (
            ready := await ready_key(self._settings.id_property, self._root, self._get, _document)
        ) is not None:
            yield ready
        async for finding in line_findings(
            self._settings.line_id_property,
            self._addresses,
            self._get,
            self._post,
            _document,
        ):
            yield finding
        yield self._limit(answer)
        if isinstance(used, Finding):
            yield used
        elif used:
            yield await self._known(used)

    async def _get(self, path: str, **query: str) -> BatchReply:
        reply = await self._http.ask("GET", path, headers=self._headers, query=query)
        return _usable(reply, self._settings)

    async def _post(self, path: str, body: bytes) -> BatchReply:
        headers = self._headers | {"content-type": "application/json"}
        reply = await self._http.ask("POST", path, headers=headers, body=body)
        return _usable(reply, self._settings)

    async def _nothing_written(self) -> BatchReply:
        """An update of no orders: refused for its scopes, or for being empty."""
        return await self._post(f"{self._orders}/batch/update", b'{"inputs":[]}')

    async def _identifying(self) -> Finding:
        name = self._settings.id_property
        answer = await self._get(f"{self._definitions}/{name}")
        if answer.status == 404:
            found = f"orders have no property {name}"
            fix = (
                "create it in HubSpot with `hasUniqueValue`, or set ORDERSYNC_HUBSPOT__ID_PROPERTY"
            )
            return Finding("property", found, Trouble.WRONG, fix)
        if answer.status == 200:
            return _unique(name, _document(answer.body))
        return await self._tried(name, answer)

    async def _tried(self, name: str, refused: BatchReply) -> Finding:
        """Its definition may not be read: try it, as the service's own probe does."""
        call = find(ORDERS, [KEY], name)
        answer = await self._post(f"{self._orders}/batch/{call.endpoint}", call.body)
        match read_keys(call, answer)[0]:
            case Halted(reason):
                return Finding("property", reason.message, Trouble.WRONG, "see docs/hubspot.md")
            case _:
                found = f"{name} identifies orders; its definition answers {refused.status}"
                return unseen("property", found, _to_see_definitions(refused))

    async def _known(self, used: frozenset[str]) -> Finding:
        """Whether orders have the properties that dead letters set."""
        answer = await self._get(self._definitions)
        if answer.status != 200:
            found = f"the definitions of properties answer {answer.status}"
            return unseen(LETTERS, found, _to_see_definitions(answer))
        missing = used - set(_names(_document(answer.body)))
        if missing:
            found = f"dead letters set what orders do not have: {', '.join(sorted(missing)[:20])}"
            fix = "create these properties in HubSpot, or mend the events; then `ordersync dlq replay`"
            return Finding(LETTERS, found, Trouble.WRONG, fix)
        return well(LETTERS, f"orders have all {len(used)} properties that dead letters set")

    def _limit(self, answer: BatchReply) -> Finding:
        told = answer.headers.get(LIMIT)
        ours = f"{self._settings.calls} calls in {self._settings.window:g} s are configured"
        if told is None:
            return well("limit", f"{ours}; HubSpot does not say its own")
        if told.isdigit() and int(told) < self._settings.calls:
            found = f"{ours}, HubSpot allows {told}; the service keeps to that"
            return unseen("limit", found, f"set ORDERSYNC_HUBSPOT__CALLS to {told} or less")
        return well("limit", f"{ours}, HubSpot allows {told}")


def _usable(reply: BatchReply | NoReply, settings: HubSpotSettings) -> BatchReply:
    """An answer that says something about what was asked.

    Raises:
        UnansweredError: there is none, or it is a failure of HubSpot's.
        ThrottledError: a limit is used up.
    """
    if isinstance(reply, NoReply):
        raise UnansweredError(f"cannot be reached: {reply.message}")
    if throttle := throttle_of(reply, settings.window, 1, settings.calls):
        raise ThrottledError(throttle)
    if reply.status in FAILURES or reply.status >= 500:
        raise UnansweredError(f"answers {reply.status}: {_message(reply)}")
    return reply


def _to_see_definitions(refused: BatchReply) -> str:
    """A scope mends a 403 and nothing else."""
    if refused.status == 403:
        return f"grant the scope {SCHEMA}"
    return f"run the doctor again; HubSpot said: {_message(refused)}"


def _names(listed: Mapping[str, Any]) -> Iterator[str]:
    for each in listed.get("results") or ():
        if isinstance(each, dict):
            yield str(each.get("name"))


def _unique(name: str, definition: Mapping[str, Any]) -> Finding:
    if definition.get("archived"):
        fix = "restore it in HubSpot"
        return Finding("property", f"{name} is archived", Trouble.WRONG, fix)
    if definition.get("hasUniqueValue") is True:
        return well("property", f"{name} exists and is unique")
    found = f"{name} exists, but its values need not be unique"
    fix = "uniqueness can be set at creation only: create another property with `hasUniqueValue`"
    return Finding("property", found, Trouble.WRONG, fix)


def _scope(scope: str, answer: BatchReply) -> Finding:
    if answer.status != 403:
        return well("scope", scope)
    fix = "grant it in the private app's settings (Scopes); an OAuth app has to be installed again"
    return Finding("scope", f"{scope} is missing", Trouble.NOT_AUTHORISED, fix)


def _clock(answer: BatchReply) -> Finding:
    try:
        theirs = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return unseen("clock", "the answer has no date", "nothing: some proxy takes it out")
    apart = (stamp() - theirs.replace(tzinfo=theirs.tzinfo or UTC)).total_seconds()
    if abs(apart) > SKEW:
        found = f"this machine's clock is {abs(apart):.0f} s {'ahead of' if apart > 0 else 'behind'} HubSpot's"
        return Finding(
            "clock", found, Trouble.WRONG, "set it by NTP: ages and token lifetimes depend on it"
        )
    return well("clock", f"within {SKEW:g} s of HubSpot's")


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        held = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return held if isinstance(held, dict) else {}


def _message(answer: BatchReply) -> str:
    return str(_document(answer.body).get("message") or answer.status)[:200]
