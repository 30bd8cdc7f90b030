"""The facts of a question: exactly what policies read, sorted, and never null."""

import datetime as dt
from dataclasses import replace

from homeroom.facts import question_facts
from homeroom.federation import Agreement
from homeroom.question import Level, Question
from homeroom.vocabulary import Element
from tests.unit.gateway.federation import NOW, USER, agreement, document, organization

KNOWN = {
    "authenticated": True,
    "role": "case_worker",
    "capacity": "own",
    "reach": "organization",
}
QUESTION = Question(
    agreement_version=1,
    agreement_id="A-1",
    purpose="direct_service",
    dataset="attendance",
    elements=(Element.SCHOOL_OF_ENROLLMENT, Element.DAILY_ATTENDANCE),
    everyone=True,
    school_ids=("20", "10"),
)
AGREEMENT = agreement(document({"south": "both", "north": "discloser", "cbo": "recipient"}))


def facts(relied_on: Agreement | None = AGREEMENT, trained: bool = True) -> dict[str, object]:
    user = USER if trained else replace(USER, training_valid_to=None)
    return question_facts(QUESTION, organization("cbo"), user, relied_on, NOW)


def test_the_facts_are_exactly_these() -> None:
    assert facts() == {
        "schema": 1,
        "now": "2026-03-02T15:04:05Z",
        "query": {
            "requester": "cbo",
            "purpose": "direct_service",
            "basis": "consent",
            "dataset": "attendance",
            "elements": ["daily_attendance", "school_of_enrollment"],
            "level": "student",
            "schools": ["10", "20"],
            "named_students": len(QUESTION.subject_refs),
            "onward_to": [],
        },
        "requester": {"organization_id": "cbo", "kind": "district", "standing": "active"},
        "user": KNOWN | {"training_valid_to": "2026-12-31"},
        "agreement": {
            "id": "A-1",
            "version": 3,
            "kind": "consented_sharing",
            "state": "active",
            "parties": ["cbo", "north", "south"],
            "signed_by": ["cbo", "north", "south"],
            "disclosers": ["north", "south"],
            "recipients": ["cbo", "south"],
            "legal_basis": ["consent"],
            "purposes": ["direct_service", "program_evaluation"],
            "elements": ["daily_attendance"],
            "terms": [str(term) for term in sorted(AGREEMENT.document.terms)],
            "redisclosure_to": [],
            "level": "student",
            "effective_from": "2026-01-01",
            "effective_to": "2026-12-31",
        },
    }


def test_what_is_not_known_is_left_out() -> None:
    assert "agreement" not in facts(relied_on=None)
    assert facts(trained=False)["user"] == KNOWN


def test_the_level_the_onward_parties_and_the_matter_are_told() -> None:
    asked = replace(
        QUESTION,
        level=Level.AGGREGATE,
        table="absence",
        onward_to=("lab", "archive"),
        matter_id="M-1",
        basis=None,
    )

    told = question_facts(asked, organization("cbo"), USER, None, NOW)["query"]

    assert (told["level"], told["onward_to"], told["matter_id"], told["basis"]) == (
        "aggregate",
        ["archive", "lab"],
        "M-1",
        "none",
    )


def test_roles_are_named_when_the_agreement_limits_them() -> None:
    limited = agreement(document({"north": "both", "cbo": "both"}, authorized_roles=("nurse",)))

    told = facts(limited)["agreement"]

    assert isinstance(told, dict)
    assert told["authorized_roles"] == ["nurse"]


def test_a_person_is_named_only_where_the_agreement_names_users() -> None:
    named = document({"north": "both", "cbo": "both"}).model_copy(
        update={"named_users": {"cbo": ("u2", "u1")}}
    )

    told = facts(agreement(named))

    assert told["user"] == KNOWN | {"user_id": "u1", "training_valid_to": "2026-12-31"}
    assert told["agreement"]["named_users"] == ["u1", "u2"]  # type: ignore[index]  # a JSON object


def test_the_moment_is_told_in_utc() -> None:
    east = dt.timezone(dt.timedelta(hours=2))
    shifted = question_facts(QUESTION, organization("cbo"), USER, AGREEMENT, NOW.astimezone(east))

    assert shifted == facts()
