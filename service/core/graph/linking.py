"""Beside the lines: the order's links to other records.

A link whose labels the event does not name keeps them, and HubSpot's create would replace them: so the links of orders
that were there before are read first, and one that is there is left alone. The new link is made first; others go only
when every link that the order is to have of that type is there (`exclusive`).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from service.core.events.graph import Link, Target
from service.core.events.order_event import ORDERS
from service.core.graph import judging
from service.core.graph.directory import Directory
from service.core.graph.link_plans import Labels, LinkPlan, link_plans
from service.core.graph.link_types import PLAIN, labels_of, types_for
from service.core.graph.reading import links_of
from service.core.graph.steps import Step, beside, each_alone
from service.core.graph.work import Work, unresolved
from service.core.hubspot import associations
from service.core.hubspot.answers import BatchReply
from service.core.hubspot.associations import (
    MADE_AT_MOST,
    REMOVED_AT_MOST,
    Linked,
    LinkType,
    Pair,
)
from service.core.hubspot.requests import ListCall
from service.core.hubspot.verdicts import Applied, Cause, Halted, Rejected, Retryable, Verdict
from service.core.reasons import Code, Reason
from service.core.waiting.parts import PartStatus


@dataclass(slots=True, eq=False)
class _Job:
    """One order's links to one object type."""

    work: Work
    plan: LinkPlan
    there: Mapping[str, Linked]
    known: bool


@dataclass(frozen=True, slots=True)
class _Memory:
    """What a link was made of that no call of this try has told: contacts merge, and labels go."""

    directory: Directory
    # The object type whose labels are remembered ones.
    labels: str | None

    def doubted(
        self, verdict: Verdict, targets: Sequence[Target], remembered: Collection[Target]
    ) -> Verdict:
        """A refusal of something remembered refuses nobody: it is forgotten, and asked anew at the next try."""
        old = [target for target in targets if target in remembered]
        about_record = isinstance(verdict, Retryable) and verdict.cause is Cause.RECORD
        if not (isinstance(verdict, Rejected) or about_record) or not (old or self.labels):
            return verdict
        for target in old:
            self.directory.forget(target)
        if self.labels is not None:
            self.directory.forget_labels(self.labels)
        return Retryable(verdict.reason, Cause.RECORD) if isinstance(verdict, Rejected) else verdict


def write_links(works: Sequence[Work], directory: Directory, now: float) -> Step[None]:
    """Make and remove the links of written orders, one object type beside the other."""
    plans = {work: link_plans(work.wish.links, work.targets) for work in works if work.going}
    kinds = sorted({kind for of in plans.values() for kind in of})
    yield from beside(*(_links_to(kind, plans, directory, now) for kind in kinds))


def _links_to(
    kind: str, plans: Mapping[Work, Mapping[str, LinkPlan]], directory: Directory, now: float
) -> Step[None]:
    planned = {work: of[kind] for work, of in plans.items() if kind in of}
    remembered = directory.labels(kind, now) is not None
    types = yield from _types(kind, planned.values(), directory, now)
    remembered = remembered and directory.labels(kind, now) is types
    to_read = [
        work for work, plan in planned.items() if kind in work.inline or _depends(work, plan)
    ]
    there = (yield from links_of(to_read, kind)) if to_read else {}
    jobs: list[_Job] = []
    for work, plan in planned.items():
        if work in to_read and work not in there:
            _unread(work, kind, plan)
            continue
        held = {each.target: each for each in there.get(work, ())}
        jobs.append(_Job(work, plan, held, known=work in there or work.unlinked))
    yield from _make(kind, jobs, types, _Memory(directory, kind if remembered else None))
    yield from _remove(kind, jobs)


def _depends(work: Work, plan: LinkPlan) -> bool:
    """Whether what there is to do depends on the links that are there."""
    return not work.unlinked and (
        plan.exclusive or any(each is None for each in plan.wanted.values())
    )


def _types(
    kind: str, plans: Iterable[LinkPlan], directory: Directory, now: float
) -> Step[Mapping[str | None, LinkType] | None]:
    """The account's link types, read where a label or an unknown object type asks for them.

    None where they are asked for and no answer holds them.
    """
    wanted = {
        label.strip().casefold()
        for plan in plans
        for labels in plan.wanted.values()
        for label in labels or ()
    }
    if kind in PLAIN and not wanted:
        return {}
    known = directory.labels(kind, now)
    if known is not None and wanted <= known.keys():
        return known
    (reply,) = yield (ListCall("labels", ORDERS, kind),)
    body = reply.document if isinstance(reply, BatchReply) and reply.status == 200 else None
    read = labels_of(body or {})
    # A pair of types has a plain type at least: a list of nothing is no list.
    if not read:
        return None
    directory.learn_labels(kind, read, now)
    return read


def _make(
    kind: str,
    jobs: Sequence[_Job],
    known: Mapping[str | None, LinkType] | None,
    memory: _Memory,
) -> Step[None]:
    wanted: list[tuple[_Job, str, tuple[LinkType, ...]]] = []
    for job in jobs:
        for record_id, labels in job.plan.wanted.items():
            types = _wanted_types(kind, job, record_id, labels, known)
            if types is not None:
                wanted.append((job, record_id, types))
    verdicts = yield from each_alone(
        wanted,
        MADE_AT_MOST,
        lambda some: associations.make(
            ORDERS, kind, [(_pair(job.work, record_id), types) for job, record_id, types in some]
        ),
        judging.of_links,
    )
    for (job, record_id, _), verdict in zip(wanted, verdicts, strict=True):
        doubted = memory.doubted(verdict, _targets(job.work, kind, record_id), job.work.remembered)
        _note(job.work, kind, record_id, PartStatus.LINKED, doubted)


