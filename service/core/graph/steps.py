"""The steps of a flow: calls that leave together, and what their answers come to.

Blame needs solitude, for lines and links as for orders: a refused call is taken apart until the answer is alone.
Records that the answer points at go apart from the rest; where it points at nobody, halves do. Taking n records apart
costs at most 2n calls, and the fault of one record costs no other record anything.
"""

from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

from service.core.hubspot.answers import BatchReply, NoReply
from service.core.hubspot.calls import portions
from service.core.hubspot.requests import Call
from service.core.hubspot.verdicts import Refused, Rejected, Verdict

T = TypeVar("T")
C = TypeVar("C", bound=Call)
Reply = BatchReply | NoReply
# The calls of a step leave together; their answers come back in the same order.
Step = Generator[tuple[Call, ...], tuple[Reply, ...], T]


def each_alone(
    things: Sequence[T],
    at_most: int,
    encode: Callable[[Sequence[T]], C],
    judge: Callable[[C, Reply], Sequence[Verdict]],
) -> Step[list[Verdict]]:
    """A verdict for every thing, in their order; none of them is `Refused`."""
    fates: list[Verdict | None] = [None] * len(things)
    groups = list(portions(range(len(things)), at_most))
    while groups:
        calls = tuple(encode([things[at] for at in group]) for group in groups)
        replies = yield calls
        again: list[list[int]] = []
        for group, call, reply in zip(groups, calls, replies, strict=True):
            verdicts = judge(call, reply)
            for at, verdict in zip(group, verdicts, strict=True):
                fates[at] = verdict
            again += _apart(group, verdicts)
        groups = again
    return [fate for fate in fates if fate is not None]


def _apart(group: Sequence[int], verdicts: Sequence[Verdict]) -> list[list[int]]:
    """The groups in which the refused are tried again."""
    refused = [(at, v) for at, v in zip(group, verdicts, strict=True) if isinstance(v, Refused)]
    named = [at for at, verdict in refused if verdict.named]
    others = [at for at, verdict in refused if not verdict.named]
    if not refused or len(group) == 1:
        return []
    if named and others:
        return [named, others]
    if others and any(isinstance(verdict, Rejected) for verdict in verdicts):
        return [others]
    both = named or others
    middle = (len(both) + 1) // 2
    return [half for half in (both[:middle], both[middle:]) if half]


def beside(*steps: Step[None]) -> Step[None]:
    """Several steps at once: the calls that they are ready to make leave together."""
    waiting = [(step, next(step, None)) for step in steps]
    while waiting := [(step, calls) for step, calls in waiting if calls is not None]:
        replies = yield tuple(call for _, calls in waiting for call in calls)
        answers = iter(replies)
        waiting = [
            (step, _sent(step, tuple(next(answers) for _ in calls))) for step, calls in waiting
        ]


def _sent(step: Step[None], replies: tuple[Reply, ...]) -> tuple[Call, ...] | None:
    try:
        return step.send(replies)
    except StopIteration:
        return None
