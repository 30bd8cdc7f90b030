"""What the gateway remembers of its policy: a permission, for seconds, on the same facts."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from homeroom.facts import Facts, question_facts
from services.gateway.domain.permission import Verdict
from services.gateway.domain.verdict_memory import LONGEST, VerdictMemory
from tests.unit.gateway.federation import NOW, USER, organization
from tests.unit.gateway.test_question_facts import AGREEMENT, QUESTION

PASSED = Verdict(allow=True, reasons=("permitted_by_consent",))
REFUSED = Verdict(allow=False, reasons=("user_untrained",))
SECOND = dt.timedelta(seconds=1)


def facts(at: dt.datetime = NOW, **changed: Any) -> Facts:
    question = replace(QUESTION, **changed)
    return question_facts(question, organization("cbo"), USER, AGREEMENT, at)


def kept(verdict: Verdict = PASSED, at: dt.datetime = NOW) -> VerdictMemory:
    memory = VerdictMemory()
    memory.recall("first", facts(at), at)
    memory.keep(facts(at), verdict, at)
    return memory


def test_the_same_question_passes_again_for_seconds() -> None:
    memory = kept()

    assert memory.recall("first", facts(NOW + SECOND), NOW + SECOND) == PASSED
    assert memory.recall("first", facts(NOW + LONGEST), NOW + LONGEST) is None


def test_a_clock_that_went_back_is_not_trusted() -> None:
    assert kept().recall("first", facts(NOW - SECOND), NOW - SECOND) is None


def test_nothing_is_remembered_into_another_day() -> None:
    """Agreements and trainings end with days."""
    midnight = dt.datetime(2026, 3, 3, tzinfo=dt.UTC)
    last = midnight - SECOND

    assert kept(at=last).recall("first", facts(midnight), midnight) is None


def test_a_refusal_is_not_remembered() -> None:
    assert kept(REFUSED).recall("first", facts(), NOW) is None


@pytest.mark.parametrize(
    "changed",
    [{"purpose": "audit"}, {"everyone": False, "subject_refs": ("s1",)}, {"school_ids": ("10",)}],
)
def test_another_question_is_another(changed: dict[str, Any]) -> None:
    assert kept().recall("first", facts(**changed), NOW) is None


def test_another_policy_is_asked_itself() -> None:
    """And the first one is forgotten, should it come back."""
    memory = kept()

    assert memory.recall("second", facts(), NOW) is None
    assert memory.recall("first", facts(), NOW) is None


def test_the_oldest_makes_place() -> None:
    memory = VerdictMemory(most=1)
    memory.recall("first", facts(), NOW)
    memory.keep(facts(), PASSED, NOW)
    memory.keep(facts(purpose="audit"), PASSED, NOW)

    assert memory.recall("first", facts(), NOW) is None
    assert memory.recall("first", facts(purpose="audit"), NOW) == PASSED
