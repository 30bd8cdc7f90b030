"""Every kind of act that a node notes by itself is provoked once; its entry is as catalogued."""

import asyncio
import datetime as dt
import json
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import ProgrammingError
from typer.testing import CliRunner

from homeroom.audit import EVENTS, AuditEntry, AuditKind
from homeroom.errors import CallerUnknownError, ClockSkewedError, LogUnavailableError
from homeroom.signing import digest_of, key_id_of
from services.node import __main__ as node_command
from services.node.domain.administration import Administration
from services.node.domain.consent_book import Progress, Revoked, Step
from services.node.domain.consent_entries import changes_digest
from services.node.domain.consent_problems import ConsentProblem
from services.node.opening import open_stores
from services.node.store.acts import ActLog
from services.node.store.aggregates import AggregateStore
from services.node.store.consents import ConsentStore
from services.node.store.log import LogStore
from services.node.store.policy_bundles import PolicyBundleStore
from services.node.store.records import RecordStore
from services.node.store.records.history import IntakeHistory
from services.node.store.rights import RightsKind
from services.node.store.state import StateStore
from services.node.store.students import StudentStore
from services.runtime.database import open_database
from tests.contract.node_federation import ASKER, HOLDER, NodeFederation, node_federation
from tests.contract.node_stores import FAR, Urls, bring_up_to_date, grant, settled, urls
from tests.organizations import NOW
from tests.postgres import postgres, postgres_url

__all__ = ["postgres", "postgres_url", "urls"]

_PATIENCE_SECONDS = 60


def of_kind(log: LogStore, kind: AuditKind) -> list[AuditEntry]:
    """The entries of a kind, each as the catalogue has it."""
    found = [entry for entry in log.entries() if entry.kind == kind]
    event = EVENTS[kind]
    for entry in found:
        fields = set(entry.said)
        assert set(event.fields) <= fields <= {*event.fields, *event.optional}
    return found


@pytest.fixture
def state(urls: Urls) -> Iterator[Engine]:
    opened = open_database(urls.state)
    yield opened
    opened.dispose()


@pytest.fixture
def log(state: Engine) -> LogStore:
    return LogStore(state)


# With what they change, in one transaction.


def test_consents_that_arrive_together_are_one_entry_of_counts(
    state: Engine, log: LogStore
) -> None:
    steps: list[Step] = [
        settled("c1", grant()),
        settled("c2", student=None, problem=ConsentProblem.STUDENT_NOT_FOUND),
        Revoked("c1", NOW),
    ]
    ConsentStore(state).apply(steps, Progress(9, 7, NOW))
    (entry,) = of_kind(log, AuditKind.CONSENTS_ARRIVED)

    assert dict(entry.said) == {
        "settled": 2,
        "allowing": 1,
        "problems": {"student_not_found": 1},
        "revoked": 1,
        "narrowed": 0,
        "rotated": 0,
        "changes_digest": changes_digest(steps).hex(),
        "consent_sequence": 7,
    }
    written = b"settled c1\nsettled c2\nrevoked c1\n"
    assert entry.said["changes_digest"] == digest_of(written).hex()
    assert log.first_broken() is None


def test_consents_that_are_settled_again_are_one_entry(state: Engine, log: LogStore) -> None:
    ConsentStore(state).apply([settled("c1", grant())], None)
    ConsentStore(state).apply([], Progress(1, 1, NOW))

    assert [e.said["allowing"] for e in of_kind(log, AuditKind.CONSENTS_SETTLED)] == [1]
    assert log.size() == 1


def test_consents_whose_entry_cannot_be_written_are_not_kept(state: Engine, urls: Urls) -> None:
    with state.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE log_tile RENAME TO away")
    with pytest.raises((LogUnavailableError, ProgrammingError)):
        ConsentStore(state).apply([settled("c1", grant())], Progress(1, 1, NOW))

    assert ConsentStore(state).progress().sequence == 0
    assert ConsentStore(state).active_consents(NOW + dt.timedelta(hours=1)) == 0


def test_link_codes_rights_policies_and_tables_are_noted(
    state: Engine, log: LogStore, urls: Urls
) -> None:
    records = open_database(urls.records)
    StateStore(state, records).keep_codes([(b"one", 1), (b"two", 2)])
    students = StudentStore(state, records)
    students.note(1, RightsKind.POSTSECONDARY, "", FAR.date())
    students.clear(1, RightsKind.POSTSECONDARY, "")
    PolicyBundleStore(state).take("federation", 4, b"packed")
    AggregateStore(state).freeze([], NOW)
    records.dispose()

    assert [e.said for e in of_kind(log, AuditKind.CODES_MADE)] == [{"students": 2}]
    assert [e.said for e in of_kind(log, AuditKind.RIGHTS_NOTED)] == [
        {"right": "postsecondary", "cleared": False},
        {"right": "postsecondary", "cleared": True},
    ]
    (taken,) = of_kind(log, AuditKind.POLICY_TAKEN)
    assert taken.said["bundle_digest"] == digest_of(b"packed").hex()
    assert [e.said for e in of_kind(log, AuditKind.TABLES_FROZEN)] == [{"tables": []}]
    assert log.first_broken() is None


