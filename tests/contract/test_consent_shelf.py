"""What the node's store of consents promises, on SQLite and on PostgreSQL alike."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from homeroom.vocabulary import Element
from services.node.domain.consent_book import (
    Narrowed,
    Progress,
    Revoked,
    Rotated,
    Settled,
    Step,
    Told,
    Verdict,
)
from services.node.domain.consent_problems import ConsentProblem
from services.node.domain.consents import Withdrawn
from services.node.domain.replica import SeenLog
from services.node.store.consent_tables import CONSENT, CONSENT_GRANT
from services.node.store.consents import ConsentStore
from services.node.store.element_bits import elements_in
from services.node.store.records import RecordStore
from services.node.store.rights import RightsKind
from services.node.store.students import StudentStore
from services.runtime.database import open_database
from tests.contract.node_stores import ANA, DAY, FAR, Urls, grant, settled, urls
from tests.organizations import NOW

__all__ = ["urls"]

DONE = Progress(9, 4, NOW)
BOTH = frozenset({Element.DAILY_ATTENDANCE, Element.SUSPENSIONS})


@pytest.fixture
def store(urls: Urls) -> Iterator[ConsentStore]:
    state = open_database(urls.state)
    yield ConsentStore(state)
    state.dispose()


def problematic(consent_id: str, problem: ConsentProblem, **changed: Any) -> Settled:
    return settled(consent_id, problem=problem, student=None, verdict=None, **changed)


def narrowed(consent_id: str, elements: Any = (), recipients: Any = ()) -> Narrowed:
    return Narrowed(consent_id, Withdrawn(frozenset(elements), frozenset(recipients)), NOW)


def granted(urls: Urls) -> dict[tuple[str, str], frozenset[Element]]:
    """What is granted, by recipient and purpose."""
    return {
        (row["recipient"], row["purpose"]): elements_in(row["elements"])
        for row in urls.rows(CONSENT_GRANT)
    }


def consents(urls: Urls) -> dict[str, dict[str, Any]]:
    return {row["consent_id"]: row for row in urls.rows(CONSENT)}


# Progress.


@pytest.mark.parametrize("confirmed_at", [None, NOW])
def test_progress_is_kept(store: ConsentStore, confirmed_at: dt.datetime | None) -> None:
    assert store.progress() == Progress(0, 0, None)

    store.confirm(Progress(3, 2, NOW))
    latest = Progress(2**62, 2**61, confirmed_at, SeenLog(2**60, b"\xff" * 32))
    store.confirm(latest)

    assert store.progress() == latest


def test_progress_and_steps_are_kept_together(store: ConsentStore) -> None:
    store.apply([settled("c1", grant())], DONE)

    assert store.progress() == DONE


def test_settling_again_leaves_progress_alone(store: ConsentStore) -> None:
    store.apply([settled("c1", grant())], DONE)
    store.apply([settled("c1", grant())], None)

    assert store.progress() == DONE


def test_a_batch_that_fails_keeps_neither_its_steps_nor_its_progress(
    store: ConsentStore, urls: Urls
) -> None:
    """Killed in the middle, a node follows on from where it was."""
    store.apply([settled("c1", grant())], DONE)
    broken = settled("c3", grant(), recorder=None)

    with pytest.raises(Exception, match=r"(?i)null"):
        store.apply([settled("c2", grant()), Revoked("c1", NOW), broken], Progress(10, 10, NOW))
    assert store.progress() == DONE
    assert list(consents(urls)) == ["c1"]
    assert store.active_consents(NOW) == 1


# Consents and their grants.


def test_a_consent_is_kept_with_its_grants(store: ConsentStore, urls: Urls) -> None:
    given = [grant(elements=BOTH), grant(purpose="research", agreement_id="A-1")]
    store.apply([settled("c1", *given)], DONE)
    row = consents(urls)["c1"]

    assert (row["recorder"], row["evidence"], row["student_key"]) == ("helpers", b"\x00signed", 7)
    assert (row["problem"], row["revoked_at"], row["due"]) == (None, None, False)
    assert granted(urls) == {
        ("helpers", "direct_service"): BOTH,
        ("helpers", "research"): {Element.DAILY_ATTENDANCE},
    }
    assert {(row["valid_from"], row["valid_to"]) for row in urls.rows(CONSENT_GRANT)} == {
        (int((NOW - DAY).timestamp()), int(FAR.timestamp()))
    }


def test_a_consent_that_is_settled_again_replaces_its_grants(
    store: ConsentStore, urls: Urls
) -> None:
    store.apply([settled("c1", grant(), grant(purpose="research"))], DONE)
    store.apply([settled("c1", grant(8))], DONE)

    assert [row["student_key"] for row in urls.rows(CONSENT_GRANT)] == [8]
    assert list(consents(urls)) == ["c1"]


def test_of_one_consent_that_comes_twice_in_a_batch_the_later_counts(
    store: ConsentStore, urls: Urls
) -> None:
    store.apply([settled("c1", grant(7)), settled("c1", grant(8))], DONE)

    assert [row["student_key"] for row in urls.rows(CONSENT_GRANT)] == [8]


def test_more_consents_than_a_statement_names_are_kept_at_once(
    store: ConsentStore, urls: Urls
) -> None:
    many = [settled(f"c{n}", grant(n), refs={"helpers": f"ref-{n}"}) for n in range(1_234)]
    store.apply(many, DONE)
    store.apply(many, DONE)

    assert store.active_consents(NOW) == len(consents(urls)) == 1_234


def test_a_revocation_takes_the_grants_of_its_consent_and_no_others(
    store: ConsentStore, urls: Urls
) -> None:
    store.apply([settled("c1", grant()), settled("c2", grant(8)), Revoked("c1", NOW)], DONE)

    assert [row["student_key"] for row in urls.rows(CONSENT_GRANT)] == [8]
    revoked = {name: row["revoked_at"] for name, row in consents(urls).items()}
    assert revoked == {"c1": int(NOW.timestamp()), "c2": None}


@pytest.mark.parametrize("together", [True, False])
def test_what_was_ever_revoked_stays_revoked(
    store: ConsentStore, urls: Urls, together: bool
) -> None:
    """Recorded again, or known as revoked before it was known at all; in one batch or in two."""
    steps: list[Step] = [Revoked("c1", NOW), settled("c1", grant()), settled("c1", grant(8))]
    for batch in [steps] if together else [[step] for step in steps]:
        store.apply(batch, DONE)

    assert urls.rows(CONSENT_GRANT) == []
    assert consents(urls)["c1"]["revoked_at"] == int(NOW.timestamp())
    assert store.due(10) == []
    assert store.active_consents(NOW) == 0


def test_consents_in_effect_are_counted_once_each(store: ConsentStore) -> None:
    second = dt.timedelta(seconds=1)
    store.apply(
        [
            settled("both", grant(), grant(purpose="research")),
            settled("later", grant(valid_from=NOW + second)),
            settled("over", grant(valid_to=NOW)),
            settled("now", grant(valid_from=NOW, valid_to=NOW + second)),
            settled("revoked", grant()),
            Revoked("revoked", NOW),
        ],
        DONE,
    )

    assert store.active_consents(NOW) == 2


def test_the_last_day_of_all_can_be_kept(store: ConsentStore) -> None:
    forever = grant(valid_to=dt.datetime.max.replace(microsecond=0, tzinfo=dt.UTC))
    store.apply([settled("c1", forever)], DONE)

    assert store.active_consents(NOW) == 1


def test_problems_are_counted(store: ConsentStore) -> None:
    unknown, invalid = ConsentProblem.LINK_CODE_UNKNOWN, ConsentProblem.EVIDENCE_INVALID
    store.apply(
        [
            problematic("c1", unknown),
            problematic("c2", unknown),
            problematic("c3", invalid),
            problematic("c4", unknown),
            Revoked("c4", NOW),
            settled("c5", grant()),
        ],
        DONE,
    )

    assert store.problems() == {unknown: 2, invalid: 1}


# Withdrawal of a part.


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(
    ("elements", "recipients", "left"),
    [
        (
            {Element.SUSPENSIONS},
            (),
            {"helpers": {Element.DAILY_ATTENDANCE}, "class:tutors": {Element.DAILY_ATTENDANCE}},
        ),
        ((), {"helpers"}, {"class:tutors": BOTH}),
        (
            {Element.SUSPENSIONS},
            {"class:tutors"},
            {"helpers": BOTH, "class:tutors": {Element.DAILY_ATTENDANCE}},
        ),
        (BOTH, {"helpers", "class:tutors"}, {}),
        ((), (), {}),
    ],
)
def test_a_part_that_is_withdrawn_is_gone_whenever_that_is_known(  # noqa: PLR0917 - crossed
    store: ConsentStore,
    urls: Urls,
    elements: Any,
    recipients: Any,
    left: dict[str, Any],
    before: bool,
    together: bool,
) -> None:
    """Before its consent or after it, in one batch or in two; and when it is settled again."""
    given = settled("c1", grant(elements=BOTH), grant(recipient="class:tutors", elements=BOTH))
    part = narrowed("c1", elements, recipients)
    steps: list[Step] = [part, given] if before else [given, part]
    for batch in [steps] if together else [[step] for step in steps]:
        store.apply(batch, DONE)
    expected = {(recipient, "direct_service"): found for recipient, found in left.items()}

    assert granted(urls) == expected
    store.apply([given], None)
    assert granted(urls) == expected


def test_parts_add_up(store: ConsentStore, urls: Urls) -> None:
    store.apply(
        [settled("c1", grant(elements=BOTH | {Element.GPA})), settled("c2", grant(8))], DONE
    )
    store.apply([narrowed("c1", {Element.GPA})], DONE)
    store.apply([narrowed("c1", {Element.SUSPENSIONS})], DONE)
    store.apply([narrowed("c1", {Element.SUSPENSIONS}, {"helpers"})], DONE)
    store.apply([settled("c1", grant(elements=BOTH | {Element.GPA}))], None)

    by_student = {r["student_key"]: elements_in(r["elements"]) for r in urls.rows(CONSENT_GRANT)}
    assert by_student == {7: {Element.DAILY_ATTENDANCE}, 8: {Element.DAILY_ATTENDANCE}}


# Settling again.


def test_what_could_not_be_checked_is_due(store: ConsentStore) -> None:
    store.apply([problematic("c1", ConsentProblem.NOT_CHECKED), settled("c2", grant())], DONE)

    assert [one.consent_id for one in store.due(10)] == ["c1"]
    store.apply([settled("c1", grant())], None)
    assert store.due(10) == []


def test_other_rules_make_everything_due_and_leave_what_is_allowed(
    store: ConsentStore, urls: Urls
) -> None:
    store.note_rules("r1")
    store.apply([settled("c1", grant()), settled("c2", grant(8)), Revoked("c2", NOW)], DONE)
    store.note_rules("r1")
    assert store.due(10) == []

    store.note_rules("r2")
    assert [(one.consent_id, one.evidence) for one in store.due(10)] == [("c1", b"\x00signed")]
    assert store.active_consents(NOW) == 1
    store.apply([settled("c1")], None)
    store.note_rules("r2")
    assert store.due(10) == []


def test_some_problems_or_consents_are_made_due(store: ConsentStore, urls: Urls) -> None:
    party, unknown = ConsentProblem.RECORDER_NOT_A_PARTY, ConsentProblem.LINK_CODE_UNKNOWN
    store.apply(
        [problematic("c1", party), problematic("c2", unknown), settled("c3", grant())], DONE
    )
    store.note_problems([party])
    assert [one.consent_id for one in store.due(10)] == ["c1"]

    store.note_consents([consents(urls)["c3"]["consent_key"]])
    assert [one.consent_id for one in store.due(10)] == ["c1", "c3"]
    assert len(store.due(1)) == 1

    store.note_recorders(["helpers"])
    assert len(store.due(10)) == 3
    store.note_recorders(["nobody"])
    assert len(store.due(10)) == 3


# What recorders are told.


def told(store: ConsentStore, *recorders: str) -> dict[str, Verdict]:
    return {one.consent_id: one.verdict for one in store.verdicts(recorders or ("helpers",), 100)}


def test_a_verdict_is_told_until_it_was_received(store: ConsentStore) -> None:
    refused = Verdict(
        (ConsentProblem.CONSENT_FORM_INVALID, ConsentProblem.CONSENT_PURPOSE_MISMATCH)
    )
    store.apply(
        [
            settled("c1", grant()),
            settled("c2", problem=refused.codes[0], verdict=refused),
            problematic("c3", ConsentProblem.EVIDENCE_INVALID),
            settled("c4", grant(8), recorder="others"),
        ],
        DONE,
    )

    assert told(store) == {"c1": Verdict((), FAR.date()), "c2": refused}
    store.note_told(store.verdicts(["helpers"], 1))
    assert told(store) == {"c2": refused}
    assert list(told(store, "helpers", "others")) == ["c2", "c4"]


def test_a_verdict_that_did_not_change_is_not_told_again(store: ConsentStore) -> None:
    store.apply([settled("c1", grant())], DONE)
    store.note_told(store.verdicts(["helpers"], 10))
    store.apply([settled("c1", grant())], None)
    assert told(store) == {}

    sooner = Verdict((), FAR.date() - DAY)
    store.apply([settled("c1", grant(), verdict=sooner)], None)
    assert told(store) == {"c1": sooner}


def test_a_verdict_that_changes_while_it_is_told_is_told_again(store: ConsentStore) -> None:
    store.apply([settled("c1", grant())], DONE)
    sent = store.verdicts(["helpers"], 10)
    refused = Verdict((ConsentProblem.CONSENT_SIGNER_NOT_ENTITLED,))
    store.apply([settled("c1", problem=refused.codes[0], verdict=refused)], None)
    store.note_told(sent)

    assert told(store) == {"c1": refused}
    assert sent == [Told("c1", "helpers", Verdict((), FAR.date()))]


def test_of_a_revoked_consent_nothing_is_told(store: ConsentStore) -> None:
    store.apply([settled("c1", grant()), Revoked("c1", NOW)], DONE)

    assert told(store) == {}


def test_consents_that_will_end_are_listed_nearest_first(store: ConsentStore) -> None:
    today = NOW.date()
    days = {"c1": 20, "c2": 3, "c3": 31, "c4": 5, "c5": -1}
    steps = [
        settled(name, grant(), verdict=Verdict((), today + n * DAY)) for name, n in days.items()
    ]
    store.apply([*steps, Revoked("c4", NOW)], DONE)
    found = list(store.ending(today, today + 30 * DAY))

    assert [(one.consent_id, one.student_key) for one in found] == [("c2", 7), ("c1", 7)]
    assert found[0].last_date == today + 3 * DAY


# Rights.


@pytest.fixture
def students(urls: Urls) -> Iterator[StudentStore]:
    """Ana and Ben are in the records, with keys 1 and 2."""
    loaded = RecordStore(urls.records)
    with loaded.intake() as run:
        rows = [("a", dt.date(2012, 2, 29)), ("b", None)]
        run.load("student", ("student_id", "birth_date"), rows)
    loaded.close()
    state, records = open_database(urls.state), open_database(urls.records)
    yield StudentStore(state, records)
    state.dispose()
    records.dispose()


def test_a_court_limit_suspends_all_consents_about_the_student_at_once(
    store: ConsentStore, students: StudentStore, urls: Urls
) -> None:
    ana, ben = students.key_of("a"), students.key_of("b")
    assert ana is not None
    assert ben is not None
    one, other = replace(ANA, student_key=ana), replace(ANA, student_key=ben, birth_date=None)
    store.apply(
        [
            settled("c1", grant(ana), student=one),
            settled("c2", grant(ben), student=other, refs={"helpers": "r2"}),
        ],
        DONE,
    )
    students.note(ana, RightsKind.COURT_LIMIT, "Robert Smith", None)

    assert [row["student_key"] for row in urls.rows(CONSENT_GRANT)] == [ben]
    assert [found.consent_id for found in store.due(10)] == ["c1"]
    assert students.students([ana])[ana].limited == ("Robert Smith",)


def test_a_consent_that_was_settled_by_older_rights_gets_no_grant(
    store: ConsentStore, students: StudentStore, urls: Urls
) -> None:
    """The court's order was noted while the consent was being settled."""
    ana = students.key_of("a")
    assert ana is not None
    before = students.students([ana])[ana]
    students.note(ana, RightsKind.COURT_LIMIT, "Robert Smith", None)
    store.apply([settled("c1", grant(ana), student=before)], DONE)

    assert urls.rows(CONSENT_GRANT) == []
    assert [found.consent_id for found in store.due(10)] == ["c1"]
    after = students.students([ana])[ana]
    store.apply([settled("c1", grant(ana), student=after)], None)
    assert len(urls.rows(CONSENT_GRANT)) == 1
    assert store.due(10) == []


def test_notes_of_rights_are_kept_and_taken_back(students: StudentStore) -> None:
    ana = students.key_of("a")
    assert ana is not None
    assert students.key_of("nobody") is None
    students.note(ana, RightsKind.POSTSECONDARY, "", NOW.date())
    students.note(ana, RightsKind.ENTITLED, "Maria Smith", None)
    known = students.students([ana, 99])

    assert set(known) == {ana}
    assert known[ana].postsecondary_from == NOW.date()
    assert known[ana].entitled == ("Maria Smith",)
    assert students.clear(ana, RightsKind.POSTSECONDARY, "")
    assert not students.clear(ana, RightsKind.POSTSECONDARY, "")
    assert [one.kind for one in students.noted(ana)] == [RightsKind.ENTITLED]


def test_new_names_are_taken_in_their_place_among_the_changes(store: ConsentStore) -> None:
    store.apply([settled("c1", grant()), Rotated("helpers", {"ref": "new"}, NOW)], DONE)

    assert store.progress() == DONE
