"""The second step: the records that links go to, by name.

HubSpot may answer with another name than it was asked by: an e-mail is a contact's second address
(`hs_additional_emails`), an id was merged into another (`hs_merged_object_ids`). A name that no result of the
answer fits is asked again alone: then the one result is its record, two are one too many, none is a missing
target.

A missing target is made where the event says so, and never overwritten: batch/create, and where somebody else was
quicker (409) the record that is there is taken.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from service.core.events.graph import Link, Target, Unlink
from service.core.events.order_graph import EMAIL, as_named
from service.core.graph import judging
from service.core.graph.directory import Directory
from service.core.graph.orders import RECORDS, Names
from service.core.graph.steps import Reply, Step, each_alone
from service.core.graph.work import Ambiguous, Answer, Work
from service.core.hubspot import calls, lookups
from service.core.hubspot.answers import BatchReply, name_of
from service.core.hubspot.calls import BatchCall, Record, portions
from service.core.hubspot.lookups import Found, Missing
from service.core.hubspot.verdicts import Applied, Cause, Refused, Rejected, Retryable, Verdict
from service.core.reasons import Code, Reason
from service.core.waiting.parts import PartStatus

# Beside the name itself, the properties that hold a record's other names.
_OTHER_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    EMAIL: (EMAIL, "hs_additional_emails"),
    "hs_object_id": ("hs_merged_object_ids",),
}


def find_targets(works: Sequence[Work], directory: Directory, now: float) -> Step[None]:
    """Give every target of every order its record id, or its verdict."""
    asked = dict.fromkeys(
        link.target
        for work in works
        if work.refused is None
        for link in work.wanted_links
        if directory.target(link.target, now) is None
    )
    answers = yield from _ask(list(asked))
    for target, answer in answers.items():
        if isinstance(answer, Found):
            directory.learn_target(target, answer.record_id, now)
    for work in works:
        for link in work.wanted_links:
            record_id = directory.target(link.target, now)
            if record_id is not None:
                if link.target not in answers and link.target not in work.targets:
                    work.remembered.add(link.target)
                work.targets[link.target] = record_id
            elif link.target in answers:
                work.unfound[link.target] = answers[link.target]


def make_targets(
    works: Sequence[Work], directory: Directory, now: float, names: Names
) -> Step[None]:
    """Make the missing targets that events of written orders want made.

    One that several events want made is made by the first of them; where its values are refused, by the next.
    """
    while (yield from _made_some(works, directory, now, names)):
        pass


def _made_some(works: Sequence[Work], directory: Directory, now: float, names: Names) -> Step[bool]:
    """One round: a try per missing target; whether there was anything to try."""
    wanted: dict[Target, Link] = {}
    for work in works:
        for link in work.wanted_links if work.going else ():
            if isinstance(link, Link) and _to_be_made(work, link):
                wanted.setdefault(link.target, link)
    fates: dict[Target, Verdict] = {}
    for (name, by), links in _by_kind(wanted.values()):
        verdicts = yield from each_alone(
            [Record(link.target.value, link.properties) for link in links],
            RECORDS,
            lambda some, name=name, by=by: calls.chosen(  # type: ignore[misc]
                calls.records(name, "create", by, some, next(names)), by_event=True
            ),
            judging.of_records,
        )
        fates |= {link.target: verdict for link, verdict in zip(links, verdicts, strict=True)}
    taken = [target for target, verdict in fates.items() if _taken(verdict)]
    found = yield from _ask(taken)
    for target, verdict in fates.items():
        known = found.get(target)
        if isinstance(verdict, Applied) and verdict.record_id is not None:
            directory.learn_target(target, verdict.record_id, now)
        elif isinstance(known, Found):
            directory.learn_target(target, known.record_id, now)
    for work in works:
        _give(work, wanted, directory, now, fates)
    return bool(wanted)


def settle_missing(works: Sequence[Work]) -> None:
    """What each event says of a target that is not there."""
    for work in works:
        for link in work.wanted_links if work.going else ():
            if link.target in work.targets:
                continue
            if isinstance(link, Link):
                _missing(work, link, work.unfound.get(link.target, Missing()))
            elif isinstance(work.unfound.get(link.target), Missing | None):
                # Where nobody has such a name there is no link to it.
                work.link(link.target, PartStatus.UNLINKED)
            else:
                _missing(work, link, work.unfound[link.target])


def _missing(work: Work, link: Any, answer: Answer) -> None:
    target = link.target
    to, by, value = link.spelt
    match answer:
        case Missing() if link.on_missing == "skip":
            work.link(target, PartStatus.SKIPPED)
        case Missing() if link.on_missing == "fail":
            reason = Reason(
                Code.ASSOCIATION_TARGET_MISSING, f"HubSpot has no {to} whose {by} is {value}"
            )
            work.link(target, PartStatus.NOT_FOUND, Rejected(reason))
        case Missing():
            message = f"HubSpot has no {to} whose {by} is {value} yet"
            reason = Reason(Code.ASSOCIATION_TARGET_MISSING, message)
            work.link(target, PartStatus.NOT_FOUND, Retryable(reason, Cause.MISSING))
        case Ambiguous():
            message = f"more than one {to} answers to {by} {value}: name it by its record id"
            work.link(
                target,
                PartStatus.REFUSED,
                Rejected(Reason(Code.ASSOCIATION_TARGET_AMBIGUOUS, message)),
            )
        case Rejected(reason):
            told = Reason(
                code=Code.ASSOCIATION_REFUSED,
                message=f"{to} {by} {value}: {reason.message}",
                http_status=reason.http_status,
                category=reason.category,
                correlation_id=reason.correlation_id,
                property=reason.property,
            )
            work.link(target, PartStatus.REFUSED, Rejected(told))
        case Found() | Applied():
            raise AssertionError(answer)
        case verdict:
            work.link(target, PartStatus.UNRESOLVED, verdict)  # type: ignore[arg-type]


def _to_be_made(work: Work, link: Link) -> bool:
    return isinstance(work.unfound.get(link.target), Missing) and link.on_missing == "create"


def _taken(verdict: Verdict) -> bool:
    return isinstance(verdict, Rejected) and verdict.reason.code in {
        Code.CONFLICT,
        Code.VALUE_TAKEN,
    }


def _give(
    work: Work,
    tried: Mapping[Target, Link],
    directory: Directory,
    now: float,
    fates: Mapping[Target, Verdict],
) -> None:
    """The record to everybody who names it; a refusal to those alone who asked for the very same."""
    asked = {link.target: link for link in work.wanted_links}
    for target, verdict in fates.items():
        if target not in work.unfound:
            continue
        record_id = directory.target(target, now)
        if record_id is not None:
            work.targets[target] = record_id
            del work.unfound[target]
        elif work.going and _same(asked[target], tried[target]):
            work.unfound[target] = verdict


def _same(link: Link | Unlink, tried: Link) -> bool:
    if not isinstance(link, Link) or link.on_missing != "create":
        return False
    return link.properties == tried.properties


# --- by name ----------------------------------------------------------------------------------------------


def _ask(targets: Sequence[Target]) -> Step[dict[Target, Answer]]:
    """What HubSpot says of every name: together first, then alone where the answer does not say."""
    answers: dict[Target, Answer] = {}
    together = list(_hundreds(targets))
    calls_out = tuple(_call(some) for some in together)
    replies_in = (yield calls_out) if calls_out else ()
    for some, call, reply in zip(together, calls_out, replies_in, strict=True):
        answers |= dict(zip(some, _read(some, call, reply), strict=True))
    silent = [target for target, answer in answers.items() if _to_be_asked_alone(answer)]
    calls_out = tuple(_call([target]) for target in silent)
    replies_in = (yield calls_out) if calls_out else ()
    for target, call, reply in zip(silent, calls_out, replies_in, strict=True):
        answers[target] = _read_alone(target, call, reply)
    return answers


def _hundreds(targets: Iterable[Target]) -> Iterator[list[Target]]:
    for _, group in groupby(sorted(targets), key=lambda target: target[:2]):
        yield from portions(group, RECORDS)


def _by_kind(links: Iterable[Link]) -> Iterator[tuple[tuple[str, str], list[Link]]]:
    ordered = sorted(links, key=lambda link: link.target)
    for kind, group in groupby(ordered, key=lambda link: (link.target.object, link.target.by)):
        yield kind, list(group)


def _call(targets: Sequence[Target]) -> BatchCall:
    name, by, _ = targets[0]
    others = _OTHER_NAMES.get(by, ())
    named = [target.value for target in targets]
    return calls.chosen(calls.look_up(name, by, named, others), by_event=True)


def _read(targets: Sequence[Target], call: BatchCall, reply: Reply) -> list[Answer]:
    known: list[Answer] = list(lookups.read_keys(call, reply))
    if not isinstance(reply, BatchReply) or not reply.accepted:
        return known
    at_name = {target.value: at for at, target in enumerate(targets)}
    by = targets[0].by
    for result in reply.results:
        record_id = name_of(result.get("id"))
        for name in _names(result, by) if record_id is not None else ():
            at = at_name.get(as_named(by, name))
            if at is None or record_id is None:
                continue
            before = known[at]
            other = isinstance(before, Found) and before.record_id != record_id
            known[at] = Ambiguous() if other else Found(record_id)
    return known


def _read_alone(target: Target, call: BatchCall, reply: Reply) -> Answer:
    """Alone, the one result is the record, whatever it is called."""
    (known,) = _read([target], call, reply)
    if not _says_nothing(known) or not isinstance(reply, BatchReply):
        return known
    ids = {name_of(each.get("id")) for each in reply.results} - {None}
    if len(ids) == 1:
        return Found(str(ids.pop()))
    return Ambiguous() if ids else known


def _names(result: Mapping[str, Any], by: str) -> Iterator[str]:
    properties = result.get("properties")
    held = properties if isinstance(properties, Mapping) else {}
    if by == "hs_object_id":
        yield str(result.get("id"))
    for name in (by, *_OTHER_NAMES.get(by, ())):
        value = held.get(name)
        yield from str(value).split(";") if isinstance(value, str | int) else ()


def _to_be_asked_alone(answer: Answer) -> bool:
    """A call that was refused as a whole says nothing of the single names either."""
    return _says_nothing(answer) or isinstance(answer, Refused)


def _says_nothing(answer: Answer) -> bool:
    return isinstance(answer, Retryable) and answer.cause is Cause.SILENCE
