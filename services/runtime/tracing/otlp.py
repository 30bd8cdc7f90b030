"""Makes spans with OpenTelemetry, and sends them by OTLP; the extra `tracing` brings both.

Spans are our own, not those of the instrumentation of gRPC: that one writes down an error's text,
the caller's address, and whatever an app has sent along.
"""

import asyncio
import re
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from types import TracebackType

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)

from homeroom.identity import Identity, Role
from services.runtime.identity import ServicerContext
from services.runtime.metrics import OTHER
from services.runtime.metrics.calls import ending_of
from services.runtime.tracing.serving import Metadata, remember_span

METHOD, CODE, REASON = "rpc.method", "rpc.response.status_code", "homeroom.reason"
ORGANIZATION, ROWS = "homeroom.organization", "homeroom.rows"
ATTRIBUTES = frozenset({METHOD, CODE, REASON, ORGANIZATION, ROWS})
"""All that a span tells beside its name, its times, and what it belongs to."""

_PARENT = "traceparent"
_WRITTEN = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_SERVICES = frozenset({Role.GATEWAY, Role.NODE, Role.REGISTRY, Role.CONSENT})
_EXPORT_SECONDS = 5
_OUR_FAULTS = frozenset({"INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED"})


class Tracing:
    """The spans of one service, on their way to its collector."""

    def __init__(self, provider: TracerProvider, methods: Iterable[str]) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("homeroom")
        self._methods = frozenset(methods)

    @classmethod
    def to(
        cls, endpoint: str, share: float, own: Mapping[str, str], methods: Iterable[str]
    ) -> "Tracing":
        """Sends to a collector; what it cannot take in time is lost, and no call waits for it."""
        # Of our words alone: what is detected tells of the machine and of arguments.
        resource = Resource(dict(own))
        sampler = ParentBased(TraceIdRatioBased(share))
        provider = TracerProvider(sampler, resource, shutdown_on_exit=False)
        plain = endpoint.startswith("http://")
        exporter = OTLPSpanExporter(endpoint, insecure=plain, timeout=_EXPORT_SECONDS)
        provider.add_span_processor(BatchSpanProcessor(exporter))
        return cls(provider, methods)

    def serving(
        self, method: str, caller: Identity, context: ServicerContext
    ) -> AbstractContextManager[Metadata]:
        """A span for a call that was admitted, for as long as the block runs."""
        name = method if method in self._methods else OTHER
        span = self._tracer.start_span(
            name,
            context=_parent_of(context) if caller.role in _SERVICES else Context(),
            kind=SpanKind.SERVER,
            attributes={METHOD: name, ORGANIZATION: caller.organization_id},
        )
        served = _Call(span, self._tracer)
        remember_span(served)
        return served

    async def close(self) -> None:
        """Sends what waits, for a moment, and nothing after that."""
        await asyncio.to_thread(self._provider.shutdown)


class _Call(AbstractContextManager[Metadata]):
    """One call in a trace, which ends with the block; implements `CallSpan`."""

    def __init__(self, span: Span, tracer: Tracer) -> None:
        self._span = span
        self._tracer = tracer

    def __enter__(self) -> Metadata:
        known = self._span.get_span_context()
        flags = int(known.trace_flags) & TraceFlags.SAMPLED
        return ((_PARENT, f"00-{known.trace_id:032x}-{known.span_id:016x}-{flags:02x}"),)

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        code, reason = ending_of(error)
        self._span.set_attribute(CODE, code)
        if reason:
            self._span.set_attribute(REASON, reason)
        if code in _OUR_FAULTS:
            # Without a description, which would be the error's text.
            self._span.set_status(StatusCode.ERROR)
        self._span.end()

    def tell_rows(self, rows: int) -> None:
        self._span.set_attribute(ROWS, rows)

    def calling(self, method: str, organization_id: str) -> AbstractContextManager[Metadata]:
        span = self._tracer.start_span(
            method,
            context=set_span_in_context(self._span, Context()),
            kind=SpanKind.CLIENT,
            attributes={METHOD: method, ORGANIZATION: organization_id},
        )
        return _Call(span, self._tracer)


def _parent_of(context: ServicerContext) -> Context:
    """The span that a service of the federation made this call for; none if it says none."""
    for key, value in context.invocation_metadata() or ():
        if key == _PARENT and isinstance(value, str) and (said := _WRITTEN.fullmatch(value)):
            trace, span, flags = (int(part, 16) for part in said.groups())
            known = SpanContext(trace, span, is_remote=True, trace_flags=TraceFlags(flags & 1))
            return set_span_in_context(NonRecordingSpan(known), Context())
    return Context()
