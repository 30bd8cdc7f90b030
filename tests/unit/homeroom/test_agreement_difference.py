"""The difference of two documents: nothing is left out, and each change goes one way."""

import datetime as dt
from typing import Any

import pytest
from hypothesis import given, settings
from pydantic import BaseModel

from homeroom.agreement import AgreementDocument, Clauses, JoiningOffer, Party, Schedule
from homeroom.agreement import clauses as clause_models
from homeroom.agreement.difference import NESTED, RULES, difference
from homeroom.agreement.document import Termination
from homeroom.agreement.weighing import Direction, reversed_direction
from tests.agreement_documents import documents, pairs
from tests.organizations import Member, document_of

DOCUMENT = document_of((Member.new("harbor"), Member.new("shelter")))


def changed(**parts: Any) -> AgreementDocument:
    return AgreementDocument.model_validate(DOCUMENT.model_dump() | parts)


def directions(old: AgreementDocument, new: AgreementDocument) -> list[tuple[str, Direction]]:
    return sorted((change.field, change.direction) for change in difference(old, new))


@settings(max_examples=30, deadline=None)
@given(documents)
def test_a_document_does_not_differ_from_itself(document: AgreementDocument) -> None:
    assert difference(document, AgreementDocument.parse(document.encode())) == ()


@settings(max_examples=40, deadline=None)
@given(pairs())
def test_documents_that_differ_have_a_change(
    pair: tuple[AgreementDocument, AgreementDocument],
) -> None:
    old, new = pair

    assert (difference(old, new) == ()) is (old.encode() == new.encode())


@settings(max_examples=40, deadline=None)
@given(pairs())
def test_what_widens_one_way_narrows_the_other(
    pair: tuple[AgreementDocument, AgreementDocument],
) -> None:
    old, new = pair
    back = [(field, reversed_direction(way)) for field, way in directions(new, old)]

    assert directions(old, new) == sorted(back)


@settings(max_examples=60, deadline=None)
@given(pairs())
def test_without_a_widening_change_nothing_more_may_be_shared(
    pair: tuple[AgreementDocument, AgreementDocument],
) -> None:
    old, new = pair
    if any(change.direction is Direction.WIDENS for change in difference(old, new)):
        return

    assert set(new.purposes) <= set(old.purposes)
    assert new.effective_to <= old.effective_to
    for purpose in new.purposes:
        assert new.elements_for(purpose) <= old.elements_for(purpose)
        assert set(new.grounds_for(purpose)) <= set(old.grounds_for(purpose))
        for party in new.parties:
            _require_no_more_schools(old, new, party.organization_id, purpose)
        admitted = old.roles_for(purpose)
        now = new.roles_for(purpose)
        assert admitted is None or (now is not None and set(now) <= set(admitted))


def _require_no_more_schools(
    old: AgreementDocument, new: AgreementDocument, holder: str, purpose: str
) -> None:
    before, after = old.schools_of(holder, purpose), new.schools_of(holder, purpose)
    assert before == "all" or (after != "all" and set(after) <= set(before))


def test_every_rule_is_about_a_field_that_exists() -> None:
    """A field that is renamed takes its rule with it; else it would become neutral unseen."""
    models: list[type[BaseModel]] = [AgreementDocument, Party, JoiningOffer, Termination, Schedule]
    models += [m for m in vars(clause_models).values() if _is_model(m)]
    fields = {f"{m.__name__}.{name}" for m in models for name in m.model_fields}

    assert set(RULES) <= fields
    assert {f"AgreementDocument.{name}" for name in NESTED if name != "provisions"} <= fields
    assert "provisions" in Clauses.model_fields


def _is_model(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, BaseModel)


def _destruction(**said: Any) -> dict[str, Any]:
    return {"clauses": {"destruction": said}}


@pytest.mark.parametrize(
    ("old", "new", "field", "sentence"),
    [
        (
            {"effective_to": dt.date(2027, 7, 31)},
            {"effective_to": dt.date(2028, 7, 31)},
            "effective_to",
            "In effect to: July 31, 2027 becomes July 31, 2028.",
        ),
        ({"authorized_roles": ["nurse"]}, {}, "authorized_roles", None),
        ({"min_cell_size": 10}, {"min_cell_size": 5}, "min_cell_size", None),
        (
            {"schools": {"harbor": ["elm"]}},
            {"schools": {"harbor": ["elm", "oak"]}},
            "schools",
            "Schools: harbor: adds oak.",
        ),
        ({"schools": {"harbor": ["elm"]}}, {"schools": {"harbor": "all"}}, "schools", None),
        ({"named_users": {"harbor": ["u1"]}}, {}, "named_users", None),
        (
            _destruction(within_days_of_end=30),
            _destruction(within_days_of_end=60),
            "clauses.destruction.within_days_of_end",
            "Clause on destruction: At the latest so many days after the end: 30 becomes 60.",
        ),
        (
            _destruction(when_no_longer_needed=True),
            {},
            "clauses.destruction",
            "Clause on destruction is taken away.",
        ),
        (
            {"clauses": {"redisclosure": {"to": []}}},
            {"clauses": {"redisclosure": {"to": [{"organization_id": "aid", "interest": "help"}]}}},
            "clauses.redisclosure.to",
            None,
        ),
        (
            {},
            {
                "joining": {
                    "kinds": ["shelter"],
                    "purposes": ["direct_service"],
                    "schools": {"harbor": "all"},
                }
            },
            "joining",
            "Other organizations may join.",
        ),
    ],
)
def test_what_lets_more_be_shared_widens(
    old: dict[str, Any], new: dict[str, Any], field: str, sentence: str | None
) -> None:
    (change,) = difference(changed(**old), changed(**new))
    (back,) = difference(changed(**new), changed(**old))

    assert (change.field, change.direction) == (field, Direction.WIDENS)
    assert back.direction is Direction.NARROWS
    assert sentence in (None, change.sentence)


def test_a_new_party_and_a_new_purpose_widen() -> None:
    more = changed(
        parties=[*DOCUMENT.model_dump()["parties"], Member.new("institute").party().model_dump()],
        schedules=[
            *DOCUMENT.model_dump()["schedules"],
            {"purpose": "research", "text": "To find out.", "elements": ["gpa"]},
        ],
    )

    assert directions(DOCUMENT, more) == [
        ("parties.institute", Direction.WIDENS),
        ("schedules.research", Direction.WIDENS),
    ]


def test_a_party_that_begins_to_receive_widens_and_one_that_stops_to_disclose_narrows() -> None:
    old, new = DOCUMENT.model_dump(), DOCUMENT.model_dump()
    old["parties"][0]["role"], new["parties"][0]["role"] = "discloser", "recipient"
    old["schools"] = new["schools"] = {}

    found = directions(AgreementDocument.model_validate(old), AgreementDocument.model_validate(new))

    assert found == [
        ("parties.harbor.role", Direction.NARROWS),
        ("parties.harbor.role", Direction.WIDENS),
    ]


def test_what_a_schedule_had_from_the_umbrella_and_now_says_itself_is_neutral() -> None:
    written = DOCUMENT.model_dump()
    written["schedules"][0]["schools"] = written["schools"]

    (change,) = difference(DOCUMENT, AgreementDocument.model_validate(written))

    assert change.direction is Direction.NEUTRAL
