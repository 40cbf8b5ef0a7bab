"""Links that a create brings with it: plain ones, to records whose ids are known before anything is asked.

Law: an order never pays for its links. The answer to a create does not echo them (recorded: 201-orders-batch-create-ok
.json), and one record that is not there costs the order (400, "One or more associations are invalid") or the whole
batch (UNKNOWN with trace ids). So whoever is refused with links is created again without them, and a link is taken for
made only where HubSpot shows it (`linking`); else it is sent on its own, as every other link is.
"""

from collections.abc import Mapping
from typing import Final

from service.core.events.graph import Target
from service.core.events.order_event import RECORD_ID
from service.core.graph.directory import Directory
from service.core.graph.link_plans import link_plans
from service.core.graph.link_types import PLAIN
from service.core.graph.work import Work

# Object type -> record ids.
Inline = Mapping[str, tuple[str, ...]]
NONE: Final[Inline] = {}


def known_links(work: Work, directory: Directory, now: float) -> Inline:
    """The links that need no question: to record ids that events give, and to targets that are remembered.

    After a failure an order is created without: an answer that nobody knows may be about its links.
    """
    if work.slot.attempts:
        return NONE
    known = {link.target: _known(link.target, directory, now) for link in work.wanted_links}
    ids = {target: record_id for target, record_id in known.items() if record_id is not None}
    plans = link_plans(work.wish.links, ids)
    plain = {
        kind: tuple(record_id for record_id, labels in plan.wanted.items() if not labels)
        for kind, plan in plans.items()
        if kind in PLAIN
    }
    return {kind: found for kind, found in plain.items() if found}


def _known(target: Target, directory: Directory, now: float) -> str | None:
    record_id = directory.target(target, now)
    if record_id is None and target.by == RECORD_ID and target.value.isdecimal():
        return target.value
    return record_id
