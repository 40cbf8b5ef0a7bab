"""Spans of what is done, for OpenTelemetry: one for a batch, one for each call, one for each outcome.

Law: off means free. This module imports the optional extra `otel`, so it is imported only where `OTEL_*`
variables name an exporter; the pipeline then asks once a batch whether there is anything to do, and calls
and publishes are not wrapped at all.

A batch carries events of many traces, so its span has no parent but a link to every event's context, as
OpenTelemetry's messaging conventions ask for batches. HubSpot is told no trace ids: they are no business
of a third party.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Self

import orjson
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    Link,
    Span,
    SpanKind,
    StatusCode,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from service.core.events.events import Contribution
from service.core.hubspot.answers import BatchReply, NoReply
from service.core.hubspot.requests import Call
from service.core.outgoing import Outgoing
from service.core.waiting.batch import Batch
from service.watch.version import installed

Send = Callable[[Call], Awaitable[BatchReply | NoReply]]
Publish = Callable[[Sequence[Outgoing]], Awaitable[None]]

_CONTEXT: Final = TraceContextTextMapPropagator()
_RABBITMQ: Final = {"messaging.system": "rabbitmq"}


class Traces:
    """The spans of one process. The SDK's own `OTEL_*` variables decide on exporter, sampling and limits."""

    def __init__(self, processor: SpanProcessor) -> None:
        self._provider = TracerProvider(resource=_resource())
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("ordersync", installed())

    @classmethod
    def exporting(cls) -> Self:
        """Over OTLP, to where `OTEL_EXPORTER_OTLP_*` says."""
        return cls(BatchSpanProcessor(OTLPSpanExporter()))

    def close(self) -> None:
        """Send what is left. Blocks for as long as the exporter's timeout at most."""
        self._provider.shutdown()

    async def carrying(self, batch: Batch, story: Awaitable[None]) -> None:
        """Await a batch's story in a span that lasts from its first call to its last ack."""
        contributions = [c for slot in batch.slots for c in slot.contributions]
        queue = contributions[0].delivery.queue
        attributes: dict[str, str | int] = {
            **_RABBITMQ,
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": queue,
            "messaging.batch.message_count": len(contributions),
            "ordersync.operation": batch.operation,
            "ordersync.records": len(batch.slots),
            "ordersync.trigger": batch.trigger,
        }
        with self._tracer.start_as_current_span(
            f"process {queue}",
            kind=SpanKind.CONSUMER,
            attributes=attributes,
            links=list(_links(contributions)),
        ):
            await story

    def calls(self, send: Send, base_url: str, address: Callable[[Call], tuple[str, str]]) -> Send:
        """`send` with a client span around every request."""

        async def traced(call: Call) -> BatchReply | NoReply:
            method, template = address(call)
            attributes: dict[str, str | int] = {
                "http.request.method": method,
                "url.template": template,
                "url.full": base_url + template,
                "ordersync.records": call.size,
            }
            with self._tracer.start_as_current_span(
                f"{method} {template}", kind=SpanKind.CLIENT, attributes=attributes
            ) as span:
                reply = await send(call)
                _note(span, reply)
                return reply

        return traced

    def publishes(self, publish: Publish, exchange: str) -> Publish:
        """`publish` with a producer span for every outcome; the message's header `traceparent` names it.

        The outcome's own `traceparent`, in its body, stays what the event's producer gave.
        """

        async def traced(messages: Sequence[Outgoing]) -> None:
            spans: list[Span] = []
            sent = [self._sending(message, exchange, spans) for message in messages]
            try:
                await publish(sent)
            finally:
                for span in spans:
                    span.end()

        return traced

    def _sending(self, message: Outgoing, exchange: str, spans: list[Span]) -> Outgoing:
        if message.exchange != "outcomes":
            return message
        span = self._tracer.start_span(
            f"send {exchange}",
            kind=SpanKind.PRODUCER,
            attributes={
                **_RABBITMQ,
                "messaging.operation.name": "send",
                "messaging.operation.type": "send",
                "messaging.destination.name": f"{exchange}:{message.routing_key}",
                "messaging.rabbitmq.destination.routing_key": message.routing_key,
            },
        )
        if span.is_recording():
            link = _link(orjson.loads(message.body))
            if link is not None:
                span.add_link(link.context)
            if message.correlation_id is not None:
                span.set_attribute("messaging.message.conversation_id", message.correlation_id)
        spans.append(span)
        headers: dict[str, Any] = dict(message.headers or {})
        _CONTEXT.inject(headers, set_span_in_context(span))
        return replace(message, headers=headers)


def _links(contributions: Iterable[Contribution]) -> Iterator[Link]:
    """To every event's context: CloudEvents' extension, else the AMQP header that instrumentations set."""
    for contribution in contributions:
        event = contribution.event
        link = _link({"traceparent": event.traceparent, "tracestate": event.tracestate})
        if link is None:
            link = _link(contribution.delivery.headers)
        if link is not None:
            yield Link(link.context, {"messaging.message.id": event.id})


def _link(carrier: Mapping[str, Any]) -> Link | None:
    """What a carrier's `traceparent` points at; None where it has none, or none that is valid."""
    named = {
        name: value
        for name in ("traceparent", "tracestate")
        if isinstance(value := carrier.get(name), str)
    }
    if "traceparent" not in named:
        return None
    context = get_current_span(_CONTEXT.extract(named, context=Context())).get_span_context()
    return Link(context) if context.is_valid else None


def _note(span: Span, reply: BatchReply | NoReply) -> None:
    match reply:
        case NoReply(message=message):
            span.set_status(StatusCode.ERROR, message)
            span.set_attribute("error.type", "no_reply")
        case BatchReply(status=status, headers=headers):
            span.set_attribute("http.response.status_code", status)
            if status >= 400:
                span.set_status(StatusCode.ERROR)
                span.set_attribute("error.type", str(status))
            if (known := headers.get("x-hubspot-correlation-id")) is not None:
                span.set_attribute("hubspot.correlation_id", known)


def _resource() -> Resource:
    """Who we are; `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` know better."""
    told = Resource.create()
    named = str(told.attributes.get(SERVICE_NAME, "unknown_service"))
    ours = {SERVICE_VERSION: installed()} | (
        {SERVICE_NAME: "ordersync"} if named.startswith("unknown_service") else {}
    )
    return told.merge(Resource(ours))
