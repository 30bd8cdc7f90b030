"""What a node counts: decisions by closed words, and how long a withdrawal takes to count."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import pytest
from prometheus_client import Counter, Histogram

from homeroom.audit import AuditKind, Position
from homeroom.errors import LogUnavailableError, Reason
from homeroom.vocabulary import Basis, ReasonCode
from services.node.measuring import DecisionCounts, RevocationLag
from services.runtime.metrics import OTHER
from services.runtime.metrics.log import CountedLog

_NAME = "Zebulonia"


def _counted(counter: Counter) -> Mapping[tuple[str, ...], float]:
    return {
        tuple(sample.labels.values()): sample.value
        for family in counter.collect()
        for sample in family.samples
    }


def _decided(**changed: Any) -> dict[str, Any]:
    said: dict[str, Any] = {
        "requester": "helpers",
        "user": _NAME,
        "basis": "consent",
        "allow": True,
        "reasons": ["permitted_by_consent"],
        "withheld": {},
        "elements": [_NAME],
    }
    return said | changed


def test_a_decision_counts_once_and_each_of_its_reasons_once() -> None:
    """However many elements it withholds for one reason."""
    counts = DecisionCounts()
    missing = str(ReasonCode.CONSENT_MISSING)

    counts.count(AuditKind.DECIDED, _decided(withheld={"gpa": missing, "iep": missing}))
    counts.count(AuditKind.DECIDED, _decided(allow=False, reasons=[missing]))
    counts.count(AuditKind.UNDECIDED, {"basis": "consent", "reason": str(Reason.STATE_STALE)})
    counts.count(AuditKind.UNDECIDED, {"requester": "helpers", "reason": "REQUEST_INVALID"})
    counts.count(AuditKind.RELEASED, {"rows": 3})

    assert _counted(counts.made) == {
        ("consent", "allowed"): 1,
        ("consent", "refused"): 1,
        ("consent", "undecided"): 1,
        ("none", "undecided"): 1,
    }
    assert _counted(counts.reasons) == {
        ("consent", "allowed", "permitted_by_consent"): 1,
        ("consent", "allowed", missing): 1,
        ("consent", "refused", missing): 1,
        ("consent", "undecided", "STATE_STALE"): 1,
        ("none", "undecided", "REQUEST_INVALID"): 1,
    }


@pytest.mark.parametrize("basis", [_NAME, Basis.JUDICIAL_ORDER, Basis.EMERGENCY])
@pytest.mark.parametrize("reason", [_NAME, ReasonCode.ORDER_NOT_LAWFUL, "element=" + _NAME])
def test_a_word_that_is_not_on_the_list_is_other(basis: str, reason: str) -> None:
    """Also a court's order, of which nobody may say that there was one."""
    counts = DecisionCounts()

    counts.count(AuditKind.DECIDED, _decided(basis=basis, reasons=[reason], allow=False))

    assert _counted(counts.made) == {(OTHER, "refused"): 1}
    assert _counted(counts.reasons) == {(OTHER, "refused", OTHER): 1}


class _Kept:
    """A log that is kept, or cannot be."""

    def __init__(self) -> None:
        self.full = False

    async def append(self, *_: object) -> Position:
        if self.full:
            raise LogUnavailableError("the log cannot be written")
        return Position(0, "")


async def test_what_is_not_in_the_log_is_not_counted() -> None:
    """So what the page says can be held against the log."""
    counts, kept = DecisionCounts(), _Kept()
    log = CountedLog[Any](kept, counts)

    with pytest.raises(LogUnavailableError):
        await log.append(AuditKind.DECIDED, b"", _decided())
    log.standing.settle(None, None)
    kept.full = True
    with pytest.raises(LogUnavailableError):
        await log.append(AuditKind.DECIDED, b"", _decided())
    assert _counted(counts.made) == {}
    kept.full = False
    await log.append(AuditKind.DECIDED, b"", _decided())

    assert _counted(counts.made) == {("consent", "allowed"): 1}


def _sum(histogram: Histogram) -> tuple[float, float]:
    found = {one.name: one.value for family in histogram.collect() for one in family.samples}
    return found["homeroom_revocation_lag_seconds_count"], found[
        "homeroom_revocation_lag_seconds_sum"
    ]


def test_a_withdrawal_has_a_lag_and_never_a_negative_one() -> None:
    """Two clocks may differ a little."""
    lag = RevocationLag()

    lag.note(dt.timedelta(seconds=3))
    lag.note(dt.timedelta(seconds=-1))

    assert _sum(lag.seconds) == (2, 3)
