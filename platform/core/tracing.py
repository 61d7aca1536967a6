"""Traces of requests, tasks and queries, sent to an OpenTelemetry collector if one is configured.

OTEL_EXPORTER_OTLP_ENDPOINT turns them on; OpenTelemetry reads its other OTEL_* variables by itself.
Without it none of what sends and instruments is imported. Spans name routes and parametrised SQL; the query
string and the client's address are left out, as they are of the log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.http import HttpRequest

if TYPE_CHECKING:
    from opentelemetry.trace import Span

PERSONAL = {
    "http.target": "",
    "url.query": "",
    "http.client_ip": "",
    "net.peer.ip": "",
    "net.peer.name": "",
    "client.address": "",
    "network.peer.address": "",
    "http.user_agent": "",
    "user_agent.original": "",
}


def start() -> None:
    """Begin to send traces; once in each process that works, after it was forked."""
    if not settings.OTEL_EXPORTER_OTLP_ENDPOINT:
        return
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.celery import CeleryInstrumentor
    from opentelemetry.instrumentation.django import DjangoInstrumentor
    from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
    from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    # What the environment says of the service goes before our name for it.
    resource = Resource({SERVICE_NAME: settings.OTEL_SERVICE_NAME}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    DjangoInstrumentor().instrument(request_hook=_leave_out_the_person)
    CeleryInstrumentor().instrument()  # type: ignore[no-untyped-call]
    PsycopgInstrumentor().instrument()


def _leave_out_the_person(span: Span, request: HttpRequest) -> None:
    if not span.is_recording():
        return
    url = f"{request.scheme}://{request.get_host()}{request.path}"
    known = getattr(span, "attributes", {})
    span.set_attributes(
        {name: value for name, value in (PERSONAL | {"http.url": url, "url.full": url}).items() if name in known}
    )
