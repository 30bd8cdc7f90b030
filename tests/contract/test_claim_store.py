"""What matching promises at a node, on SQLite and on PostgreSQL alike: links, queue, undoing."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import Table, select

from homeroom.audit import AuditKind
from homeroom.consent_terms import ConsentTerms, IdentityClaim, OpenedConsent
from homeroom.errors import ChangedMeanwhileError, RequestInvalidError
from homeroom.users import User
from homeroom.vocabulary import ConsentForm, Element, SignerRelation
from services.node.domain.claim_links import LinkState, Nearby
from services.node.domain.consent_book import Revoked, Rotated, Settled
from services.node.domain.consent_problems import ConsentProblem
from services.node.domain.consents import AgeRule, Grant, Student
from services.node.domain.log import Disclosed
from services.node.domain.matching import person_of
from services.node.domain.matching.match import NOBODY, surroundings
from services.node.domain.reviewing import Act, ToRetract
from services.node.store.claim_tables import CLAIM_LINK
from services.node.store.claims import Claimed, ClaimStore
from services.node.store.consent_tables import CONSENT, CONSENT_GRANT, SUBJECT_REF
from services.node.store.consents import ConsentStore
from services.node.store.element_bits import mask_of
from services.node.store.log import LogStore
from services.node.store.matcher import StudentMatcher, identity_of
from services.node.store.records import RecordStore
from services.node.store.retractions import RetractionStore
from services.node.store.rosters import RosterKeeper
from services.node.store.state import StateStore
from services.node.store.students import StudentStore
from services.runtime.database import open_database
from tests.contract.node_stores import Urls, urls
from tests.organizations import NOW, new_request_id

__all__ = ["urls"]

BORN = dt.date(2012, 3, 4)
DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Stores:
    """What a node keeps, as far as matching needs it."""

    records: RecordStore
    consents: ConsentStore
    students: StudentStore
    claims: ClaimStore
    retractions: RetractionStore
    log: LogStore
    state: StateStore


@dataclass
class Holder:
    """A node's stores, and a consent book that makes one grant of each consent."""

    urls: Urls
    stores: Stores
    claims: dict[str, IdentityClaim] = field(default_factory=dict)

    def enroll(self, student_id: str, given: str, family: str, **more: Any) -> None:
        """A student, as an import brings it."""
        row = {
            "student_id": student_id,
            "given_name": given,
            "family_name": family,
            "birth_date": BORN,
            "gender": "male",
            "school_id": "elm",
            **more,
        }
        with self.stores.records.intake() as run:
            run.load("student", list(row), [list(row.values())])
            run.keep_report("made_up", None, "{}")

    def key(self, student_id: str) -> int:
        return self.stores.records.student_keys()[student_id]

    def consent(
        self, number: int, given: str, family: str, *, known_as: str = "", **more: Any
    ) -> str:
        """A consent that names its student by a claim, and by its recorder's name if it has one."""
        said = {"birth_date": BORN, "sex": "M", "school_id": "elm", **more}
        claim = IdentityClaim(given_name=given, family_name=family, **said)
        consent_id = f"{number:032x}"
        self.settle(OpenedConsent(
            consent_id=consent_id,
            recorder="helpers",
            terms=_TERMS,
            claim=claim,
            subject_refs={"helpers": known_as or f"ref{number}"},
            knows_student=bool(known_as),
        ))  # fmt: skip
        self.claims[consent_id] = claim
        return consent_id

    def coded(self, number: int, student_id: str, known_as: str) -> None:
        """A consent whose form bears the student's code."""
        code = f"code {number}".encode()
        self.stores.state.keep_codes([(code, self.key(student_id))])
        self.settle(OpenedConsent(
            consent_id=f"{number:032x}",
            recorder="helpers",
            terms=_TERMS,
            link_code=code,
            subject_refs={"helpers": known_as},
            knows_student=True,
        ))  # fmt: skip

    def rotate(self, **names: str) -> None:
        """Has the recorder's names for students replaced."""
        rotated = Rotated("helpers", names, dt.datetime(2026, 1, 5, tzinfo=dt.UTC))
        self.stores.consents.apply([rotated], None)

    def settle(self, consent: OpenedConsent) -> None:
        """Settles a consent as the book does."""
        matcher = StudentMatcher(self.stores.students, self.stores.claims)
        # Half of them were looked up as they were opened, as a process beside the node does it.
        odd = int(consent.consent_id, 16) % 2
        (found,) = matcher.find([consent], {} if odd else self.looked_up(consent))
        student = found if isinstance(found, Student) else None
        grants = [_grant(student.student_key)] if student else []
        self.stores.consents.apply(
            [
                Settled(
                    consent.consent_id,
                    consent.recorder,
                    b"\x00signed",
                    student,
                    None if student else ConsentProblem(str(found)),
                    grants,
                    None,
                    consent.subject_refs,
                )
            ],
            None,
        )

    def looked_up(self, consent: OpenedConsent) -> dict[str, Nearby]:
        """Who is near the consent's claim in the roster as it is."""
        engine = open_database(self.urls.records)
        roster, run = RosterKeeper(engine).current()
        engine.dispose()
        claim = consent.claim
        found = surroundings(person_of(identity_of(claim)), roster) if claim else NOBODY
        return {consent.consent_id: Nearby(run, found, frozenset(roster.given_names))}

    def settle_due(self) -> None:
        """Settles again what is due."""
        for due in self.stores.consents.due(100):
            number = int(due.consent_id, 16)
            self.settle(OpenedConsent(
                consent_id=due.consent_id,
                recorder="helpers",
                terms=_TERMS,
                claim=self.claims[due.consent_id],
                subject_refs={"helpers": f"ref{number}"},
            ))  # fmt: skip

    def rows(self, table: Table) -> list[dict[str, Any]]:
        engine = open_database(self.urls.state)
        with engine.connect() as connection:
            rows = [dict(row._mapping) for row in connection.execute(select(table))]
        engine.dispose()
        return rows

    def granted(self) -> set[int]:
        """Of which students something may be released."""
        return {row["student_key"] for row in self.rows(CONSENT_GRANT)}

    def problem(self, consent_id: str) -> str | None:
        rows = self.rows(CONSENT)
        return next(
            (str(r["problem"]) for r in rows if r["consent_id"] == consent_id and r["problem"]),
            None,
        )

    def state(self, consent_id: str) -> LinkState:
        return LinkState(
            next(r["state"] for r in self.rows(CLAIM_LINK) if r["consent_id"] == consent_id)
        )

    def queue(self) -> Sequence[str]:
        return [link.consent_id for link in self.stores.claims.queue("", 10)]


