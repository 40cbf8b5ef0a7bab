"""Looks at ports: which are free, who answers.

Law: only looks. What is true of a port now may be false a moment later, so whoever binds one asks
again when it was taken.
"""

import random
import socket
from contextlib import suppress

LOOPBACK = "127.0.0.1"

# Below Linux's ephemeral range (32768-60999), so that no outgoing connection of a neighbour takes a
# port while the node that owns it restarts.
PORTS = range(20_000, 32_000)
AMQP_0_9_1 = b"AMQP\x00\x00\x09\x01"


def free_ports(count: int) -> list[int]:
    """`count` distinct loopback ports that nobody is bound to at this moment."""
    # Parallel test runs must not draw the same ports.
    chance = random.SystemRandom()
    found: set[int] = set()
    while len(found) < count:
        port = chance.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind((LOOPBACK, port))
            found.add(port)
    return list(found)


def listens(port: int) -> bool:
    """Whether somebody accepts connections on the loopback's `port`."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((LOOPBACK, port)) == 0


def greeting(host: str, port: int) -> str | None:
    """The version of the AMQP 0-9-1 broker at `host:port`, or None where none answers yet."""
    try:
        with socket.create_connection((host, port), timeout=2.0) as wire:
            wire.sendall(AMQP_0_9_1)
            # Connection.Start, half a kilobyte, comes in one piece and opens a method frame (1).
            start = wire.recv(4096)
    except OSError:
        return None
    if not start.startswith(b"\x01"):
        return None
    # A long string: four bytes of length, then text.
    _, _, field = start.partition(b"\x07versionS")
    return field[4 : 4 + int.from_bytes(field[:4])].decode() or "unknown"
