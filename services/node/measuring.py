"""What a node counts of its decisions, and what else its page tells.

Neither a count nor a label is about a student.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import Counter, Histogram

from homeroom.audit import AuditKind
from homeroom.clock import Clock
from homeroom.question import NO_GROUND
from services.node.opening import Counts
from services.node.peers import ConsentFeed
from services.node.settings import NodeSettings
from services.runtime.metrics import (
    BASES,
    REASONS,
    Bounded,
    Reading,
    ages_of,
    listed,
    measure_policies,
    sequences_of,
)
from services.runtime.metrics.log import measure_standing
from services.runtime.registry_feed import RegistryFeed
from services.runtime.server import Server
from services.runtime.tracing import tell_rows

_LAG_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 3_600)


class DecisionCounts:
    """Counts decisions as the log tells of them; implements `Counts`."""

    def __init__(self) -> None:
        labels = ("basis", "outcome")
        told = "Decisions about questions that the log has, those that could not be made included."
        self.made = Counter("homeroom_decisions", told, labels, registry=None)
        told = "Reasons of decisions; a decision may have several, of several elements."
        self.reasons = Counter(
            "homeroom_decision_reasons", told, (*labels, "reason"), registry=None
        )
        self._made, self._reasons = Bounded(self.made), Bounded(self.reasons)

    def count(self, kind: AuditKind, content: Mapping[str, Any]) -> None:
        if kind is AuditKind.DECIDED:
            given = {*content["reasons"], *content["withheld"].values()}
            self._count(content, "allowed" if content["allow"] else "refused", given)
        elif kind is AuditKind.UNDECIDED:
            self._count(content, "undecided", {content["reason"]})
        elif kind is AuditKind.RELEASED:
            tell_rows(content["rows"])

    def _count(self, content: Mapping[str, Any], outcome: str, reasons: set[str]) -> None:
        # What is no question has no ground.
        basis = listed(str(content.get("basis", NO_GROUND)), BASES)
        self._made.count(basis, outcome)
        for reason in {listed(str(one), REASONS) for one in reasons}:
            self._reasons.count(basis, outcome, reason)


class RevocationLag:
    """How long what families take back goes on counting here."""

    def __init__(self) -> None:
        told = "From when the consent service took a revocation until it counts here."
        self.seconds = Histogram(
            "homeroom_revocation_lag_seconds", told, buckets=_LAG_SECONDS, registry=None
        )

    def note(self, lag: dt.timedelta) -> None:
        """Counts one revocation, or narrowing."""
        self.seconds.observe(max(lag.total_seconds(), 0))


@dataclass(frozen=True, slots=True)
class Measured:
    """What of a node is measured."""

    counts: Counts
    registry: RegistryFeed
    consents: ConsentFeed
    decisions: DecisionCounts


def measured(server: Server, settings: NodeSettings, of: Measured, clock: Clock) -> Server:
    """The node's server, whose page tells of all this."""
    metrics, lag = server.metrics, RevocationLag()
    of.consents.on_taken_back = lag.note
    metrics.count(of.decisions.made, of.decisions.reasons, lag.seconds)
    confirmed = {
        "registry": lambda: of.registry.confirmed_at,
        "consent": lambda: of.consents.freshness.confirmed_at,
    }
    limit = dt.timedelta(seconds=settings.max_state_age_seconds)
    files = of.counts.files
    metrics.read(
        *ages_of(confirmed, clock, limit),
        sequences_of(
            {
                "registry": lambda: of.registry.sequence,
                "consent": lambda: of.consents.freshness.sequence,
            }
        ),
        *measure_standing(of.counts.standing),
        *measure_policies({"federation": files.federation, "local": files.local}),
        *_obligations(of.counts),
    )
    return server


def _obligations(counts: Counts) -> tuple[Reading, ...]:
    def contradicted() -> float:
        return sum(one.contradiction is not None for one in counts.partner_logs().values())

    return (
        Reading(
            "homeroom_overdue_destruction_certificates",
            "Certificates of destruction that recipients owe and that are overdue.",
            counts.overdue_certificates,
        ),
        Reading(
            "homeroom_partner_logs_contradicted",
            "Partners whose log this node once saw contradict itself.",
            contradicted,
        ),
    )
