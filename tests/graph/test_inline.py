"""Links that a create brings with it: an order never pays for them, and none is believed that HubSpot does not show."""

import random
from dataclasses import replace

import orjson
import pytest

from service.core.hubspot.associations import LinkCall
from service.core.hubspot.calls import BatchCall
from service.core.hubspot.verdicts import Applied, Rejected, Retryable
from service.core.reasons import Code
from service.core.waiting.parts import PartStatus
from service.core.waiting.slots import slot_of
from service.twin import parse_fault
from tests.graph.driving import Stand, batch_of, stand
from tests.strategies import graph_contribution

CONTACTS = "/crm/v3/objects/contacts"


def slot(data, key="A-1", operation="create"):
    return slot_of(graph_contribution(data, operation, key), 0.0)


def mail(value, **more):
    return {"to": "contact", "by": "email", "value": value, **more}


def by_id(value, **more):
    return {"to": "contact", "by": "hs_object_id", "value": value, **more}


async def contact(hubspot, name):
    made = await hubspot.post(CONTACTS, {"properties": {"email": f"{name}@example.com"}})
    return made["id"]


def created_with(call):
    """How many of a create's inputs bring links."""
    return sum("associations" in each for each in orjson.loads(call.body)["inputs"])


def creates(hubspot):
    """Of each create of orders, how many of its inputs bring links."""
    return [
        created_with(call)
        for call in hubspot.calls
        if isinstance(call, BatchCall) and call.object == "orders" and call.endpoint == "create"
    ]


def made(hubspot):
    """The calls that make links on their own."""
    return [
        call for call in hubspot.calls if isinstance(call, LinkCall) and call.name == "link/create"
    ]


@pytest.mark.parametrize("given", ["by id", "remembered"])
async def test_a_known_record_is_linked_by_the_create_itself_and_looked_at(given):
    async with stand() as hubspot:
        mia = await contact(hubspot, "mia")
        wish = {"associations": [mail("mia@example.com") if given == "remembered" else by_id(mia)]}
        await hubspot.carry(batch_of(slot({"associations": [mail("mia@example.com")]}, "A-0")))
        if given == "by id":
            hubspot.directory = type(hubspot.directory)()
        hubspot.calls.clear()
        fates = await hubspot.carry(batch_of(slot(wish, "A-1"), slot(wish, "A-2")))

        assert all(isinstance(fate.rest, Applied) for fate in fates), fates
        assert creates(hubspot) == [2]
        assert not made(hubspot)
        for fate in fates:
            assert [part.status for part in fate.progress.links.values()] == [PartStatus.LINKED]
            assert list(await hubspot.links(fate.progress.record_id, "contacts")) == [mia]


@pytest.mark.parametrize("bad_target", ["207", "400"])
@pytest.mark.parametrize("on_missing", ["wait", "skip", "fail"])
async def test_a_record_that_is_not_there_costs_no_order_anything(bad_target, on_missing):
    async with stand(create_bad_target=bad_target) as hubspot:
        mia = await contact(hubspot, "mia")
        bad = {"associations": [by_id("424242", on_missing=on_missing)]}
        good = {"associations": [by_id(mia)]}
        slots = [slot(good, f"A-{n}") for n in range(20)]
        slots[7] = slot(bad, "A-7")
        fates = await hubspot.carry(batch_of(*slots))

        assert all(fate.progress.written for fate in fates)
        assert [n for n, fate in enumerate(fates) if not isinstance(fate.rest, Applied)] == (
            [] if on_missing == "skip" else [7]
        )
        # One call more, however many orders there are.
        assert len(creates(hubspot)) == 2
        assert hubspot.twin.stats()["records"]["orders"]["live"] == 20
        for n, fate in enumerate(fates):
            assert list(await hubspot.links(fate.progress.record_id, "contacts")) == (
                [] if n == 7 else [mia]
            )


class Dropping(Stand):
    """A HubSpot that creates the orders and drops their links without a word (reported of clients' models)."""

    async def send(self, call):
        if isinstance(call, BatchCall) and call.endpoint == "create" and created_with(call):
            self.calls.append(call)
            inputs = [
                {name: value for name, value in each.items() if name != "associations"}
                for each in orjson.loads(call.body)["inputs"]
            ]
            return await self.hubspot.send(replace(call, body=orjson.dumps({"inputs": inputs})))
        return await super().send(call)


async def test_a_link_that_hubspot_does_not_show_is_sent_on_its_own():
    async with stand() as hubspot:
        dropping = Dropping(hubspot.twin, hubspot.http, hubspot.hubspot)
        mia = await contact(hubspot, "mia")
        (fate,) = await dropping.carry(batch_of(slot({"associations": [by_id(mia)]})))

        assert isinstance(fate.rest, Applied), fate
        assert creates(dropping) == [1]
        assert len(made(dropping)) == 1
        assert list(await hubspot.links(fate.progress.record_id, "contacts")) == [mia]


