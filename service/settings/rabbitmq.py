"""The settings of RabbitMQ: where it is, the names on it, and the journal.

A check that needs two fields is a check of the later one, so that every fault of a section is found at once.
"""

from typing import Final

from pydantic import ConfigDict, Field, SecretStr, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from service.settings import addresses
from service.settings.misconfiguration import variable
from service.settings.section import Listed, Name, Names, Section

_BYTES: Final = {"": 1, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def _distinct(name: str, info: ValidationInfo, *others: str) -> str:
    for other in others:
        taken = info.data.get(other, ())
        if name == taken or (isinstance(taken, tuple) and name in taken):
            raise PydanticCustomError(
                "distinct",
                f"must differ from {variable('rabbitmq', other)}: else it reads what it writes",
            )
    return name


class _Address(Section):
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


class Named(Section):
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


class JournalSettings(Section):
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
