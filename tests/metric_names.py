"""The numbers that docs/operations/metrics.md lists; a test holds the services to it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_PAGE = Path(__file__).resolve().parent.parent / "docs" / "operations" / "metrics.md"
_SERVICES = frozenset({"registry", "consent", "gateway", "node"})
_ROW = re.compile(r"^\| `(\w+)` \|([^|]*)\|([^|]*)\|([^|]*)\|$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Listed:
    """A number as the page lists it.

    Attributes:
        kind: of Prometheus: counter, histogram or gauge.
    """

    labels: frozenset[str]
    services: frozenset[str]
    kind: str


@cache
def documented() -> Mapping[str, Listed]:
    """Every number, by its name."""
    found = {}
    for name, labels, services, told in _ROW.findall(_PAGE.read_text("utf-8")):
        named = frozenset(re.findall(r"\w+", services))
        kind = "histogram" if "a histogram" in told else "gauge"
        found[name] = Listed(
            frozenset(re.findall(r"`(\w+)`", labels)),
            _SERVICES if named == {"all"} else named,
            "counter" if name.endswith("_total") else kind,
        )
    return found
