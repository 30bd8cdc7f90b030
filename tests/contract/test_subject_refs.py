"""The names of students: random, one in use for each requester and student, never two students'."""

import secrets
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, delete, insert

from services.node.store.consent_tables import CONSENT_GRANT, SUBJECT_REF
from services.node.store.subject_refs import Named, SubjectRefStore, allot, retire, rotate
from services.runtime.database import open_database, writing
from tests.contract.node_stores import Urls, urls
from tests.organizations import NOW

__all__ = ["urls"]


FOR_EVER = {
    "purpose": "direct_service",
    "consent_key": 99,
    "elements": 1,
    "valid_from": 0,
    "valid_to": 2**40,
    "age_rule": 0,
    "agreement_id": "",
}


@pytest.fixture
def state(urls: Urls) -> Iterator[Engine]:
    engine = open_database(urls.state)
    yield engine
    engine.dispose()


def alloted(state: Engine, *names: tuple[str, int, str]) -> None:
    """Names that consents propose; another consent for each student counts all the while."""
    with writing(state) as connection:
        connection.execute(delete(CONSENT_GRANT))
        grants = [
            {"recipient": recipient, "student_key": key, **FOR_EVER}
            for recipient, key in {name[:2] for name in names}
        ]
        connection.execute(insert(CONSENT_GRANT), grants)
        allot(connection, [Named(*name) for name in names])


def rotated(state: Engine, recipient: str, **refs: str) -> None:
    with writing(state) as connection:
        rotate(connection, recipient, refs, NOW)


def in_use(urls: Urls, recipient: str = "helpers") -> dict[int, str]:
    """For each student the name that stands in answers."""
    return {
        row["student_key"]: row["subject_ref"]
        for row in urls.rows(SUBJECT_REF)
        if row["recipient"] == recipient and row["in_use"]
    }


def finding(urls: Urls, student_key: int, recipient: str = "helpers") -> set[str]:
    """Every name by which a student is found."""
    return {
        row["subject_ref"]
        for row in urls.rows(SUBJECT_REF)
        if (row["recipient"], row["student_key"]) == (recipient, student_key)
        and row["retired_at"] is None
    }


def test_a_proposed_name_is_taken_if_the_requester_has_none(state: Engine, urls: Urls) -> None:
    alloted(state, ("helpers", 1, "a"), ("shelter", 1, "b"), ("helpers", 2, "c"))

    assert in_use(urls) == {1: "a", 2: "c"}
    assert in_use(urls, "shelter") == {1: "b"}


def test_a_second_consents_name_finds_the_student_and_the_first_stays_in_use(
    state: Engine, urls: Urls
) -> None:
    """Both parents signed: the requester knows two names, and its rows bear one of them."""
    alloted(state, ("helpers", 1, "a"), ("helpers", 1, "b"))
    alloted(state, ("helpers", 1, "c"), ("helpers", 1, "a"))

    assert in_use(urls) == {1: "a"}
    assert finding(urls, 1) == {"a", "b", "c"}


def test_a_newer_name_is_used_once_no_other_consent_counts_beside_it(
    state: Engine, urls: Urls
) -> None:
    """In one batch or two; the older name still finds the student."""
    with writing(state) as connection:
        allot(connection, [Named("helpers", 1, "a", 5, 10), Named("helpers", 1, "b", 6, 20)])
        allot(connection, [Named("helpers", 1, "c", 7, 30), Named("helpers", 1, "a", 5, 10)])

    assert in_use(urls) == {1: "c"}
    assert finding(urls, 1) == {"a", "b", "c"}


def test_a_name_is_never_two_students(state: Engine, urls: Urls) -> None:
    """Proposed for another student, in the same batch or later, it is not taken."""
    alloted(state, ("helpers", 1, "a"), ("helpers", 2, "a"))
    alloted(state, ("helpers", 3, "a"), ("shelter", 4, "a"))
    names = in_use(urls)

    assert names[1] == "a"
    assert len(set(names.values())) == 3
    assert finding(urls, 2) == {names[2]}
    assert in_use(urls, "shelter") == {4: "a"}


def test_a_student_whom_nobody_named_gets_a_random_name(state: Engine, urls: Urls) -> None:
    SubjectRefStore(state).name("helpers", range(1, 1_001))
    names = in_use(urls)

    assert len(set(names.values())) == 1_000
    assert {len(name) for name in names.values()} == {2 * 16}
    SubjectRefStore(state).name("helpers", range(1, 1_001))
    assert in_use(urls) == names


def test_a_rotated_name_finds_nobody_and_the_new_one_the_same_student(
    state: Engine, urls: Urls
) -> None:
    alloted(state, ("helpers", 1, "a"), ("helpers", 1, "alias"), ("shelter", 1, "a"))
    rotated(state, "helpers", a="b", alias="other")

    assert in_use(urls) == {1: "b"}
    assert finding(urls, 1) == {"b", "other"}
    assert in_use(urls, "shelter") == {1: "a"}


def test_a_name_that_was_given_up_never_comes_back(state: Engine, urls: Urls) -> None:
    alloted(state, ("helpers", 1, "a"))
    rotated(state, "helpers", a="b")
    rotated(state, "helpers", a="c", b="a")
    alloted(state, ("helpers", 2, "a"), ("helpers", 1, "a"))

    assert in_use(urls)[1] == "b"
    assert finding(urls, 1) == {"b"}
    assert in_use(urls)[2] not in ("a", "b", "c")


def test_a_name_that_is_rotated_before_its_student_is_known_is_replaced_by_then(
    state: Engine, urls: Urls
) -> None:
    """Its consent waited for review meanwhile, and was rotated twice."""
    rotated(state, "helpers", a="b")
    rotated(state, "helpers", b="c")
    alloted(state, ("helpers", 1, "a"))

    assert in_use(urls) == {1: "c"}
    assert finding(urls, 1) == {"c"}


def test_a_name_of_another_student_is_not_taken_over_by_rotation(state: Engine, urls: Urls) -> None:
    alloted(state, ("helpers", 1, "a"), ("helpers", 2, "b"))
    rotated(state, "helpers", a="b")

    assert in_use(urls) == {1: "a", 2: "b"}


def test_all_names_of_a_student_are_taken_back_for_some_requesters(
    state: Engine, urls: Urls
) -> None:
    alloted(
        state, ("helpers", 1, "a"), ("helpers", 1, "b"), ("shelter", 1, "s"), ("helpers", 2, "c")
    )
    with writing(state) as connection:
        retire(connection, 1, ["helpers"], NOW)

    assert finding(urls, 1) == set()
    assert in_use(urls, "shelter") == {1: "s"}
    assert in_use(urls) == {2: "c"}
    alloted(state, ("helpers", 1, "a"))
    assert in_use(urls)[1] not in ("a", "b")


def test_no_loop_of_replacements_holds_a_node_up(state: Engine, urls: Urls) -> None:
    ring = [secrets.token_hex(4) for _ in range(5)]
    for old, new in zip(ring, ring[1:] + ring[:1], strict=True):
        rotated(state, "helpers", **{old: new})
    alloted(state, ("helpers", 1, ring[0]))

    assert len(in_use(urls)) == 1
