"""Letters that RabbitMQ took past us: their producers have no outcome yet."""

from typing import Final

from service.core.letters.letters import unanswered
from service.dead_letters.looker import FoundLetter

# Letters of the broker's that one look answers.
ANSWERED: Final = 200


class Unanswered:
    """Letters whose events were taken past us by the broker, the first of them."""

    def __init__(self) -> None:
        self.letters: list[FoundLetter] = []

    def note(self, found: FoundLetter) -> None:
        """One letter that is held."""
        if len(self.letters) < ANSWERED and unanswered(found.delivery, found.letter):
            self.letters.append(found)
