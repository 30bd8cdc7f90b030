"""A collector of traces: what OTLP sends to its socket, as it came and as it reads."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)


class Collector(TraceServiceServicer, AbstractContextManager["Collector"]):
    """Listens on a free port of this machine while the block runs.

    Attributes:
        endpoint: where.
    """

    def __init__(self) -> None:
        self._server = grpc.server(ThreadPoolExecutor(2))
        add_TraceServiceServicer_to_server(self, self._server)  # type: ignore[no-untyped-call]  # its own
        port = self._server.add_insecure_port("127.0.0.1:0")
        self.endpoint = f"http://127.0.0.1:{port}"
        self._requests: list[Any] = []

    def __enter__(self) -> "Collector":
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(None).wait()

    def Export(self, request: Any, context: Any) -> Any:
        # With what was sent along: a word can hide there too.
        self._requests.append((request, repr(context.invocation_metadata())))
        return pb.ExportTraceServiceResponse()

    def spans(self) -> list[Any]:
        """Every span that came."""
        return [
            span
            for request, _ in self._requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def resources(self) -> list[Mapping[str, Any]]:
        """Who sent them, each once."""
        found: list[Mapping[str, Any]] = []
        for request, _ in self._requests:
            found += [attributes_of(one.resource) for one in request.resource_spans]
        return [one for number, one in enumerate(found) if one not in found[:number]]

    def received(self) -> bytes:
        """Every byte that came."""
        return b"\n".join(
            request.SerializeToString() + sent.encode() for request, sent in self._requests
        )


def attributes_of(one: Any) -> dict[str, Any]:
    """The attributes of a span, or of who sent it."""
    return {
        pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in one.attributes
    }
