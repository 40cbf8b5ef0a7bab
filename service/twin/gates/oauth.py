"""OAuth token endpoints: v1, v3 and dated. Their errors have an envelope of their own."""

from typing import Any
from urllib.parse import parse_qs

from service.twin.account.portal import Portal
from service.twin.gates.access import Access
from service.twin.operations.answers import Answer
from service.twin.operations.call import Call

_USER_ID = 12_345_678


class TokenOffice:
    """Gives out access tokens to the one app the options name."""

    def __init__(self, access: Access) -> None:
        """Tokens are entered into `access`, which judges calls by them."""
        self._access = access

    def give(self, portal: Portal, call: Call) -> Answer:
        """`POST /oauth/…/token`: refresh_token, authorization_code or client_credentials."""
        form = _form(call)
        if refused := self._refused(portal, form):
            return refused
        options = portal.options
        token = self._issue(portal, call)
        answer: dict[str, Any] = {
            "token_type": "bearer",
            "access_token": token,
            "expires_in": int(options.token_life),
            "hub_id": options.portal_id,
            "user_id": _USER_ID,
            "scopes": list(options.scopes),
            "token_use": "access_token",
        }
        if form.get("grant_type") == "client_credentials":
            return Answer(200, answer | {"token_use": "client_credentials"})
        return Answer(200, answer | {"refresh_token": options.refresh_token})

    def _refused(self, portal: Portal, form: dict[str, str]) -> Answer | None:
        options, grant = portal.options, form.get("grant_type", "")
        if grant not in ("refresh_token", "authorization_code", "client_credentials"):
            return _error("BAD_GRANT_TYPE", "unsupported_grant_type", "unknown grant type")
        if form.get("client_id") != options.client_id:
            return _error("BAD_CLIENT_ID", "invalid_client", "missing or invalid client id")
        if form.get("client_secret") != options.client_secret:
            return _error("BAD_CLIENT_SECRET", "invalid_client", "missing or invalid client secret")
        if grant == "refresh_token" and form.get("refresh_token") != options.refresh_token:
            message = "refresh token is invalid, expired or revoked"
            return _error("BAD_REFRESH_TOKEN", "invalid_grant", message)
        return None

    def _issue(self, portal: Portal, call: Call) -> str:
        # Real tokens pass 300 characters: nobody should count on short ones.
        token = "CJ" + "".join(f"{portal.random.getrandbits(64):016x}" for _ in range(20))
        self._access.issued[token] = call.now + portal.options.token_life
        return token


def _form(call: Call) -> dict[str, str]:
    fields = {name: values[-1] for name, values in call.query.items()}
    posted = parse_qs(call.body.decode("utf-8", "replace"), keep_blank_values=True)
    return fields | {name: values[-1] for name, values in posted.items()}


def _error(status: str, error: str, message: str) -> Answer:
    return Answer(
        400,
        {"error": error, "error_description": message, "status": status, "message": message},
    )
