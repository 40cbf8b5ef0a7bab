"""What spans there are, how they hang together, and that nothing of it is there when it is off."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import orjson
import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from service.app import _traces
from service.hubspot.addresses import address_of
from service.shell.ports import Shell
from service.twin import TwinOptions
from service.watch.traces import Traces
from tests.stage import PORTAL, event, stage, until
from tests.virtual_time import run

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


def traced(exporter: InMemorySpanExporter) -> Callable[[Shell], Shell]:
    traces = Traces(SimpleSpanProcessor(exporter))

    def wrap(shell: Shell) -> Shell:
        return replace(
            shell,
            send=traces.calls(shell.send, "http://twin", partial(address_of, api_version="v3")),
            publish=traces.publishes(shell.publish, "orders.outcomes"),
            traced=traces.carrying,
        )

    return wrap


def with_parent(body: bytes, traceparent: str) -> bytes:
    return orjson.dumps(orjson.loads(body) | {"traceparent": traceparent})


def of(exporter: InMemorySpanExporter, kind: SpanKind) -> list[Any]:
    return [span for span in exporter.get_finished_spans() if span.kind is kind]


def test_a_batch_is_one_consumer_span_that_links_to_every_event_s_context(spans):
    async def scenario() -> None:
        async with stage(wrap=traced(spans)) as on_stage:
            bodies = [event(1, "A", hs_order_name="a"), event(2, "B", hs_order_name="b")]
            on_stage.queue.put([with_parent(bodies[0], PARENT), bodies[1]])
            await until(lambda: len(on_stage.outcomes) == 2)

    run(scenario())

    (batch,) = of(spans, SpanKind.CONSUMER)
    assert batch.name == "process q"
    assert batch.parent is None
    assert batch.attributes["messaging.batch.message_count"] == 2
    (link,) = batch.links
    assert f"{link.context.trace_id:032x}" == TRACE
    assert f"{link.context.span_id:016x}" == SPAN
    assert link.attributes["messaging.message.id"] == "1"


def test_the_call_and_the_outcomes_are_the_batch_s_children_and_outcomes_pass_the_context_on(spans):
    published: list[Any] = []

    async def scenario() -> None:
        async with stage(wrap=traced(spans)) as on_stage:
            on_stage.queue.put([with_parent(event(1, "A", hs_order_name="a"), PARENT)])
            await until(lambda: on_stage.outcomes)
            published.extend(on_stage.published)

    run(scenario())

    (batch,), (call,), (sent,) = (
        of(spans, kind) for kind in (SpanKind.CONSUMER, SpanKind.CLIENT, SpanKind.PRODUCER)
    )
    assert call.parent.span_id == sent.parent.span_id == batch.context.span_id
    assert call.name == "POST /crm/v3/objects/orders/batch/upsert"
    assert call.attributes["http.response.status_code"] == 200
    assert call.status.status_code is StatusCode.UNSET
    assert f"{sent.links[0].context.trace_id:032x}" == TRACE
    (outcome,) = published
    assert orjson.loads(outcome.body)["traceparent"] == PARENT
    assert (
        f"{sent.context.trace_id:032x}-{sent.context.span_id:016x}"
        in (outcome.headers["traceparent"])
    )


def test_a_call_that_failed_says_so(spans):
    options = TwinOptions(latency=0.02, properties=PORTAL, faults=())

    async def scenario() -> None:
        async with stage(options, wrap=traced(spans)) as on_stage:
            on_stage.queue.put([event(1, "A", "update", no_such_property="a")])
            await until(lambda: on_stage.outcomes)

    run(scenario())

    assert any(
        call.attributes["http.response.status_code"] >= 207 for call in of(spans, SpanKind.CLIENT)
    )


def test_a_broken_traceparent_is_no_reason_to_fail(spans):
    async def scenario() -> None:
        async with stage(wrap=traced(spans)) as on_stage:
            on_stage.queue.put([with_parent(event(1, "A", hs_order_name="a"), "00-nonsense")])
            await until(lambda: on_stage.outcomes)
            assert on_stage.statuses() == {"applied": 1}

    run(scenario())

    (batch,) = of(spans, SpanKind.CONSUMER)
    assert not batch.links


def test_off_unless_an_exporter_is_named(monkeypatch):
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", raising=False)

    assert _traces() is None


@pytest.mark.parametrize(
    ("variable", "value"), [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")]
)
def test_opentelemetry_s_own_switches_turn_it_off(monkeypatch, variable, value):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv(variable, value)

    assert _traces() is None


def test_on_where_an_exporter_is_named(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "orders-eu")

    traces = _traces()

    assert traces is not None
    assert traces._provider.resource.attributes["service.name"] == "orders-eu"
    traces.close()


def test_nothing_of_it_is_imported_when_it_is_off():
    code = "import sys, service.app; sys.exit(any('opentelemetry' in name for name in sys.modules))"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
