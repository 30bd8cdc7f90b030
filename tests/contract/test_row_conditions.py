"""What each row condition promises, on SQLite and PostgreSQL alike: who fails it has no value."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update

from homeroom.catalog import COMPUTED_FROM, OBLIGATIONS, STATEMENT, SUBJECT_REF
from homeroom.checks import RowCondition
from homeroom.question import Period
from homeroom.vocabulary import Element, Obligation
from services.node.domain.consent_book import Revoked
from services.node.domain.selection import Relation, RightsClaim, Selection
from services.node.store.consent_tables import STUDENT_RIGHTS
from services.node.store.consent_tables import SUBJECT_REF as NAMES
from services.node.store.matter_tables import MATTER, MATTER_STUDENT
from services.node.store.rights import RightsKind
from services.runtime.database import open_database, writing
from tests.conditions import consented, waiting
from tests.contract.holding import (
    ATTENDANCE,
    MONDAY,
    Holding,
    event,
    holding,
    only,
    selection,
    student,
    two,
)
from tests.contract.node_stores import DAY, urls
from tests.organizations import NOW

__all__ = ["holding", "two", "urls"]

WORD = RowCondition
UNLESS_SAID = {
    WORD.SINGLE_SUBJECT,
    WORD.LIVING_SITUATION_HIDDEN,
    WORD.DIRECTORY_NOT_OPTED_OUT,
    WORD.PART_B_CONSENTED,
}
"""The conditions that hold until something is on file that says otherwise."""

NAME = Element.NAME
ADDRESS = Element.ADDRESS
NOW_SECONDS = int(NOW.timestamp())
TODAY = NOW.date()


def matter(holding: Holding, key: int, *students: str, **changed: Any) -> None:
    """A matter that names some students."""
    fields = {
        "kind": "transfer",
        "requester": "helpers",
        "valid_from": NOW_SECONDS - 5,
        "valid_to": NOW_SECONDS + 5,
        "facts": "{}",
        "entered_by": "clerk",
        "entered_at": NOW_SECONDS,
        "evidence_digest": "",
    }
    holding.put(MATTER, {"matter_key": key, "matter_id": f"m{key}", **fields, **changed})
    holding.put(
        MATTER_STUDENT,
        *({"matter_key": key, "student_key": holding.keys[s]} for s in students),
    )


def note(holding: Holding, name: str, kind: RightsKind, person: str = "", **more: Any) -> None:
    """What staff noted of a student's rights."""
    row = {"student_key": holding.keys[name], "kind": kind.value, "person": person}
    holding.put(STUDENT_RIGHTS, row | {"from_day": None} | more)


def about(*words: RowCondition, element: Element = NAME, **changed: Any) -> Selection:
    """One element of the students' dataset, which waits for some words."""
    return selection("students", conditions=waiting([element], *words), **changed)


async def both_ways(holding: Holding, chosen: Selection) -> list[str]:
    """Whose rows are read; who is covered must be the same students."""
    covered = await holding.covered(chosen)
    read = await holding.refs(chosen)
    assert set(read) == set(covered)
    return read


@pytest.fixture
def pair(holding: Holding) -> Holding:
    """Ana and Ben, known to the requester by name, with nothing that makes a condition fail."""
    facts = {
        "birth_date": dt.date(2014, 3, 1),
        "homeless": False,
        "special_education": False,
        "given_name": "A",
        "street_address": "1 Elm St",
    }
    holding.add("student", {**student("ana"), **facts}, {**student("ben"), **facts})
    holding.name("ana", "ben")
    return holding


async def test_an_element_without_conditions_goes_for_everyone(pair: Holding) -> None:
    """A study rests on no student's own facts; schools and students asked for hold all the same."""
    assert await both_ways(pair, about()) == ["ref-ana", "ref-ben"]
    assert await both_ways(pair, about(subject_refs=("ref-ben",))) == ["ref-ben"]
    assert await both_ways(pair, about(schools=only("oak"))) == []


async def test_who_has_no_name_yet_gets_one(holding: Holding) -> None:
    holding.add("student", student("ana"))

    assert await holding.refs(about()) == []
    (ref,) = await holding.covered(about())
    assert await holding.refs(about()) == [ref]


@pytest.mark.parametrize("word", [WORD.AGGREGATED, WORD.DEIDENTIFIED])
async def test_what_goes_only_as_counts_never_goes_as_a_row(
    pair: Holding, word: RowCondition
) -> None:
    assert await both_ways(pair, about(word)) == []


@pytest.mark.parametrize("word", sorted(set(WORD) - UNLESS_SAID))
async def test_what_nobody_said_anything_of_does_not_hold(
    pair: Holding, word: RowCondition
) -> None:
    """No consent, matter, caseload, claim, onward party or source: nothing goes."""
    assert await both_ways(pair, about(word)) == []


