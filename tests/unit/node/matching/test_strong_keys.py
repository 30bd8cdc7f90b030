"""The student's id at the holder, where the family knew it: strong, and never enough alone."""

from dataclasses import replace

import pytest

from services.node.domain.matching import Hindrance, NoCandidate, Review
from tests.unit.node.matching.people import (
    ELSEWHERE,
    against,
    elsewhere,
    is_found,
    links_to,
    never_links,
    person,
)

_STUDENT = person("Ivone", "Tavares", local_id="0012345")
_MOVED = elsewhere(_STUDENT)


@pytest.mark.parametrize("written", ["0012345", "12345", " 0012345 "])
def test_id_birth_date_and_name_link_whatever_else_changed(written: str) -> None:
    assert links_to(against(replace(_MOVED, local_id=written), _STUDENT))


def test_an_id_and_a_birth_date_without_the_name_are_for_a_person_to_judge() -> None:
    outcome = against(replace(_MOVED, given="Marta"), _STUDENT)

    assert isinstance(outcome, Review)
    assert Hindrance.GIVEN_NAME in outcome.candidates[0].hindrances


def test_an_id_alone_finds_nobody() -> None:
    stranger = person("Marta", "Lopes", local_id="0012345", birth_date=None, **ELSEWHERE)

    assert isinstance(against(stranger, _STUDENT), NoCandidate)


def test_an_id_that_two_students_share_decides_nothing() -> None:
    twin = replace(_STUDENT, given="Ivanilda")

    assert never_links(against(_MOVED, _STUDENT, twin))
    assert is_found(against(_MOVED, _STUDENT, twin))


def test_a_claim_with_a_twins_id_links_to_neither() -> None:
    twins = _STUDENT, replace(_STUDENT, given="Ivanilda", local_id="0012346")
    mixed_up = replace(_STUDENT, local_id="0012346")

    assert never_links(against(mixed_up, *twins))


def test_the_same_school_corroborates_and_another_does_not_contradict() -> None:
    student = person("Ivone", "Tavares", school_id="S1")
    moved = elsewhere(student)

    assert links_to(against(moved, student))
    assert never_links(against(replace(moved, school_id="S2"), student))
    assert links_to(against(replace(student, school_id="S2"), student))
