"""Laws of what events of one order ask for together: lines and links end as one by one they would."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from service.core.events.graph import Lines, Link, Target
from service.core.graph.link_plans import link_plans
from service.core.waiting.claims import overtaken_by
from service.core.waiting.slots import Slot, coalesce, overwriter, slot_of
from service.core.waiting.wishes import Wish, wish_of
from tests.strategies import graph_contribution

KEYS = st.sampled_from(["1", "2", "3"])
VALUES = st.dictionaries(st.sampled_from("ab"), st.sampled_from(["x", "y"]), max_size=2)
ITEMS = st.dictionaries(KEYS, VALUES, max_size=3).map(
    lambda items: [{"key": key, "properties": values} for key, values in items.items()]
)
REPLACE = ITEMS.map(lambda items: {"mode": "replace", "items": items})
MERGE = st.tuples(ITEMS, st.sets(KEYS, max_size=2)).map(
    lambda drawn: {
        "mode": "merge",
        "items": drawn[0],
        "remove": sorted(drawn[1] - {item["key"] for item in drawn[0]}),
    }
)
# Record 7 has two names; nobody can tell from the events.
TARGETS = {
    Target("contacts", "email", "a@x.example"): "7",
    Target("contacts", "hs_object_id", "7"): "7",
    Target("contacts", "email", "b@x.example"): "8",
    Target("companies", "no", "c"): "9",
}
NAMED = st.sampled_from([tuple(target) for target in TARGETS])
LINKS = st.lists(
    st.tuples(NAMED, st.sampled_from([None, [], ["L"], ["L", "M"]]), st.booleans(), st.booleans()),
    max_size=3,
    unique_by=lambda drawn: drawn[0],
)


def _parts(drawn) -> dict[str, Any]:
    made: dict[str, Any] = {"associations": [], "dissociations": []}
    alone: set[str] = set()
    for (to, by, value), labels, exclusive, unlinked in drawn:
        link = {"to": to, "by": by, "value": value}
        if unlinked:
            made["dissociations"].append(link)
            continue
        only = exclusive and to not in alone
        alone |= {to} if only else set()
        given = {} if labels is None else {"labels": labels}
        made["associations"].append(link | given | {"exclusive": only})
    return made


EVENTS = st.lists(
    st.fixed_dictionaries(
        {"properties": st.dictionaries(st.sampled_from("pq"), st.just("v"), max_size=2)},
        optional={"line_items": st.one_of(REPLACE, MERGE)},
    ).flatmap(lambda data: LINKS.map(lambda links: data | _parts(links))),
    min_size=1,
    max_size=5,
)
State = tuple[dict[str, dict[str, str]], dict[str, dict[str, set[str]]]]


def apply_lines(held: dict[str, dict[str, str]], lines: Lines) -> dict[str, dict[str, str]]:
    """One event's lines on what HubSpot holds; a line that was gone begins with nothing."""
    after = {key: held.get(key, {}) | dict(values) for key, values in lines.items.items()}
    if lines.replaces:
        return after
    return {key: values for key, values in held.items() if key not in lines.remove} | after


def apply_links(held: dict[str, dict[str, set[str]]], links) -> dict[str, dict[str, set[str]]]:
    """One event's links on the links that are there: record id -> labels, per object type."""
    after = {name: {each: set(labels) for each, labels in of.items()} for name, of in held.items()}
    named = {
        name: {TARGETS[each.target] for each in links if each.target.object == name}
        for name in after
    }
    for link in links:
        of, record_id = after[link.target.object], TARGETS[link.target]
        if isinstance(link, Link):
            of[record_id] = of.get(record_id, set()) if link.labels is None else set(link.labels)
        else:
            of.pop(record_id, None)
    for link in links:
        if isinstance(link, Link) and link.exclusive:
            kind = link.target.object
            after[kind] = {
                each: labels for each, labels in after[kind].items() if each in named[kind]
            }
    return after


def carried_out(held: dict[str, dict[str, set[str]]], wish: Wish) -> dict[str, dict[str, set[str]]]:
    after = {name: dict(of) for name, of in held.items()}
    for name, plan in link_plans(wish.links, TARGETS).items():
        kept = {each: labels for each, labels in held[name].items() if plan.keeps(each)}
        wanted = {
            each: set(held[name].get(each, set()) if labels is None else labels)
            for each, labels in plan.wanted.items()
        }
        after[name] = kept | wanted
    return after


HELD_LINES = st.dictionaries(KEYS, VALUES, max_size=3)
HELD_LINKS = st.fixed_dictionaries(
    {
        "contacts": st.dictionaries(st.sampled_from("789"), st.sets(st.sampled_from("LMN"))),
        "companies": st.dictionaries(st.sampled_from("9"), st.sets(st.sampled_from("LMN"))),
    }
)


def merged(events) -> tuple[list[Slot], list]:
    """The slots that the events of one order make."""
    contributions = [graph_contribution(data) for data in events]
    slots = [slot_of(contributions[0], 0.0)]
    for contribution in contributions[1:]:
        together = coalesce(slots[-1], contribution)
        if together is None:
            slots.append(slot_of(contribution, 0.0))
        else:
            slots[-1] = together
    return slots, contributions


@given(EVENTS, HELD_LINES, HELD_LINKS)
@settings(max_examples=500, deadline=None)
def test_law_merged_lines_and_links_end_as_one_by_one(events, lines, links):
    slots, contributions = merged(events)
    lines_one, links_one = lines, links
    for each in contributions:
        lines_one = (
            lines_one
            if each.graph is None or each.graph.lines is None
            else apply_lines(lines_one, each.graph.lines)
        )
        links_one = links_one if each.graph is None else apply_links(links_one, each.graph.links)

    for slot in slots:
        wish = wish_of(slot.contributions)
        lines = lines if wish.lines is None else apply_lines(lines, wish.lines)
        links = carried_out(links, wish)

    assert lines == lines_one
    assert links == links_one


@given(EVENTS)
@settings(max_examples=300, deadline=None)
def test_law_superseded_exactly_when_every_claim_was_overtaken(events):
    slots, _ = merged(events)
    for slot in slots:
        assert overwriter(slot, len(slot.contributions) - 1) is None
        for at, contribution in enumerate(slot.contributions):
            laters = slot.contributions[at + 1 :]
            standing, by = overtaken_by(contribution, laters)
            assert overwriter(slot, at) is by
            assert by is None or not standing


def test_a_line_that_may_be_gone_and_is_named_again_keeps_apart():
    gone_and_back = [
        {"line_items": {"mode": "replace", "items": [{"key": "1"}]}},
        {"line_items": {"mode": "replace", "items": [{"key": "1"}, {"key": "2"}]}},
    ]

    assert len(merged(gone_and_back)[0]) == 2
    assert len(merged(gone_and_back[:1] * 2)[0]) == 1


def test_two_ways_to_deal_with_one_missing_target_keep_apart():
    link = {"to": "contact", "by": "email", "value": "a@x.example"}

    apart, together = ["skip", "wait"], ["skip", "skip"]

    for ways, slots in ((apart, 2), (together, 1)):
        events = [{"associations": [link | {"on_missing": way}]} for way in ways]
        assert len(merged(events)[0]) == slots