async def test_onward_parties_need_a_consent_each(pair: Holding) -> None:
    chosen = about(WORD.CONSENTED, WORD.ONWARD_CONSENTED, onward_to=frozenset({"oak", "elm"}))
    for name in ("ana", "ben"):
        pair.grant(name, NAME)
        pair.grant(name, NAME, recipient="oak")
    assert await both_ways(pair, chosen) == []

    pair.grant("ana", NAME, recipient="elm", purpose="research")
    gone = pair.grant("ben", NAME, recipient="elm")
    assert await both_ways(pair, chosen) == ["ref-ben"]

    pair.apply(Revoked(gone, NOW))
    assert await both_ways(pair, chosen) == []


async def test_a_general_release_names_no_element_itself(pair: Holding) -> None:
    lunch = Element.FREE_REDUCED_LUNCH_STATUS
    chosen = about(WORD.CONSENTED, WORD.SPECIFICALLY_CONSENTED, element=lunch)
    pair.grant("ana", lunch)
    pair.grant("ben", lunch, named=frozenset({lunch}))

    assert await both_ways(pair, chosen) == ["ref-ben"]


async def test_a_flag_needs_the_consent_to_all_that_it_was_computed_from(holding: Holding) -> None:
    flag = Element.EARLY_WARNING_FLAG
    sources = COMPUTED_FROM[flag]
    holding.add("student", student("ana"), student("ben"))
    for name in ("ana", "ben"):
        paper = {"document_id": "1", "element": flag.value, "document_date": MONDAY}
        holding.add("document", {"student": name, **paper})
    holding.grant("ana", flag, *sources)
    holding.grant("ben", flag, *sorted(sources)[1:])
    chosen = selection(
        "early_warning_flags",
        conditions=waiting([flag], WORD.CONSENTED, WORD.SOURCES_CONSENTED),
        sources={flag: sources},
    )

    assert await both_ways(holding, chosen) == ["ref-ana"]
    assert await both_ways(holding, replace(chosen, sources={})) == []


@pytest.mark.parametrize(
    ("told", "count"),
    [({"special_education": False}, 1), ({"special_education": True}, 0), ({}, 0)],
    ids=["none", "a disability", "not known"],
)
async def test_only_a_part_b_record_needs_the_part_b_consent(
    holding: Holding, told: dict[str, Any], count: int
) -> None:
    sped = Element.SPED_STATUS
    holding.add("student", {**student("ana"), **told})
    holding.name("ana")
    chosen = about(WORD.PART_B_CONSENTED, element=sped)
    assert len(await both_ways(holding, chosen)) == count

    holding.grant("ana", sped)
    assert len(await both_ways(holding, chosen)) == 1


async def test_the_users_own_students_alone(pair: Holding) -> None:
    word = WORD.ON_CASELOAD

    assert await both_ways(pair, about(word, caseload=("ref-ben", "x"))) == ["ref-ben"]
    assert await both_ways(pair, about(word, caseload=())) == []
    assert await both_ways(pair, about(word, caseload=None)) == ["ref-ana", "ref-ben"]
    many = (*(f"x{n}" for n in range(600)), "ref-ana")
    assert await both_ways(pair, about(word, caseload=many)) == ["ref-ana"]


async def test_a_caseload_by_a_name_that_was_retired_is_of_nobody(pair: Holding) -> None:
    engine = open_database(pair.urls.state)
    with writing(engine) as connection:
        retired = update(NAMES).where(NAMES.c.subject_ref == "ref-ana")
        connection.execute(retired.values(retired_at=1, in_use=False))
    engine.dispose()

    assert await both_ways(pair, about(WORD.ON_CASELOAD, caseload=("ref-ana",))) == []


@pytest.mark.parametrize(
    ("changed", "count"),
    [
        ({}, 1),
        ({"valid_from": NOW_SECONDS, "valid_to": NOW_SECONDS}, 1),
        ({"valid_from": NOW_SECONDS + 1}, 0),
        ({"valid_to": NOW_SECONDS - 1}, 0),
        ({"ended_at": NOW_SECONDS}, 0),
    ],
    ids=["in force", "this instant", "not yet", "over", "ended"],
)
async def test_a_matter_names_its_students_while_it_is_in_force(
    pair: Holding, changed: dict[str, Any], count: int
) -> None:
    matter(pair, 1, "ana", **changed)
    matter(pair, 2, "ben")

    assert len(await both_ways(pair, about(WORD.NAMED_IN_MATTER, matter_key=1))) == count
    assert await both_ways(pair, about(WORD.NAMED_IN_MATTER, matter_key=3)) == []