_TERMS = ConsentTerms(
    holder="anytown",
    agreement_id="A-1",
    elements=(Element.DAILY_ATTENDANCE,),
    purposes=("direct_service",),
    signer_relation=SignerRelation.PARENT,
    form=ConsentForm.WRITTEN,
    sign_date=dt.date(2026, 9, 1),
    start_date=dt.date(2026, 9, 1),
    end_date=dt.date(2027, 6, 30),
)


def act(user: str = "registrar") -> Act:
    """A new act of a person of the holder's."""
    request_id = new_request_id()
    return Act(User(user, "anytown", "registrar", None), request_id, request_id.encode())


def _grant(student_key: int) -> Grant:
    return Grant(
        student_key=student_key,
        recipient="helpers",
        purpose="direct_service",
        elements=frozenset({Element.DAILY_ATTENDANCE}),
        valid_from=NOW - DAY,
        valid_to=NOW + 300 * DAY,
        age_rule=AgeRule.NONE,
    )


@pytest.fixture
def holder(urls: Urls) -> Iterator[Holder]:
    state, records = open_database(urls.state), open_database(urls.records)
    stores = Stores(
        RecordStore(urls.records),
        ConsentStore(state),
        StudentStore(state, records),
        ClaimStore(state, RosterKeeper(records)),
        RetractionStore(state),
        LogStore(state),
        StateStore(state, records),
    )
    yield Holder(urls, stores)
    stores.records.close()
    state.dispose()
    records.dispose()


