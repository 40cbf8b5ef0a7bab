"""The dead letter office of the settings in force, for the commands that go there."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.dead_letters.office import Office


def office_of(queue: str | None) -> "Office":
    """The office of the settings' queue of dead letters, or of another one.

    Raises:
        ConfigurationError: with a line for every fault.
    """
    from service.dead_letters.office import Office
    from service.settings.config import BrokerSettings
    from service.watch import logs

    settings = BrokerSettings.load()
    logs.for_command(settings.log)
    return Office.of(settings.rabbitmq, settings.hubspot.id_property, queue)
