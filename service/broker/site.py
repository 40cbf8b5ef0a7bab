"""What the nodes of one private cluster share: a folder, a cookie, a port mapper, an end.

Law: whatever is started here ends with its owner, also when the owner is killed. All of it lives
in one process group, and a watch holds the other end of a pipe from the owner: when the pipe
closes, for whatever reason, it kills the group and removes the folder. There is no second way out.
"""

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from service.broker.ports import LOOPBACK, free_ports, listens

PORT_MAPPER_TRIES = 5
# seconds; it listens within milliseconds.
PORT_MAPPER_PATIENCE = 5.0
# Seconds for a killed process to be gone.
GROUP_PATIENCE = 10.0

# $1 = process group, $2 = folder. A process that is being killed may still write a last file.
WATCH = 'cat >/dev/null; kill -s KILL -- "-$1"; rm -rf -- "$2" || { sleep 1; rm -rf -- "$2"; }'

QUIET = subprocess.DEVNULL


class BrokerDidNotStart(Exception):
    """A broker of our own did not come up; the message ends with what its log says."""


class Site:
    """A folder with a cookie of its own, an epmd of its own, and the watch over both."""

    def __init__(self) -> None:
        """Make the folder, start the port mapper (epmd) and the watch; milliseconds."""
        self.folder = Path(tempfile.mkdtemp(prefix="ordersync-rabbitmq-"))
        _write_cookie(self.folder)
        try:
            self._mapper, self.mapper_port = _start_port_mapper()
        except BaseException:
            shutil.rmtree(self.folder)
            raise
        self.group = self._mapper.pid
        self._watch = subprocess.Popen(
            ["/bin/sh", "-c", WATCH, "watch", str(self.group), str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=QUIET,
            stderr=QUIET,
            # Ctrl-C is for the owner; the watch outlives it by a moment.
            start_new_session=True,
        )

    def environment(self) -> dict[str, str]:
        """What every Erlang program of this site is started with, servers and tools alike."""
        ours = {name: value for name, value in os.environ.items() if not _erlangs(name)}
        return ours | {
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": str(self.mapper_port),
            "ERL_EPMD_ADDRESS": LOOPBACK,
        }

    def close(self) -> None:
        """Kill every process of the site and remove the folder. Closing twice is allowed."""
        self._watch.communicate()
        self._mapper.wait(GROUP_PATIENCE)


def _write_cookie(folder: Path) -> None:
    cookie = folder / ".erlang.cookie"
    cookie.write_text(secrets.token_hex(16))
    # Erlang refuses a cookie that others may read.
    cookie.chmod(0o400)


def _erlangs(name: str) -> bool:
    """Whether an inherited variable would bend a private node to the system's own broker."""
    return name.startswith(("RABBITMQ_", "ERL_")) or name == "NOTIFY_SOCKET"


def _start_port_mapper() -> tuple[subprocess.Popen[bytes], int]:
    program = shutil.which("epmd")
    if program is None:
        raise BrokerDidNotStart("Erlang's epmd is not on the PATH; it comes with Erlang itself")
    for _ in range(PORT_MAPPER_TRIES):
        (port,) = free_ports(1)
        # In the foreground and as our child: one that Erlang starts by itself outlives everyone.
        mapper = subprocess.Popen(
            [program, "-port", str(port), "-address", LOOPBACK],
            stdin=QUIET,
            stdout=QUIET,
            stderr=QUIET,
            # Which the nodes will join: not reached by Ctrl-C.
            process_group=0,
        )
        if _comes_up(mapper, port):
            return mapper, port
    raise BrokerDidNotStart(f"epmd found no free port in {PORT_MAPPER_TRIES} tries")


def _comes_up(mapper: subprocess.Popen[bytes], port: int) -> bool:
    """Whether `mapper` itself serves `port`; False when it ended because the port was taken."""
    deadline = time.monotonic() + PORT_MAPPER_PATIENCE
    while not listens(port) and mapper.poll() is None:
        if time.monotonic() > deadline:
            mapper.kill()
            mapper.wait()
            return False
        time.sleep(0.01)
    return mapper.poll() is None
