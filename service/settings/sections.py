"""The settings of the service itself: batches, retries, the probes' server, the log, the end.

Values only. Where they come from is config.py's, how a fault is worded misconfiguration.py's. RabbitMQ's and
HubSpot's settings are in modules of their own.
"""

from typing import Literal

from pydantic import Field

from service.settings.section import Section


class BatchSettings(Section):
    """When a batch leaves."""

    size: int = Field(
        100, ge=1, le=100, description="records a call; HubSpot takes no more than 100"
    )
    linger: float = Field(
        0.25, ge=0, le=60, description="seconds an event may wait for company; 0 = never waits"
    )


class Retry(Section):
    """When an event is given up. Outages, limits and bad tokens pause the intake instead."""

    attempts: int = Field(
        8, ge=1, le=100, description="failures of one record before it is given up"
    )
    patience: float = Field(
        300.0, gt=0, description="seconds from a record's first failure after which it is given up"
    )


class HttpSettings(Section):
    """Probes and metrics."""

    host: str = Field(
        "0.0.0.0",  # noqa: S104  (a pod's probes come from outside it)
        min_length=1,
        description="address of `/livez`, `/readyz`, `/metrics`",
    )
    port: int = Field(8080, ge=0, le=65535, description="their port; 0 = any free one")


class Log(Section):
    """What is said on stdout."""

    format: Literal["json", "console"] | None = Field(
        None, description="`json` lines or `console`; unset = console on a terminal, else json"
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="`debug`, `info`, `warning` or `error`"
    )


class Drain(Section):
    """The end."""

    grace: float = Field(
        25.0,
        gt=0,
        le=3600,
        description="seconds from SIGTERM to settle what is held; then the rest is requeued. Keep "
        "it above the call timeout and below the pod's terminationGracePeriodSeconds",
    )
