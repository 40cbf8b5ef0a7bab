"""Where RabbitMQ and HubSpot are: what is wrong with a URL, as the rest of a sentence about it.

Law: a URL that holds a secret, or may, is never repeated. What the AMQP client would only find at its first
connection, as an error of the TLS library, is told at the start, with the file; the names of the parameters
are aiormq's.
"""

import ssl
from pathlib import Path
from typing import Final, Literal, NamedTuple
from urllib.parse import SplitResult, parse_qsl, urlsplit

HUBSPOTS: Final = (".hubapi.com", ".hubspot.com")


class AddressFault(NamedTuple):
    """One thing that is wrong."""

    # secret: the URL is not repeated.
    kind: Literal["url", "secret"]
    sentence: str


def broker_fault(url: str) -> str | None:
    """What is wrong with an AMQP URL; None = nothing."""
    parts = _split(url)
    if parts.scheme not in {"amqp", "amqps"} or not parts.hostname:
        return "must be amqp://… or amqps://… with a host"
    return _tls_fault(parts) if parts.scheme == "amqps" else None


def hubspot_fault(url: str) -> AddressFault | None:
    """What is wrong with the address of HubSpot's API; None = nothing."""
    parts = _split(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return AddressFault("url", "must be http://… or https://… with a host")
    if "?" in url or "#" in url:
        return AddressFault(
            "secret", "must end with its host or path: nothing with ? or # belongs here"
        )
    if "@" in parts.netloc:
        return AddressFault("secret", "must not hold a user: the token is what lets us in")
    if parts.scheme == "http" and f".{parts.hostname.rstrip('.').lower()}".endswith(HUBSPOTS):
        return AddressFault("url", "must be https://…: the token would be readable on its way")
    return None


def _split(url: str) -> SplitResult:
    """The parts of a URL; of no URL, no parts: the caller misses the scheme then."""
    try:
        parts = urlsplit(url.strip())
        parts.port  # noqa: B018  (reading it is the check)
    except ValueError:
        return SplitResult("", "", "", "", "")
    return parts


def _tls_fault(parts: SplitResult) -> str | None:
    """What is wrong with the files of TLS that the URL names."""
    named = dict(parse_qsl(parts.query))
    files = {name: named[name] for name in ("cafile", "certfile", "keyfile") if name in named}
    for name, file in files.items():
        if (why := _unreadable(Path(file))) is not None:
            return f"names the {name} {file}, which cannot be read: {why}"
    return _no_authority(files.get("cafile")) or _no_pair(
        files.get("certfile"), files.get("keyfile")
    )


def _unreadable(file: Path) -> str | None:
    try:
        file.read_bytes()
    except OSError as error:
        return error.strerror or type(error).__name__
    return None


def _no_authority(cafile: str | None) -> str | None:
    if cafile is None:
        return None
    try:
        ssl.create_default_context(cafile=cafile)
    except ssl.SSLError:
        return f"names the cafile {cafile}, which holds no certificate in PEM"
    return None


def _no_pair(certfile: str | None, keyfile: str | None) -> str | None:
    if certfile is None:
        return None
    try:
        ssl.create_default_context().load_cert_chain(certfile, keyfile, password=_no_password)
    except (ssl.SSLError, ValueError):
        both = f"{certfile} and the keyfile {keyfile}" if keyfile else certfile
        return f"names the certfile {both}: no certificate in PEM with its key, without a password"
    return None


def _no_password() -> str:
    """Instead of asking on the terminal."""
    return ""
