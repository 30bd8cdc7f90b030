"""What the consent service's store promises, on SQLite and on PostgreSQL alike."""

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from homeroom.consent_log import ChangeKind, LogEntry
from homeroom.errors import AlreadyRecordedError, NotPermittedError, StateBehindError
from homeroom.merkle import check_consistency, check_inclusion, extended_root, tree_of
from services.consent.domain.consents import Consent, SealedBody
from services.consent.domain.ledger import ChangeRequest, Recorded
from services.consent.domain.notices import Notice, SealedNotice
from services.consent.domain.revocations import Revocation
from services.consent.migrations import CONSENTS, VERSION_TABLE
from services.consent.store import SqlConsentStore, SqlSnapshotShelf
from services.consent.store.tables import ConsentTable
from services.runtime.database import open_database, upgrade
from tests.organizations import NOW, new_request_id


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        made = str(request.getfixturevalue("postgres_url"))
    else:
        made = f"sqlite:///{tmp_path}/consent.db"
    upgrade(made, CONSENTS, version_table=VERSION_TABLE)
    return made


@pytest.fixture
def store(url: str) -> Iterator[SqlConsentStore]:
    opened = SqlConsentStore(url)
    yield opened
    opened.close()


def sealed_to(organization_id: str) -> SealedBody:
    return SealedBody(organization_id, b"\x00key", 7, b"\x00" + organization_id.encode())


def consent(
    recorder: str = "helpers", holder: str = "anytown", recipient: str = "shelter"
) -> Consent:
    return Consent(
        consent_id=secrets.token_hex(16),
        recorder=recorder,
        holder=holder,
        bodies=(
            sealed_to(holder),
            sealed_to(recipient),
        ),
    )


def revocation(consent_id: str, organization_id: str = "anytown") -> Revocation:
    return Revocation(
        consent_id, organization_id, NOW, b"\x00said", organization_id, "key", b"\x00signed"
    )


def a_request(request_id: str = "", digest: bytes = b"d") -> ChangeRequest:
    return ChangeRequest("helpers", request_id or new_request_id(), digest)


def record(store: SqlConsentStore, *consents: Consent) -> Recorded:
    return store.record(a_request(), consents)


def test_the_migrations_make_exactly_the_tables_of_the_model(url: str) -> None:
    engine = open_database(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_name": lambda name, *_: name != VERSION_TABLE}
        )

        assert compare_metadata(context, ConsentTable.metadata) == []
    engine.dispose()


def test_each_new_consent_is_one_step(store: SqlConsentStore) -> None:
    first, second, third = consent(), consent(), consent()

    assert record(store, first, second) == Recorded(2, 2)
    assert record(store, second, first) == Recorded(2, 0)
    assert record(store, second, third) == Recorded(3, 1)
    assert record(store, first) == Recorded(1, 0)


def test_other_content_under_one_id_leaves_the_whole_batch_out(store: SqlConsentStore) -> None:
    known = consent()
    record(store, known)
    changed = Consent(known.consent_id, known.recorder, "elsewhere", known.bodies)

    with pytest.raises(AlreadyRecordedError):
        record(store, consent(), changed)
    assert store.heads(0).sequence == 1


def test_a_retry_is_answered_as_the_first_time(store: SqlConsentStore) -> None:
    one = consent()
    assert store.record(a_request("r"), [one]) == Recorded(1, 1)
    record(store, consent())

    assert store.record(a_request("r"), [one]) == Recorded(1, 1)
    with pytest.raises(AlreadyRecordedError):
        store.record(a_request("r", b"other"), [consent()])
    with pytest.raises(AlreadyRecordedError):
        store.revoke(a_request("r", b"other"), revocation(one.consent_id))


def test_a_chain_holds_exactly_what_concerns_an_organization(store: SqlConsentStore) -> None:
    mine, others = consent(), consent("other", "riverton", "other")
    record(store, mine, others)
    store.revoke(a_request(), revocation(mine.consent_id, "shelter"))

    changes = store.changes("anytown", 0, 9, 9)
    assert [(one.sequence, one.previous_sequence) for one in changes] == [(1, 0), (3, 1)]
    assert changes[0].what == Consent(
        mine.consent_id, "helpers", "anytown", (sealed_to("anytown"),)
    )
    assert changes[1].what == revocation(mine.consent_id, "shelter")
    assert [one.sequence for one in store.changes("riverton", 0, 9, 9)] == [2]
    assert store.changes("nobody", 0, 9, 9) == []


