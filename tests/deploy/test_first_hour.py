"""The steps of deploy/README.md, run as they are written, with a RabbitMQ and a twin where the cluster would be."""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiormq
import pytest

from service.broker import PrivateBroker
from service.demo.samples import ID_PROPERTY
from service.twin import TwinOptions
from service.twin import serve as serve_twin
from tests.deploy.cluster import AT, furnish, pod
from tests.deploy.manifests import DEPLOY, KUBECTL, ROOT, raw

PAGE = (DEPLOY / "README.md").read_text()
STEPS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
TOKEN = "pat-na1-made-up"


def script(node: PrivateBroker) -> str:
    """All steps; the node has a port of its own, in the cluster and on this machine."""
    inside, forwarded = "rabbitmq.rabbitmq.svc:5672", "127.0.0.1:5672"
    steps = "set -euo pipefail\n" + "\n".join(STEPS)
    assert {steps.count(inside), steps.count(forwarded)} == {1, 2}
    for address in (inside, forwarded):
        steps = steps.replace(address, f"{node.host}:{node.port}")
    return steps


def machine(folder: Path, node: PrivateBroker, hubspot: str) -> dict[str, str]:
    """A machine at the root of the repository, with the programs that the page asks for."""
    programs = folder / "programs"
    programs.mkdir()
    for name in ("deploy", ".venv"):
        (folder / name).symlink_to(ROOT / name)
    lines = {
        # It calls the real one, which is behind it on the path.
        "kubectl": f'PATH={os.environ["PATH"]} exec {sys.executable} -m tests.deploy.cluster "$@"',
        "docker": 'echo "$*" >> docker.log',
        "make": 'echo "$*" >> make.log',
        "edit": f'printf "%s\\n" {TOKEN} > "$1"',
        "ordersync": f'exec {sys.executable} -m service "$@"',
    }
    for name, line in lines.items():
        (programs / name).write_text(f"#!/bin/sh\n{line}\n")
        (programs / name).chmod(0o755)
    path = f"{programs}:{os.environ['PATH']}"
    environment = {
        "PATH": path,
        "PYTHONPATH": str(ROOT),
        "ORDERSYNC_HUBSPOT__BASE_URL": hubspot,
        "ORDERSYNC_HTTP__PORT": "0",
        "ORDERSYNC_HTTP__HOST": "127.0.0.1",
    }
    furnish(folder, node, environment)
    return {
        "PATH": path,
        "PYTHONPATH": str(ROOT),
        "HOME": str(folder),
        "EDITOR": "edit",
        AT: str(folder),
    }


@asynccontextmanager
async def hubspot() -> AsyncIterator[str]:
    """Where a twin is that has the property and lets the token in."""
    options = TwinOptions(unique=(ID_PROPERTY,), tokens=(TOKEN,))
    ready = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as tasks:
        twin = tasks.create_task(serve_twin(options, "127.0.0.1", 0, ready=ready.set_result))
        yield await ready
        twin.cancel()


async def run(folder: Path, environment: dict[str, str], *command: str) -> str:
    """What it says; it has to end well."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


async def first_outcome(url: str) -> dict[str, str]:
    connection = await aiormq.connect(url)
    channel = await connection.channel()
    came = asyncio.get_running_loop().create_future()

    async def one(message: aiormq.abc.DeliveredMessage) -> None:
        await channel.basic_ack(message.delivery_tag or 0)
        came.set_result(json.loads(message.body)["data"])

    await channel.basic_consume("orders.results", one)
    outcome: dict[str, str] = await came
    await connection.close()
    return outcome


@pytest.mark.skipif(KUBECTL is None, reason="no kubectl on the PATH: the steps need it")
async def test_the_steps_lead_to_a_first_outcome(
    private_broker: PrivateBroker, tmp_path: Path
) -> None:
    async with asyncio.timeout(110), hubspot() as base:
        environment = machine(tmp_path, private_broker, base)

        said = await run(tmp_path, environment, "bash", "-c", script(private_broker))

        assert "published 1 event" in said
        assert "0 dead letters" in said
        assert "all is well" in said
        unseen = [line for line in said.splitlines() if line.startswith("- ")]
        assert len(unseen) == 4, said
        secret = (tmp_path / "secrets" / "outcomes-reader").read_text().strip()
        reader = (
            f"amqp://outcomes-reader:{secret}@{private_broker.host}:{private_broker.port}/orders"
        )
        service = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "service", "run", cwd=tmp_path, env=pod(tmp_path)
        )
        outcome = await first_outcome(reader)
        service.terminate()
        assert await service.wait() == 0
        assert outcome["status"] == "applied"


def test_the_secrets_of_the_page_are_those_that_are_mounted() -> None:
    (job,) = raw(DEPLOY / "components" / "replay-job")
    (volume,) = (
        v["projected"] for v in job["spec"]["template"]["spec"]["volumes"] if "projected" in v
    )
    for source in volume["sources"]:
        secret = source["secret"]
        for item in secret["items"]:
            assert re.search(rf"create secret generic {secret['name']} [^`]*{item['key']}", PAGE)
