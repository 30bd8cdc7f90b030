"""What a requester gets of a federation, told through the client, and what it is refused."""

import datetime as dt

import pytest

from homeroom import Client, NotPermittedError, Outcome
from homeroom.federation import Standing
from homeroom.users import User
from services.node.opening import open_stores
from tests.federation.records import (
    ATTENDANCE,
    ATTENDANCE_ALLOWED,
    DAYS,
    GRADE_LEVEL,
    GRADES,
    HARBOR,
    K8,
    LATE,
    LEAP_DAY,
    LONG_RECORD,
    MILL_RIVER,
    MILL_SCHOOL,
    OTHER_TWIN,
    SAME_NAME,
    SPARE,
    TODAY,
    TURNED_18,
    TURNS_18_TOMORROW,
    TWIN,
    TWO_SURNAMES,
)
from tests.federation.running import (
    AGREEMENT,
    ASKER,
    PURPOSE,
    STRANGER,
    WARNING,
    Federation,
    eventually,
    refs_in,
)

pytestmark = [pytest.mark.federation, pytest.mark.xdist_group("federation")]

TRAINED_TO = TODAY + dt.timedelta(days=30)


def test_an_answer_has_exactly_the_students_whose_families_allowed_it(
    federation: Federation,
) -> None:
    """Both districts answer; in the rows are all who allowed it, each day once, and nobody else."""
    answer = federation.attendance()

    assert answer.complete
    assert refs_in(answer) == federation.refs(*ATTENDANCE_ALLOWED)
    assert answer.table.num_rows == len(ATTENDANCE_ALLOWED) * len(DAYS)


def test_elements_differ_from_student_to_student(federation: Federation) -> None:
    """A value that this student's family did not allow is null, beside others' that are not."""
    rows = federation.attendance().table.to_pylist()

    schools = {row["subject_ref"]: row["school_id"] for row in rows}
    names = {c: federation.consents[c].subject_ref for c in ATTENDANCE_ALLOWED}
    assert schools[names[TWO_SURNAMES]] == K8
    assert schools[names[SAME_NAME]] == MILL_SCHOOL
    assert schools[names[TWIN]] is None
    assert schools[names[TURNS_18_TOMORROW]] is None


def test_twins_are_two_students(federation: Federation) -> None:
    """Who shares a birth date and a surname shares no consent: each twin's form is her own."""
    grades = federation.client.query(AGREEMENT, PURPOSE, "course_grades", [GRADES])
    attendance = federation.attendance()

    assert federation.refs(OTHER_TWIN) <= refs_in(grades)
    assert not federation.refs(TWIN) & refs_in(grades)
    assert federation.refs(TWIN) <= refs_in(attendance)
    assert not federation.refs(OTHER_TWIN) & refs_in(attendance)


def test_two_districts_students_of_one_name_are_not_joined(federation: Federation) -> None:
    """The same name and birth date in two districts are two names for the requester."""
    assert len(federation.refs(TWO_SURNAMES, SAME_NAME)) == 2


def test_a_parents_consent_ends_on_the_eighteenth_birthday(federation: Federation) -> None:
    """The day before it still serves; from the birthday on, the student's own word is needed."""
    answer = federation.attendance()

    assert federation.refs(TURNS_18_TOMORROW) <= refs_in(answer)
    assert not federation.refs(TURNED_18) & refs_in(answer)


def test_a_leap_day_child_is_answered_for(federation: Federation) -> None:
    """Who was born on 29 February has rows like everyone else."""
    answer = federation.client.query(
        AGREEMENT,
        PURPOSE,
        "students",
        [GRADE_LEVEL],
        subject_refs=sorted(federation.refs(LEAP_DAY)),
    )

    assert answer.table["grade_level"].to_pylist() == ["07"]


def test_a_revocation_holds_for_the_very_next_query(federation: Federation) -> None:
    """As soon as the revocation is acknowledged, no answer has the student."""
    with federation.allowed(SPARE, [ATTENDANCE]) as consent:
        before = refs_in(federation.attendance())
    after = federation.attendance()

    assert consent.subject_ref in before
    assert refs_in(after) == before - {consent.subject_ref}
    assert after.complete


def test_an_element_outside_the_agreement_is_withheld_with_its_code(
    federation: Federation,
) -> None:
    """What the agreement covers is released; what it does not is named, with the reason."""
    answer = federation.client.query(
        AGREEMENT, PURPOSE, "students", [GRADE_LEVEL, "homeless_status"]
    )

    assert answer.complete
    assert "homeless" not in answer.table.column_names
    assert {(r.element, r.code) for r in answer.refusals} == {
        ("homeless_status", "agreement_element_out_of_scope")
    }
    assert answer.table.num_rows > 0


def test_another_purpose_is_refused_with_its_code(federation: Federation) -> None:
    """A purpose that nobody agreed to is refused, and a party is told why."""
    with pytest.raises(NotPermittedError) as refused:
        federation.client.query(AGREEMENT, "grant_reporting", "attendance", [ATTENDANCE])

    assert "agreement_purpose_mismatch" in refused.value.codes


