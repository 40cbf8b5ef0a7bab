"""suspicion: a pause is everybody's, a refusal is one order's, and it takes solitude to tell them apart."""

from collections.abc import Callable
from itertools import count
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.core.hubspot.pauses import Doubt, Pause, Pulse
from service.core.hubspot.suspicion import ALONE, LAST, LONESOME
from service.core.hubspot.verdicts import Applied, Cause, Halted, Rejected, Retryable, Verdict
from service.core.reasons import Code, Reason
from service.core.settlement.retries import NEVER, Exhausted, Finish, PutBack, RetryPolicy, decide
from service.core.waiting.backlog import Backlog
from service.core.waiting.batch import Batch, BatchPolicy
from tests.strategies import batch, contribution, slot

SCOPE = Halted(Reason(Code.SCOPE_MISSING, "the app lacks a scope", 403, "MISSING_SCOPES"))
BROKEN = Retryable(Reason(Code.SERVER_ERROR, "HubSpot answered 500", 500), Cause.SERVER)
WRITTEN = Applied("17", created=False)


class Play:
    """A backlog, a HubSpot that is a function of the batch, probes, pauses that hold; in virtual time."""

    def __init__(
        self,
        answer: Callable[[Batch, float], list[Verdict]],
        probe: Callable[[float], bool] = lambda _: True,
    ) -> None:
        self.answer, self.probe = answer, probe
        self.backlog, self.pulse = Backlog(BatchPolicy()), Pulse()
        self.now, self.calls, self.probes = 0.0, 0, 0
        self.pauses: list[Pause] = []
        self.ends: dict[str, Verdict | Exhausted] = {}
        self._numbers = count(1)

    def add(self, *keys: str) -> None:
        for key in keys:
            self.backlog.add(contribution(key=key), self.now)

    def run(self, until: float = 1e9) -> None:
        """Until nothing is held, or until that moment."""
        while (due := self.backlog.next_due()) is not None:
            self.now = max(self.now + 0.1, due)  # a call takes that long, one at a time
            if self.now > until:
                return
            if (taken := self.backlog.take(self.now)) is not None:
                self._carry(taken)

    def _carry(self, taken: Batch) -> None:
        self.calls += 1
        paused = len(self.pauses)
        verdicts = self.answer(taken, self.now)
        match self.pulse.note(taken, verdicts, self.now):
            case Doubt() as doubt:
                self._ask(doubt)
            case Pause() as pause:
                self._wait(pause)
        weighed = self.pulse.weigh(taken, verdicts, self.now)
        policy = RetryPolicy() if len(self.pauses) == paused else NEVER
        steps = decide(
            taken,
            weighed,
            policy,
            self.now,
            lambda: 0.5,
            lambda: next(self._numbers),
        )
        for step in steps:
            match step:
                case PutBack(same, parts):
                    self.backlog.put_back(same, *parts)
                case Finish(done, verdict):
                    self.ends[done.order.key] = verdict
                    self.backlog.finish(done)
        if len(self.pauses) > paused:  # what the desk does when it is over
            self.backlog.forgive()

    def _ask(self, doubt: Doubt) -> None:
        self.probes += 1
        if self.probe(self.now):
            self.pulse.passed(doubt, self.now)
        else:
            self._wait(self.pulse.confirmed(doubt))

    def _wait(self, pause: Pause) -> None:
        self.pauses.append(pause)
        self.now += pause.seconds
        failed = 0
        while not self.probe(self.now):
            failed += 1
            self.probes += 1
            self.now += self.pulse.probe_failed(failed)

    def ended(self, kind: type) -> list[str]:
        return sorted(key for key, end in self.ends.items() if isinstance(end, kind))


def _meets(bad: set[str], said: Verdict) -> Callable[[Batch, float], list[Verdict]]:
    """The whole call gets it where one of these is in it."""

    def answer(taken: Batch, _: float) -> list[Verdict]:
        met = any(s.order.key in bad for s in taken.slots)
        return [said if met else WRITTEN] * len(taken.slots)

    return answer


def _keys(numbers: set[int]) -> set[str]:
    return {f"A-{n}" for n in numbers}


@given(st.sets(st.integers(0, 99), min_size=1, max_size=40))
@settings(max_examples=40)
def test_who_alone_meets_a_fault_of_the_set_up_is_refused_and_stops_nobody(poison):
    play = Play(_meets(_keys(poison), SCOPE))
    play.add(*(f"A-{n}" for n in range(100)))

    play.run()

    assert play.ended(Rejected) == sorted(_keys(poison))
    assert play.ended(Applied) == sorted(_keys(set(range(100)) - poison))
    reasons = {end.reason.code for end in play.ends.values() if isinstance(end, Rejected)}
    assert reasons == {Code.REFUSED_ALONE}
    assert not play.pauses
    assert play.calls <= 30 * len(poison)
    assert play.probes <= 10 + 2 * len(poison)


@given(st.sets(st.integers(0, 99), min_size=1, max_size=20))
@settings(max_examples=20)
def test_an_entry_of_its_own_among_written_orders_is_proven_alone_too(poison):
    """A 207: the others are written beside it, and it is still tried alone before it is believed."""
    bad = _keys(poison)

    def answer(taken: Batch, _: float) -> list[Verdict]:
        return [SCOPE if s.order.key in bad else WRITTEN for s in taken.slots]

    play = Play(answer)
    play.add(*(f"A-{n}" for n in range(100)))
    play.run()

    assert play.ended(Rejected) == sorted(bad)
    assert not play.pauses
    assert play.calls <= 1 + 10 * len(bad)