async def test_acts_and_questions_stand_in_one_log(state: Engine, log: LogStore) -> None:
    """Whoever writes: the writer of groups, or a transaction of its own."""
    acts, digests = ActLog(state), [secrets.token_bytes(32) for _ in range(20)]
    await asyncio.gather(
        *(log.append(AuditKind.DECIDED, digest, {}) for digest in digests),
        *(asyncio.to_thread(acts.note, AuditKind.CODES_MADE, {"students": 1}) for _ in digests),
    )

    assert log.size() == 2 * len(digests)
    assert log.first_broken() is None


# Noticed by the node.


def test_an_import_is_noted_once_whoever_looks(state: Engine, log: LogStore, urls: Urls) -> None:
    records = RecordStore(urls.records)
    for source in ("first", "second"):
        with records.intake(source) as run:
            run.load("school", ("school_id", "name"), [(source, "School")])
            run.keep_report("record_csv", None, json.dumps({"tables": {}, "rejected": 0}))
    records.close()
    engine = open_database(urls.records)
    for _ in range(2):
        looking = Administration(ActLog(state), IntakeHistory(engine))
        looking.look_at_imports()
        looking.look_at_imports()
    engine.dispose()

    noted = of_kind(log, AuditKind.RECORDS_IMPORTED)
    assert [entry.said["source"] for entry in noted] == ["first", "second"]


def test_an_export_is_noted(tmp_path: Path) -> None:
    at = Urls(f"sqlite:///{tmp_path}/records.db", f"sqlite:///{tmp_path}/state.db")
    bring_up_to_date(at.records, at.state)
    given = ["export", "--records-url", at.records, "--state-url", at.state]
    done = CliRunner().invoke(node_command.app, [*given, str(tmp_path / "out.zip")])

    assert done.exit_code == 0, done.output
    (entry,) = of_kind(LogStore(open_database(at.state)), AuditKind.RECORDS_EXPORTED)
    assert dict(entry.said) == {"format": "oneroster", "students": 0}


# In a node that runs.


@pytest.fixture
async def federation(tmp_path: Path) -> AsyncIterator[NodeFederation]:
    async with node_federation(tmp_path) as made:
        yield made


async def until_noted(federation: NodeFederation, kinds: Sequence[AuditKind]) -> LogStore:
    """The node's log, once it has an entry of each kind, and as many as it is named."""
    log = LogStore(open_database(federation.settings.state_url))
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            if _has(log, kinds):
                return log
            await asyncio.sleep(0.05)


def _has(log: LogStore, kinds: Sequence[AuditKind]) -> bool:
    return Counter(map(str, kinds)) <= Counter(entry.kind for entry in log.entries())


async def test_a_node_notes_its_start_what_it_sees_and_who_comes(
    federation: NodeFederation,
) -> None:
    """And no person twice, nor a refusal more than once a minute."""
    token = federation.asker.token()
    for _ in range(2):
        await federation.ask(federation.asker.request(token=token))
    long_ago = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    for _ in range(2):
        with pytest.raises(ClockSkewedError):
            await federation.ask(federation.asker.request(asked_at=long_ago))
    with pytest.raises(CallerUnknownError):
        await federation.ask(federation.asker.request(token="eyJ.no.token"))  # noqa: S106  # none
    seen = (AuditKind.NODE_STARTED, AuditKind.AGREEMENT_SEEN, AuditKind.CONSENTS_ARRIVED)
    came = (AuditKind.PERSON_ADMITTED, *[AuditKind.PERSON_REFUSED] * 2)
    log = await until_noted(federation, (*seen, *came))

    (started,) = of_kind(log, AuditKind.NODE_STARTED)
    assert started.said["signing_key"] == key_id_of(federation.holder.signing.public)
    assert {e.said["agreement"] for e in of_kind(log, AuditKind.AGREEMENT_SEEN)} == {"A-1"}
    (admitted,) = of_kind(log, AuditKind.PERSON_ADMITTED)
    assert (admitted.said["requester"], admitted.said["user"]) == (ASKER, "u1")
    assert admitted.query_digest == digest_of(token.encode()).hex()
    refused = of_kind(log, AuditKind.PERSON_REFUSED)
    assert _reasons(refused) == ["CALLER_UNKNOWN", "CLOCK_SKEWED"]
    assert log.first_broken() is None


async def test_a_policy_that_is_refused_is_noted(
    federation: NodeFederation, tmp_path: Path
) -> None:
    stores = open_stores(federation.settings.records_url, federation.settings.state_url)
    administration = Administration(stores.acts, stores.intakes)
    administration.refused(HOLDER, "the policy is not signed")
    log = await until_noted(federation, [AuditKind.POLICY_REFUSED])

    (entry,) = of_kind(log, AuditKind.POLICY_REFUSED)
    assert dict(entry.said) == {"scope": HOLDER, "why": "the policy is not signed"}


def _reasons(entries: Sequence[AuditEntry]) -> list[str]:
    return sorted(entry.said["reason"] for entry in entries)
