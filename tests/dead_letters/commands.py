"""`ordersync dlq` as a process of its own, as an operator runs it."""

import asyncio
import subprocess
import sys


async def dlq(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run one command to its end."""
    command = [sys.executable, "-m", "service", "dlq", *arguments]
    return await asyncio.to_thread(
        subprocess.run, command, capture_output=True, env=environment, check=False
    )