@pytest.mark.parametrize("reader", ["helpers", "shelter"])
def test_a_step_has_a_body_for_the_holder_alone(store: SqlConsentStore, reader: str) -> None:
    """Recorders and recipients list consents to read theirs; a step only moves their chain."""
    record(store, consent())

    (change,) = store.changes(reader, 0, 9, 9)
    assert isinstance(change.what, Consent)
    assert change.what.bodies == ()


def test_changes_come_from_where_and_as_far_as_asked(store: SqlConsentStore) -> None:
    record(store, *(consent() for _ in range(10)))

    assert [one.sequence for one in store.changes("anytown", 3, 8, 3)] == [4, 5, 6]
    assert [one.sequence for one in store.changes("anytown", 6, 8, 3)] == [7, 8]
    assert store.chain_at("anytown", 6) == 6
    assert store.chain_at("nobody", 6) == 0


def test_heads_name_the_chains_that_moved(store: SqlConsentStore) -> None:
    record(store, consent())
    record(store, consent("other", "riverton", "other"))

    assert store.heads(0).chains == {
        "helpers": 1,
        "anytown": 1,
        "shelter": 1,
        "other": 2,
        "riverton": 2,
    }
    assert store.heads(1).chains == {"other": 2, "riverton": 2}
    assert store.heads(2) == store.heads(99)


@pytest.mark.parametrize("organization_id", ["helpers", "anytown", "shelter"])
def test_revoking_twice_returns_the_first(store: SqlConsentStore, organization_id: str) -> None:
    one = consent()
    record(store, one)

    assert store.revoke(a_request(), revocation(one.consent_id, organization_id)) == 2
    assert store.revoke(a_request(), revocation(one.consent_id, "anytown")) == 2
    assert store.heads(0).sequence == 2


def test_nobody_else_revokes_and_no_missing_consent_is_revoked(store: SqlConsentStore) -> None:
    one = consent()
    record(store, one)

    for consent_id, organization_id in ((one.consent_id, "outsider"), ("0" * 32, "anytown")):
        with pytest.raises(NotPermittedError):
            store.revoke(a_request(), revocation(consent_id, organization_id))
    assert store.heads(0).sequence == 1


def test_a_revoked_consent_recorded_again_stays_revoked(store: SqlConsentStore) -> None:
    one = consent()
    record(store, one)
    store.revoke(a_request(), revocation(one.consent_id))

    assert record(store, one) == Recorded(1, 0)
    assert store.consents_of("anytown", 0, 9)[0].revoke_time == NOW


def test_consents_are_listed_in_the_order_they_were_recorded(store: SqlConsentStore) -> None:
    consents = [consent() for _ in range(5)]
    record(store, *consents)
    store.revoke(a_request(), revocation(consents[0].consent_id))

    first = store.consents_of("shelter", 0, 3)
    rest = store.consents_of("shelter", first[-1].sequence, 9)

    assert [one.consent.consent_id for one in (*first, *rest)] == [
        one.consent_id for one in consents
    ]
    assert first[0].revoke_time == NOW
    assert first[1].revoke_time is None
    assert first[0].consent.bodies == (sealed_to("shelter"),)


def narrowing(one: Consent, *readers: str, by: str = "shelter") -> Notice:
    sealed = tuple(SealedNotice(reader, b"\x00for " + reader.encode()) for reader in readers)
    return Notice(ChangeKind.NARROWED, one.consent_id, by, sealed)


def test_a_narrowing_is_a_step_of_its_readers_chains(store: SqlConsentStore) -> None:
    one = consent(recorder="helpers")
    record(store, one)

    told = narrowing(one, "anytown", "helpers", "shelter")
    assert store.notify(a_request(), told) == 2
    for reader in ("anytown", "helpers", "shelter"):
        (_, change) = store.changes(reader, 0, 9, 9)
        assert (change.sequence, change.previous_sequence) == (2, 1)
        assert change.what == replace(
            told, notices=(SealedNotice(reader, b"\x00for " + reader.encode()),)
        )


def test_a_narrowing_of_what_does_not_concern_its_author_changes_nothing(
    store: SqlConsentStore,
) -> None:
    one = consent()
    record(store, one)
    for told in (
        narrowing(one, "anytown", "helpers", by="outsider"),
        narrowing(consent(), "anytown", "helpers"),
    ):
        with pytest.raises(NotPermittedError):
            store.notify(a_request(), told)
    assert store.heads(0).sequence == 1


def test_a_notice_that_is_sent_again_stands_once(store: SqlConsentStore) -> None:
    report = Notice(ChangeKind.REPORTED, "", "anytown", (SealedNotice("helpers", b"\x00said"),))
    request = a_request()

    assert store.notify(request, report) == store.notify(request, report) == 1
    with pytest.raises(AlreadyRecordedError):
        store.notify(a_request(request.request_id, b"other"), report)


