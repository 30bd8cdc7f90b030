"""Reads what is known elsewhere at the moment when Prometheus asks; nobody keeps it up to date."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from homeroom.errors import HomeroomError, InternalError
from services.runtime.logs import log

Values: TypeAlias = float | Mapping[tuple[str, ...], float]


@dataclass(frozen=True, slots=True)
class Reading:
    """A number that is read when it is asked for.

    Attributes:
        read: the number; with labels, one for each. It runs in a thread of the page's. What raises
            HomeroomError is not known now, and is left out.
        labels: the names of the labels, whose values are of a closed list.
    """

    name: str
    told: str
    read: Callable[[], Values]
    labels: tuple[str, ...] = ()


class Readings(Collector):
    """All that a service reads; one that fails takes no other with it."""

    def __init__(self) -> None:
        self._readings: dict[str, Reading] = {}

    def add(self, reading: Reading) -> None:
        """Reads this too from now on."""
        if reading.name in self._readings:
            raise InternalError("a number is read twice", state=reading.name)
        self._readings[reading.name] = reading

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for one in list(self._readings.values()):
            family = GaugeMetricFamily(one.name, one.told, labels=one.labels)
            for labels, value in _read(one).items():
                family.add_metric(labels, value)
            yield family


def _read(reading: Reading) -> Mapping[tuple[str, ...], float]:
    try:
        values = reading.read()
    except HomeroomError:
        return {}
    except Exception as error:  # by type only: its text may hold anything
        log.error("a number cannot be read", error_type=type(error).__name__)
        return {}
    return values if isinstance(values, Mapping) else {(): values}
