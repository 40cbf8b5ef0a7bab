"""HubSpots that treat creates with links in ways of their own: no order is lost to it, or taken for somebody else's."""

from dataclasses import replace

import orjson
import pytest

from service.core.events.graph import Target
from service.core.graph.order_flow import complete
from service.core.hubspot.answers import BatchReply, NoReply
from service.core.hubspot.calls import BatchCall
from service.core.hubspot.verdicts import Applied, Retryable
from service.core.waiting.slots import slot_of
from tests.graph.driving import ACCOUNT, Stand, batch_of, stand
from tests.strategies import graph_contribution

CONTACTS = "/crm/v3/objects/contacts"


def slot(links, key, operation="create", **more):
    data = {"properties": {"note": key}, "associations": links, **more}
    return slot_of(graph_contribution(data, operation, key), 0.0)


def mail(name, **more):
    return {"to": "contact", "by": "email", "value": f"{name}@example.com", **more}


def named(name):
    return Target("contacts", "email", f"{name}@example.com")


async def contacts(hubspot, *names):
    """Contacts that ordersync has linked to before, so that it remembers their ids: name -> id."""
    made = {}
    for name in names:
        answer = await hubspot.post(CONTACTS, {"properties": {"email": f"{name}@example.com"}})
        made[name] = answer["id"]
    earlier = [slot([mail(name)], f"before-{name}", "upsert") for name in names]
    for fate in await hubspot.carry(batch_of(*earlier)):
        assert isinstance(fate.rest, Applied), fate
    hubspot.calls.clear()
    return made


def names_of(hubspot):
    return [call.name for call in hubspot.calls]


def sent_inline(hubspot):
    """Of every create of orders: key -> record ids that it links to."""
    return [
        {
            each["properties"]["shop_order_id"]: [a["to"]["id"] for a in each["associations"]]
            for each in orjson.loads(call.body)["inputs"]
            if "associations" in each
        }
        for call in hubspot.calls
        if call.name == "create" and call.object == "orders"
    ]


class Odd(Stand):
    """A HubSpot that does something of its own with creates that hold links."""

    what = ""

    async def send(self, call):
        if not isinstance(call, BatchCall) or b'"associations"' not in call.body:
            return await super().send(call)
        match self.what:
            case "writes, and names an error":
                self.calls.append(call)
                return errors(call, await self.hubspot.send(without_links(call)))
            case "writes, and says nothing":
                self.calls.append(call)
                await self.hubspot.send(without_links(call))
                return NoReply("cut off", sent=True)
            case what:
                self.calls.append(call)
                status, category = what.split()
                body = {"status": "error", "message": "no", "category": category}
                return BatchReply(int(status), {}, orjson.dumps(body))


def odd(hubspot, what):
    made = Odd(hubspot.twin, hubspot.http, hubspot.hubspot)
    made.what, made.directory, made.calls = what, hubspot.directory, hubspot.calls
    # Trace ids are unique to an attempt.
    made.number = 100
    return made


def without_links(call):
    body = orjson.loads(call.body)
    for each in body["inputs"]:
        each.pop("associations", None)
    return replace(call, body=orjson.dumps(body))


def errors(call, reply):
    """The orders are there; the answer speaks of the links alone."""
    entries = [
        {
            "status": "error",
            "category": "VALIDATION_ERROR",
            "message": "One or more associations are invalid",
            "context": {"objectWriteTraceId": [each.trace]},
        }
        for each in call.inputs
    ]
    assert reply.accepted
    body = {"status": "COMPLETE", "results": [], "numErrors": len(entries), "errors": entries}
    return BatchReply(207, {}, orjson.dumps(body))


@pytest.mark.parametrize(
    "refusal", ["400 VALIDATION_ERROR", "403 MISSING_SCOPES", "404 OBJECT_NOT_FOUND"]
)
async def test_where_creates_with_links_are_refused_as_a_whole_every_order_is_created_without(
    refusal,
):
    async with stand() as hubspot:
        ids = await contacts(hubspot, "mia", "leo")
        fates = await odd(hubspot, refusal).carry(
            batch_of(slot([mail("mia")], "A-1"), slot([mail("leo")], "A-2"), slot([], "A-3"))
        )

        assert all(isinstance(fate.rest, Applied) for fate in fates), fates
        assert names_of(hubspot) == ["create", "create", "link/create"]
        assert list(await hubspot.links(fates[0].progress.record_id, "contacts")) == [ids["mia"]]