def test_what_was_looked_up_in_an_older_roster_says_nothing(holder: Holder) -> None:
    """An import may bring the twin whom a claim means as well: it is looked up anew."""
    holder.enroll("s1", "Iván", "Rivera")
    claim = IdentityClaim(
        given_name="Iván", family_name="Rivera", birth_date=BORN, sex="M", school_id="elm"
    )
    consent = OpenedConsent(
        consent_id="0" * 32, recorder="helpers", terms=_TERMS, claim=claim, subject_refs={}
    )
    before = holder.looked_up(consent)
    holder.enroll("s2", "Iván", "Rivera")
    claims = {consent.consent_id: Claimed(identity_of(claim))}

    (link,) = holder.stores.claims.match(claims, (), before).values()

    assert link.state is LinkState.REVIEW
    assert {offer.student_key for offer in link.offers} == {holder.key("s1"), holder.key("s2")}


def test_what_was_looked_up_in_the_roster_as_it_is_needs_no_roster(holder: Holder) -> None:
    holder.enroll("s1", "Iván", "Rivera")
    claim = IdentityClaim(
        given_name="Iván", family_name="Rivera", birth_date=BORN, sex="M", school_id="elm"
    )
    consent = OpenedConsent(
        consent_id="0" * 32, recorder="helpers", terms=_TERMS, claim=claim, subject_refs={}
    )
    nearby = holder.looked_up(consent)
    nobody = {name: one._replace(found=NOBODY) for name, one in nearby.items()}
    claims = {consent.consent_id: Claimed(identity_of(claim))}

    (unmatched,) = holder.stores.claims.match(claims, (), nobody).values()
    assert unmatched.state is LinkState.UNMATCHED

    (link,) = holder.stores.claims.match(claims, (), nearby).values()
    assert link.state is LinkState.LINKED


def test_a_claim_that_agrees_links_by_itself(holder: Holder) -> None:
    holder.enroll("s1", "Iván", "Rivera Ortiz")
    consent = holder.consent(1, "IVAN", "Rivera")

    assert holder.state(consent) is LinkState.LINKED
    assert holder.granted() == {holder.key("s1")}
    assert holder.queue() == []


def test_a_claim_about_nobody_is_matched_again_once_the_child_enrolls(holder: Holder) -> None:
    holder.enroll("s1", "Rosa", "Lima")
    consent = holder.consent(1, "Iván", "Rivera")
    assert holder.problem(consent) == "student_not_found"

    holder.enroll("s2", "Ivan", "Rivera")
    holder.stores.claims.note_roster()
    holder.settle_due()

    assert holder.problem(consent) is None
    assert holder.granted() == {holder.key("s2")}


def test_an_import_is_noted_once(holder: Holder) -> None:
    holder.enroll("s1", "Rosa", "Lima")
    holder.consent(1, "Iván", "Rivera")
    holder.stores.claims.note_roster()
    holder.settle_due()
    holder.stores.claims.note_roster()

    assert holder.stores.consents.due(10) == []


def test_a_look_alike_waits_and_is_linked_when_a_person_says_so(holder: Holder) -> None:
    holder.enroll("s1", "Brayan", "Quispe")
    consent = holder.consent(1, "Bryan", "Quispe")
    assert holder.problem(consent) == "awaits_review"
    assert holder.granted() == set()
    (link,) = holder.stores.claims.queue("", 10)
    assert link.offers[0].student_key == holder.key("s1")
    assert "given_name_similar" in link.offers[0].pattern
    assert "given_name_not_equal" in link.offers[0].reasons

    assert holder.stores.claims.confirm(act("registrar"), consent, holder.key("s1"))
    holder.settle_due()

    assert holder.state(consent) is LinkState.CONFIRMED
    assert holder.granted() == {holder.key("s1")}
    assert holder.queue() == []


