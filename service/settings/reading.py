"""The settings of commands that only read HubSpot: nobody has to name a RabbitMQ for them."""

from service.settings.config import FromOutside
from service.settings.hubspot import HubSpotSettings, Unkeyed
from service.settings.sections import Log


class AccountSettings(FromOutside):
    """For what asks an account: how orders are identified may still be open."""

    hubspot: Unkeyed
    log: Log = Log()


class ReadingSettings(FromOutside):
    """For what reads orders by their keys."""

    hubspot: HubSpotSettings
    log: Log = Log()
