"""The generated pages: settings table, runbook, `.env.example`, JSON Schemas. `python -m service.reference`.

Run it at the root of the source tree (`make schemas` does); a test fails where a page has drifted.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import orjson

from service import schemas
from service.config import ALL, SECTIONS, Setting
from service.core import runbook

BEGIN: Final = "<!-- generated: settings -->"
END: Final = "<!-- end of generated -->"


def pages(root: Path) -> Iterator[tuple[Path, str]]:
    """Every generated file with the text it should have."""
    configuration = root / "docs" / "configuration.md"
    yield configuration, _filled(configuration.read_text(), settings_table())
    yield root / "docs" / "runbook.md", runbook.page()
    yield root / ".env.example", env_example()
    for name, document in schemas.documents().items():
        yield root / "schemas" / name, schemas.text(document)


def settings_table() -> str:
    """A table a section, in Markdown."""
    return "\n".join(_section(section) for section in SECTIONS)


def env_example() -> str:
    """Every setting with its default; what is required stands uncommented."""
    lines = [
        "# Every setting of ordersync. What is commented out shows the default.",
        "# `docker run --env-file`, compose and `set -a; . ./.env` all read this.",
    ]
    for section in SECTIONS:
        lines += ["", f"# {_title(section)}"]
        for setting in ALL:
            if setting.section == section:
                lines += [f"# {setting.description}", _assignment(setting)]
    return "\n".join(lines) + "\n"


def _section(section: str) -> str:
    rows = [setting for setting in ALL if setting.section == section]
    return (
        f"### {_title(section)}\n\n| variable | default | |\n|---|---|---|\n"
        + "\n".join(f"| `{row.name}` | {_default(row)} | {row.description} |" for row in rows)
        + "\n"
    )


def _title(section: str) -> str:
    return (SECTIONS[section].__doc__ or section).splitlines()[0].rstrip(".")


def _default(setting: Setting) -> str:
    if setting.required:
        return "required"
    return "-" if setting.default is None else f"`{_text(setting.default)}`"


def _assignment(setting: Setting) -> str:
    if setting.required or setting.field == "token":
        return f"{setting.name}={_EXAMPLES[setting.field]}"
    return f"#{setting.name}={_text(setting.default)}"


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case tuple():
            return ",".join(value)
        case _:
            return orjson.dumps(value).decode()


_EXAMPLES: Final = {
    "url": "amqp://guest:guest@localhost:5672/",
    "id_property": "shop_order_id",
    "token": "your-private-app-token",
}


def _filled(page: str, table: str) -> str:
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table}\n{END}{after}"


def main() -> None:
    """Write every page."""
    for path, text in pages(Path.cwd()):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
