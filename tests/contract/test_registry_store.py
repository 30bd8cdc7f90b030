"""What the registry's store promises, on SQLite and on PostgreSQL alike."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from homeroom.errors import AlreadyRecordedError, NotPermittedError, ServiceUnreachableError
from homeroom.federation import ClassMembership, Standing
from homeroom.key_history import KeyPeriod, KeySet, Succession
from homeroom.signing import digest_of
from services.registry.domain.agreements import RegisteredAgreement
from services.registry.domain.key_records import KeyRecord
from services.registry.domain.ledger import ChangeRequest, Decision, Entry, Ledger
from services.registry.domain.organizations import RegisteredOrganization
from services.registry.domain.statements import Signature, Statement
from services.registry.migrations import REGISTRY, VERSION_TABLE
from services.registry.store import SqlRegistryStore
from services.registry.store.tables import RegistryTable
from services.runtime.database import open_database, upgrade
from tests.organizations import NOW


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        made = str(request.getfixturevalue("postgres_url"))
    else:
        made = f"sqlite:///{tmp_path}/registry.db"
    upgrade(made, REGISTRY, version_table=VERSION_TABLE)
    return made


@pytest.fixture
def store(url: str) -> Iterator[SqlRegistryStore]:
    opened = SqlRegistryStore(url)
    yield opened
    opened.close()


def organization(name: str = "anytown", version: int = 1) -> RegisteredOrganization:
    content = f"{name} {version}".encode()
    return RegisteredOrganization(
        organization_id=name,
        record=Statement(content, (Signature(name, "key", b"\x00signed"),)),
        record_version=version,
        kind="district",
        signing_key=b"\x01" * 32,
        sealing_key=b"\x02" * 32,
        checkpoint_key=b"\x03" * 32,
        standing=Standing.PENDING,
        standing_time=NOW,
        classes=(
            ClassMembership("mentors", NOW.date()),
            ClassMembership("tutors", NOW.date(), NOW.date()),
        ),
        debarred_until=NOW.date(),
        recovery_key=b"\x04" * 32,
        key_records=tuple(key_record(name, number) for number in range(version)),
    )


def key_record(name: str, number: int) -> KeyRecord:
    """A record that brought other keys; every other key is marked."""
    content = f"{name} {number} keys".encode()
    signatures = (Signature(name, "new", b"\x00new"), Signature(name, "former", b"\x00former"))
    period = KeyPeriod(
        KeySet(bytes([number]) * 32, b"\x02" * 32, b"", b"\x04" * 32),
        Succession.EXCHANGED if number else Succession.FIRST,
        NOW,
        number,
        {"A-1": b"\x05" * 32},
        digest_of(content),
        NOW if number % 2 else None,
    )
    return KeyRecord(Statement(content, signatures), period)


def agreement(
    agreement_id: str = "A-1", length: int = 1, parties: tuple[str, ...] = ("anytown", "riverton")
) -> RegisteredAgreement:
    """A history of so many statements, with a document beside every other one."""
    return RegisteredAgreement(
        agreement_id=agreement_id,
        statements=tuple(
            Statement(b"\x00%d" % at, (Signature(parties[at % 2], "key", b"\x00signed"),))
            for at in range(length)
        ),
        documents=tuple(b"\x00document %d" % at for at in range(0, length, 2)),
        people=frozenset(parties),
    )


def write(
    store: SqlRegistryStore, *entries: Entry, request_id: str = "", digest: bytes = b"d"
) -> bytes:
    """Writes entries as one change; the answer says the sequence."""
    request = ChangeRequest("anytown", request_id or f"{entries}", digest)
    return store.change(
        request,
        lambda _ledger: Decision(organization(), entries),
        lambda _result, sequence: str(sequence).encode(),
    )


def test_the_migrations_make_exactly_the_tables_of_the_model(url: str) -> None:
    engine = open_database(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_name": lambda name, *_: name != VERSION_TABLE}
        )

        assert compare_metadata(context, RegistryTable.metadata) == []
    engine.dispose()


def test_what_was_written_is_read_again(store: SqlRegistryStore) -> None:
    write(store, organization(), organization("riverton"))
    write(store, agreement(length=3), agreement("A-2"))

    contents = store.contents()
    assert contents.sequence == store.sequence() == 2
    assert contents.organizations == (organization(), organization("riverton"))
    assert contents.agreements == (agreement(length=3), agreement("A-2"))


def test_a_newer_record_replaces_the_older_and_a_history_grows(store: SqlRegistryStore) -> None:
    joined = ("anytown", "riverton", "mentors")
    write(store, organization(), agreement())
    write(store, organization(version=2), agreement(length=4, parties=joined))

    contents = store.contents()
    assert contents.organizations == (organization(version=2),)
    assert contents.agreements == (agreement(length=4, parties=joined),)


def test_what_stands_in_a_history_is_never_written_again(store: SqlRegistryStore) -> None:
    other = replace(agreement(length=2), documents=(b"other",))
    other = replace(other, statements=(other.statements[1], other.statements[1]))
    write(store, agreement())
    write(store, other)

    (kept,) = store.contents().agreements
    assert kept.statements == agreement(length=2).statements
    assert kept.documents == agreement().documents


def test_a_decision_sees_what_stands(store: SqlRegistryStore) -> None:
    write(store, organization(), agreement(length=2), agreement("A-2"))
    seen: list[object] = []

    def decide(ledger: Ledger) -> Decision[RegisteredOrganization]:
        seen.extend((ledger.organization("anytown"), ledger.organization("nobody")))
        seen.extend((ledger.agreement("A-1"), ledger.agreement("A-9")))
        seen.extend((ledger.sequence(), ledger.agreements_of("riverton")))
        return Decision(organization(), ())

    store.change(ChangeRequest("anytown", "r", b"d"), decide, lambda *_: b"")

    both = [agreement(length=2), agreement("A-2")]
    assert seen == [organization(), None, agreement(length=2), None, 1, both]


def test_the_sequence_moves_by_one_for_each_change_and_not_without(
    store: SqlRegistryStore,
) -> None:
    assert write(store, organization(), organization("riverton")) == b"1"
    assert write(store) == b"1"
    assert write(store, agreement()) == b"2"


def test_a_restored_store_goes_on_after_what_was_seen(store: SqlRegistryStore) -> None:
    """Said at every start, it counts once: the sequence never goes back."""
    for seen, expected in ((0, 0), (7, 8), (7, 8), (3, 8), (8, 9)):
        store.go_on_after(seen)
        assert store.sequence() == expected


def test_a_refused_change_leaves_nothing(store: SqlRegistryStore) -> None:
    def refuse(_ledger: Ledger) -> Decision[RegisteredOrganization]:
        raise NotPermittedError("no")

    request = ChangeRequest("anytown", "r", b"d")
    with pytest.raises(NotPermittedError):
        store.change(request, refuse, lambda *_: b"")

    assert store.sequence() == 0
    assert write(store, organization(), request_id="r") == b"1"


def test_a_retry_is_answered_as_the_first_time_and_decides_nothing(
    store: SqlRegistryStore,
) -> None:
    assert write(store, organization(), request_id="r") == b"1"
    write(store, agreement())

    assert write(store, organization(version=2), request_id="r") == b"1"
    assert store.contents().organizations == (organization(),)
    with pytest.raises(AlreadyRecordedError):
        write(store, organization(), request_id="r", digest=b"other")


def test_request_ids_of_two_organizations_never_meet(store: SqlRegistryStore) -> None:
    write(store, organization(), request_id="r", digest=b"one")
    request = ChangeRequest("riverton", "r", b"two")

    answer = store.change(
        request,
        lambda _ledger: Decision(organization(), (organization("riverton"),)),
        lambda _result, sequence: str(sequence).encode(),
    )
    assert answer == b"2"


def test_writers_at_the_same_time_take_turns(url: str) -> None:
    """Two replicas' writers: no sequence is given twice, none is left out."""
    replicas = [SqlRegistryStore(url), SqlRegistryStore(url)]

    def one(number: int) -> bytes:
        return write(replicas[number % 2], organization(f"org_{number}"))

    with ThreadPoolExecutor(8) as pool:
        sequences = sorted(int(answer) for answer in pool.map(one, range(24)))
    assert sequences == list(range(1, 25))
    assert len(replicas[0].contents().organizations) == 24
    for replica in replicas:
        replica.close()


