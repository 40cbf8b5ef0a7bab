"""Who is calling: static tokens and OAuth access tokens, and what they may do."""

from dataclasses import dataclass

from service.twin.operations.answers import Refusal, refusal
from service.twin.operations.call import Call
from service.twin.options import TwinOptions


@dataclass(frozen=True, slots=True)
class Identity:
    """The app that calls: limits count per app, and OAuth apps see no daily headers."""

    app: str
    oauth: bool


class Access:
    """Knows the tokens; raises the 401 or 403 that refuses a call."""

    def __init__(self, options: TwinOptions) -> None:
        self._options = options
        self.issued: dict[str, float] = {}

    def identify(self, token: str, now: float) -> Identity:
        """The app of a token; 401 for one that is missing, unknown or expired."""
        ends = self.issued.get(token)
        if ends is not None:
            if now >= ends:
                raise expired(max(1, int(now - ends)))
            return Identity(self._options.client_id, oauth=True)
        if not token or (self._options.tokens and token not in self._options.tokens):
            raise unauthenticated()
        return Identity(token, oauth=False)

    def permit(self, call: Call) -> None:
        """403 if the scopes granted do not cover the call."""
        granted = self._options.scopes
        missing = tuple(each for each in needed_scopes(call) if each not in granted)
        if granted and missing:
            raise forbidden(missing)


def needed_scopes(call: Call) -> tuple[str, ...]:
    """The scopes a call needs: of its object type, and of the other one where it links two.

    UNKNOWN for associations: the specification lists dozens of alternatives per endpoint. Definitions are made with
    the schema's scope: on deals a token that may write records was answered 403 (reported).
    """
    if call.group == "properties" and not call.reads and call.kind:
        return (f"crm.schemas.{call.kind.name}.write",)
    right = "read" if call.reads else "write"
    return tuple(kind.scope(right) for kind in (call.kind, call.end) if kind)


def unauthenticated() -> Refusal:
    """401 for a token that is missing or unknown."""
    return refusal(
        401,
        "Authentication credentials not found. This API supports OAuth 2.0 authentication and you "
        "can find more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview",
        "INVALID_AUTHENTICATION",
    )


def expired(seconds: int = 60) -> Refusal:
    """401 for an OAuth token past its life."""
    return refusal(
        401,
        f"The OAuth token used to make this call expired {seconds} second(s) ago.",
        "EXPIRED_AUTHENTICATION",
    )


def forbidden(scopes: tuple[str, ...]) -> Refusal:
    """403 for a token without the scopes."""
    return refusal(
        403,
        "This app hasn't been granted all required scopes to make this call. Read more about "
        "required scopes here: https://developers.hubspot.com/scopes.",
        "MISSING_SCOPES",
        errors=[
            {
                "message": "One or more of the following scopes are required.",
                "context": {"requiredGranularScopes": list(scopes)},
            }
        ],
        links={"scopes": "https://developers.hubspot.com/scopes"},
    )