def test_nobody_can_be_confirmed_who_is_no_candidate(holder: Holder) -> None:
    holder.enroll("s1", "Brayan", "Quispe")
    holder.enroll("s2", "Rosa", "Lima")
    consent = holder.consent(1, "Bryan", "Quispe")

    with pytest.raises(RequestInvalidError):
        holder.stores.claims.confirm(act("registrar"), consent, holder.key("s2"))
    with pytest.raises(ChangedMeanwhileError):
        holder.stores.claims.confirm(act("registrar"), "f" * 32, holder.key("s1"))
    assert holder.queue() == [consent]


def test_a_rejected_candidate_is_not_offered_again(holder: Holder) -> None:
    holder.enroll("s1", "Brayan", "Quispe")
    consent = holder.consent(1, "Bryan", "Quispe")
    holder.stores.claims.reject(act(), consent)
    holder.settle_due()
    holder.enroll("s2", "Rosa", "Lima")
    holder.stores.claims.note_roster()
    holder.settle_due()

    assert holder.problem(consent) == "student_not_found"
    assert holder.queue() == []


def test_two_identities_for_one_student_stop_both_at_once(holder: Holder) -> None:
    """Nothing more is released by the first link from the moment the second claim is matched."""
    holder.enroll("s1", "Marie", "Pierre", gender="female")
    first = holder.consent(1, "Marie", "Pierre", middle_name="Ange", sex="F")
    assert holder.granted() == {holder.key("s1")}
    second = holder.consent(2, "Marie", "Pierre", middle_name="Rose", sex="F")

    assert holder.granted() == set()
    holder.settle_due()
    assert {holder.state(first), holder.state(second)} == {LinkState.CONTESTED}
    assert holder.problem(first) == holder.problem(second) == "awaits_review"
    third = holder.consent(3, "Marie", "Pierre", middle_name="Ange", sex="F")
    assert holder.state(third) is LinkState.CONTESTED

    holder.stores.claims.reject(act(), second)
    holder.settle_due()
    assert {holder.state(first), holder.state(third)} == {LinkState.LINKED}
    assert holder.granted() == {holder.key("s1")}


def test_of_two_that_contest_each_other_the_one_that_is_left_links(holder: Holder) -> None:
    holder.enroll("s1", "Marie", "Pierre", gender="female")
    first = holder.consent(1, "Marie", "Pierre", middle_name="Ange", sex="F")
    second = holder.consent(2, "Marie", "Pierre", middle_name="Rose", sex="F")
    holder.stores.claims.reject(act(), second)
    holder.settle_due()

    assert holder.state(first) is LinkState.LINKED
    assert holder.granted() == {holder.key("s1")}


def test_many_forms_of_one_family_do_not_contest_each_other(holder: Holder) -> None:
    holder.enroll("s1", "Iván", "Rivera")
    consents = [holder.consent(number, "Ivan", "Rivera") for number in range(1, 5)]

    assert {holder.state(consent) for consent in consents} == {LinkState.LINKED}


def test_a_look_alike_who_enrolls_brings_a_confirmed_link_back(holder: Holder) -> None:
    holder.enroll("s1", "Jayden", "Vega")
    consent = holder.consent(1, "Jaden", "Vega")
    holder.stores.claims.confirm(act("registrar"), consent, holder.key("s1"))
    holder.settle_due()
    holder.enroll("s2", "Kaden", "Vega")
    holder.stores.claims.note_roster()
    holder.settle_due()

    assert holder.state(consent) is LinkState.REVIEW
    assert holder.granted() == set()
    assert holder.queue() == [consent]


