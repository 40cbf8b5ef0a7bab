"""`ordersync` as a process of its own, beside a service that runs in the test's loop."""

import asyncio
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return orjson.loads(self.out)


async def ordersync(*arguments: str, **settings: str) -> Ended:
    """Run one command to its end, with ORDERSYNC_* settings and no others."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ORDERSYNC_")}
    ours = {f"ORDERSYNC_{name}": value for name, value in settings.items()}
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "service", *arguments],
        capture_output=True,
        env=clean | {"COLUMNS": "200"} | ours,
        check=False,
        timeout=60,
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())
