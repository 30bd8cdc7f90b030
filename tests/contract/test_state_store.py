"""What the store of a node's own state promises, on SQLite and on PostgreSQL alike."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select, text

from homeroom.consent_terms import ConsentTerms, OpenedConsent
from homeroom.vocabulary import ConsentForm, Element, SignerRelation
from services.node.domain.agreement_memory import Remembered
from services.node.domain.consent_book import Arrived, Progress, Revoked, Settled, take
from services.node.domain.consents import ConsentProblem, Grant, Student
from services.node.migrations import STATE_VERSION_TABLE
from services.node.store.records import RecordStore
from services.node.store.state import LINK_CODE_BYTES, StateStore
from services.node.store.state_tables import CONSENT, CONSENT_GRANT, LINK_CODE, StateTable
from services.runtime.database import open_database, writing
from tests.contract.node_stores import Urls, urls
from tests.organizations import NOW
from tests.postgres import postgres, postgres_url

__all__ = ["postgres", "postgres_url", "urls"]

FAR = NOW + dt.timedelta(days=300)
DONE = Progress(9, 4, NOW)
STUDENTS = (
    ("1", "Ana", "Nováková", dt.date(2012, 2, 29), "elm"),
    ("2", "Ben", None, None, "elm"),
    ("3", "Cem", "Øster", dt.date(2013, 1, 1), "oak"),
)


@pytest.fixture
def store(urls: Urls) -> Iterator[StateStore]:
    state, records = open_database(urls.state), open_database(urls.records)
    yield StateStore(state, records)
    state.dispose()
    records.dispose()


@pytest.fixture
def keys(urls: Urls) -> dict[str, int]:
    """Three students in the records; their keys by student id."""
    records = RecordStore(urls.records)
    with records.intake() as run:
        columns = ("student_id", "given_name", "family_name", "birth_date", "school_id")
        run.load("student", columns, STUDENTS)
    known = records.student_keys()
    records.close()
    return known


def rows_of(urls: Urls, table: Any) -> list[dict[str, Any]]:
    """A table's rows as another process sees them."""
    engine = open_database(urls.state)
    with engine.connect() as connection:
        rows = [dict(row._mapping) for row in connection.execute(select(table))]
    engine.dispose()
    return rows


def grant(student_key: int = 7, **changed: Any) -> Grant:
    fields: dict[str, Any] = {
        "student_key": student_key,
        "element": Element.DAILY_ATTENDANCE,
        "recipient": "helpers",
        "purpose": "direct_service",
        "subject_ref": "ref",
        "valid_from": NOW - dt.timedelta(days=1),
        "valid_to": FAR,
    }
    return Grant(**(fields | changed))


def settled(consent_id: str = "c1", *grants: Grant, **changed: Any) -> Settled:
    fields: dict[str, Any] = {
        "consent_id": consent_id,
        "recorder": "helpers",
        "statement": b"\x00signed",
        "student_key": 7,
        "problem": None,
        "grants": grants,
    }
    return Settled(**(fields | changed))


def problematic(consent_id: str, problem: ConsentProblem) -> Settled:
    return settled(consent_id, problem=problem, student_key=None)


def test_the_migrations_make_exactly_the_tables_of_the_model(urls: Urls) -> None:
    engine = open_database(urls.state)
    ours = {*StateTable.metadata.tables, *(index_names())}
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": STATE_VERSION_TABLE,
                "compare_type": True,
                "include_name": lambda name, kind, _: kind != "table" or name in ours,
            },
        )
        differences = compare_metadata(context, StateTable.metadata)
    engine.dispose()

    assert differences == []


def index_names() -> list[str]:
    return [str(i.name) for table in StateTable.metadata.tables.values() for i in table.indexes]


# The registry's evidence.


def test_the_newest_registry_snapshot_is_kept(store: StateStore) -> None:
    assert store.load() is None

    store.save(b"\x00one")
    store.save(b"\x00two")

    assert store.load() == b"\x00two"


def test_how_far_an_agreement_was_seen_is_never_forgotten(store: StateStore) -> None:
    assert store.remembered() == {}

    store.remember({"A-1": Remembered(1, b"\x00one")})
    store.remember({"A-1": Remembered(2, b"\x00two"), "A-2": Remembered(3, b"\x00three")})
    store.remember({})

    assert store.remembered() == {
        "A-1": Remembered(2, b"\x00two"),
        "A-2": Remembered(3, b"\x00three"),
    }


# Progress.


@pytest.mark.parametrize("confirmed_at", [None, NOW])
def test_progress_is_kept(store: StateStore, confirmed_at: dt.datetime | None) -> None:
    assert store.progress() == Progress(0, 0, None)

    store.confirm(Progress(3, 2, NOW))
    store.confirm(Progress(2**62, 2**61, confirmed_at))

    assert store.progress() == Progress(2**62, 2**61, confirmed_at)