@pytest.mark.parametrize(("kept", "count"), [("address", 1), ("all", 1), ("phone", 2)])
async def test_who_opted_out_of_a_kind_or_of_all_is_left_out(
    pair: Holding, kept: str, count: int
) -> None:
    pair.add("directory_opt_out", {"student": "ana", "element": kept})
    chosen = about(WORD.DIRECTORY_NOT_OPTED_OUT, element=ADDRESS)

    assert len(await both_ways(pair, chosen)) == count


@pytest.mark.parametrize(
    "told",
    [
        {"homeless": True},
        {"homeless": None},
        {"homeless": False, "nighttime_residence": "shelter"},
    ],
    ids=["homeless", "not known", "a shelter"],
)
async def test_where_a_homeless_student_lives_is_not_told(
    pair: Holding, told: dict[str, Any]
) -> None:
    """Nor where it is not known whether the student has a home."""
    pair.add("student", {"student_id": "ana", **told})

    assert await both_ways(pair, about(WORD.LIVING_SITUATION_HIDDEN, element=ADDRESS)) == [
        "ref-ben"
    ]


@pytest.mark.parametrize(("begin", "end", "count"), [(-3, None, 1), (-3, -1, 2), (1, None, 2)])
async def test_a_time_of_homelessness_counts_while_it_lasts(
    pair: Holding, begin: int, end: int | None, count: int
) -> None:
    last = None if end is None else TODAY + end * DAY
    days = {"begin_date": TODAY + begin * DAY, "end_date": last}
    pair.add("student_status", {"student": "ana", "status": "homeless", **days})

    assert len(await both_ways(pair, about(WORD.LIVING_SITUATION_HIDDEN))) == count


async def test_an_incident_with_another_student_is_no_single_subjects(pair: Holding) -> None:
    told = {"school_id": "elm", "incident_date": MONDAY, "behavior": "fight"}
    both = {"incident_id": "i1", **told}
    pair.add("discipline_incident", {"student": "ana", **both}, {"student": "ben", **both})
    pair.add("discipline_incident", {"student": "ana", **told, "incident_id": "i2"})
    detail = Element.DISCIPLINE_INCIDENT_DETAIL
    chosen = selection("discipline_incidents", conditions=waiting([detail], WORD.SINGLE_SUBJECT))

    assert await pair.refs(chosen) == ["ref-ana"]
    withheld = (await pair.store.covered(chosen)).withheld
    # What tells a student's rows apart is several columns of a table, and one of a view.
    assert {ref: {"".join(key) for key in keys} for ref, keys in withheld.items()} == {
        "ref-ana": {"i1fight"},
        "ref-ben": {"i1fight"},
    }


@pytest.mark.parametrize(("others", "count"), [(False, 1), (True, 0), (None, 0)])
async def test_a_document_that_may_concern_others_stays(
    pair: Holding, others: bool | None, count: int
) -> None:
    notes = Element.CASE_NOTES
    paper = {"document_id": "1", "element": notes.value, "concerns_others": others}
    pair.add("document", {"student": "ana", **paper})
    chosen = selection("case_notes", conditions=waiting([notes], WORD.SINGLE_SUBJECT))

    assert len(await pair.rows(chosen)) == count


@pytest.mark.parametrize(
    ("consent", "count"), [("given", 1), ("not_required", 1), ("missing", 0), (None, 0)]
)
async def test_survey_answers_go_with_the_consent_to_the_survey(
    pair: Holding, consent: str | None, count: int
) -> None:
    survey = Element.SURVEY_PROTECTED_RESPONSES
    paper = {"document_id": "1", "element": survey.value, "survey_consent": consent}
    pair.add("document", {"student": "ana", **paper})
    chosen = selection("survey_responses", conditions=waiting([survey], WORD.SURVEY_CONSENTED))

    assert len(await pair.rows(chosen)) == count


PARENT = RightsClaim(Relation.PARENT, person="Eva Núñez")
OF_AGE = dt.date(2008, 10, 1)


@pytest.mark.parametrize(
    ("born", "claim", "count"),
    [
        (OF_AGE + DAY, PARENT, 1),
        (OF_AGE, PARENT, 0),
        (None, PARENT, 0),
        (OF_AGE, replace(PARENT, dependent_for_tax=True), 1),
        (OF_AGE, RightsClaim(Relation.STUDENT), 1),
        (OF_AGE, None, 0),
    ],
    ids=["a minor", "of age today", "age not known", "a dependent", "the student", "nobody"],
)
async def test_a_parents_right_moves_to_the_student_of_age(
    pair: Holding, born: dt.date | None, claim: RightsClaim | None, count: int
) -> None:
    pair.add("student", {"student_id": "ana", "birth_date": born})
    chosen = about(WORD.RIGHTS_HELD, rights=claim, subject_refs=("ref-ana",))

    assert len(await both_ways(pair, chosen)) == count


