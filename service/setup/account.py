"""The keys of orders and lines in an account: found, or made when told to."""

from dataclasses import dataclass, replace
from typing import Final

from service.core.account.definitions import Definitions, definition, definitions_of
from service.core.account.keys import LINE_KEY, ORDER_KEY, Key, KeyWanted, NoKey, choose
from service.core.account.questions import Define, Defined, define, listing
from service.core.hubspot.answers import BatchReply
from service.hubspot.enquirer import Enquirer, HubSpotError, TurnedDownError

LIMIT: Final = "x-hubspot-ratelimit-max"


class SetupError(HubSpotError):
    """The account cannot be set up so. The message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Both keys, and the burst limit that HubSpot tells of (None: it does not)."""

    order: Key
    line: Key
    calls: int | None

    @property
    def there(self) -> bool:
        """Whether nothing is to be made."""
        return self.order.there and self.line.there

    def both(self) -> tuple[Key, Key]:
        """The order's, then the line's."""
        return self.order, self.line


async def find(enquirer: Enquirer, order: str | None, line: str | None, *, apply: bool) -> Keys:
    """The keys of an account; those that are missing are made where `apply` says so.

    Raises:
        SetupError: there is no property that could be one, and none can be made.
        NotLetInError: the token is refused, or lacks a scope.
    """
    # First, because every token must be able to: a refusal here is about the token alone.
    calls = await _limit(enquirer)
    return Keys(
        await _key(enquirer, ORDER_KEY, order, apply=apply),
        await _key(enquirer, LINE_KEY, line, apply=apply),
        calls,
    )


async def _limit(enquirer: Enquirer) -> int | None:
    reply = await enquirer.reply(listing("orders", (), size=1))
    if not isinstance(reply, BatchReply) or not reply.accepted:
        # Again, for its sake or for what it says.
        await enquirer.ask(listing("orders", (), size=1))
        return None
    told = reply.headers.get(LIMIT, "")
    return int(told) if told.isascii() and told.isdigit() and len(told) < 6 else None


async def _key(enquirer: Enquirer, wanted: KeyWanted, named: str | None, *, apply: bool) -> Key:
    definitions = definitions_of(await enquirer.ask(Defined(wanted.object)))
    match choose(wanted, named, definitions):
        case NoKey(message):
            raise SetupError(message)
        case Key(there=True) as key:
            return key
        case key:
            await _make(enquirer, key, definitions, apply=apply)
            return replace(key, there=apply, made=apply)


async def _make(enquirer: Enquirer, key: Key, definitions: Definitions, *, apply: bool) -> None:
    """Make it, and read back what it became; or only see whether the token may."""
    if not apply:
        await _may_make(enquirer, key)
        return
    try:
        await enquirer.ask(define(key.wanted.object, key.property(definitions)))
    except TurnedDownError as error:
        # Made by a try whose answer was lost: what it is, is read back all the same.
        if error.status != 409:
            raise SetupError(f"{key.wanted.object} cannot have {key.name}: {error}") from error
    made = definition(await enquirer.ask(Defined(key.wanted.object, key.name)))
    if not made.unique:
        raise SetupError(
            f"{key.wanted.object} have {key.name} now, and HubSpot did not make it unique"
        )


async def _may_make(enquirer: Enquirer, key: Key) -> None:
    """A definition of nothing: refused for its scopes, or for being empty."""
    try:
        await enquirer.ask(Define(key.wanted.object, b"{}"))
    except TurnedDownError:
        return
