"""The pytest fixture, from the outside: a project that knows nothing but the plugin's name."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

OTHER_PROJECT = """
import urllib.request
import json

pytest_plugins = ["service.twin.pytest_plugin"]


def call(url, body):
    headers = {"Authorization": "Bearer x", "Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def test_orders(hubspot_twin):
    one, two = hubspot_twin(unique=("erp_id",)), hubspot_twin()
    body = {"inputs": [{"id": "E-1", "idProperty": "erp_id", "properties": {}}]}

    answer = call(one.url + "/crm/v3/objects/orders/batch/upsert", body)

    assert answer["results"][0]["new"] is True
    assert set(one.twin.state()) == {"E-1"}
    assert two.twin.state() == {}
"""


def test_another_project_uses_the_fixture(pytester: pytest.Pytester):
    root = Path(__file__).resolve().parents[2]
    pytester.makepyfile(test_orders=OTHER_PROJECT)
    pytester.makeini(
        f"[pytest]\npythonpath = {root}\nasyncio_default_fixture_loop_scope = function\n"
    )

    result = pytester.runpytest_subprocess("-q")

    result.assert_outcomes(passed=1)
