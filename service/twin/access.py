"""Who is calling: static tokens and OAuth access tokens, and what they may do."""

from dataclasses import dataclass

from service.twin.calls import Call
from service.twin.damage import expired, forbidden, unauthenticated
from service.twin.options import TwinOptions


@dataclass(frozen=True, slots=True)
class Identity:
    """The app that calls: limits count per app, and OAuth apps see no daily headers."""

    app: str
    oauth: bool


class Access:
    """Knows the tokens; raises the 401 or 403 that refuses a call."""

    def __init__(self, options: TwinOptions) -> None:
        """No OAuth token issued yet."""
        self._options = options
        self.issued: dict[str, float] = {}
        self.revoked = False

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
        if not granted or call.kind is None:
            return
        reads = call.method == "GET" or call.operation in ("read", "search")
        needed = f"crm.objects.{call.kind.name}.{'read' if reads else 'write'}"
        if needed not in granted:
            raise forbidden((needed,))