async def test_a_parents_right_moves_when_college_begins(pair: Holding) -> None:
    note(pair, "ana", RightsKind.POSTSECONDARY, from_day=TODAY)
    note(pair, "ben", RightsKind.POSTSECONDARY, from_day=TODAY + DAY)

    assert await both_ways(pair, about(WORD.RIGHTS_HELD, rights=PARENT)) == ["ref-ben"]


async def test_with_a_courts_order_on_file_staff_must_have_cleared_the_person(
    pair: Holding,
) -> None:
    note(pair, "ana", RightsKind.COURT_LIMIT, "Max Núñez")
    chosen = about(WORD.RIGHTS_HELD, rights=replace(PARENT, dependent_for_tax=True))
    assert await both_ways(pair, chosen) == ["ref-ben"]

    note(pair, "ana", RightsKind.ENTITLED, "eva Núñez")
    assert await both_ways(pair, chosen) == ["ref-ana", "ref-ben"]


@pytest.mark.parametrize(("years", "count"), [(12, 2), (13, 0)])
async def test_an_element_waits_for_an_age(pair: Holding, years: int, count: int) -> None:
    """Ana and Ben are twelve; of who has no birth date no age is known."""
    pair.add("student", {**student("cy"), "given_name": "C"})
    pair.name("cy")

    assert len(await both_ways(pair, about(min_ages={NAME: years}))) == count


async def test_each_element_waits_for_its_own(pair: Holding) -> None:
    pair.grant("ana", NAME)
    pair.add("directory_opt_out", {"student": "ana", "element": "address"})
    waits = {**consented([NAME]), **waiting([ADDRESS], WORD.DIRECTORY_NOT_OPTED_OUT)}
    read = await pair.rows(selection("students", conditions=waits))
    rows = {row[SUBJECT_REF]: row for row in read}

    assert (rows["ref-ana"]["given_name"], rows["ref-ana"]["street_address"]) == ("A", None)
    assert (rows["ref-ben"]["given_name"], rows["ref-ben"]["street_address"]) == (None, "1 Elm St")


async def test_a_consent_for_some_days_and_another_condition_hold_together(two: Holding) -> None:
    two.add("attendance", event("ana", MONDAY + 7 * DAY))
    first_week = {"record_period": Period(MONDAY, MONDAY + 6 * DAY)}
    two.grant("ana", *ATTENDANCE, **first_week)
    two.grant("ben", *ATTENDANCE)
    chosen = selection(
        conditions=waiting(ATTENDANCE, WORD.CONSENTED, WORD.ON_CASELOAD), caseload=("ref-ana",)
    )

    assert [row["event_date"] for row in await two.rows(chosen)] == [MONDAY]
    assert set((await two.store.covered(chosen)).windows) == {"ref-ana"}
    everyone = replace(chosen, caseload=None)
    assert await two.refs(everyone) == ["ref-ana", "ref-ben"]


BOTH = frozenset({Obligation.ATTACH_CONTESTED_STATEMENT, Obligation.ENROLL_WITHOUT_WAITING})


async def test_what_a_record_calls_for_goes_with_its_rows(pair: Holding) -> None:
    pair.add("student", {"student_id": "ben", "homeless": True})
    said = {"element": "name", "filed_on": MONDAY, "statement": "My name is Anna."}
    pair.add("contested_statement", {"student": "ana", **said})
    pair.add("contested_statement", {"student": "ben", **said, "element": "address"})
    chosen = about(row_obligations=BOTH)
    rows = {row[SUBJECT_REF]: row for row in await pair.rows(chosen)}

    assert rows["ref-ana"][OBLIGATIONS] == "attach_contested_statement"
    assert rows["ref-ana"][STATEMENT] == "My name is Anna."
    assert rows["ref-ben"][OBLIGATIONS] == "enroll_without_waiting"
    assert rows["ref-ben"][STATEMENT] is None
    assert (await pair.store.covered(chosen)).called_for == BOTH


async def test_a_statement_goes_only_with_what_it_is_about(two: Holding) -> None:
    """Also where everything waits for a consent alone."""
    said = {"filed_on": MONDAY, "statement": "I was there."}
    for element in ("daily_attendance", "school_of_enrollment"):
        two.add("contested_statement", {"student": "ana", "element": element, **said})
    two.grant("ana", Element.DAILY_ATTENDANCE)
    two.grant("ben", *ATTENDANCE)
    chosen = selection(row_obligations=frozenset({Obligation.ATTACH_CONTESTED_STATEMENT}))
    rows = {row[SUBJECT_REF]: row for row in await two.rows(chosen)}

    assert rows["ref-ana"][STATEMENT] == "I was there."
    assert (rows["ref-ben"][OBLIGATIONS], rows["ref-ben"][STATEMENT]) == (None, None)
    assert (await two.store.covered(chosen)).called_for == chosen.row_obligations
