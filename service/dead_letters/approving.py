"""A plan on paper: written to a file, read and agreed to by somebody else, and run as it was seen.

Law: the file says it all. It names the letters one by one (by their keys), so that no other letter goes,
however many came since, and what is to be done with them; whoever runs it adds nothing. The id is a digest
of all that: a file that was changed by hand is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, Self

import orjson

from service.core.letters.mends import Mend, text_of, value_of
from service.core.letters.sieve import Sieve
from service.dead_letters.planning import Plan, Wishes

FORM: Final = "ordersync replay plan 1"


class PlanError(Exception):
    """The file cannot be written, or holds no plan. The message says why."""


@dataclass(frozen=True, slots=True)
class Paper:
    """A plan as it is written down."""

    made_by: str
    made_at: str
    queue: str
    wishes: Mapping[str, Any]
    groups: tuple[Mapping[str, Any], ...]
    letters: tuple[str, ...]  # keys, in hexadecimal

    @classmethod
    def of(cls, plan: Plan, wishes: Wishes, queue: str, made_at: str) -> Self:
        """What is to be written of a plan."""
        asked = {
            "set": {path: text_of(value).decode() for path, value in wishes.mend.set.items()},
            "unset": list(wishes.mend.unset),
            "force": wishes.force,
            "to_queue": wishes.to_queue,
            "max_failures": wishes.max_failures,
            "max_replays": wishes.max_replays,
            "rate": wishes.rate,
            "wait": wishes.wait,
        }
        letters = tuple(f"{key:016x}" for key in sorted(plan.keys))
        return cls(wishes.by, made_at, queue, asked, tuple(plan.rows()), letters)

    @property
    def id(self) -> str:
        """Short, and different for whatever differs."""
        said = (self.made_by, self.made_at, self.queue, self.wishes, self.groups, self.letters)
        return blake2b(orjson.dumps(said, option=orjson.OPT_SORT_KEYS), digest_size=6).hexdigest()

    def wished(self, by: str) -> Wishes:
        """What is to be done, as whoever runs it asks for it."""
        asked = self.wishes
        return Wishes(
            sieve=Sieve(),
            by=f"{by}, plan {self.id} of {self.made_by}",
            max_failures=asked["max_failures"],
            max_replays=asked["max_replays"],
            rate=asked["rate"],
            wait=asked["wait"],
            mend=Mend(
                {path: value_of(text) for path, text in asked["set"].items()},
                tuple(asked["unset"]),
            ),
            force=asked["force"],
            to_queue=asked["to_queue"],
            keys=frozenset(int(key, 16) for key in self.letters),
        )

    def write(self, path: Path) -> None:
        """To a new file.

        Raises:
            PlanError: it is there already, or cannot be written.
        """
        document = {"form": FORM, "id": self.id} | {
            name: getattr(self, name) for name in self.__slots__
        }
        try:
            with path.open("xb") as file:
                file.write(orjson.dumps(document, option=orjson.OPT_INDENT_2))
        except FileExistsError:
            raise PlanError(f"{path} is there already: a plan overwrites nothing") from None
        except OSError as error:
            raise PlanError(f"{path} cannot be written: {error.strerror}") from None

    @classmethod
    def read(cls, path: Path) -> Self:
        """From its file.

        Raises:
            PlanError: there is none, or it is not as it was written.
        """
        try:
            said = orjson.loads(path.read_bytes())
            paper = cls(
                said["made_by"],
                said["made_at"],
                said["queue"],
                said["wishes"],
                tuple(said["groups"]),
                tuple(said["letters"]),
            )
            whole = said["form"] == FORM and said["id"] == paper.id
        except OSError as error:
            raise PlanError(f"{path} cannot be read: {error.strerror}") from None
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise PlanError(f"{path} holds no plan of `dlq replay --write-plan`") from None
        if not whole:
            raise PlanError(
                f"{path} was changed since it was written: make the plan anew, or run it as it was"
            )
        return paper
