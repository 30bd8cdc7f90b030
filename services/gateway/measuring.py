"""What the gateway counts of questions and of holders, and what else its page tells."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from prometheus_client import Counter

from homeroom.audit import AuditKind
from services.gateway.domain.fan_out import Outcome
from services.runtime.metrics import (
    BASES,
    REASONS,
    Bounded,
    Metrics,
    Names,
    Reading,
    ages_of,
    listed,
    measure_policies,
    sequences_of,
)
from services.runtime.policy import WatchedPolicy
from services.runtime.registry_feed import RegistryFeed

_OUTCOMES = frozenset(map(str, Outcome))
_AWAY = {str(Outcome.UNREACHABLE), str(Outcome.TIMED_OUT)}
_LEFT = "LEFT"
"""The asker had gone before this holder's part ended."""


class QuestionCounts:
    """Counts questions and holders' parts as the log tells of them; implements `Counts`.

    Holders are those that the registry lists: a question can name no other.
    """

    def __init__(self) -> None:
        self.questions = Counter(
            "homeroom_questions",
            "Admitted questions, by whether they were put to holders, and why not.",
            ("basis", "outcome", "reason"),
            registry=None,
        )
        self.parts = Counter(
            "homeroom_holder_answers",
            "Holders' parts of answers, by how they ended.",
            ("holder", "outcome"),
            registry=None,
        )
        self._questions, self._parts = Bounded(self.questions), Bounded(self.parts)
        self._names = Names()
        self._away: dict[str, bool] = {}

    def away(self) -> float:
        """How many holders did not answer the last question that they were asked."""
        return sum(list(self._away.values()))

    def count(self, kind: AuditKind, content: Mapping[str, Any]) -> None:
        if kind is AuditKind.QUESTION_PASSED:
            self._questions.count(_basis(content), "passed", "")
        elif kind is AuditKind.QUESTION_REFUSED:
            reason = listed(str(content["reason"]), REASONS)
            self._questions.count(_basis(content), "refused", reason)
        elif kind is AuditKind.QUESTION_ENDED:
            for name, outcome in content["outcomes"].items():
                self._count_part(self._names.label(name), outcome)

    def _count_part(self, holder: str, outcome: str) -> None:
        self._parts.count(holder, listed(outcome, _OUTCOMES) if outcome else _LEFT)
        if outcome:
            self._away[holder] = outcome in _AWAY


def measure(
    metrics: Metrics,
    questions: QuestionCounts,
    feed: RegistryFeed,
    policy: WatchedPolicy,
    max_age: dt.timedelta,
) -> None:
    """Has the gateway's page tell of questions, and of what it decides by."""
    told = "Holders that did not answer the last question that they were asked."
    metrics.count(questions.questions, questions.parts)
    metrics.read(
        Reading("homeroom_holders_away", told, questions.away),
        *ages_of({"registry": lambda: feed.confirmed_at}, feed.clock, max_age),
        sequences_of({"registry": lambda: feed.sequence}),
        *measure_policies({"federation": policy}),
    )


def _basis(content: Mapping[str, Any]) -> str:
    return listed(str(content["basis"]), BASES)
