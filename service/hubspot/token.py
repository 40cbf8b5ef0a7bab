"""The bearer token: a static one, re-read from its file, or one that OAuth's refresh gives out.

Law: a token is never in a log, an error or a repr. A refresh is single flight and ahead of expiry. What the
token endpoint says when it refuses stands for the answer of the call that wanted the token, as a 401, so
that a wrong secret pauses the service as a wrong token does.
"""

import asyncio
import re
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlencode

import orjson

from service.core.hubspot.answers import BatchReply, NoReply
from service.hubspot.http import Http
from service.settings.hubspot import HubSpotSettings

# Seconds before expiry at which a token is replaced; HubSpot's live 1800 s.
AHEAD: Final = 60.0
# Says nothing about the credentials.
THROTTLED: Final = 429
_DATED = re.compile(r"^\d{4}-\d{2}$")


class Token(Protocol):
    """Where a call's token comes from."""

    async def current(self, http: Http) -> str | BatchReply | NoReply:
        """The token to send; or why there is none, as the answer that the call would have got."""

    async def renew(self) -> bool:
        """HubSpot refused the current one: whether another try is worth a call."""


def token_of(settings: HubSpotSettings) -> Token:
    """The one way to get a token that the configuration holds."""
    if settings.token is not None:
        return StaticToken(settings.token.get_secret_value(), settings.token_file)
    if (
        settings.client_id is None
        or settings.client_secret is None
        or settings.refresh_token is None
    ):  # config.py has checked it
        raise ValueError("no token and no complete set of OAuth credentials")
    return RefreshedToken(
        settings.client_id,
        settings.client_secret.get_secret_value(),
        settings.refresh_token.get_secret_value(),
        settings.api_version,
    )


class StaticToken:
    """A private app's or service key's token; with a file it follows the file."""

    def __init__(self, value: str, file: Path | None = None) -> None:
        self._value, self._file = value, file
        self._read_at = _changed_at(file)

    async def current(self, http: Http) -> str:  # noqa: ARG002
        """The token, re-read when its file has changed."""
        if self._file is not None and _changed_at(self._file) != self._read_at:
            self._read()
        return self._value

    async def renew(self) -> bool:
        """Whether the file holds another token by now."""
        before = self._value
        if self._file is not None:
            self._read()
        return self._value != before

    def _read(self) -> None:
        if self._file is None:
            return
        try:
            value = self._file.read_text(encoding="utf-8").strip()
        except OSError:  # between two versions of a mounted secret
            return
        if value:
            self._value, self._read_at = value, _changed_at(self._file)


class RefreshedToken:
    """OAuth: access tokens of half an hour for a refresh token."""

    def __init__(
        self, client_id: str, client_secret: str, refresh_token: str, api_version: str
    ) -> None:
        self._form = {
            "grant_type": "refresh_token",
            "client_id": client_id,
            "client_secret": client_secret,
            "refresh_token": refresh_token,
        }
        # v1 is switched off in February 2027; a dated API has its own.
        version = api_version if _DATED.match(api_version) else "v3"
        self._path = f"/oauth/{version}/token"
        self._value: str | None = None
        self._expires = 0.0
        self._refreshing = asyncio.Lock()

    async def current(self, http: Http) -> str | BatchReply | NoReply:
        """The access token, fresh for at least AHEAD seconds more."""
        async with self._refreshing:
            if (
                self._value is not None
                and asyncio.get_running_loop().time() < self._expires - AHEAD
            ):
                return self._value
            return await self._refresh(http)

    async def renew(self) -> bool:
        """Forget the access token: the next call gets another."""
        had, self._value = self._value is not None, None
        return had

    async def _refresh(self, http: Http) -> str | BatchReply | NoReply:
        answer = await http.ask(
            "POST",
            self._path,
            headers={"content-type": "application/x-www-form-urlencoded"},
            body=urlencode(self._form).encode(),
        )
        if isinstance(answer, NoReply):
            # No order's write is in doubt: only the token was asked for.
            return NoReply(f"the token endpoint did not answer: {answer.message}", sent=False)
        said = _object(answer.body)
        value, lives = said.get("access_token"), said.get("expires_in")
        granted = 200 <= answer.status < 300
        if granted and isinstance(value, str) and isinstance(lives, int | float):
            self._value, self._expires = value, asyncio.get_running_loop().time() + lives
            if isinstance(rotated := said.get("refresh_token"), str):
                self._form["refresh_token"] = rotated
            return value
        if answer.status >= 500 or granted:
            return NoReply(f"the token endpoint answered {answer.status}", sent=False)
        return answer if answer.status == THROTTLED else _refused(said)


def _refused(said: dict[str, object]) -> BatchReply:
    """OAuth's own error envelope (`status`, `error_description`) as the CRM's."""
    what = said.get("error_description") or said.get("message") or "no reason given"
    message = f"the refresh token was not accepted: {said.get('status', 'error')}, {what}"
    return BatchReply(
        401, {}, orjson.dumps({"category": "INVALID_AUTHENTICATION", "message": message})
    )


def _object(body: bytes) -> dict[str, object]:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}


def _changed_at(file: Path | None) -> int:
    try:
        return file.stat().st_mtime_ns if file is not None else 0
    except OSError:
        return 0
