"""Play the sessions of all pages, or of those named, and write what came: `python -m tests.sessions [PAGE…]`."""

import sys

from tests.sessions.pages import ROOT, Session, sessions, write
from tests.sessions.shell import alone, masked
from tests.sessions.stages import STAGES


def play(session: Session) -> list[list[str]]:
    """What came of each command."""
    with alone(), STAGES[session.stage]() as shell:
        return [shell.run(step.command) for step in session.steps]


def main() -> None:
    for session in sessions():
        if len(sys.argv) > 1 and str(session.page.relative_to(ROOT)) not in sys.argv[1:]:
            continue
        came = play(session)
        same = all(
            masked(list(step.output)) == masked(output)
            for step, output in zip(session.steps, came, strict=True)
        )
        if not same:
            write(next(s for s in sessions() if s.name == session.name), came)
        print(f"{session.name}: {'as it was' if same else 'written anew'}", flush=True)


if __name__ == "__main__":
    main()
