"""One twin: a portal with its limits, faults and journal, and the life of a call through them.

A call is read, let in (token, scopes, limits), struck or spared by the fault script, carried out,
and entered into the journal. Every step but latency is synchronous, so a call's write is atomic.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from service.twin import views
from service.twin.account.kinds import DEFAULT
from service.twin.account.portal import Portal
from service.twin.clock import Clock
from service.twin.damage import damaged
from service.twin.faults.faults import Hang, Rule
from service.twin.faults.script import FaultScript
from service.twin.faults.when import Asked
from service.twin.gates.access import Access, Identity
from service.twin.gates.limits import Limits
from service.twin.gates.races import Races
from service.twin.journal import Entry, Journal
from service.twin.operations.answers import Answer, Refusal, Reply
from service.twin.operations.call import Call
from service.twin.operations.operation import Operation
from service.twin.operations.subjects import subjects_of
from service.twin.options import TwinOptions
from service.twin.store import Store

Pause = Callable[[float], Awaitable[None]]


class Twin:
    """A local HubSpot, reached by `service.twin.http`; the methods below look inside it."""

    def __init__(self, options: TwinOptions | None = None, *, clock: Clock | None = None) -> None:
        """Start with the state file's records, if the options name one."""
        self.options = options or TwinOptions()
        self.clock = clock or Clock(start_ms=self.options.start_ms)
        self.portal = Portal(self.options, self.clock)
        self.access = Access(self.options)
        self.limits = Limits(self.options)
        self.script = FaultScript(self.options.faults, self.options.seed)
        self.races = Races(self.options)
        self.journal = Journal(self.options.journal, self.options.journal_size)
        self.store = Store(self.options.state) if self.options.state else None
        if self.store is not None:
            self.store.load(self.portal)

    async def reply(
        self, call: Call, operation: Operation, hang: Pause, *, open_to_all: bool = False
    ) -> Reply:
        """The reply to a call; `hang` waits for so many seconds or until the client has gone.

        A call that is `open_to_all` needs no token and counts towards no limit.
        """
        identity: Identity | None = None
        call.number, call.arrived = self.journal.arrival(), self.clock.elapsed()
        try:
            if not open_to_all:
                identity = self.access.identify(call.token, call.now)
                self.access.permit(call)
                search, links = call.operation == "search", call.group == "associations"
                self.limits.admit(identity.app, call.now, search=search, links=links)
            reply = await self._done(call, operation, hang)
        except Refusal as refused:
            reply = refused.answer(call.correlation_id)
        return self._entered(call, reply, identity)

    async def _done(self, call: Call, operation: Operation, hang: Pause) -> Reply:
        watched = self.options.journal != "off" or self.options.racing_upserts != "serial"
        if watched or self.script.rules:
            call.subjects = subjects_of(self.portal, call)
        if self.script.rules:
            asked = Asked(
                (call.operation, call.group),
                call.kind.names if call.kind else (),
                call.end.names if call.end else (),
            )
            call.chosen = self.script.choose(asked, self.clock.elapsed(), lambda: call.subjects)
        with self.races.running(self.portal, call):
            if delay := self.options.latency + call.chosen.delay:
                await asyncio.sleep(delay)
            return await self._struck(call, operation, hang)

    async def _struck(self, call: Call, operation: Operation, hang: Pause) -> Reply:
        fault = call.chosen.whole
        if fault is None:
            return self._carried_out(call, operation)
        answer = self._carried_out(call, operation) if fault.written else None
        if isinstance(fault, Hang):
            await hang(fault.seconds)
        return damaged(fault, call, answer, self.options.portal_id)

    def _carried_out(self, call: Call, operation: Operation) -> Answer:
        call.stamp = self.clock.stamp()
        try:
            answer = operation(self.portal, call)
        except Refusal as refused:
            return refused.answer(call.correlation_id)
        self.journal.note_writes(call, self.clock.elapsed())
        if self.store is not None:
            self.store.save(self.portal, call)
        return answer

    def _entered(self, call: Call, reply: Reply, identity: Identity | None) -> Reply:
        status = reply.status if isinstance(reply, Answer) else 0
        self.journal.note(call, status, self.clock.elapsed())
        answer = reply if isinstance(reply, Answer) else getattr(reply, "answer", None)
        if isinstance(answer, Answer):
            answer.headers["X-HubSpot-Correlation-Id"] = call.correlation_id
            if identity is not None:
                answer.headers |= self.limits.headers(
                    identity.app,
                    self.clock.now(),
                    search=call.operation == "search",
                    oauth=identity.oauth,
                )
        return reply

    def arm(self, rules: Sequence[Rule]) -> None:
        """Replace the fault script; its seconds count from now."""
        self.script.replace(rules, self.clock.elapsed())

    def reset(self) -> None:
        """Forget records, journal and used quota; definitions and faults stay."""
        self.portal.clear()
        self.journal.clear()
        self.limits.clear()
        if self.store is not None:
            self.store.rewrite(self.portal)

    def close(self) -> None:
        """Close the state file."""
        if self.store is not None:
            self.store.close()

    def state(self, kind: str = DEFAULT, by: str = "") -> dict[str, dict[str, Any]]:
        """The records of a type, see `views.state`."""
        return views.state(self.portal, kind, by)

    def graph(self, kind: str = DEFAULT, by: str = "") -> dict[str, dict[str, Any]]:
        """The records of a type with what is linked to each, see `views.graph`."""
        return views.graph(self.portal, kind, by)

    def written(self, kind: str = "", action: str = "") -> list[Entry]:
        """What was committed, in order, and by which call; of a type or of an action alone."""
        return self.journal.entries(kind, action)

    def stats(self) -> dict[str, Any]:
        """Counts: calls by operation and status, records written, 429s, the busiest window."""
        return {
            **self.journal.counted(),
            "throttled": dict(self.limits.refused),
            "busiest_window": self.limits.busiest(),
            "window": self.options.window,
            "records": {
                name: {"live": len(table.live), "archived": len(table.archived)}
                for name, table in self.portal.tables.items()
                if table.live or table.archived
            },
        }