def _wanted_types(
    kind: str,
    job: _Job,
    record_id: str,
    labels: Labels,
    known: Mapping[str | None, LinkType] | None,
) -> tuple[LinkType, ...] | None:
    """The types to send; None where nothing is to be sent, and it is said what became of the link."""
    held = job.there.get(record_id)
    if labels is None and held is not None:
        _note(job.work, kind, record_id, PartStatus.LINKED, Applied(record_id, None))
        return None
    if known is None and (labels or kind not in PLAIN):
        message = f"the account's labels of links from orders to {kind} could not be read"
        failure = unresolved(Code.ASSOCIATION_UNRESOLVED, message)
        _note(job.work, kind, record_id, PartStatus.LINKED, failure)
        return None
    known = known or {}
    types, unknown = types_for(kind, labels or (), known)
    if unknown or not types:
        there = ", ".join(sorted(name for name in known if name)) or "none"
        message = (
            f"the account has no label {', '.join(unknown)} for this pair of types; there are: {there}"
            if unknown
            else f"the account has no plain link from orders to {kind}"
        )
        _note(
            job.work,
            kind,
            record_id,
            PartStatus.LINKED,
            Rejected(Reason(Code.ASSOCIATION_REFUSED, message)),
        )
        return None
    if held is not None and held.types == frozenset(types):
        _note(job.work, kind, record_id, PartStatus.LINKED, Applied(record_id, None))
        return None
    return types


def _remove(kind: str, jobs: Sequence[_Job]) -> Step[None]:
    wanted: list[tuple[Work, str]] = []
    for job in jobs:
        others = [each for each in job.there if not job.plan.keeps(each)]
        for record_id in sorted({*others, *job.plan.unwanted}):
            if job.known and record_id not in job.there:
                _note(job.work, kind, record_id, PartStatus.UNLINKED, Applied(record_id, None))
            elif record_id in job.plan.unwanted or _all_there(job, kind):
                wanted.append((job.work, record_id))
    verdicts = yield from each_alone(
        wanted,
        REMOVED_AT_MOST,
        lambda some: associations.remove(ORDERS, kind, [_pair(work, each) for work, each in some]),
        judging.of_links,
    )
    for (work, record_id), verdict in zip(wanted, verdicts, strict=True):
        _note(work, kind, record_id, PartStatus.UNLINKED, verdict)
    silent = [each for each, v in zip(wanted, verdicts, strict=True) if isinstance(v, Retryable)]
    yield from _read_back(kind, silent)


def _read_back(kind: str, removed: Sequence[tuple[Work, str]]) -> Step[None]:
    """An answer that does not say what became of links: they are looked at."""
    if not removed:
        return
    there = yield from links_of([work for work, _ in removed], kind)
    for work, record_id in removed:
        if work in there and record_id not in {each.target for each in there[work]}:
            _note(work, kind, record_id, PartStatus.UNLINKED, Applied(record_id, None))


def _all_there(job: _Job, kind: str) -> bool:
    """Whether every link that is to be there of this type is, and no target of it is waited for."""
    work, wanted = job.work, job.plan.wanted
    for link in work.wanted_links:
        if link.target.object != kind or not isinstance(link, Link):
            continue
        if _is(work, link.target, PartStatus.SKIPPED):
            continue
        record_id = work.targets.get(link.target)
        if record_id is None:
            return False
        if record_id in wanted and not _is(work, link.target, PartStatus.LINKED):
            return False
    return True


def _is(work: Work, target: Target, status: PartStatus) -> bool:
    part = work.links.get(target)
    return part is not None and part.status is status


def _unread(work: Work, kind: str, plan: LinkPlan) -> None:
    failure = unresolved(
        Code.ASSOCIATION_UNRESOLVED, f"the order's links to {kind} could not be read"
    )
    for record_id in {*plan.wanted, *plan.unwanted}:
        _note(work, kind, record_id, PartStatus.LINKED, failure)


def _note(work: Work, kind: str, record_id: str, done: PartStatus, verdict: Verdict) -> None:
    targets = _targets(work, kind, record_id)
    if not targets and isinstance(verdict, Rejected | Retryable | Halted):
        work.fail(verdict)
    for target in targets:
        match verdict:
            case Applied():
                work.link(target, done)
            case Rejected():
                work.link(target, PartStatus.REFUSED, verdict)
            case Retryable() | Halted():
                work.link(target, PartStatus.UNRESOLVED, verdict)
            case _:
                raise AssertionError(verdict)


def _targets(work: Work, kind: str, record_id: str) -> list[Target]:
    """The names that an order's events have for a record; none for a link that only stands in the way."""
    return [t for t, each in work.targets.items() if each == record_id and t.object == kind]


def _pair(work: Work, record_id: str) -> Pair:
    return Pair(work.record_id or "", record_id)