async def test_a_link_that_could_not_be_looked_at_is_not_believed():
    async with stand() as hubspot:
        mia = await contact(hubspot, "mia")
        hubspot.twin.arm([parse_fault("empty operation=links to=contacts")])
        (fate,) = await hubspot.carry(batch_of(slot({"associations": [by_id(mia)]})))

        assert isinstance(fate.rest, Retryable), fate
        assert [part.status for part in fate.progress.links.values()] == [PartStatus.UNRESOLVED]


async def test_labels_are_left_to_the_link_s_own_call():
    async with stand(labels=("orders.contacts:Bill to",)) as hubspot:
        mia = await contact(hubspot, "mia")
        wish = {"associations": [by_id(mia, labels=["Bill to"])]}
        (fate,) = await hubspot.carry(batch_of(slot(wish)))

        assert isinstance(fate.rest, Applied), fate
        assert creates(hubspot) == [0]
        assert (await hubspot.links(fate.progress.record_id, "contacts"))[mia] == ["", "Bill to"]


async def test_a_key_that_is_taken_is_refused_at_once_and_the_holder_s_links_stay():
    async with stand() as hubspot:
        mia = await contact(hubspot, "mia")
        (first,) = await hubspot.carry(batch_of(slot({"properties": {"note": "x"}})))
        hubspot.calls.clear()
        (second,) = await hubspot.carry(batch_of(slot({"associations": [by_id(mia)]})))

        assert isinstance(second.rest, Rejected), second
        assert second.rest.reason.code is Code.ORDER_EXISTS
        assert creates(hubspot) == [1]
        assert await hubspot.links(first.progress.record_id, "contacts") == {}


async def test_two_names_of_one_record_of_which_a_later_event_takes_one_away():
    async with stand() as hubspot:
        mia = await contact(hubspot, "mia")
        await hubspot.carry(batch_of(slot({"associations": [mail("mia@example.com")]}, "A-0")))
        other = await contact(hubspot, "leo")
        # Exclusive, of somebody whom nobody has met: what came with the create goes.
        wish = {"associations": [mail("mia@example.com")]}
        later = {"associations": [mail("leo@example.com", exclusive=True)]}
        both = replace(
            slot(wish),
            contributions=(
                graph_contribution(wish, "create", "A-1"),
                graph_contribution(later, "upsert", "A-1"),
            ),
        )
        (fate,) = await hubspot.carry(batch_of(both))

        assert isinstance(fate.rest, Applied), fate
        assert list(await hubspot.links(fate.progress.record_id, "contacts")) == [other]
        assert mia != other


async def test_a_create_of_which_an_answer_says_nothing_is_not_sent_again_at_once():
    """It would meet its own first try and be called somebody else's order."""
    async with stand() as hubspot:
        hubspot.twin.arm(
            [
                parse_fault("vanish operation=create kind=orders key=A-1 times=1"),
                parse_fault("anonymous operation=create kind=orders key=A-2 times=1"),
            ]
        )
        wishes = [slot({"properties": {"note": "x"}}, f"A-{n}") for n in range(4)]
        fates = await hubspot.carry(batch_of(*wishes))

        assert isinstance(fates[1].rest, Retryable), fates[1]
        assert fates[1].rest.ambiguous
        again = [
            replace(each, ambiguous=True, attempts=1, progress=fate.progress)
            for each, fate in zip(wishes, fates, strict=True)
            if not isinstance(fate.rest, Applied)
        ]
        later = await hubspot.carry(batch_of(*again))
        assert all(isinstance(fate.rest, Applied) for fate in later), later
        assert hubspot.twin.stats()["records"]["orders"]["live"] == 4


@pytest.mark.parametrize("seed", range(30))
async def test_law_creates_end_with_their_links_whatever_is_cut_and_missing(seed):
    dice = random.Random(seed)
    async with stand(seed=seed, create_bad_target=dice.choice(["207", "400"])) as hubspot:
        people = [await contact(hubspot, name) for name in "abc"]
        cut = parse_fault(
            f"cut rate=0.3 written={dice.choice(['true', 'false'])} operation=create,link,links times=6"
        )
        hubspot.twin.arm([cut])
        wanted, left = {}, {}
        for n in range(6):
            some = dice.sample(range(3), dice.randrange(1, 4))
            links = [
                by_id(people[at]) if dice.random() < 0.5 else mail(f"{'abc'[at]}@example.com")
                for at in some
            ]
            if dice.random() < 0.3:
                links.append(by_id("424242", on_missing="skip"))
            wanted[f"A-{n}"] = {people[at] for at in some}
            left[f"A-{n}"] = slot({"properties": {"note": str(n)}, "associations": links}, f"A-{n}")
        for _ in range(20):
            if not left:
                break
            fates = await hubspot.carry(batch_of(*left.values()))
            for (key, each), fate in zip(list(left.items()), fates, strict=True):
                assert not isinstance(fate.rest, Rejected), fate
                if isinstance(fate.rest, Applied):
                    del left[key]
                    continue
                left[key] = replace(
                    each, progress=fate.progress, attempts=each.attempts + 1, ambiguous=True
                )

        assert not left
        for key, targets in wanted.items():
            held = await hubspot.order(key)
            assert set(await hubspot.links(held["id"], "contacts")) == targets
        assert hubspot.twin.stats()["records"]["orders"]["live"] == 6
