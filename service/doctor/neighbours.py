"""Names on the broker that are nearly those of the configuration.

Law: what is nearly there is said before anybody is told to create what is missing; or `topology apply` makes a
second queue beside the one that the producers fill. Names are listed by the management API, where it lets us;
without it AMQP can only be asked for a name, so the default ones and slips of the pen are asked for.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from service.core.misspelt import nearest
from service.rabbitmq.topology import Exchange, Queue, Topology, survey
from service.settings.rabbitmq import Named

Part = Exchange | Queue
ALIKE: Final = 0.8
_SIGNS: Final = ".-_"


async def neighbours(
    url: str, missing: Iterable[Part], wanted: Topology, listed: Mapping[str, Iterable[str]]
) -> dict[Part, str]:
    """Missing part -> the name nearly like it that is there. `listed`: kind -> names, as far as known."""
    missing, ours = tuple(missing), {(part.kind, part.name) for part in wanted.parts}
    guesses = [guess for part in missing for guess in _guesses(part)]
    asked = Topology(
        tuple(guess for guess in guesses if isinstance(guess, Exchange)),
        tuple(guess for guess in guesses if isinstance(guess, Queue)),
        (),
    )
    there = {(part.kind, part.name) for part, found in (await survey(url, asked)).items() if found}
    there |= {(kind, name) for kind, names in listed.items() for name in names}
    found = {
        part: nearest(part.name, [n for k, n in there - ours if k == part.kind], cutoff=ALIKE)
        for part in missing
    }
    return {part: name for part, name in found.items() if name is not None}


def _guesses(part: Part) -> Iterator[Part]:
    usual = Topology.of(Named())
    names = {*_slips(part.name), *(q.name for q in usual.queues)}
    names |= {exchange.name for exchange in usual.exchanges}
    for name in sorted(names - {part.name}):
        yield Exchange(name) if isinstance(part, Exchange) else Queue(name, part.arguments)


def _slips(name: str) -> Iterator[str]:
    """One letter s too many or too few, another sign between the words."""
    yield name.removesuffix("s") if name.endswith("s") else f"{name}s"
    first, dot, rest = name.partition(".")
    yield f"{first.removesuffix('s') if first.endswith('s') else f'{first}s'}{dot}{rest}"
    for sign in _SIGNS:
        for other in _SIGNS:
            yield name.replace(sign, other)
