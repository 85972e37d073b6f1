"""An observer for OpenTelemetry: spans, a histogram of the durations of requests, and drivers' statistics.

Names and values follow OpenTelemetry's semantic conventions for database clients ("Semantic conventions
for database client spans", "… metrics", and those for Cassandra). It only requires
opentelemetry-api; the application configures the SDK, which exports the spans and metrics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coodie.exceptions import (
    AlreadyExistsError,
    FunctionFailureError,
    InvalidQueryError,
    ObserverLoadError,
    OverloadedError,
    QuerySyntaxError,
    ReadFailureError,
    ReadTimeoutError,
    UnauthorizedError,
    UnavailableError,
    WriteFailureError,
    WriteTimeoutError,
)
from coodie.hooks import hookimpl
from coodie.observers.events import RequestKind
from coodie.observers.otel_stats import observe_stats
from coodie.observers.statements import describe_request

if TYPE_CHECKING:
    from opentelemetry.metrics import Histogram, MeterProvider
    from opentelemetry.trace import Span, Tracer, TracerProvider

    from coodie.observers.events import RequestEvent, RequestFinished, RequestRetried, RequestStarted

__all__ = ["OpenTelemetryObserver"]

#: The version of the semantic conventions.
_SCHEMA = "https://opentelemetry.io/schemas/1.43.0"

#: The buckets of the conventions, in seconds.
_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)

#: The maximum number of characters of a statement in a span.
_MAX_TEXT = 4096

#: The codes of the protocol's ERROR message (native_protocol_v5.spec, section 9), by meaning.
_CODES: dict[type, int] = {
    UnavailableError: 0x1000,
    OverloadedError: 0x1001,
    WriteTimeoutError: 0x1100,
    ReadTimeoutError: 0x1200,
    ReadFailureError: 0x1300,
    FunctionFailureError: 0x1400,
    WriteFailureError: 0x1500,
    QuerySyntaxError: 0x2000,
    UnauthorizedError: 0x2100,
    InvalidQueryError: 0x2200,
    AlreadyExistsError: 0x2400,
}


class OpenTelemetryObserver:
    """Creates a CLIENT span for each request, as a child of the current one, and measures its duration.

    It also exports the ``stats()`` of the registered drivers as metrics; they are read when the SDK collects.

    Spans contain the statement, with ``?`` in place of each literal, but no parameters. Errors are recorded
    as the name of their class, since messages may quote statements.

    Args:
        tracer_provider: The provider for spans; None for the application's global one.
        meter_provider: The provider for metrics; None for the application's global one.

    Raises:
        ObserverLoadError: opentelemetry-api isn't installed, or too old.
    """

    def __init__(
        self, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        from coodie._version import __version__

        try:
            from opentelemetry import metrics, trace

            meter = metrics.get_meter("coodie", __version__, meter_provider, _SCHEMA)
            self._durations: Histogram = meter.create_histogram(
                "db.client.operation.duration",
                unit="s",
                description="Duration of database client operations.",
                explicit_bucket_boundaries_advisory=_BUCKETS,
            )
            observe_stats(meter, metrics.Observation)
        except (ImportError, TypeError) as exc:
            message = f"OpenTelemetry needs opentelemetry-api 1.30 or newer, which isn't installed: {exc}."
            raise ObserverLoadError(
                message, command='pip install --upgrade "opentelemetry-api>=1.30"', observer="otel"
            ) from exc
        self._trace = trace
        self._tracer: Tracer = trace.get_tracer("coodie", __version__, tracer_provider, _SCHEMA)
        #: The spans of the requests in flight; each that has started ends.
        self._spans: dict[int, Span] = {}

    @hookimpl
    def coodie_request_started(self, event: RequestStarted) -> None:
        """Start a span in the current context."""
        known = _known(event)
        operation, target = known["db.operation.name"], known.get("db.collection.name")
        name = f"{operation} {target or event.keyspace or ''}".strip() or "cassandra"
        if target is not None:
            known["db.query.summary"] = name
        self._spans[event.request_id] = self._tracer.start_span(
            name, kind=self._trace.SpanKind.CLIENT, attributes={**known, **_asked(event)}
        )

    @hookimpl
    def coodie_request_retried(self, event: RequestRetried) -> None:
        """Add an event to the request's span."""
        span = self._spans.get(event.request_id)
        if span is not None:
            reason = event.reason.value
            span.add_event("retry", {"coodie.attempt": event.attempt, "coodie.retry.reason": reason})

    @hookimpl
    def coodie_request_finished(self, event: RequestFinished) -> None:
        """End the request's span, and record its duration."""
        span = self._spans.pop(event.request_id, self._trace.INVALID_SPAN)
        outcome = _outcome(event)
        span.set_attributes(outcome)
        if event.pages:
            span.set_attribute("db.response.returned_rows", event.rows)
        if event.host is not None:
            if event.host.datacenter is not None:
                span.set_attribute("cassandra.coordinator.dc", event.host.datacenter)
            if event.host.host_id is not None:
                span.set_attribute("cassandra.coordinator.id", str(event.host.host_id))
        if event.error is not None:
            status = self._trace.Status(self._trace.StatusCode.ERROR, type(event.error).__name__)
            span.set_status(status)
        span.end()
        # In the span's context, so that the measurement can point to it.
        context = self._trace.set_span_in_context(span)
        self._durations.record(event.duration, {**_known(event), **outcome}, context)


def _known(event: RequestEvent) -> dict[str, Any]:
    """Return the attributes of few values that spans and measurements share."""
    described = describe_request(event)
    known = {
        "db.system.name": "cassandra",
        "db.operation.name": described.operation,
        "db.collection.name": described.collection,
        "db.namespace": event.keyspace,
    }
    return {name: value for name, value in known.items() if value is not None}


def _asked(event: RequestEvent) -> dict[str, Any]:
    """Return what else is known of a request when it starts."""
    # A batch's statements may be parameterised or not, each on its own.
    as_given = event.parameter_count > 0 and event.kind is not RequestKind.BATCH
    text = event.statement if as_given else describe_request(event).text
    asked = {
        "db.query.text": text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…",
        "cassandra.query.idempotent": event.idempotent,
        "cassandra.consistency.level": event.consistency and event.consistency.lower(),
        "cassandra.page.size": event.fetch_size,
        # One operation is no batch, say the conventions.
        "db.operation.batch.size": event.batch_size if event.batch_size > 1 else None,
    }
    return {name: value for name, value in asked.items() if value is not None}


def _outcome(event: RequestFinished) -> dict[str, Any]:
    """Return the attributes of few values that are known at the end."""
    outcome: dict[str, Any] = {}
    host, error = event.host, event.error
    if host is not None:
        outcome = {"server.address": host.address, "network.peer.address": host.address}
        if host.port is not None:
            outcome |= {"server.port": host.port, "network.peer.port": host.port}
    if error is not None:
        outcome["error.type"] = f"{type(error).__module__}.{type(error).__qualname__}"
        # What we refuse ourselves has no cause of the driver's.
        code = _CODES.get(type(error)) if error.__cause__ is not None else None
        if code is not None:
            outcome["db.response.status_code"] = str(code)
    return outcome
