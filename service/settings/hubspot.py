"""The settings of HubSpot: which account, how to be let in, and its limits.

A check that needs two fields is a check of the later one, so that every fault of a section is found at once.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, ConfigDict, Field, SecretStr, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from service.core.events.order_event import RECORD_ID
from service.core.hubspot.concurrency import MOST
from service.settings import addresses
from service.settings.misconfiguration import SECRETS_FOLDER, variable
from service.settings.section import Name, Section

_OAUTH: Final = ("client_id", "client_secret", "refresh_token")
_TOKEN: Final = re.compile(r"[!-~]+")


def _auto_or_number(value: Any) -> Any:
    if isinstance(value, str) and value.strip().lower() == "auto":
        return "auto"
    number = int(value) if str(value).strip().isdecimal() else 0
    if not 1 <= number <= MOST:
        raise PydanticCustomError("concurrency", f"must be auto, or a number from 1 to {MOST}")
    return number


def _of_yours(name: str) -> str:
    """The property by which orders are found; HubSpot's own record id cannot be written."""
    if name == RECORD_ID:
        raise PydanticCustomError(
            "id_property",
            "must be a unique property of yours: HubSpot gives hs_object_id out itself, so that no "
            "event could create an order by it",
        )
    return name


CallsInFlight = Annotated[int | Literal["auto"], BeforeValidator(_auto_or_number)]


class HubSpotSettings(Section):
    """The account, how to be let in, and its limits."""

    base_url: str = Field("https://api.hubapi.com", description="of HubSpot's API, or of the twin")
    api_version: str = Field(
        "v3",
        pattern=r"^(v3|20\d{2}-(0[1-9]|1[0-2]))$",
        description="`v3`, or a dated version as `2026-03`",
    )
    id_property: Name = Field(
        description="the order object's unique property that an event's `subject` is a value of"
    )
    line_id_property: Name | None = Field(
        None,
        description="the unique property of line items that holds `<order>/<line>`; needed as soon as "
        "an event has lines",
    )
    calls: int = Field(
        100,
        ge=1,
        le=10_000,
        description="burst limit of the app: calls per window; only ever lowered by "
        "what HubSpot's headers say",
    )
    window: float = Field(
        10.0, gt=0, le=3600, description="seconds of the burst limit's rolling window"
    )
    daily_calls: int | None = Field(
        None,
        ge=1,
        description="the part of the day's limit that is ours, each process; HubSpot's headers count otherwise",
    )
    concurrency: CallsInFlight = Field(
        "auto",
        description="calls in flight at once: `auto` = as many as it takes to use the limit at "
        "HubSpot's pace; a number is the most",
    )
    # HubSpot itself gives up after 100 s (524). Waiting that long is worse than not knowing: the
    # fate of an unanswered write is found out by evidence anyway, an upsert may be repeated, and
    # for as long as a call may be in flight a stop cannot finish (drain.grace) and a standby has
    # to wait.
    timeout: float = Field(
        20.0, gt=0, le=120, description="seconds for one call, connecting and reading included"
    )
    client_id: str | None = Field(None, min_length=1, description="OAuth app, instead of a token")
    client_secret: SecretStr | None = Field(None, min_length=1, description="OAuth app's secret")
    refresh_token: SecretStr | None = Field(
        None, min_length=1, description="OAuth refresh token of the account's installation"
    )
    token: SecretStr | None = Field(
        None,
        description="a private app's access token; read again when its file changes",
    )
    # Not a setting: where `token` was read.
    token_file: Path | None = Field(None, exclude=True)

    @field_validator("base_url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        if (fault := addresses.hubspot_fault(url)) is not None:
            raise PydanticCustomError(fault.kind, "{fault}", {"fault": fault.sentence})
        return url.rstrip("/")

    @field_validator("id_property", "line_id_property")
    @classmethod
    def _is_one_of_yours(cls, name: str | None) -> str | None:
        return None if name is None else _of_yours(name)

    @field_validator("token")
    @classmethod
    def _one_way_in(cls, token: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """Last of the four, so that all are known: a token, or the three of OAuth."""
        given = [name for name in _OAUTH if info.data.get(name) is not None]
        if token is not None and given:
            names = " and ".join(variable("hubspot", name) for name in given)
            raise PydanticCustomError(
                "auth", f"give either a token or OAuth, not both: drop it or {names}"
            )
        if token is None and len(given) < len(_OAUTH) and not _faulty(info, _OAUTH):
            raise PydanticCustomError("auth", _way_in(given))
        if token is not None and not _TOKEN.fullmatch(token.get_secret_value()):
            raise PydanticCustomError("auth", "must be one word of printable ASCII characters")
        return token


class Unkeyed(HubSpotSettings):
    """The account for what only asks it: what identifies an order may still be open."""

    id_property: Name | None = None  # type: ignore[assignment]


class Identifying(Section):
    """What of the HubSpot section a publisher may know; the rest of it is not looked at."""

    model_config = ConfigDict(extra="ignore")

    id_property: Name | None = None

    @field_validator("id_property")
    @classmethod
    def _is_one_of_yours(cls, name: str | None) -> str | None:
        return None if name is None else _of_yours(name)


def _way_in(given: list[str]) -> str:
    missing = [variable("hubspot", name) for name in _OAUTH if name not in given]
    if given:
        return f"is required, or {' and '.join(missing)} with the rest of OAuth"
    return (
        f"is required (or a file hubspot/token in {SECRETS_FOLDER}, or OAuth: {', '.join(missing)})"
    )


def _faulty(info: ValidationInfo, names: tuple[str, ...]) -> bool:
    return any(name not in info.data for name in names)
