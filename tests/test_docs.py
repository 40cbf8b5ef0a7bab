"""What the pages say is there: tests that are named exist, defaults are the defaults."""

import re
from pathlib import Path

from service.cli.exits import Exit
from service.config import ALL, Setting

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


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
