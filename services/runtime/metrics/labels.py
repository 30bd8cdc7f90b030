"""Keeps labels to closed lists: what is not on one is `other`."""

from collections.abc import Collection
from typing import Protocol

from prometheus_client import Counter

from homeroom.errors import Reason
from homeroom.question import NO_GROUND
from homeroom.vocabulary import Basis, ReasonCode

OTHER = "other"
"""What a label says in place of a word that is not on its list."""

# That there was a court's order may itself be secret (34 CFR 99.31(a)(9)(ii)). It is counted among
# other rare grounds, so that no number says it.
_RARE = frozenset({Basis.JUDICIAL_ORDER, Basis.EMERGENCY, Basis.CHILD_WELFARE})
_OF_RARE = frozenset(
    {
        ReasonCode.PERMITTED_JUDICIAL_ORDER,
        ReasonCode.ORDER_NOT_LAWFUL,
        ReasonCode.PERMITTED_EMERGENCY,
        ReasonCode.EMERGENCY_CONDITIONS_NOT_MET,
        ReasonCode.PERMITTED_CHILD_WELFARE,
    }
)

BASES = frozenset(str(one) for one in (*Basis, NO_GROUND) if one not in _RARE)
"""The grounds that a label may name."""

REASONS = frozenset(str(one) for one in (*ReasonCode, *Reason) if one not in _OF_RARE)
"""The reasons that a label may name, of decisions and of errors."""

_MOST_NAMES = 1_000


class Counted(Protocol):
    """One series of a counter."""

    def inc(self, amount: float = 1) -> None:
        """Counts on."""
        ...


class Bounded:
    """The series of a counter, each looked up once: to look one up takes a lock and a tuple."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._series: dict[tuple[str, ...], Counted] = {}

    def count(self, *labels: str) -> None:
        """Counts one; whoever calls answers for every label being of a closed list."""
        series = self._series.get(labels)
        if series is None:
            series = self._series[labels] = self._counter.labels(*labels)
        series.inc()


class Names:
    """The names of organizations that were seen, as many as a federation may have."""

    def __init__(self, most: int = _MOST_NAMES) -> None:
        self._most = most
        self._seen: set[str] = set()

    def label(self, name: str) -> str:
        """The name itself, or `other` where there are too many."""
        if name not in self._seen:
            if len(self._seen) >= self._most:
                return OTHER
            self._seen.add(name)
        return name


def listed(word: str, words: Collection[str]) -> str:
    """The word if it is on the list."""
    return word if word in words else OTHER