def test_progress_and_steps_are_kept_together(store: StateStore) -> None:
    store.apply([settled("c1", grant())], DONE)

    assert store.progress() == DONE


def test_a_batch_that_fails_keeps_neither_its_steps_nor_its_progress(
    store: StateStore, urls: Urls
) -> None:
    store.apply([settled("c1", grant())], DONE)
    broken = settled("c3", grant(), recorder=None)

    with pytest.raises(Exception, match=r"(?i)null"):
        store.apply([settled("c2", grant()), Revoked("c1", NOW), broken], Progress(10, 10, NOW))
    assert store.progress() == DONE
    assert [row["consent_id"] for row in rows_of(urls, CONSENT)] == ["c1"]
    assert store.active_consents(NOW) == 1


# Consents and their grants.


def test_a_consent_is_kept_with_its_grants(store: StateStore, urls: Urls) -> None:
    given = [grant(), grant(element=Element.SUSPENSIONS, subject_ref="ř")]
    store.apply([settled("c1", *given)], DONE)

    assert rows_of(urls, CONSENT) == [
        {
            "consent_id": "c1",
            "recorder": "helpers",
            "statement": b"\x00signed",
            "student_key": 7,
            "problem": None,
            "revoked_at": None,
        }
    ]
    kept = rows_of(urls, CONSENT_GRANT)
    assert [(row["element"], row["subject_ref"]) for row in kept] == [
        ("daily_attendance", "ref"),
        ("suspensions", "ř"),
    ]
    assert {(row["valid_from"], row["valid_to"]) for row in kept} == {
        (int(given[0].valid_from.timestamp()), int(FAR.timestamp()))
    }


def test_a_consent_that_is_settled_again_replaces_its_grants(store: StateStore, urls: Urls) -> None:
    store.apply([settled("c1", grant(), grant(purpose="research"))], DONE)
    store.apply([settled("c1", grant(8))], DONE)

    assert [row["student_key"] for row in rows_of(urls, CONSENT_GRANT)] == [8]
    assert len(rows_of(urls, CONSENT)) == 1


def test_a_revocation_takes_the_grants_of_its_consent_and_no_others(
    store: StateStore, urls: Urls
) -> None:
    store.apply([settled("c1", grant()), settled("c2", grant()), Revoked("c1", NOW)], DONE)

    assert [row["consent_id"] for row in rows_of(urls, CONSENT_GRANT)] == ["c2"]
    revoked = {row["consent_id"]: row["revoked_at"] for row in rows_of(urls, CONSENT)}
    assert revoked == {"c1": int(NOW.timestamp()), "c2": None}


@pytest.mark.parametrize("together", [True, False])
def test_what_was_ever_revoked_stays_revoked(store: StateStore, urls: Urls, together: bool) -> None:
    """Recorded again, or known as revoked before it was known at all; in one batch or in two."""
    steps: list[Settled | Revoked] = [
        Revoked("c1", NOW),
        settled("c1", grant()),
        settled("c1", grant(8)),
    ]
    for batch in [steps] if together else [[step] for step in steps]:
        store.apply(batch, DONE)

    assert rows_of(urls, CONSENT_GRANT) == []
    assert rows_of(urls, CONSENT)[0]["revoked_at"] == int(NOW.timestamp())
    assert store.unsettled() == []
    assert store.active_consents(NOW) == 0


def test_consents_in_effect_are_counted_once_each(store: StateStore) -> None:
    later = grant(valid_from=NOW + dt.timedelta(seconds=1))
    over = grant(valid_to=NOW)
    begins = grant(valid_from=NOW, valid_to=NOW + dt.timedelta(seconds=1))
    store.apply(
        [
            settled("both", grant(), grant(purpose="research")),
            settled("later", later),
            settled("over", over),
            settled("now", begins),
            settled("revoked", grant()),
            Revoked("revoked", NOW),
        ],
        DONE,
    )

    assert store.active_consents(NOW) == 2


def test_problems_are_counted_and_can_be_settled_again(store: StateStore) -> None:
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
    assert sorted(arrived.consent_id for arrived in store.unsettled()) == ["c1", "c2", "c3"]
    assert store.unsettled()[0] == Arrived(
        store.unsettled()[0].consent_id, "helpers", b"\x00signed", None
    )
    store.apply([settled("c1", grant())], DONE)
    assert store.problems() == {unknown: 1, invalid: 1}
    assert store.active_consents(NOW) == 2


# Link codes.


