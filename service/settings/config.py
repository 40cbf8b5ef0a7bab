"""Environment and mounted secret files -> frozen `Settings`, once, at the start.

Nothing else in ordersync reads the environment. Every setting is checked before anything is
touched, and all faults are said at once, a line each: a wrong value, a missing one, and a name
that starts with ORDERSYNC_ and means nothing (a misspelt setting that is ignored costs a night).
A secret never appears in a repr or in a fault. What is set in the environment wins over a file.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from pydantic import BaseModel, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError, PydanticUndefined
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from service.core.hubspot.budget import BudgetPolicy
from service.core.settlement.retries import RetryPolicy
from service.core.waiting.batch import BatchPolicy
from service.settings.hubspot import HubSpotSettings, Identifying
from service.settings.misconfiguration import (
    PREFIX,
    SECRETS_DIR,
    SECRETS_FOLDER,
    ConfigurationError,
    fault_line,
    unknown_names,
    variable,
)
from service.settings.rabbitmq import JournalSettings, Named, RabbitMQ
from service.settings.sections import BatchSettings, Drain, HttpSettings, Log, Retry

ACK_TIMEOUT: Final = (
    # seconds; RabbitMQ's default consumer_timeout: then it closes the channel.
    1800.0
)
# What came out of the dead letters leaves live events at least four fifths of the calls; a batch of it
# takes up to three: what HubSpot holds, what it has archived, the write.
REPLAY_CALLS: Final = 3
REPLAY_SHARE: Final = 0.2
# The broker looks once a minute, and settling takes a moment.
ACK_MARGIN: Final = 60.0
# Then we give back ourselves, whatever the reason.
HELD_AT_MOST: Final = ACK_TIMEOUT - ACK_MARGIN


class FromOutside(BaseSettings):
    """Where values come from, the same for every reader."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        # An empty variable is how compose files say "unset".
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        secrets_nested_subdir=True,
        secrets_prefix="",
        secrets_dir_missing="ok",
    )

    @classmethod
    def load(cls) -> Self:
        """Read environment and secret files.

        Raises:
            ConfigurationError: with a line for every fault.
        """
        strays = [*_no_folder(), *unknown_names(os.environ, KNOWN)]
        try:
            settings = cls()
        except ValidationError as error:
            raise ConfigurationError([*strays, *_faults(error)]) from None
        except (
            SettingsError,
            UnicodeDecodeError,
            OSError,
            # A secrets folder that is none.
        ) as error:
            raise ConfigurationError(strays or [f"{SECRETS_DIR}: {error}"]) from None
        if strays:
            raise ConfigurationError(strays)
        return settings

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments (tests), environment, secret files, and every section at least empty."""
        # A .env that nobody named decides nothing.
        del env_settings, dotenv_settings
        environment = EnvSettingsSource(settings_cls)
        # Strays are said by load(), with a guess at what was meant.
        environment.env_vars = {
            name: value for name, value in environment.env_vars.items() if name.upper() in KNOWN
        }
        files = _SecretFiles(file_secret_settings, secrets_dir=_secrets_dir())
        return init_settings, environment, files, _Sections(settings_cls)


class FileSettings(FromOutside):
    """For what only reads files: nobody has to be reachable, or even named."""

    hubspot: Identifying = Identifying()
    log: Log = Log()


class NameSettings(FileSettings):
    """For what only shows the names on the broker."""

    rabbitmq: Named = Named()
    journal: JournalSettings = JournalSettings()


class BrokerSettings(FileSettings):
    """For the commands that only speak to RabbitMQ: who declares queues needs no HubSpot token."""

    rabbitmq: RabbitMQ
    journal: JournalSettings = JournalSettings()


class Settings(FromOutside):
    """The whole configuration, valid by construction. `Settings.load()` is the way to get it."""

    rabbitmq: RabbitMQ
    journal: JournalSettings = JournalSettings()
    hubspot: HubSpotSettings
    batch: BatchSettings = BatchSettings()
    retry: Retry = Retry()
    http: HttpSettings = HttpSettings()
    log: Log = Log()
    drain: Drain = Drain()

    @field_validator("retry")
    @classmethod
    def _below_the_ack_timeout(cls, retry: Retry, info: ValidationInfo) -> Retry:
        """The broker closes a channel that holds a delivery too long: 30 minutes by default."""
        hubspot = info.data.get("hubspot")
        longest = ACK_TIMEOUT - ACK_MARGIN - (hubspot.timeout if hubspot else 0.0)
        if retry.patience >= longest:
            message = (
                f"must be less than {longest:g}, not {retry.patience:g}: RabbitMQ takes back what "
                f"is unacknowledged for {ACK_TIMEOUT:g} s, of which "
                f"{variable('hubspot', 'timeout')} and {ACK_MARGIN:g} s of margin are needed"
            )
            raise PydanticCustomError("patience", "{message}", {"message": message})
        return retry

    def batch_policy(self) -> BatchPolicy:
        """When a batch leaves."""
        return BatchPolicy(
            size=self.batch.size,
            linger=self.batch.linger,
            replay_pace=REPLAY_CALLS * self.hubspot.window / (REPLAY_SHARE * self.hubspot.calls),
        )

    def retry_policy(self) -> RetryPolicy:
        """When an event is given up."""
        return RetryPolicy(attempts=self.retry.attempts, patience=self.retry.patience)

    def concurrency(self) -> int | None:
        """The most calls in flight; None = as many as it takes to use the quota."""
        most = self.hubspot.concurrency
        return most if isinstance(most, int) else None

    def budget_policy(self) -> BudgetPolicy:
        """HubSpot's limits, of the window and of the day."""
        hubspot = self.hubspot
        return BudgetPolicy(hubspot.calls, hubspot.window, hubspot.daily_calls)


