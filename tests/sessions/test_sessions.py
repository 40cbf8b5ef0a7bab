"""What a page shows is what comes when somebody types it."""

import shutil
from pathlib import Path

import pytest

from tests.sessions.__main__ import play
from tests.sessions.pages import PAGES, ROOT, Session, fences, sessions
from tests.sessions.shell import masked
from tests.sessions.stages import STAGES

NEEDED = {"kept": ("make", "curl"), "checkout": ("make", "curl")}
VARIES = "make demo"  # how many events share a write differs from run to run
TRIGGERS = {"size", "retry", "linger", "early"}  # and so what let a batch leave


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_session_is_played_or_says_why_not(page: Path) -> None:
    silent = [f.steps[0].command for f in fences(page) if f.stage is None and f.why is None]

    assert not silent, "put <!-- session: STAGE --> or <!-- not played: WHY --> before the fence"
    assert {f.stage for f in fences(page) if f.stage} <= set(STAGES)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("session", sessions(), ids=lambda session: session.name)
def test_the_page_shows_what_comes(session: Session, server: Path) -> None:
    """Where it does not: look whether the page or the program is wrong, then `python -m tests.sessions`."""
    for program in NEEDED.get(session.stage, ()):
        if shutil.which(program) is None:
            pytest.skip(f"no {program} on the PATH: {session.name} is not played")

    for step, output in zip(session.steps, play(session), strict=True):
        shown, came = masked(list(step.output)), masked(output)
        if step.command.startswith(VARIES):
            assert _words(shown) ^ _words(came) <= TRIGGERS, "\n".join(output)
        else:
            assert came == shown, f"$ {step.command}\n" + "\n".join(output)


def _words(lines: list[str]) -> set[str]:
    """All but numbers, and the line of an installation, which happens once."""
    told = (line for line in lines if not line.startswith("installing "))
    return {word for line in told for word in line.split() if not word.strip(".").isdigit()}
