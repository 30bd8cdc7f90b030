"""The kinds of matters and their facts are exactly those that the policies read."""

import datetime as dt
import json
from pathlib import Path

import pytest

from homeroom.errors import RequestInvalidError
from homeroom.matters import (
    FACTS_OF_KIND,
    MATTER_OF_BASIS,
    NAMES_STUDENTS,
    EmergencyFacts,
    MatterKind,
    TransferFacts,
    facts_of_words,
    matter_kind_named,
    read_facts,
)
from homeroom.vocabulary import Basis, Element

KNOWN = json.loads(Path("policy/schema/input.json").read_text())["properties"]["matters"]
DATA = json.loads(Path("policy/federation/data.json").read_text())
GROUNDS = DATA["federation"]["grounds"]
OF_EVERY_KIND = {"id", "requester", "valid_from", "valid_to"}
KEPT_FOR_ITSELF = {"by_own_employees", "declared_by", "threat", "person", "nondisclosure_until"}
SAID_OF_THEM = {"declared", "threat_recorded"}


def test_every_kind_of_the_policies_can_be_entered_and_no_other() -> None:
    assert set(KNOWN["properties"]) == {str(kind) for kind in FACTS_OF_KIND} == set(MatterKind)


@pytest.mark.parametrize("kind", MatterKind)
def test_the_facts_of_a_kind_are_those_that_the_policies_read(kind: MatterKind) -> None:
    read = set(KNOWN["properties"][kind]["properties"]) - OF_EVERY_KIND - SAID_OF_THEM

    assert set(FACTS_OF_KIND[kind].model_fields) - KEPT_FOR_ITSELF == read


def test_each_ground_relies_on_the_kind_that_the_policies_look_at() -> None:
    asked = {ground: terms["matter"] for ground, terms in GROUNDS.items() if "matter" in terms}

    assert {str(basis): str(kind) for basis, kind in MATTER_OF_BASIS.items()} == asked


def test_the_kinds_that_name_students_are_those_of_grounds_that_do() -> None:
    naming = {
        MATTER_OF_BASIS[Basis(g)] for g, terms in GROUNDS.items() if "names_students" in terms
    }

    assert naming == NAMES_STUDENTS


def test_facts_are_written_as_words_and_read_as_what_they_mean() -> None:
    words = {"student_status": "enrolled", "notice_attempted_on": "2026-03-01"}

    facts = facts_of_words(MatterKind.TRANSFER, {**words, "parent_initiated": "false"})

    assert facts == TransferFacts(
        student_status="enrolled",
        notice_attempted_on=dt.date(2026, 3, 1),
        parent_initiated=False,
    )
    assert read_facts(MatterKind.TRANSFER, facts.written()) == facts


def test_elements_are_written_with_commas_and_each_counts_once() -> None:
    facts = facts_of_words(MatterKind.EMERGENCY, {"elements_necessary": "phone,address,phone"})

    assert facts == EmergencyFacts(elements_necessary=(Element.ADDRESS, Element.PHONE))


def test_what_is_not_stated_is_left_out() -> None:
    assert facts_of_words(MatterKind.ORDER, {}).told() == {}


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (MatterKind.TRANSFER, '{"aim": "other"}'),
        (MatterKind.TRANSFER, '{"student_status": "gone"}'),
        (MatterKind.TRANSFER, '{"relates_to_enrollment": "true"}'),
        (MatterKind.TRANSFER, '{"relates_to_enrollment": 1}'),
        (MatterKind.SCHOOL_OFFICIAL, '{"elements_needed": ["shoe_size"]}'),
        (MatterKind.STUDY, '{"aim": ""}'),
        (MatterKind.STUDY, "[]"),
        (MatterKind.STUDY, "not JSON"),
    ],
)
def test_a_fact_that_a_kind_does_not_have_is_refused(kind: MatterKind, wrong: str) -> None:
    with pytest.raises(RequestInvalidError):
        read_facts(kind, wrong)


def test_an_error_does_not_repeat_what_was_written() -> None:
    with pytest.raises(RequestInvalidError) as refused:
        facts_of_words(MatterKind.ACCESS, {"relation": "Ana Silva"})

    assert "Ana" not in f"{refused.value} {refused.value.metadata}"


def test_there_is_no_other_kind() -> None:
    with pytest.raises(RequestInvalidError):
        matter_kind_named("gossip")