def test_every_student_gets_a_code_and_the_store_keeps_only_its_digest(
    store: StateStore, urls: Urls, keys: dict[str, int]
) -> None:
    forms = list(store.issue_link_codes(None))

    assert [(f.student_id, f.given_name, f.family_name, f.school_id) for f in forms] == [
        ("1", "Ana", "Nováková", "elm"),
        ("2", "Ben", "", "elm"),
        ("3", "Cem", "Øster", "oak"),
    ]
    assert len({form.link_code for form in forms}) == 3
    assert all(len(form.link_code) == 2 * LINK_CODE_BYTES for form in forms)
    kept = rows_of(urls, LINK_CODE)
    assert {row["student_key"] for row in kept} == set(keys.values())
    assert not {row["code_digest"] for row in kept} & {form.link_code for form in forms}


def test_codes_can_be_made_for_one_school(store: StateStore, keys: dict[str, int]) -> None:
    assert keys
    assert [form.student_id for form in store.issue_link_codes("oak")] == ["3"]
    assert list(store.issue_link_codes("fir")) == []


def test_a_code_names_its_student_and_older_codes_stay_good(
    store: StateStore, keys: dict[str, int]
) -> None:
    older = [form.link_code.encode() for form in store.issue_link_codes(None)]
    newer = [form.link_code.encode() for form in store.issue_link_codes("elm")]

    assert store.students_of([older[0], newer[0], newer[1], b"unknown"]) == {
        older[0]: Student(keys["1"], dt.date(2012, 2, 29)),
        newer[0]: Student(keys["1"], dt.date(2012, 2, 29)),
        newer[1]: Student(keys["2"], None),
    }
    assert store.students_of([]) == {}


def test_a_code_whose_student_is_gone_names_nobody(
    store: StateStore, urls: Urls, keys: dict[str, int]
) -> None:
    assert keys
    (code,) = [form.link_code.encode() for form in store.issue_link_codes("oak")]
    engine = open_database(urls.records)
    with writing(engine) as connection:
        connection.execute(text("DELETE FROM student WHERE student_id = '3'"))
    engine.dispose()

    assert store.students_of([code]) == {}


def test_thousands_of_codes_are_looked_up_at_once(store: StateStore, urls: Urls) -> None:
    """More than one statement may name."""
    records = RecordStore(urls.records)
    with records.intake() as run:
        run.load("student", ("student_id",), [(f"s{number:05}",) for number in range(1_234)])
    records.close()
    codes = [form.link_code.encode() for form in store.issue_link_codes(None)]

    assert len(store.students_of(codes)) == len(set(codes)) == 1_234


# The consent book on this shelf.


def arrived(code: bytes, consent_id: str = "c1") -> Arrived:
    opened = OpenedConsent(
        consent_id=consent_id,
        recorder="helpers",
        terms=ConsentTerms(
            holder="anytown",
            agreement_id="A-1",
            elements=(Element.DAILY_ATTENDANCE,),
            purposes=("direct_service",),
            signer_relation=SignerRelation.PARENT,
            form=ConsentForm.WRITTEN,
            sign_date=dt.date(2026, 9, 1),
            start_date=dt.date(2026, 9, 1),
            end_date=dt.date(2027, 6, 30),
        ),
        link_code=code,
        subject_refs={"helpers": "ref"},
    )
    return Arrived(consent_id, "helpers", b"signed", opened)


def test_a_consent_whose_student_becomes_known_counts_once_it_is_settled_again(
    store: StateStore, urls: Urls, keys: dict[str, int]
) -> None:
    """Ben's birth date was missing; an import brings it."""
    assert keys
    code = next(f.link_code for f in store.issue_link_codes(None) if f.student_id == "2")
    take(store, [arrived(code.encode())], DONE)
    assert store.problems() == {ConsentProblem.BIRTH_DATE_UNKNOWN: 1}
    records = RecordStore(urls.records)
    with records.intake() as run:
        run.load("student", ("student_id", "birth_date"), [("2", dt.date(2012, 5, 5))])
    records.close()
    take(store, [arrived(code.encode())], DONE)

    assert store.problems() == {}
    assert store.active_consents(NOW) == 1


def test_a_consent_that_is_revoked_while_it_waits_never_counts(
    store: StateStore, keys: dict[str, int]
) -> None:
    assert keys
    take(store, [arrived(b"unknown")], DONE)
    take(store, [Revoked("c1", NOW)], DONE)
    code = next(iter(store.issue_link_codes(None))).link_code
    take(store, [arrived(code.encode())], DONE)

    assert store.active_consents(NOW) == 0
    assert store.problems() == {}


def test_the_last_day_of_all_can_be_kept(store: StateStore) -> None:
    forever = grant(valid_to=dt.datetime.max.replace(microsecond=0, tzinfo=dt.UTC))
    store.apply([settled("c1", forever)], DONE)

    assert store.active_consents(NOW) == 1
