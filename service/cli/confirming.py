"""A question to whoever sits at the terminal. The loop goes on meanwhile: connections stay alive."""

import asyncio
import sys

import typer


async def confirmed(question: str) -> bool:
    """Whether the answer is yes."""
    typer.echo(f"{question} [y/N] ", err=True, nl=False)
    answered = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin, answered.set)
    try:
        await answered.wait()
    finally:
        loop.remove_reader(sys.stdin)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