@pytest.mark.parametrize(
    ("role", "trained_to", "code"),
    [
        ("volunteer", TRAINED_TO, "user_no_legitimate_interest"),
        ("case_manager", TODAY - dt.timedelta(days=1), "user_untrained"),
        ("case_manager", None, "user_untrained"),
    ],
)
def test_an_unauthorized_or_untrained_person_is_refused_with_a_code(
    federation: Federation, role: str, trained_to: dt.date | None, code: str
) -> None:
    """The organization's key alone reads nothing: the person needs the role and the training."""
    user = User("kim.larsen", ASKER, role, trained_to)

    with federation.asking_as(user) as client, pytest.raises(NotPermittedError) as refused:
        federation.attendance(client=client)

    assert code in refused.value.codes


def test_a_non_party_learns_nothing_of_an_agreement(federation: Federation) -> None:
    """An agreement of others and one that does not exist are refused in the same words."""
    told = []
    with Client(federation.layout.profile(STRANGER)) as stranger:
        for agreement_id in (AGREEMENT, "no-such-agreement"):
            with pytest.raises(NotPermittedError) as refused:
                stranger.query(agreement_id, PURPOSE, "attendance", [ATTENDANCE])
            told.append((refused.value.message, refused.value.metadata))

    assert told[0] == told[1]
    assert told[0][1] == {}


def test_a_consent_with_an_unknown_link_code_serves_once_the_code_is_issued(
    federation: Federation,
) -> None:
    """Until the holder knows the form's code the consent allows nothing; then it does."""
    with federation.allowed(LATE, [ATTENDANCE]) as consent:
        before = refs_in(federation.attendance())
        _issue_late_code(federation)
        after = eventually(
            lambda: refs_in(federation.attendance()), lambda refs: consent.subject_ref in refs
        )

    assert consent.subject_ref not in before
    assert after == before | {consent.subject_ref}


def test_a_large_answer_that_nobody_cuts_arrives_whole(federation: Federation) -> None:
    """The same question without an ending has every row: what was cut was there to be had."""
    with federation.allowed(LONG_RECORD, [ATTENDANCE], WARNING):
        answer = federation.client.query(
            AGREEMENT, WARNING, "attendance", [ATTENDANCE], timeout=60, holders=[MILL_RIVER]
        )

    assert answer.complete
    assert answer.table.num_rows == 240_000 + len(DAYS)


def test_a_suspended_organization_is_refused_at_once(federation: Federation) -> None:
    """The operator suspends the requester: its next query is refused, with the code."""
    suspended = federation.set_standing(ASKER, Standing.SUSPENDED)
    try:
        with pytest.raises(NotPermittedError) as refused:
            federation.client.query(
                AGREEMENT, PURPOSE, "attendance", [ATTENDANCE], min_registry_sequence=suspended
            )
    finally:
        admitted = federation.set_standing(ASKER, Standing.ACTIVE)
    again = federation.client.query(
        AGREEMENT, PURPOSE, "attendance", [ATTENDANCE], min_registry_sequence=admitted
    )

    assert "org_suspended" in refused.value.codes
    assert again.complete


def test_explaining_releases_nothing(federation: Federation) -> None:
    """The answer says what would be released and withheld; it has no row, and counts none."""
    answer = federation.client.explain(
        AGREEMENT, PURPOSE, "students", [GRADE_LEVEL, "homeless_status"]
    )

    assert answer.table.num_rows == 0
    for holder in (HARBOR, MILL_RIVER):
        source = answer.sources[holder]
        assert source.released_elements == (GRADE_LEVEL,)
        assert dict(source.withheld) == {"homeless_status": "agreement_element_out_of_scope"}
        assert source.row_count == 0


def test_a_writer_reads_its_own_consent(federation: Federation) -> None:
    """Another client that names the sequence of a consent is answered with it, at once."""
    with Client(federation.layout.profile(ASKER)) as other:
        for _ in range(5):
            with federation.allowed(SPARE, [ATTENDANCE]) as consent:
                answer = other.query(
                    AGREEMENT,
                    PURPOSE,
                    "attendance",
                    [ATTENDANCE],
                    min_consent_sequence=consent.sequence,
                )
            assert consent.subject_ref in refs_in(answer)


def test_a_state_that_nobody_has_seen_is_not_answered(federation: Federation) -> None:
    """A holder that has not seen the asked-for sequence does not answer from an older state."""
    answer = federation.client.query(
        AGREEMENT, PURPOSE, "attendance", [ATTENDANCE], min_consent_sequence=10_000_000
    )

    assert {s.outcome for s in answer.sources.values()} == {Outcome.CANNOT_DECIDE}
    assert {s.error_reason for s in answer.sources.values()} == {"STATE_BEHIND"}
    assert answer.table.num_rows == 0


def _issue_late_code(federation: Federation) -> None:
    """The node learns a code as from a form that was printed elsewhere."""
    layout = federation.layout
    stores = open_stores(layout.records_url(LATE.holder), layout.state_url(LATE.holder))
    student_key = stores.students.key_of(LATE.student_id)
    assert student_key is not None
    stores.state.keep_codes([(federation.codes[LATE].encode(), student_key)])
