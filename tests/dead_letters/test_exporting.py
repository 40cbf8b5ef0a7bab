"""An export that cannot be written to its end: whole lines, a sentence, and nothing taken off that is not in it."""

import asyncio
import subprocess
import sys
from pathlib import Path

import orjson

from service.cli.exits import Exit
from tests.dead_letters.stand import bury, event, letter, prepared, waiting

LETTERS = 40


async def export(environment: dict[str, str], words: str) -> subprocess.CompletedProcess[str]:
    """With files that may have 16 KB at the most."""
    program = f"ulimit -f 32; exec {sys.executable} -m service dlq export {words}"
    return await asyncio.to_thread(
        subprocess.run,
        ["sh", "-c", program],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


async def filled(url: str, note: str = "x" * 200) -> None:
    await prepared(url)
    await bury(url, [letter(event(n, f"A-{n}", total="soon", note=note)) for n in range(LETTERS)])


async def test_a_full_disk_ends_an_export_in_a_sentence_with_whole_lines(
    amqp_url: str, command_environment: dict[str, str], tmp_path: Path
) -> None:
    await filled(amqp_url)
    file = tmp_path / "out.ndjson"

    ended = await export(command_environment, f"--to {file}")

    lines = file.read_bytes().splitlines()
    assert ended.returncode == Exit.FAILED
    assert ended.stderr == (
        f"{file} cannot be written: File too large; it holds {len(lines)} dead letters, whole, of "
        "which 0 were taken off the queue; all others are where they were\n"
    )
    assert 0 < len(lines) < LETTERS
    assert all(orjson.loads(line)["payload"] for line in lines)
    assert await waiting(amqp_url) == LETTERS


async def test_with_remove_only_what_is_whole_on_the_disk_is_off_the_queue(
    amqp_url: str, command_environment: dict[str, str], tmp_path: Path
) -> None:
    await filled(amqp_url)
    file = tmp_path / "out.ndjson"

    ended = await export(command_environment, f"--to {file} --remove --yes")

    assert ended.returncode == Exit.FAILED
    assert "Traceback" not in ended.stderr
    assert f"of which {LETTERS - await waiting(amqp_url)} were taken off" in ended.stderr
    assert len(file.read_bytes().splitlines()) + await waiting(amqp_url) >= LETTERS


async def test_a_standard_output_that_is_full_is_told(
    amqp_url: str, command_environment: dict[str, str]
) -> None:
    await filled(amqp_url)

    exported = await export(command_environment, "> /dev/full")
    listed = await asyncio.to_thread(
        subprocess.run,
        ["sh", "-c", f"{sys.executable} -m service dlq ls > /dev/full"],
        capture_output=True,
        text=True,
        env=command_environment,
        check=False,
    )

    assert exported.returncode == listed.returncode == Exit.FAILED
    assert "cannot be written: No space left on device; it holds 0 dead letters" in exported.stderr
    assert "what is printed cannot be written: No space left on device" in listed.stderr
    assert "Traceback" not in exported.stderr + listed.stderr


async def test_what_is_exported_does_nothing_to_a_terminal_and_reads_back_the_same(
    amqp_url: str, command_environment: dict[str, str]
) -> None:
    note = "\u202e\u200b\x9b2J Größe"
    await prepared(amqp_url)
    await bury(amqp_url, [letter(event(1, "A-1", total="soon", note=note))])

    exported = await export(command_environment, "")
    shown = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "service", "dlq", "show", "1", "-o", "json"],
        capture_output=True,
        text=True,
        env=command_environment,
        check=False,
    )

    for text in (exported.stdout, shown.stdout):
        assert not set("\u202e\u200b\x9b") & set(text)
    payload = orjson.loads(orjson.loads(exported.stdout)["payload"])
    assert payload["data"]["properties"]["note"] == note
    assert orjson.loads(shown.stdout)[0]["event"]["data"]["properties"]["note"] == note