def test_reports_are_listed_to_whom_they_are_sealed(store: SqlConsentStore) -> None:
    reports = [
        Notice(ChangeKind.REPORTED, "", "anytown", (SealedNotice("helpers", b"%d" % number),))
        for number in range(3)
    ]
    for report in reports:
        store.notify(a_request(), report)
    store.notify(
        a_request(), Notice(ChangeKind.ROTATED, "", "helpers", (SealedNotice("anytown", b"r"),))
    )

    assert [one for _, one in store.reports_to("helpers", 0, 9)] == reports
    assert [sequence for sequence, _ in store.reports_to("helpers", 1, 1)] == [2]
    assert store.reports_to("anytown", 0, 9) == []
    assert [one.what.kind for one in store.changes("anytown", 0, 9, 9)] == [ChangeKind.ROTATED]  # type: ignore[union-attr]  # it is a notice


def test_everything_that_is_recorded_is_proved_by_the_log(store: SqlConsentStore) -> None:
    """What was recorded, narrowed and revoked: each an entry, in the tree of the standard."""
    consents = [consent() for _ in range(300)]
    record(store, *consents)
    one = consents[7]
    store.notify(a_request(), narrowing(one, "anytown", "helpers", "shelter"))
    store.revoke(a_request(), revocation(one.consent_id))

    proof = store.proof_of(one.consent_id, "shelter")
    assert [(entry.sequence, entry.kind) for entry, _ in proof.entries] == [
        (8, ChangeKind.RECORDED),
        (301, ChangeKind.NARROWED),
        (302, ChangeKind.REVOKED),
    ]
    assert proof.entries[0][0].digest == one.digest()
    for entry, path in proof.entries:
        check_inclusion(entry.leaf(), entry.sequence - 1, proof.head.size, path, proof.head.root)


def test_the_log_shows_how_it_grew(store: SqlConsentStore) -> None:
    first, second = [consent() for _ in range(300)], [consent() for _ in range(40)]
    record(store, *first)
    head, _ = store.growth(0, 0)
    record(store, *second)

    grown = store.appended(300, 340)
    newest, path = store.growth(300, 0)
    leaves = [
        LogEntry(place, ChangeKind.RECORDED, one.consent_id, "helpers", one.digest()).leaf()
        for place, one in enumerate(second, start=301)
    ]
    assert grown.head == newest
    assert extended_root(300, grown.roots_before, leaves) == newest.root
    check_consistency(300, head.root, 340, newest.root, path)
    assert store.appended(0, 300).head == head
    assert store.growth(0, 300) == (head, b"")
    assert store.growth(300, 340) == (newest, path)
    for known, wanted in ((341, 0), (0, 341), (301, 300)):
        with pytest.raises(StateBehindError):
            store.growth(known, wanted)


def test_no_stranger_is_shown_a_proof(store: SqlConsentStore) -> None:
    one = consent()
    record(store, one)
    for consent_id, reader in ((one.consent_id, "outsider"), ("0" * 32, "anytown")):
        with pytest.raises(NotPermittedError):
            store.proof_of(consent_id, reader)


def test_writers_at_the_same_time_leave_one_unbroken_chain(url: str) -> None:
    """Two replicas' writers: no step is given twice, and each names the one before it."""
    replicas = [SqlConsentStore(url), SqlConsentStore(url)]

    def one(number: int) -> None:
        record(replicas[number % 2], *(consent() for _ in range(5)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(16)))
    head, _ = replicas[1].growth(0, 0)
    leaves = [entry.leaf() for entry in _entries(replicas[0])]
    assert (head.size, head.root) == (80, tree_of(leaves)[0])
    changes = replicas[0].changes("anytown", 0, 99, 99)
    assert [one.sequence for one in changes] == list(range(1, 81))
    assert [one.previous_sequence for one in changes] == list(range(80))
    for replica in replicas:
        replica.close()


def _entries(store: SqlConsentStore) -> list[LogEntry]:
    return [
        store.proof_of(one.consent.consent_id, "anytown").entries[0][0]
        for one in store.consents_of("anytown", 0, 99)
    ]


def test_the_newest_registry_snapshot_is_kept(url: str) -> None:
    shelf = SqlSnapshotShelf(url)
    assert shelf.load() is None

    shelf.save(b"\x00one")
    shelf.save(b"\x00two")

    assert shelf.load() == b"\x00two"
    shelf.close()