async def test_an_order_that_was_made_beside_an_error_about_its_link_is_nobody_elses():
    """Whether HubSpot makes it is not documented: it is looked up before it is created again."""
    async with stand() as hubspot:
        ids = await contacts(hubspot, "mia")
        (fate,) = await odd(hubspot, "writes, and names an error").carry(
            batch_of(slot([mail("mia")], "A-1"))
        )

        assert isinstance(fate.rest, Applied), fate
        assert fate.rest.created is None
        assert list(await hubspot.links(fate.progress.record_id, "contacts")) == [ids["mia"]]
        assert names_of(hubspot).count("create") == 1


@pytest.mark.parametrize("what", ["500 -", "413 -", "writes, and says nothing"])
async def test_after_a_try_that_came_to_nothing_links_go_apart(what):
    """An inline link may have been why, and would be so again."""
    async with stand() as hubspot:
        ids = await contacts(hubspot, "mia")
        strange, wish = odd(hubspot, what), slot([mail("mia")], "A-1")
        (lost,) = await strange.carry(batch_of(wish))
        assert isinstance(lost.rest, Retryable), lost
        again = replace(wish, attempts=1, progress=lost.progress, ambiguous=lost.rest.ambiguous)
        (fate,) = await strange.carry(batch_of(again))

        assert isinstance(fate.rest, Applied), fate
        assert len([each for each in sent_inline(hubspot) if each]) == 1
        assert list(await hubspot.links(fate.progress.record_id, "contacts")) == [ids["mia"]]
        assert hubspot.twin.stats()["records"]["orders"]["live"] == 1 + 1


async def test_an_upsert_sends_no_links_inline():
    """HubSpot's schema has them in a create alone."""
    async with stand() as hubspot:
        await contacts(hubspot, "mia")
        await hubspot.carry(batch_of(slot([mail("mia")], "A-1", "upsert")))

        written = [call for call in hubspot.calls if isinstance(call, BatchCall)]
        assert [call.name for call in written] == ["upsert"]
        assert b'"associations"' not in written[0].body


async def test_a_buyer_who_moved_to_another_record_during_the_create_leaves_no_second_link():
    """What the create linked to is read and not assumed, so that an exclusive link is the only one."""
    async with stand() as hubspot:
        ids = await contacts(hubspot, "mia")
        moved = await hubspot.post(CONTACTS, {"properties": {"email": "moved@example.com"}})
        strange = Moving(hubspot.twin, hubspot.http, hubspot.hubspot)
        strange.directory, strange.number, strange.to = hubspot.directory, 100, moved["id"]
        company = {"to": "company", "by": "shop_customer_no", "value": "1", "on_missing": "skip"}
        (fate,) = await strange.carry(batch_of(slot([mail("mia", exclusive=True), company], "A-1")))

        assert isinstance(fate.rest, Applied), fate
        assert sent_inline(strange) == [{"A-1": [ids["mia"]]}]
        assert list(await hubspot.links(fate.progress.record_id, "contacts")) == [moved["id"]]


async def test_creates_of_more_orders_than_a_call_takes_leave_together():
    """A step waits for HubSpot once, however many orders it is about."""
    async with stand() as hubspot:
        await contacts(hubspot, "mia")
        wishes = [slot([mail("mia")], f"A-{number}") for number in range(250)]
        flow = complete(batch_of(*wishes), "t", ACCOUNT, hubspot.directory, hubspot.now)

        assert [call.name for call in next(flow)] == ["create"] * 3


class Moving(Stand):
    """Another flow learns a new id of the buyer while the create is under way."""

    to = ""

    async def send(self, call):
        if call.name == "create":
            self.directory.learn_target(named("mia"), self.to, self.now)
        return await super().send(call)
