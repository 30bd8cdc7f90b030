"""Counts calls: how many, how they ended, how long they took, how many are running."""

import asyncio
from collections.abc import Iterable
from time import perf_counter
from types import TracebackType

import grpc
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from homeroom.errors import HomeroomError, Reason
from services.runtime.errors import STATUS_OF_REASON
from services.runtime.metrics.labels import OTHER, Bounded

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)
_WATCH = "/Watch"


class CallMeasures:
    """The calls of one server; a method that is not in its access table is `other`."""

    def __init__(self, methods: Iterable[str], registry: CollectorRegistry) -> None:
        self._calls = Bounded(
            Counter(
                "homeroom_calls",
                "Calls that ended, by method, gRPC code, and our reason where there is one.",
                ("method", "code", "reason"),
                registry=registry,
            )
        )
        seconds = Histogram(
            "homeroom_call_seconds",
            "How long calls took to their last message; watches, which never end, are not in it.",
            ("method",),
            buckets=_SECONDS,
            registry=registry,
        )
        running = Gauge(
            "homeroom_calls_in_flight",
            "Calls that are running, watches among them.",
            ("method",),
            registry=registry,
        )
        self._methods = {
            name: (None if _WATCH in name else seconds.labels(name), running.labels(name))
            for name in (*methods, OTHER)
        }

    def begin(self, method: str) -> "MeasuredCall":
        """Measures one call, for as long as the block runs."""
        name = method if method in self._methods else OTHER
        return MeasuredCall(name, self._calls, *self._methods[name])

    def unknown(self) -> None:
        """Counts a call of a method that there is not; gRPC itself refuses it."""
        self._calls.count(OTHER, grpc.StatusCode.UNIMPLEMENTED.name, "")


class MeasuredCall:
    """One call that is running."""

    __slots__ = ("_began", "_calls", "_method", "_running", "_seconds")

    def __init__(
        self, method: str, calls: Bounded, seconds: Histogram | None, running: Gauge
    ) -> None:
        self._method = method
        self._calls = calls
        self._seconds = seconds
        self._running = running
        self._began = 0.0

    def __enter__(self) -> None:
        self._began = perf_counter()
        self._running.inc()

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._running.dec()
        self._calls.count(self._method, *ending_of(error))
        if self._seconds is not None:
            self._seconds.observe(perf_counter() - self._began)


def ending_of(error: BaseException | None) -> tuple[str, str]:
    """The gRPC code that a call ends with, and our reason; never a word of the error's text."""
    if error is None:
        return grpc.StatusCode.OK.name, ""
    if isinstance(error, HomeroomError):
        return STATUS_OF_REASON[error.reason].name, str(error.reason)
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        return grpc.StatusCode.CANCELLED.name, ""
    return grpc.StatusCode.INTERNAL.name, str(Reason.INTERNAL)
