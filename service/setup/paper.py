"""Settings, ready to paste: lines for a shell. A secret is never among them."""

from collections.abc import Iterator
from shlex import quote
from typing import Any

from service.settings.hubspot import HubSpotSettings
from service.settings.misconfiguration import variable
from service.setup.account import Keys


def settled(settings: HubSpotSettings, keys: Keys) -> HubSpotSettings:
    """The settings of HubSpot with the keys that were found, and the account's limit where it is larger."""
    values = given(settings)
    values |= {"id_property": keys.order.name, "line_id_property": keys.line.name}
    if keys.calls is not None and "calls" not in values:
        values["calls"] = keys.calls
    return HubSpotSettings(**values)


def given(settings: HubSpotSettings) -> dict[str, Any]:
    """What is set, by field; the rest is defaults."""
    return {name: getattr(settings, name) for name in settings.model_fields_set}


def lines(settings: HubSpotSettings, *, broker: bool) -> Iterator[str]:
    """One line for each setting; what only the reader knows is a comment. `broker`: RabbitMQ's URL is set."""
    if not broker:
        yield "# ORDERSYNC_RABBITMQ__URL=amqp://user:password@host:5672/"
    way_in = (
        "TOKEN" if settings.token is not None else "CLIENT_ID, ..._CLIENT_SECRET, ..._REFRESH_TOKEN"
    )
    yield f"# ORDERSYNC_HUBSPOT__{way_in}: as it is set now"
    for name, value in spelt(settings):
        yield f"export {name}={quote(value)}"


def spelt(settings: HubSpotSettings) -> Iterator[tuple[str, str]]:
    """Variables and values of what is neither a default nor a secret."""
    for name in ("base_url", "api_version", "id_property", "line_id_property", "calls"):
        value = getattr(settings, name)
        if value != type(settings).model_fields[name].default:
            yield variable("hubspot", name), str(value)
