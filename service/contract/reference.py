"""The generated pages: settings table, runbook, `.env.example`, JSON Schemas. `python -m service.contract.reference`.

Run it at the root of the source tree (`make schemas` does); a test fails where a page has drifted.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import orjson

from service.contract import schemas
from service.core.letters import runbook
from service.settings.config import ALL, SECTIONS, Setting
from service.settings.misconfiguration import SECRETS_DIR, SECRETS_FOLDER

BEGIN: Final = "<!-- generated: settings -->"
END: Final = "<!-- end of generated -->"
_BESIDE: Final = "Beside the settings"
# What else of the environment is heeded: the first is ours, the others are the libraries'.
_OTHERS: Final = (
    (
        (SECRETS_DIR,),
        SECRETS_FOLDER,
        "folder of the secret files",
    ),
    (
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_…"),
        None,
        "OpenTelemetry's own, all of them. No traces unless it is set: [operate.md](operate.md#traces)",
    ),
    (
        ("HTTPS_PROXY", "NO_PROXY"),
        None,
        "the way to HubSpot through a proxy; RabbitMQ is always spoken to directly",
    ),
    (
        ("SSL_CERT_FILE", "SSL_CERT_DIR"),
        None,
        "certificates to trust HubSpot, or that proxy, by, instead of those of the package `certifi`",
    ),
)


def pages(root: Path) -> Iterator[tuple[Path, str]]:
    """Every generated file with the text it should have."""
    configuration = root / "docs" / "configuration.md"
    yield configuration, _filled(configuration.read_text(), settings_table())
    yield root / "docs" / "runbook.md", runbook.page()
    yield root / ".env.example", env_example()
    for name, document in schemas.documents().items():
        yield root / "schemas" / name, schemas.text(document)


def settings_table() -> str:
    """A table a section, in Markdown, and one of what is no setting of ours but heeded."""
    return "\n".join([*(_section(section) for section in SECTIONS), _others()])


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
    beside = ", ".join(names[0] for names, _, _ in _OTHERS)
    lines += ["", f"# {_BESIDE}, see docs/configuration.md: {beside}"]
    return "\n".join(lines) + "\n"


def _section(section: str) -> str:
    rows = [setting for setting in ALL if setting.section == section]
    return (
        f"### {_title(section)}\n\n| variable | default | |\n|---|---|---|\n"
        + "\n".join(f"| `{row.name}` | {_default(row)} | {row.description} |" for row in rows)
        + "\n"
    )


def _others() -> str:
    return f"### {_BESIDE}\n\n| variable | default | |\n|---|---|---|\n" + "".join(
        f"| {', '.join(f'`{name}`' for name in names)} | {f'`{default}`' if default else '-'} | {text} |\n"
        for names, default, text in _OTHERS
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
