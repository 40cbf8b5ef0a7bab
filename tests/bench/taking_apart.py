"""What refusals that name nobody cost, by how many records are at fault: the desk against halving and the bound.

Pure: the desk is driven in one line, with HubSpot's answer computed; no clock, no sockets.
"""

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from math import log2

from service.core.departure import Departure
from service.core.desk import Desk
from service.core.hubspot.verdicts import Applied, Refused, Rejected, Verdict
from service.core.reasons import Code, Reason
from tests.core.test_desk import POLICIES
from tests.strategies import STAMP, contribution

RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
RECORDS = 10_000
SIZE = 100
# Calls under way at a time.
ABREAST = 4
REASON = Reason(Code.REFUSED, "no")


def taking_apart() -> None:
    """One line a rate."""
    print(
        f"    calls per 1,000 records that a refusal names nobody of, no merges, {RECORDS} records, seed 1"
    )
    print("    at fault   halving   now   bound   most calls of one record that is not at fault")
    for rate in RATES:
        guilty = drawn(rate, RECORDS, seed=1)
        calls, most = desk_calls(guilty)
        halving = sum(halving_calls(guilty[at : at + SIZE]) for at in range(0, RECORDS, SIZE))
        bound = max(1 / SIZE, -rate * log2(rate) - (1 - rate) * log2(1 - rate))
        per = 1000 / RECORDS
        print(
            f"    {rate * 100:6.1f} % {halving * per:8.0f} {calls * per:6.0f} {bound * 1000:6.0f} {most:6d}"
        )


def drawn(rate: float, records: int, seed: int) -> list[bool]:
    """Which of so many records are at fault: as many as the rate says, anywhere."""
    places = set(random.Random(seed).sample(range(records), round(rate * records)))
    return [at in places for at in range(records)]


def halving_calls(guilty: Sequence[bool]) -> int:
    """Calls for a batch whose halves are both tried after each refusal."""
    if len(guilty) == 1 or not any(guilty):
        return 1
    middle = (len(guilty) + 1) // 2
    return 1 + halving_calls(guilty[:middle]) + halving_calls(guilty[middle:])


def desk_calls(guilty: Sequence[bool]) -> tuple[int, int]:
    """Calls of the desk until all is settled, and those that carried one innocent record at most.

    Raises AssertionError where a record is refused that is not at fault, or in company, or one is missed.
    """
    desk = Desk(replace(POLICIES, batch=replace(POLICIES.batch, size=SIZE)), "t")
    arriving, turns = iter(range(len(guilty))), count()
    refused: list[str] = []
    calls = most = 0
    under_way: list[Departure] = []
    while True:
        now = float(next(turns))
        while desk.held < 20 * SIZE and (n := next(arriving, None)) is not None:
            desk.arrive(contribution(key=f"A-{n}").delivery, now)
        while len(under_way) < ABREAST and (departure := desk.depart(now)) is not None:
            under_way.append(departure)
        if not under_way and not desk.held:
            break
        if not under_way:
            continue
        departure, calls = under_way.pop(0), calls + 1
        judgement = desk.judged(departure, _answer(departure, guilty), now, STAMP, lambda: 0.5)
        if judgement.closing is None:
            continue
        for finish in judgement.closing.finished:
            if isinstance(finish.verdict, Rejected):
                assert len(departure.batch.slots) == 1
                refused.append(finish.slot.order.key)
            else:
                most = max(most, finish.slot.attempts)
        desk.settled(judgement.closing, now)
    assert sorted(refused) == sorted(f"A-{n}" for n, bad in enumerate(guilty) if bad)
    return calls, most


def _answer(departure: Departure, guilty: Sequence[bool]) -> list[Verdict]:
    slots = departure.batch.slots
    if not any(guilty[int(slot.order.key[2:])] for slot in slots):
        return [Applied("1", created=True)] * len(slots)
    return [Rejected(REASON)] if len(slots) == 1 else [Refused(REASON)] * len(slots)
