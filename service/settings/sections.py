"""The settings, section by section: what each is for, its default, its bounds.

Values only. Where they come from is config.py's, how a fault is worded misconfiguration.py's. A
check that needs two fields is a check of the later one, so that every fault of a section is found
at once.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import NoDecode

from service.core.events.order_event import RECORD_ID
from service.core.hubspot.concurrency import MOST
from service.settings import addresses
from service.settings.misconfiguration import SECRETS_FOLDER, variable

_OAUTH: Final = ("client_id", "client_secret", "refresh_token")
_BYTES: Final = {"": 1, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_TOKEN: Final = re.compile(r"[!-~]+")


def _listed(value: Any) -> Any:
    """A JSON list, or names with commas between: both are found in the wild."""
    if not isinstance(value, str):
        return value
    if not value.lstrip().startswith(("[", "{")):
        return [name.strip() for name in value.split(",")]
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise PydanticCustomError("list", f"must be a JSON list of names: {error}") from None


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


def _distinct(name: str, info: ValidationInfo, *others: str) -> str:
    for other in others:
        taken = info.data.get(other, ())
        if name == taken or (isinstance(taken, tuple) and name in taken):
            raise PydanticCustomError(
                "distinct",
                f"must differ from {variable('rabbitmq', other)}: else it reads what it writes",
            )
    return name


Name = Annotated[str, StringConstraints(min_length=1, max_length=255, strip_whitespace=True)]
CallsInFlight = Annotated[int | Literal["auto"], BeforeValidator(_auto_or_number)]
Listed = Annotated[tuple[Name, ...], NoDecode, BeforeValidator(_listed)]
Names = Annotated[Listed, Field(min_length=1)]


class _Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        # A default may clash with what was given.
        validate_default=True,
    )


class _Address(_Section):
    url: SecretStr = Field(
        description="`amqp://user:password@host:5672/vhost`, or `amqps://…` with TLS; special "
        "characters percent-encoded",
    )

    @field_validator("url")
    @classmethod
    def _is_amqp(cls, url: SecretStr) -> SecretStr:
        if (fault := addresses.broker_fault(url.get_secret_value())) is not None:
            raise PydanticCustomError("url", "{fault}", {"fault": fault})
        return url


class Named(_Section):
    """The names on the broker: what shows them need not know where it is."""

    model_config = ConfigDict(extra="ignore")

    queues: Names = Field(
        ("orders.events",),
        description="input queues, all consumed at once: a JSON list, or names with commas "
        "between; the first one is bound to the exchange",
    )
    backfill_queues: Listed = Field(
        (),
        description="input queues of bulk (history, imports, mends) that give way to the live ones: a JSON list, "
        "or names with commas between; bound to nothing, `publish --backfill` sends to the first one",
    )
    exchange: Name = Field("orders.events", description="topic exchange of the order events")
    outcomes_exchange: Name = Field(
        "orders.outcomes",
        description="topic exchange of the outcomes; routing key `outcome.<status>`",
    )
    results_queue: Name = Field("orders.results", description="queue of all outcomes")
    dead_letters_exchange: Name = Field(
        "orders.dead-letters",
        description="topic exchange of the dead letters; routing key = reason code",
    )
    dead_letters_queue: Name = Field("orders.dead-letters", description="queue of all dead letters")
    operations_exchange: Name = Field(
        "orders.operations",
        description="topic exchange of what people are told at once: `paused`, `resumed`, `dead_letters`; "
        "bind a queue of your own",
    )

    @field_validator("queues", "backfill_queues")
    @classmethod
    def _no_queue_twice(cls, queues: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(queues)) < len(queues):
            raise PydanticCustomError("list", "names a queue twice")
        return queues

    @field_validator("backfill_queues")
    @classmethod
    def _backfill_apart(cls, queues: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        for name in queues:
            _distinct(name, info, "queues")
        return queues

    @field_validator("outcomes_exchange")
    @classmethod
    def _outcomes_apart(cls, name: str, info: ValidationInfo) -> str:
        return _distinct(name, info, "exchange")

    @field_validator("results_queue")
    @classmethod
    def _results_apart(cls, name: str, info: ValidationInfo) -> str:
        return _distinct(name, info, "queues", "backfill_queues")

    @field_validator("dead_letters_exchange")
    @classmethod
    def _dead_letters_apart(cls, name: str, info: ValidationInfo) -> str:
        return _distinct(name, info, "exchange", "outcomes_exchange")

    @field_validator("dead_letters_queue")
    @classmethod
    def _dead_letters_queue_apart(cls, name: str, info: ValidationInfo) -> str:
        return _distinct(name, info, "queues", "backfill_queues", "results_queue")

    @field_validator("operations_exchange")
    @classmethod
    def _operations_apart(cls, name: str, info: ValidationInfo) -> str:
        return _distinct(name, info, "exchange", "outcomes_exchange", "dead_letters_exchange")


class JournalSettings(_Section):
    """The stream that remembers every outcome: what `ordersync order` answers from.

    Bounds are written as RabbitMQ writes them: https://www.rabbitmq.com/docs/streams#retention.
    """

    enabled: bool = Field(
        True,
        description="remember what became of every event in the stream `orders.journal`; no values "
        "of properties are in it",
    )
    max_age: str = Field(
        "7D",
        pattern=r"^[1-9][0-9]{0,5}[YMDhms]$",
        description="how long it is kept: a number and one of `Y`, `M`, `D`, `h`, `m`, `s`",
    )
    max_bytes: str = Field(
        "2GB",
        pattern=r"^[1-9][0-9]{0,11}(MB|GB|TB)?$",
        description="how much disk it may take on each node: a number, with `MB`, `GB` or `TB` "
        "behind it; the oldest goes first",
    )

    @property
    def most_bytes(self) -> int:
        """`max_bytes` as a number."""
        return int(self.max_bytes.rstrip("MGTB")) * _BYTES[self.max_bytes.lstrip("0123456789")]


class RabbitMQ(Named, _Address):
    """The broker, and the names on it."""

    model_config = ConfigDict(extra="forbid")

    # Quorum queues deliver at most 2000 unacknowledged messages a channel.
    prefetch: int = Field(2000, ge=1, le=2000, description="events held unacknowledged, per queue")
    memory: int = Field(
        64,
        ge=4,
        le=4096,
        description="MB that held events may take at most, whatever the prefetch: their bodies, what "
        "is read of them, and their calls. The process itself takes about 80 MB more",
    )
    # A silent peer is noticed after two to three intervals: with the client's default, 60 s,
    # minutes.
    heartbeat: int = Field(10, ge=2, le=300, description="seconds between AMQP heartbeats")
    declare: bool = Field(
        True,
        description="declare exchanges, queues and bindings at the start; `false` = only check "
        "that they are there (needs no configure permission)",
    )


class HubSpotSettings(_Section):
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


class Identifying(_Section):
    """What of the HubSpot section a publisher may know; the rest of it is not looked at."""

    model_config = ConfigDict(extra="ignore")

    id_property: Name | None = None

    @field_validator("id_property")
    @classmethod
    def _is_one_of_yours(cls, name: str | None) -> str | None:
        return None if name is None else _of_yours(name)


class BatchSettings(_Section):
    """When a batch leaves."""

    size: int = Field(
        100, ge=1, le=100, description="records a call; HubSpot takes no more than 100"
    )
    linger: float = Field(
        0.25, ge=0, le=60, description="seconds an event may wait for company; 0 = never waits"
    )


class Retry(_Section):
    """When an event is given up. Outages, limits and bad tokens pause the intake instead."""

    attempts: int = Field(
        8, ge=1, le=100, description="failures of one record before it is given up"
    )
    patience: float = Field(
        300.0, gt=0, description="seconds from a record's first failure after which it is given up"
    )


class HttpSettings(_Section):
    """Probes and metrics."""

    host: str = Field(
        "0.0.0.0",  # noqa: S104  (a pod's probes come from outside it)
        min_length=1,
        description="address of `/livez`, `/readyz`, `/metrics`",
    )
    port: int = Field(8080, ge=0, le=65535, description="their port; 0 = any free one")


class Log(_Section):
    """What is said on stdout."""

    format: Literal["json", "console"] | None = Field(
        None, description="`json` lines or `console`; unset = console on a terminal, else json"
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="`debug`, `info`, `warning` or `error`"
    )


class Drain(_Section):
    """The end."""

    grace: float = Field(
        25.0,
        gt=0,
        le=3600,
        description="seconds from SIGTERM to settle what is held; then the rest is requeued. Keep "
        "it above the call timeout and below the pod's terminationGracePeriodSeconds",
    )


def _way_in(given: list[str]) -> str:
    missing = [variable("hubspot", name) for name in _OAUTH if name not in given]
    if given:
        return f"is required, or {' and '.join(missing)} with the rest of OAuth"
    return (
        f"is required (or a file hubspot/token in {SECRETS_FOLDER}, or OAuth: {', '.join(missing)})"
    )


def _faulty(info: ValidationInfo, names: tuple[str, ...]) -> bool:
    return any(name not in info.data for name in names)
