"""What the gateway counts: questions by closed words, and how each holder's part ended."""

from collections.abc import Mapping

from prometheus_client import Counter

from homeroom.audit import AuditKind
from services.gateway.measuring import QuestionCounts
from services.runtime.metrics import OTHER


def _counted(counter: Counter) -> Mapping[tuple[str, ...], float]:
    return {
        tuple(sample.labels.values()): sample.value
        for family in counter.collect()
        for sample in family.samples
    }


def _ended(counts: QuestionCounts, **outcomes: str) -> None:
    counts.count(AuditKind.QUESTION_ENDED, {"outcomes": outcomes, "left": False})


def test_questions_count_by_ground_and_by_why_they_go_to_nobody() -> None:
    counts = QuestionCounts()

    counts.count(AuditKind.QUESTION_PASSED, {"basis": "consent", "purpose": "Zebulonia"})
    counts.count(AuditKind.QUESTION_REFUSED, {"basis": "none", "reason": "NOT_PERMITTED"})
    counts.count(AuditKind.QUESTION_REFUSED, {"basis": "judicial_order", "reason": "Zebulonia"})
    counts.count(AuditKind.CALLER_REFUSED, {"requester": "helpers", "reason": "NOT_PERMITTED"})

    assert _counted(counts.questions) == {
        ("consent", "passed", ""): 1,
        ("none", "refused", "NOT_PERMITTED"): 1,
        (OTHER, "refused", OTHER): 1,
    }


def test_a_holder_is_away_until_it_answers_again() -> None:
    """A refusal is an answer; one whose asker has left says nothing of it."""
    counts = QuestionCounts()

    _ended(counts, harbor="UNREACHABLE", mill="TIMED_OUT", bay="NO_PERMITTED_ANSWER")
    assert counts.away() == 2
    _ended(counts, harbor="", mill="ANSWERED")
    assert counts.away() == 1
    _ended(counts, harbor="CANNOT_DECIDE")

    assert counts.away() == 0
    assert _counted(counts.parts)[("harbor", "LEFT")] == 1
    assert _counted(counts.parts)[("harbor", "UNREACHABLE")] == 1
    assert _counted(counts.parts)[("bay", "NO_PERMITTED_ANSWER")] == 1