class _SecretFiles(NestedSecretsSettingsSource):
    """`<folder>/hubspot/token` and so on; notes the token's file, so that it can be read again."""

    def __call__(self) -> dict[str, Any]:
        values = super().__call__()
        path = Path(str(self.secrets_dir)) / "hubspot" / "token"
        from_environment = self.current_state.get("hubspot", {}).get("token") is not None
        if "token" in values.get("hubspot", {}) and not from_environment:
            values["hubspot"]["token_file"] = path
        return values


class _Sections(PydanticBaseSettingsSource):
    """Every section, empty: so that a missing setting is named itself, not only its section."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        del field
        return {}, field_name, True

    def __call__(self) -> dict[str, Any]:
        return {section: {} for section in self.settings_cls.model_fields}


class Setting(NamedTuple):
    """One setting, for the pages and commands that list them all."""

    name: str  # the environment variable
    section: str
    field: str
    default: Any  # None: unset
    required: bool
    secret: bool
    description: str


SECTIONS: Final[Mapping[str, type[BaseModel]]] = {
    "rabbitmq": RabbitMQ,
    "journal": JournalSettings,
    "hubspot": HubSpotSettings,
    "batch": BatchSettings,
    "retry": Retry,
    "http": HttpSettings,
    "log": Log,
    "drain": Drain,
}


def _settings() -> Iterator[Setting]:
    for section, model in SECTIONS.items():
        for field, info in model.model_fields.items():
            if info.exclude:
                continue
            default = None if info.default is PydanticUndefined else info.default
            secret = "SecretStr" in str(info.annotation)
            yield Setting(
                name=variable(section, field),
                section=section,
                field=field,
                default=default,
                required=info.is_required(),
                secret=secret,
                description=info.description or "",
            )


ALL: Final = tuple(_settings())
KNOWN: Final = frozenset({SECRETS_DIR, *(setting.name for setting in ALL)})
_SECRET: Final = frozenset((setting.section, setting.field) for setting in ALL if setting.secret)


def traces_wanted() -> bool:
    """Whether OpenTelemetry's own variables name an exporter; ordersync has none of its own for it."""
    named = (
        os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"),
        os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
    )
    off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    none = os.environ.get("OTEL_TRACES_EXPORTER", "").lower() == "none"
    return any(named) and not off and not none


def _secrets_dir() -> str:
    return os.environ.get(SECRETS_DIR) or SECRETS_FOLDER


def _no_folder() -> Iterator[str]:
    """The usual folder need not be there; one that somebody named should be."""
    named = os.environ.get(SECRETS_DIR)
    if named and not Path(named).is_dir():
        yield f"{SECRETS_DIR}: there is no folder {named}"


def _faults(error: ValidationError) -> Iterator[str]:
    for fault in error.errors(include_url=False):
        yield fault_line(fault, secret=fault["loc"][:2] in _SECRET)


def hubspot_settings() -> HubSpotSettings | str:
    """The HubSpot section for a command that can do without; why not, where it is not complete."""
    try:
        return Settings.load().hubspot
    except ConfigurationError as error:
        return "; ".join(error.lines)
