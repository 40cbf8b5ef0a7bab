"""What the pages say is there: links lead somewhere, tests that are named exist, defaults are the defaults."""

import re
from pathlib import Path
from signal import SIGINT, SIGTERM

import pytest

from service.cli.exits import Exit
from service.settings.config import ALL, Setting

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


def test_the_settings_on_the_page_have_their_defaults() -> None:
    defaults = {s.name: s for s in ALL}
    rows = re.findall(r"^\| `(ORDERSYNC_\w+)` \| (\S+) \|", _page("configuration"), re.MULTILINE)

    shown = {name: default.strip("`") for name, default in rows if name in defaults}

    assert shown == {name: _default(setting) for name, setting in defaults.items()}


def _default(setting: Setting) -> str:
    match setting.default:
        case _ if setting.required:
            return "required"
        case None:
            return "-"
        case bool() as flag:
            return str(flag).lower()
        case float() as number:
            return str(number)
        case tuple() | list() as several:
            return ",".join(several)
        case default:
            return str(default)


def test_the_page_of_commands_has_a_row_for_every_exit_code() -> None:
    rows = re.findall(r"^\| (\d[\d, ]*) \|", _page("commands"), re.MULTILINE)

    named = {int(code) for row in rows for code in row.split(", ")}
    by_signal = {128 + SIGINT, 128 + SIGTERM}
    assert named == {code.value for code in Exit} | by_signal


def test_no_two_decisions_share_a_number() -> None:
    numbers = [page.name[:4] for page in sorted(ROOT.glob("docs/adr/*.md"))]

    assert numbers == sorted(set(numbers))


def test_the_first_page_of_every_room_names_all_that_is_in_it_once() -> None:
    pages = [ROOT / "service" / "__init__.py", *(ROOT / "service").glob("*/__init__.py")]
    pages += (ROOT / "service" / "core").glob("*/__init__.py")
    told_in_prose = {"twin", "cli", "doctor", "broker", "dead_letters"}

    for page in pages:
        if page.parent.name in told_in_prose:
            continue
        listed = re.findall(r"^ {4}(\w+(?:, \w+)*) ", page.read_text(), re.MULTILINE)
        named = [name for line in listed for name in line.split(", ")]
        assert sorted(named) == _entries(page.parent), page


def test_the_glossary_sends_nobody_to_a_module_that_is_not_there() -> None:
    rows = re.findall(r"^\| \*\*.*\| ([^|]+) \|$", _page("glossary"), re.MULTILINE)
    named = {
        name for row in rows for name in re.findall(r"`([^`]+)`", row) if "/" in name or "." in name
    }

    assert len(rows) >= 40
    assert {name for name in named if not (ROOT / "service" / name).exists()} == set()


def _entries(folder: Path) -> list[str]:
    modules = {path.stem for path in folder.glob("*.py") if path.stem != "__init__"}
    rooms = {page.parent.name for page in folder.glob("*/__init__.py")}
    return sorted(modules | rooms)


def _page(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text()
