"""What is deployed, and programs in other languages: Node, Go and Java where they are."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.broker import PrivateBroker
from service.rabbitmq.topology import Topology
from service.settings.rabbitmq import JournalSettings, RabbitMQ
from tests.deploy.manifests import ROOT

EXAMPLES = ROOT / "docs" / "producers"
GOCODE = Path("/usr/share/gocode")  # Debian's golang-github-rabbitmq-amqp091-go-dev
JARS = ("amqp-client.jar", "slf4j-api.jar")  # Debian's: librabbitmq-client-java


@pytest.fixture
def topology() -> Topology:
    """What the defaults call for."""
    return Topology.of(RabbitMQ(url="amqp://localhost"), JournalSettings())


@pytest.fixture(scope="session")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with amqplib, publish.mjs and read.mjs in it."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("no Node and npm on the PATH: publish.mjs and read.mjs are not run")
    folder = tmp_path_factory.mktemp("node")
    words = (npm, "install", "--no-audit", "--no-fund", "--loglevel=error", "amqplib@0.10")
    try:
        done = subprocess.run(
            words, cwd=folder, capture_output=True, text=True, timeout=60, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip("npm did not fetch amqplib within a minute: the .mjs are not run")
    if done.returncode != 0:
        pytest.skip(f"npm cannot install amqplib: the .mjs are not run ({done.stderr[-200:]})")
    for name in ("publish.mjs", "read.mjs"):
        shutil.copy(EXAMPLES / name, folder)
    return folder


@pytest.fixture(scope="session")
def class_path() -> str:
    """Where Java finds the client."""
    jars = [Path("/usr/share/java", name) for name in JARS]
    if shutil.which("javac") is None or not all(jar.exists() for jar in jars):
        pytest.skip("no JDK, or no librabbitmq-client-java: the .java are not run")
    return ":".join(map(str, jars))


@dataclass(frozen=True)
class GoPackages:
    """publish.go and read.go, a package each, and how Go finds what they import."""

    folder: Path
    environment: Mapping[str, str]
    older_than_1_6: bool = False


@pytest.fixture(scope="session")
def go_packages(tmp_path_factory: pytest.TempPathFactory) -> GoPackages:
    """With what Debian has of the client, or else with what Go's proxy has."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("no Go on the PATH: publish.go and read.go are not run")
    folder = tmp_path_factory.mktemp("go")
    for name in ("publish", "read"):
        (folder / name).mkdir()
        shutil.copy(EXAMPLES / f"{name}.go", folder / name)
    client = GOCODE / "src" / "github.com" / "rabbitmq" / "amqp091-go"
    if client.is_dir():
        older = not any("WaitContext" in file.read_text() for file in client.glob("confirms.go"))
        return GoPackages(folder, {"GO111MODULE": "off", "GOPATH": str(GOCODE)}, older)
    for words in (("mod", "init", "example"), ("get", "./...")):
        done = subprocess.run(
            (go, *words), cwd=folder, capture_output=True, text=True, timeout=60, check=False
        )
        if done.returncode != 0:
            pytest.skip(f"go {words[0]} failed: the .go are not run ({done.stderr[-200:]})")
    return GoPackages(folder, {})


@pytest.fixture
def managed(request: pytest.FixtureRequest) -> Iterator[PrivateBroker]:
    """A broker with the management API."""
    program = request.getfixturevalue("server")
    with PrivateBroker(program=program, plugins=["rabbitmq_management"]) as node:
        yield node