def test_lists_come_in_order_and_only_as_far_as_asked(store: SqlRegistryStore) -> None:
    write(store, *(organization(name) for name in ("c_org", "a_org", "b_org")))
    write(store, agreement("B"), agreement("A", 2))
    write(store, agreement("C", parties=("riverton", "other")))

    named = [one.organization_id for one in store.organizations("", 2)]
    assert named == ["a_org", "b_org"]
    assert [one.organization_id for one in store.organizations("b_org", 2)] == ["c_org"]
    assert store.agreements_of("anytown", "", 9) == [agreement("A", 2), agreement("B")]
    assert store.agreements_of("anytown", "A", 1) == [agreement("B")]
    assert store.agreements_of("anytown", "", 1) == [agreement("A", 2)]
    assert store.agreements_of("nobody", "", 9) == []


def test_a_database_that_is_away_is_told_from_a_failure() -> None:
    store = SqlRegistryStore("postgresql+psycopg://nobody@/nothing?host=/nowhere")

    with pytest.raises(ServiceUnreachableError):
        store.sequence()
    store.close()


def test_contents_are_of_one_sequence(url: str) -> None:
    """A snapshot read while others write never mixes two states."""
    writer, reader = SqlRegistryStore(url), SqlRegistryStore(url)

    def keep_writing() -> None:
        for number in range(60):
            write(writer, organization(f"org_{number}"), agreement(f"A-{number}"))

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(keep_writing)
        while not done.done():
            contents = reader.contents()
            assert len(contents.organizations) == contents.sequence
            assert len(contents.agreements) == contents.sequence
        done.result()
    for store in (writer, reader):
        store.close()


def test_the_store_keeps_its_word_with_the_tables_locked(url: str) -> None:
    """A reader never waits for a writer that takes long."""
    store = SqlRegistryStore(url)
    engine = open_database(url)
    with engine.connect() as slow:
        slow.execute(text("UPDATE registry_sequence SET sequence = 7"))
        assert store.sequence() == 0
        slow.rollback()
    engine.dispose()
    store.close()
