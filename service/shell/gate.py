"""Carries out what core.intake.gate decides: channels are closed and opened, HubSpot is asked how it is."""

from collections.abc import Callable

import structlog

from service.core.desk import Desk
from service.core.hubspot.pauses import Doubt, Pause
from service.core.hubspot.probe import probe
from service.core.hubspot.verdicts import Where
from service.core.intake.gate import Close, Open, ProbeFailed, Resumed, Standing, Wait
from service.core.reasons import Reason
from service.shell.line import Line
from service.shell.ports import Shell
from service.shell.wake import Wake
from service.watch.tally import Tally

log = structlog.get_logger(__name__)


class Gatekeeper:
    """`channels` and `probes` run until they are cancelled; `told` hears of every trouble."""

    def __init__(
        self,
        desk: Desk,
        line: Line,
        shell: Shell,
        tally: Tally,
        resumed: Callable[[], None],
    ) -> None:
        self._resumed = resumed
        self._desk, self._line, self._shell, self._tally = desk, line, shell, tally
        self._channels, self._probes = Wake(), Wake()

    def up(self) -> None:
        """Something has changed."""
        self._channels.up()
        self._probes.up()

    def told(self, trouble: Pause | Doubt) -> None:
        """A pause begins, or HubSpot is to be asked whether one should."""
        self._probes.up()
        if isinstance(trouble, Pause):
            self._tally.paused(trouble, self._shell.now, self._shell.stamp())

    async def channels(self) -> None:
        """Give back what was held too long, and consume again when nothing stands in the way."""
        while True:
            match self._desk.move(self._shell.now()):
                case Close(why, seconds):
                    log.warning("given_back", seconds=round(seconds, 1), why=why)
                    self._shell.close_intake()
                case Open():
                    self._shell.open_intake()
                case Wait(seconds):
                    await self._channels.within(seconds)

    async def probes(self) -> None:
        """Ask HubSpot when it is time to, until it answers."""
        while True:
            match self._desk.gate.question(self._shell.now()):
                case float() as wait:
                    await self._probes.within(wait)
                case question:
                    await self._ask(question)
                    self._channels.up()

    async def _ask(self, question: Standing | Doubt) -> None:
        found = await self._probe(question.where)
        match self._desk.answered(question, found, self._shell.now()):
            case Resumed(seconds):
                self._tally.resumed(seconds, self._shell.stamp())
                self._resumed()
            case ProbeFailed() as failed:
                self._tally.probe_failed(failed, self._shell.now, self._shell.stamp())
            case Pause() as pause:
                self.told(pause)
            case None:
                pass

    async def _probe(self, where: Where) -> Reason | None:
        asking = probe(where)
        call = next(asking)
        while True:
            reply = await self._line.call(call, "probe")
            try:
                call = asking.send(reply)
            except StopIteration as end:
                found: Reason | None = end.value
                return found
