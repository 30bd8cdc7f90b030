"""All numbers of one service, in a registry of its own."""

import asyncio
from collections.abc import Iterable

from cryptography import x509
from prometheus_client import CollectorRegistry, ProcessCollector, disable_created_metrics
from prometheus_client.registry import Collector

from services.runtime.metrics.calls import CallMeasures
from services.runtime.metrics.page import MetricsPage
from services.runtime.metrics.readings import Reading, Readings, Values

# A time of creation beside each counter would be a third of the page.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no types there


class Metrics:
    """What a service counts and reads.

    Attributes:
        calls: of its server.
    """

    def __init__(self, methods: Iterable[str]) -> None:
        self.registry = CollectorRegistry()
        self.calls = CallMeasures(methods, self.registry)
        self._readings = Readings()
        self.registry.register(self._readings)
        self._page: MetricsPage | None = None
        ProcessCollector(registry=self.registry)

    def read(self, *readings: Reading) -> None:
        """Reads these too."""
        for reading in readings:
            self._readings.add(reading)

    def count(self, *collectors: Collector) -> None:
        """Tells of these counters too, which were made without a registry."""
        for collector in collectors:
            self.registry.register(collector)

    def read_certificates(self, own: bytes, authorities: bytes) -> None:
        """Tells when the certificates end by which this service is serving."""
        ends: Values = {("own",): _end_of(own), ("authority",): _end_of(authorities)}
        told = "When the service's certificate ends, and the first of its authorities."
        name = "homeroom_certificate_expiry_timestamp_seconds"
        self.read(Reading(name, told, lambda: ends, ("certificate",)))

    def listen(self, address: str) -> int:
        """Serves the page; returns the port.

        Raises:
            HomeroomError: if it cannot.
        """
        self._page = MetricsPage(address, self.registry)
        return self._page.port

    async def close(self) -> None:
        """Serves it no longer."""
        if self._page is not None:
            page, self._page = self._page, None
            await asyncio.to_thread(page.close)


def _end_of(chain: bytes) -> float:
    """The first end of some certificates, in seconds since 1970."""
    certificates = x509.load_pem_x509_certificates(chain)
    return min(one.not_valid_after_utc for one in certificates).timestamp()