async def test_an_undone_link_ends_at_once_and_lists_what_was_disclosed(holder: Holder) -> None:
    holder.enroll("s1", "Iván", "Rivera")
    wrong = holder.consent(1, "Ivan", "Rivera")
    same = holder.consent(2, "IVÁN", "RIVERA")
    key = holder.key("s1")
    told = {"requester": "helpers", "user": "ana", "purpose": "direct_service", "dataset": "x"}
    disclosed = Disclosed([(key, mask_of([Element.DAILY_ATTENDANCE]))])
    position = await holder.stores.log.append(AuditKind.DECIDED, b"1", told, [disclosed])
    other = {**told, "requester": "strangers"}
    await holder.stores.log.append(AuditKind.DECIDED, b"2", other, [disclosed])

    (name,) = (row["subject_ref"] for row in holder.rows(SUBJECT_REF) if row["in_use"])

    undone = holder.stores.claims.undo(act("registrar"), wrong, NOW)

    assert set(undone.consent_ids) == {wrong, same}
    assert undone.recipients == ("helpers",)
    assert [(one.recipient, one.log_index) for one in undone.disclosed] == [
        ("helpers", position.log_index)
    ]
    assert undone.disclosed[0].elements == (Element.DAILY_ATTENDANCE,)
    waiting = holder.stores.retractions
    (due,) = waiting.retractions(["helpers", "strangers"], 10)
    assert due == ToRetract("helpers", b"1".hex(), name)
    assert waiting.retractions(["strangers"], 10) == []
    waiting.note_sent([due])
    assert waiting.retractions(["helpers"], 10) == []
    assert holder.granted() == set()
    assert [row["retired_at"] is None for row in holder.rows(SUBJECT_REF)] == [False] * len(
        holder.rows(SUBJECT_REF)
    )
    holder.settle_due()
    assert holder.problem(wrong) == "link_undone"


def test_an_undone_link_takes_two_persons_to_be_made_again(holder: Holder) -> None:
    holder.enroll("s1", "Iván", "Rivera")
    first = holder.consent(1, "Ivan", "Rivera")
    holder.stores.claims.undo(act("registrar"), first, NOW)
    holder.settle_due()
    again = holder.consent(2, "Ivan", "Rivera")
    assert holder.problem(again) == "awaits_review"
    key = holder.key("s1")

    assert not holder.stores.claims.confirm(act("ana"), again, key)
    assert not holder.stores.claims.confirm(act("ana"), again, key)
    holder.settle_due()
    assert holder.granted() == set()
    assert holder.stores.claims.confirm(act("ben"), again, key)
    holder.settle_due()
    assert holder.granted() == {key}


def test_the_right_child_gets_a_name_that_nobody_has_seen(holder: Holder) -> None:
    holder.enroll("s1", "Brayan", "Quispe")
    consent = holder.consent(1, "Bryan", "Quispe")
    holder.stores.claims.confirm(act("registrar"), consent, holder.key("s1"))
    holder.settle_due()
    before = {row["subject_ref"] for row in holder.rows(SUBJECT_REF)}
    holder.stores.claims.undo(act("registrar"), consent, NOW)
    holder.enroll("s2", "Bryan", "Quispe")
    holder.stores.claims.note_roster()
    holder.settle_due()
    assert holder.stores.claims.confirm(act("registrar"), consent, holder.key("s2"))
    holder.settle_due()

    names = {r["subject_ref"]: r for r in holder.rows(SUBJECT_REF) if r["retired_at"] is None}
    assert [row["student_key"] for row in names.values()] == [holder.key("s2")]
    assert not before & set(names)


def test_a_withdrawn_consent_leaves_the_queue_and_contests_nobody(holder: Holder) -> None:
    holder.enroll("s1", "Marie", "Pierre", gender="female")
    first = holder.consent(1, "Marie", "Pierre", middle_name="Ange", sex="F")
    holder.stores.consents.apply([Revoked(first, NOW)], None)
    second = holder.consent(2, "Marie", "Pierre", middle_name="Rose", sex="F")

    assert holder.state(second) is LinkState.LINKED
    assert holder.queue() == []


