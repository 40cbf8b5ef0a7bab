"""The links that orders have, page by page. A cursor that comes again leads nowhere new: that order is not read."""

from collections.abc import Mapping, Sequence

from service.core.events.order_event import ORDERS
from service.core.graph.steps import Step
from service.core.graph.work import Work
from service.core.hubspot import associations
from service.core.hubspot.answers import BatchReply
from service.core.hubspot.associations import READ_AT_MOST, Linked
from service.core.hubspot.calls import portions


def links_of(works: Sequence[Work], to: str) -> Step[Mapping[Work, tuple[Linked, ...]]]:
    """Order -> its links to an object type. An order that no answer speaks of is not in here."""
    orders = {work.record_id: work for work in works if work.record_id is not None}
    links: dict[Work, list[Linked]] = {}
    silent: set[Work] = set()
    wanted: list[tuple[str, str | None]] = [(record_id, None) for record_id in orders]
    turned = set(wanted)
    while wanted:
        calls = tuple(
            associations.read(ORDERS, to, some) for some in portions(wanted, READ_AT_MOST)
        )
        answers = yield calls
        wanted = []
        for call, reply in zip(calls, answers, strict=True):
            fine = isinstance(reply, BatchReply) and reply.accepted
            body = reply.document if fine and isinstance(reply, BatchReply) else None
            found = associations.found(call, body or {})
            for pair in call.pairs:
                page = found.get(pair.origin)
                if page is None:
                    silent.add(orders[pair.origin])
                    continue
                links.setdefault(orders[pair.origin], []).extend(page.links)
                if page.after is None:
                    continue
                if (pair.origin, page.after) in turned:
                    silent.add(orders[pair.origin])
                    continue
                turned.add((pair.origin, page.after))
                wanted.append((pair.origin, page.after))
    return {work: tuple(found) for work, found in links.items() if work not in silent}
