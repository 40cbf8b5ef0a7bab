"""Pages -> sessions, and back."""

import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    page
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/**/*.md"))
    if page.is_file()
)
_FENCE = re.compile(
    r"(?:^<!-- (?P<kind>session|not played): (?P<word>[^\n]+) -->\n)?^```console\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Step:
    """One command, as it is typed, and what comes."""

    command: str
    output: tuple[str, ...]


@dataclass(frozen=True)
class Fence:
    """One fence of a page. `stage` None: not played, `why`; both None: nobody said."""

    start: int  # of its text, in the page
    end: int
    stage: str | None
    why: str | None
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Session:
    """The fences of one page on one stage."""

    page: Path
    stage: str
    fences: tuple[Fence, ...]

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.stage}"

    @property
    def steps(self) -> list[Step]:
        return [step for fence in self.fences for step in fence.steps]


def fences(page: Path) -> list[Fence]:
    found = []
    for match in _FENCE.finditer(page.read_text()):
        stage = match["word"] if match["kind"] == "session" else None
        why = match["word"] if match["kind"] == "not played" else None
        start, end = match.span("text")
        found.append(Fence(start, end, stage, why, tuple(_steps(match["text"].splitlines()))))
    return found


def sessions() -> list[Session]:
    found = []
    for page in PAGES:
        played = [fence for fence in fences(page) if fence.stage]
        for stage in dict.fromkeys(fence.stage for fence in played if fence.stage):
            found.append(Session(page, stage, tuple(f for f in played if f.stage == stage)))
    return found


def _steps(lines: Sequence[str]) -> Iterator[Step]:
    rest = list(lines)
    while rest:
        first = rest.pop(0)
        if not first.startswith("$ "):
            raise ValueError(f"a session begins with a command, not with {first!r}")
        command = first[2:]
        while rest and not _whole(command):
            command += f"\n{rest.pop(0)}"
        output = []
        while rest and not rest[0].startswith("$ "):
            output.append(rest.pop(0))
        yield Step(command, tuple(output))


def _whole(command: str) -> bool:
    """Whether a shell would not ask for another line."""
    if command.endswith("\\"):
        return False
    checked = subprocess.run(["bash", "-n", "-c", command], capture_output=True, check=False)
    return checked.returncode == 0


def write(session: Session, outputs: Sequence[Sequence[str]]) -> None:
    """Put what came into the page, the last fence first, so that places stay."""
    text, rest = session.page.read_text(), list(outputs)
    for fence in reversed(session.fences):
        came = rest[len(rest) - len(fence.steps) :]
        del rest[len(rest) - len(fence.steps) :]
        lines: list[str] = []
        for step, output in zip(fence.steps, came, strict=True):
            lines += [f"$ {step.command}", *output]
        text = text[: fence.start] + "".join(f"{line}\n" for line in lines) + text[fence.end :]
    session.page.write_text(text)
