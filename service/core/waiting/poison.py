"""How many records of a refused call to try next: the fewer, the more of them HubSpot refuses.

Law: a part is at least one record and, of several, never all of them, so that every answer tells something.

A refused call that names nobody proves one thing: at least one of its records is at fault. A part of them is tried:

    written ──► the fault is among the rest, which need no call to say so: a part of them is next
    refused ──► the fault is in the part; of the rest nothing is known, and they travel with everybody again

An answer tells most where both are as likely (F. K. Hwang, "A Method for Detecting All Defective Members in a
Population by Group Testing", 1972). So the part is a half or less, by the rate of such records. Where several are
at fault for sure, the call falls into pieces that are each written as often as not, and all of them are tried at once.
The rate is learned from the records whose fate is known: written, or refused alone.
"""

from math import ceil, log, log1p
from typing import Final

# What is believed before anything is known: one such record in 500.
FIRST_RECORDS: Final = 50.0
FIRST_REFUSED: Final = 0.1
# Records after which what was learned counts half.
HORIZON: Final = 2_000.0
# Below the one a company is halved anyway, above the other every record goes alone.
LOWEST: Final = 1e-4
HIGHEST: Final = 0.5


class Poison:
    """The rate of the records that are refused and not named."""

    def __init__(self) -> None:
        self._records, self._refused = FIRST_RECORDS, FIRST_REFUSED

    @property
    def rate(self) -> float:
        """Of 1."""
        return min(HIGHEST, max(LOWEST, self._refused / self._records))

    def learn(self, written: int, refused: int) -> None:
        """The fates of so many records are known; `refused`: alone, after a refusal in company."""
        if self._records > HORIZON:
            self._records, self._refused = self._records / 2, self._refused / 2
        self._records += written + refused
        self._refused += refused

    def part(self, number: int) -> int:
        """How many of `number` records to try, one of which is at fault at least."""
        clean = log1p(-self.rate)
        none_at_fault = (1.0 - self.rate) ** number
        even = log((1.0 + none_at_fault) / 2.0) / clean
        return max(1, min(number - 1, round(even)))

    def pieces(self, number: int) -> list[int]:
        """The sizes into which a refused call of `number` falls; one where a part of it is to be tried first."""
        even = max(1.0, log(0.5) / log1p(-self.rate))
        if number <= 2 * even:
            return [number]
        count = ceil(number / even)
        return [number * (at + 1) // count - number * at // count for at in range(count)]
