"""OpenTelemetry spans, when asked for (`--otel`): one span a request, with its stages."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any, Protocol

from xlt._version import __version__
from xlt.core.extras import needs

__all__ = ["NoSpans", "OtelSpans", "Spans"]


class Traced(Protocol):
    """What a span tells of a request."""

    scope: Any
    trace_id: str
    route: str
    status: int
    n_items: int
    tokens: int
    error: str
    stages: dict[str, float]

    def header(self, name: str) -> str | None:
        """A header's value."""

    @property
    def model_name(self) -> str:
        """Of the model that was asked; empty for none."""


class Spans(Protocol):
    """Where request spans go."""

    def request(self, call: Traced) -> contextlib.AbstractContextManager[None]:
        """A block around one request."""

    def close(self) -> None:
        """Send what is left."""


class NoSpans:
    """Nowhere."""

    def request(self, call: Traced) -> contextlib.AbstractContextManager[None]:
        """Nothing."""
        return contextlib.nullcontext()

    def close(self) -> None:
        """Nothing."""


class OtelSpans:
    """To an OpenTelemetry exporter.

    Args:
        exporter: default, OTLP over HTTP, set by the standard OTEL_* variables.
    """

    def __init__(self, exporter: Any = None) -> None:
        with needs("otel", "spans of requests"):
            from opentelemetry.propagate import extract
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor

            if exporter is None:
                from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

                exporter = OTLPSpanExporter()
        self.extract = extract
        self.provider = TracerProvider(
            resource=Resource.create({"service.name": "xlt", "service.version": __version__})
        )
        self.provider.add_span_processor(BatchSpanProcessor(exporter))
        self.tracer = self.provider.get_tracer("xlt.serve", __version__)

    @contextlib.contextmanager
    def request(self, call: Traced) -> Iterator[None]:
        """A server span; its parent is the client's `traceparent`."""
        carrier = {"traceparent": call.header("traceparent") or ""}
        from opentelemetry.trace import SpanKind, StatusCode

        began = time.time()
        with self.tracer.start_as_current_span(
            call.scope["method"], context=self.extract(carrier), kind=SpanKind.SERVER
        ) as span:
            call.trace_id = format(span.get_span_context().trace_id, "032x")
            yield
            span.update_name(f"{call.scope['method']} {call.route}")
            span.set_attribute("http.request.method", call.scope["method"])
            span.set_attribute("http.route", call.route)
            span.set_attribute("http.response.status_code", call.status or 499)
            span.set_attribute("xlt.model", call.model_name)
            span.set_attribute("xlt.items", call.n_items)
            span.set_attribute("xlt.tokens", call.tokens)
            if call.status >= 500:
                span.set_status(StatusCode.ERROR, call.error)
            at = began
            for stage, seconds in call.stages.items():
                part = self.tracer.start_span(stage, start_time=int(at * 1e9))
                at += seconds
                part.end(int(at * 1e9))

    def close(self) -> None:
        """Send what is left."""
        self.provider.shutdown()
