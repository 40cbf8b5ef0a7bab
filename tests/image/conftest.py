"""Run by `make test-image`, which builds the image first and names it in `IMAGE`."""

import os
from collections.abc import Iterator

import pytest

from tests.image.containers import Container, Lab, engine_missing, lab, read, until

BROKER = os.environ.get("BROKER_IMAGE", "rabbitmq:4.0")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/image/" in item.path.as_posix():
            item.add_marker("image")


@pytest.fixture(scope="session")
def image() -> str:
    name = os.environ.get("IMAGE")
    if not name:
        pytest.skip("the image is not built: `make test-image` builds it and runs this")
    if (missing := engine_missing()) is not None:
        pytest.skip(missing)
    return name


@pytest.fixture
def containers(image: str) -> Iterator[Lab]:
    with lab(image) as made:
        yield made


@pytest.fixture
def broker(containers: Lab) -> Container:
    """A RabbitMQ that takes connections; the service may find it still starting."""
    return containers.start("broker", BROKER, "--publish", "127.0.0.1::5672")


@pytest.fixture
def twin(containers: Lab) -> Container:
    command = ("hubspot-twin", "--host", "0.0.0.0", "--port", "8080", "--latency", "400")
    options = ("--publish", "127.0.0.1::8080", "--read-only", "--user", "10001")
    started = containers.start("twin", containers.image, *options, command=command)
    port = started.port(8080)
    until(lambda: read(f"http://127.0.0.1:{port}/_twin/stats"), 15, "twin")
    return started
