"""What the pages say is there: links lead somewhere, tests that are named exist, defaults are the defaults."""

import re
from pathlib import Path

import pytest

from service import core
from service.cli.exits import Exit
from service.config import ALL, Setting

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    page
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/**/*.md"))
    if page.is_file()
)
README = (ROOT / "README.md").read_text()
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    prose = FENCED.sub("", page.read_text())
    targets = [t for t in re.findall(r"\]\(([^)#\s]+)", prose) if "://" not in t]

    assert not [t for t in targets if not (page.parent / t).exists()]


def test_the_tests_that_the_readme_calls_proofs_are_where_it_says() -> None:
    proofs = re.findall(r"\[`(test_\w+)`\]\(([^)]+)\)", README)

    assert len(proofs) >= 10
    for name, path in proofs:
        assert f"def {name}(" in (ROOT / path).read_text()


def test_the_readmes_settings_have_their_defaults() -> None:
    defaults = {s.name: s for s in ALL}
    rows = re.findall(r"^\| `(ORDERSYNC_\w+)` \| (\S+) \|", README, re.MULTILINE)

    assert len(rows) >= 10
    for name, shown in rows:
        assert shown.strip("`") == _default(defaults[name]), name


def _default(setting: Setting) -> str:
    match setting.default:
        case _ if setting.required:
            return "required"
        case None:
            return "-"
        case bool() as flag:
            return str(flag).lower()
        case float() as number:
            return f"{number:g}"
        case tuple() | list() as several:
            return ",".join(several)
        case default:
            return str(default)


def test_the_readme_names_every_exit_code() -> None:
    assert all(re.search(rf"\b{code.value} [a-zA-Z]", README) for code in Exit)


def test_no_two_decisions_share_a_number() -> None:
    numbers = [page.name[:4] for page in sorted(ROOT.glob("docs/adr/*.md"))]

    assert numbers == sorted(set(numbers))


def test_the_map_of_the_core_names_every_module_once() -> None:
    listed = re.findall(r"^ {4}(\w+(?:, \w+)*) ", core.__doc__ or "", re.MULTILINE)
    named = [name for line in listed for name in line.split(", ")]

    assert sorted(named) == _modules(ROOT / "service" / "core")


def test_the_map_of_the_rooms_names_every_module_of_the_shell() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    named = {Path(name).name for name in re.findall(r"`([\w/]+\.py|service/\w+/)`", text)}
    rooms = {room.parent.name for room in ROOT.glob("service/*/__init__.py")}

    assert {f"{name}.py" for name in _modules(ROOT / "service")} | rooms <= named


def test_the_glossary_sends_nobody_to_a_module_that_is_not_there() -> None:
    rows = re.findall(r"^\| \*\*.*\| ([^|]+) \|$", _page("glossary"), re.MULTILINE)
    named = {
        name for row in rows for name in re.findall(r"`([^`]+)`", row) if "/" in name or "." in name
    }

    assert len(rows) >= 40
    assert {name for name in named if not (ROOT / "service" / name).exists()} == set()


def _modules(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")


def _page(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text()