@given(st.integers(1, 300), st.sampled_from([SCOPE, BROKEN]), st.floats(10.0, 5_000.0))
@settings(max_examples=40)
def test_what_everybody_meets_and_a_probe_too_is_a_pause_and_nobodys_refusal(orders, said, mended):
    def answer(taken: Batch, now: float) -> list[Verdict]:
        return [said if now < mended else WRITTEN] * len(taken.slots)

    play = Play(answer, lambda now: now >= mended)
    play.add(*(f"A-{n}" for n in range(orders)))
    play.run()

    assert len(play.ended(Applied)) == orders
    assert len(play.pauses) == 1
    assert play.calls <= 4 + orders  # to see it, and to write them afterwards


@given(st.integers(ALONE, 300), st.sampled_from([SCOPE, BROKEN]), st.floats(10.0, 5_000.0))
@settings(max_examples=40)
def test_what_every_order_meets_and_no_probe_sees_is_a_pause_too(orders, said, mended):
    """Every order has a property whose scope is missing: the probe is answered, and nobody is condemned."""

    def answer(taken: Batch, now: float) -> list[Verdict]:
        return [said if now < mended else WRITTEN] * len(taken.slots)

    play = Play(answer)
    play.add(*(f"A-{n}" for n in range(orders)))
    play.run()

    assert len(play.ended(Applied)) == orders
    assert play.pauses or mended < 20.0
    assert play.calls <= 60 * (1 + len(play.pauses)) + orders


@given(st.integers(2, ALONE - 1))
def test_a_few_orders_that_nobody_else_is_beside_are_never_condemned(orders):
    """They are all that there is: it may be everybody's."""
    play = Play(lambda taken, _: [SCOPE] * len(taken.slots))
    play.add(*(f"A-{n}" for n in range(orders)))

    play.run(until=3600.0)

    assert not play.ends
    assert play.calls <= 3600 / LAST * orders * 2

    play.answer = _meets({"A-0"}, SCOPE)
    play.run()
    assert play.ended(Rejected) == ["A-0"]


def test_one_order_that_is_all_there_is_ends_by_the_probes_word():
    play = Play(_meets({"A-1"}, SCOPE))
    play.add("A-1")

    play.run()

    end = play.ends["A-1"]
    assert isinstance(end, Rejected)
    assert end.reason.message.startswith("HubSpot refuses this order alone and answers a probe")
    assert 250.0 < play.now < 600.0
    assert play.calls <= LONESOME + 4
    assert not play.pauses


def test_a_probe_that_never_comes_condemns_nobody_either():
    """Whoever drives the core may be slow: no evidence, no proof."""
    pulse, alone = Pulse(), batch(slot(contribution(key="A-1")))

    for n in range(100):
        pulse.note(alone, [SCOPE], 100.0 * n)
        (said,) = pulse.weigh(alone, [SCOPE], 100.0 * n)
        assert isinstance(said, Halted)


def test_a_written_order_is_a_suspect_no_more():
    """A fault that comes and goes: each time anew."""
    flaky = iter([False, True] * 1000)
    bad = {"A-1"}

    def answer(taken: Batch, _: float) -> list[Verdict]:
        met = any(s.order.key in bad for s in taken.slots) and next(flaky)
        return [SCOPE if met else WRITTEN] * len(taken.slots)

    play = Play(answer)
    for n in range(50):
        play.add("A-1", f"B-{n}")
        play.run()

    assert not play.ended(Rejected)


@pytest.mark.parametrize("share", [0.5, 0.8])
def test_a_fault_that_meets_every_second_call_condemns_nobody(share):
    """Two gateways, one of them without the scope; a probe meets either, too."""
    chance = Random(7)

    def met() -> bool:
        return chance.random() < share

    play = Play(
        lambda taken, _: [SCOPE if met() else WRITTEN] * len(taken.slots), lambda _: not met()
    )
    for start in range(0, 2000, 100):
        play.add(*(f"A-{n}" for n in range(start, start + 100)))
        play.run(until=play.now + 1.0)
    play.run()

    assert len(play.ended(Applied)) == 2000


def test_what_hubspot_asks_one_order_to_wait_is_bounded():
    pulse, alone = Pulse(), batch(slot(contribution(key="A-1")))
    hour = Halted(Reason(Code.SERVER_ERROR, "HubSpot answered 503", 503), 3600.0)

    pulse.note(alone, [hour], 0.0)
    (said,) = pulse.weigh(alone, [hour], 0.0)

    assert said == Halted(hour.reason, LAST)


def test_a_pause_frees_the_suspects():
    """What was everybody's is held against nobody."""
    pulse, alone = Pulse(), batch(slot(contribution(key="A-1")))
    said: list[object] = []
    for n in range(50):
        moment = 100.0 * n
        doubt = pulse.note(alone, [SCOPE], moment)
        assert isinstance(doubt, Doubt)
        said += pulse.weigh(alone, [SCOPE], moment)
        pulse.passed(doubt, moment + 1.0)
        if n % LONESOME == LONESOME - 1:
            pulse.confirmed(doubt)

    assert all(isinstance(each, Halted) for each in said)


def test_memory_is_bounded():
    pulse = Pulse()
    for n in range(12_000):
        taken = batch(slot(contribution(key=f"A-{n}", id_property=f"p{n}")))
        pulse.note(taken, [SCOPE], float(n))

    assert len(pulse._suspicion._suspects) == 5000
    assert len(pulse._suspicion._streaks) == 5000
