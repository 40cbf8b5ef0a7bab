"""Wishes for links -> the links of one object type that there are to be, once every target has an id.

Two names may turn out to be one record (an e-mail and an id), so the events are gone through in their order here,
with ids, and not when they merge. The later wish for a record counts.

    wish                     wanted             the others
    link, labels given       exactly these
    link, labels absent      as they are; none, where an earlier event took the link away
    unlink                   no link
    exclusive link           as above           go, but for those that the same event names
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from service.core.events.graph import Link, Target, Unlink

Labels = tuple[str, ...] | None  # None = as they are


@dataclass(slots=True)
class LinkPlan:
    """Of one order and one object type: record ids with the labels that are wanted, and those that go."""

    wanted: dict[str, Labels] = field(default_factory=dict)
    unwanted: set[str] = field(default_factory=set)
    # Every other link of the type goes.
    exclusive: bool = False

    def keeps(self, record_id: str) -> bool:
        """Whether a link that is there may stay."""
        return record_id in self.wanted or not (self.exclusive or record_id in self.unwanted)


def link_plans(
    events: Iterable[Sequence[Link | Unlink]], ids: Mapping[Target, str]
) -> dict[str, LinkPlan]:
    """Object type -> plan. A target without an id (missing, and to be skipped) asks for nothing."""
    plans: dict[str, LinkPlan] = {}
    for links in events:
        known = [(link, ids[link.target]) for link in links if link.target in ids]
        earlier = {name: plan.exclusive for name, plan in plans.items()}
        for name in {each.target.object for each, _ in known if _excludes(each)}:
            named = {record_id for each, record_id in known if each.target.object == name}
            _exclude_others(plans.setdefault(name, LinkPlan()), named)
        for link, record_id in known:
            name = link.target.object
            plan = plans.setdefault(name, LinkPlan())
            _wish(plan, link, record_id, was_exclusive=earlier.get(name, False))
    return plans


def _excludes(link: Link | Unlink) -> bool:
    return isinstance(link, Link) and link.exclusive


def _exclude_others(plan: LinkPlan, named: set[str]) -> None:
    plan.exclusive = True
    plan.wanted = {each: labels for each, labels in plan.wanted.items() if each in named}


def _wish(plan: LinkPlan, link: Link | Unlink, record_id: str, *, was_exclusive: bool) -> None:
    if isinstance(link, Unlink):
        plan.wanted.pop(record_id, None)
        plan.unwanted.add(record_id)
        return
    if link.labels is not None:
        plan.wanted[record_id] = link.labels
    elif record_id not in plan.wanted:
        taken_away = was_exclusive or record_id in plan.unwanted
        plan.wanted[record_id] = () if taken_away else None
    plan.unwanted.discard(record_id)