def test_telephone_and_address_of_the_roster_speak_for_a_link(holder: Holder) -> None:
    home = {"street_address": "12 Elm Street", "postal_code": "02301"}
    holder.enroll("s1", "William", "Rivera", phone="(508) 555-0148")
    holder.enroll("s2", "Robert", "Silva", **home)
    holder.enroll("s3", "Edward", "Gomez", **home | {"postal_code": "02302"})
    by_phone = holder.consent(1, "Billy", "Rivera", phone="508.555.0148", school_id="")
    by_address = holder.consent(2, "Bobby", "Silva", address="12 elm st", zip="02301")
    half_an_address = holder.consent(3, "Ned", "Gomez", address="12 Elm St", zip="02301")

    assert {holder.state(by_phone), holder.state(by_address)} == {LinkState.LINKED}
    assert holder.state(half_an_address) is LinkState.REVIEW


# What recorders know.


def test_forms_of_two_names_for_one_student_go_to_a_person(holder: Holder) -> None:
    """Jon is enrolled, his twin is not: a form of the twin's that says Jon looks like Jon's."""
    holder.enroll("s1", "Jon", "Rivera")
    first = holder.consent(1, "Jon", "Rivera", known_as="jon")
    assert holder.granted() == {holder.key("s1")}
    second = holder.consent(2, "Jon", "Rivera", known_as="john")

    assert holder.granted() == set()
    assert {holder.state(first), holder.state(second)} == {LinkState.CONTESTED}
    holder.settle_due()
    holder.stores.claims.confirm(act(), first, holder.key("s1"))
    holder.stores.claims.reject(act(), second)
    holder.settle_due()
    assert holder.state(first) is LinkState.CONFIRMED
    assert holder.granted() == {holder.key("s1")}


def test_a_name_that_is_another_students_already_goes_to_a_person(holder: Holder) -> None:
    holder.enroll("s1", "Jon", "Rivera")
    holder.enroll("s2", "John", "Rivera")
    right = holder.consent(1, "John", "Rivera", known_as="john")
    wrong = holder.consent(2, "Jon", "Rivera", known_as="john")

    assert holder.granted() == set()
    assert {holder.state(right), holder.state(wrong)} == {LinkState.CONTESTED}


@pytest.mark.parametrize("coded_first", [True, False])
def test_a_code_says_whom_a_recorder_means(holder: Holder, coded_first: bool) -> None:
    holder.enroll("s1", "Jon", "Rivera")
    holder.enroll("s2", "Mia", "Gomez")
    if coded_first:
        holder.coded(5, "s1", "jon")
    claimed = holder.consent(2, "Jon", "Rivera", known_as="john")
    holder.coded(1, "s1", "jon")
    holder.coded(3, "s2", "mia")
    other = holder.consent(4, "Jon", "Rivera", known_as="mia")

    assert {holder.state(claimed), holder.state(other)} == {LinkState.CONTESTED}


def test_a_twins_name_under_one_name_goes_to_a_person_and_a_slip_of_the_pen_does_not(
    holder: Holder,
) -> None:
    holder.enroll("s1", "Jon", "Rivera")
    holder.enroll("s2", "John", "Silva", birth_date=dt.date(2011, 2, 3))
    slip = holder.consent(1, "Joon", "Rivera", known_as="jon")
    right = holder.consent(2, "Jon", "Rivera", known_as="jon")
    assert (holder.state(slip), holder.state(right)) == (LinkState.REVIEW, LinkState.LINKED)

    holder.consent(3, "John", "Rivera", known_as="jon")
    assert holder.state(right) is LinkState.CONTESTED


def test_new_forms_of_a_student_whose_name_was_rotated_do_not_contest_the_old(
    holder: Holder,
) -> None:
    holder.enroll("s1", "Jon", "Rivera")
    holder.enroll("s2", "Mia", "Gomez")
    holder.coded(5, "s2", "mia")
    holder.rotate(jon="jon2", mia="mia2")
    forms = [
        holder.consent(1, "Jon", "Rivera", known_as="jon"),
        holder.consent(2, "Jon", "Rivera", known_as="jon2"),
        holder.consent(3, "Mia", "Gomez", known_as="mia2"),
    ]
    holder.rotate(jon2="jon3")
    forms.append(holder.consent(4, "Jon", "Rivera", known_as="jon3"))

    assert {holder.state(form) for form in forms} == {LinkState.LINKED}
