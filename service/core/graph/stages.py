"""Before the orders: the ids of the stages that events name.

An unknown stage is refused only by a list that was read for this very try: a stage may be new.
"""

from collections.abc import Mapping, Sequence

from service.core.events.graph import Stage
from service.core.events.order_event import ORDERS
from service.core.graph.directory import Directory
from service.core.graph.pipelines import OrderPipeline, StageIds, Unknown, pipelines_of, resolve
from service.core.graph.steps import Reply, Step
from service.core.graph.work import Work, unresolved
from service.core.hubspot.answers import BatchReply
from service.core.hubspot.requests import ListCall
from service.core.hubspot.verdicts import Cause, Rejected, Retryable
from service.core.reasons import Code, Reason
from service.core.waiting.claims import STAGE_PROPERTIES


def find_stages(
    works: Sequence[Work], ids: dict[Stage, StageIds], directory: Directory, now: float
) -> Step[bool]:
    """Fill in the ids of every stage; orders that name an unknown one are refused.

    Returns whether the ids are those of a remembered list.
    """
    wanted = {stage for work in works for stage in _stages(work) if not work.written}
    if not wanted:
        return False
    known = directory.pipelines(now)
    remembered = known
    if known is None or any(isinstance(resolve(stage, known), Unknown) for stage in wanted):
        (reply,) = yield (ListCall("pipelines", ORDERS),)
        known = _read(reply)
        if known is None:
            _unread(works)
            return False
        directory.learn_pipelines(known, now)
    found = {stage: resolve(stage, known) for stage in wanted}
    ids |= {stage: each for stage, each in found.items() if isinstance(each, StageIds)}
    for work in works:
        for stage in _stages(work):
            if isinstance(unknown := found.get(stage), Unknown):
                work.refused = Rejected(Reason(Code.STAGE_UNKNOWN, unknown.message))
    return known is remembered


def doubt_stages(works: Sequence[Work], directory: Directory) -> None:
    """A stage that a remembered list has and HubSpot refuses may be another one by now: the list is read anew first."""
    for work in works:
        match work.refused:
            case Rejected(reason) if reason.property in STAGE_PROPERTIES and any(_stages(work)):
                directory.forget_pipelines()
                work.refused = Retryable(reason, Cause.RECORD)


def values_of(work: Work, ids: Mapping[Stage, StageIds]) -> dict[str, str]:
    """The values that the order's write carries: field by field the latest, stages by their ids."""
    values: dict[str, str] = {}
    for event in work.events:
        values.update(event.values)
        if event.graph is not None and event.graph.stage is not None:
            values |= zip(STAGE_PROPERTIES, ids[event.graph.stage], strict=True)
    return {name: value for name, value in values.items() if name not in work.older}


def _stages(work: Work) -> list[Stage]:
    graphs = (event.graph for event in work.events)
    return [graph.stage for graph in graphs if graph is not None and graph.stage is not None]


def _read(reply: Reply) -> tuple[OrderPipeline, ...] | None:
    if not isinstance(reply, BatchReply) or reply.status != 200:
        return None
    body = reply.document
    return None if body is None else pipelines_of(body)


def _unread(works: Sequence[Work]) -> None:
    failure = unresolved(Code.UNCONFIRMED, "the account's pipelines could not be read")
    for work in works:
        if _stages(work):
            work.refused = failure
