"""Reading consents beside a node gives what reading them in it gives, or nothing at all."""

import asyncio
import datetime as dt
import os
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest

from homeroom.api.consent.v1 import consent_service_pb2 as pb
from homeroom.consent import make_consents
from homeroom.consent_terms import ConsentTerms, IdentityClaim, OpenedConsent
from homeroom.errors import ServiceUnreachableError
from homeroom.evidence import signed
from homeroom.sealing import SealingKey
from homeroom.signing import Domain
from homeroom.vocabulary import ConsentForm, Element, SignerRelation
from services.node.domain.consent_book import Arrived, Change, Revoked
from services.node.domain.consent_problems import ConsentProblem
from services.node.domain.matching import person_of
from services.node.domain.matching.match import NOBODY, surroundings
from services.node.migrations import RECORDS, RECORDS_VERSION_TABLE
from services.node.peers import ConsentReading, ReadBeside, ReadHere, readers_for
from services.node.store.matcher import identity_of
from services.node.store.records import RecordStore
from services.node.store.rosters import RosterKeeper
from services.runtime.database import bring_up_to_date, open_database
from tests.organizations import NOW, Member

HOLDER, RECORDER = Member.new("anytown"), Member.new("helpers")
KEYS = {one.organization_id: ((one.signing.public, None),) for one in (HOLDER, RECORDER)}
BORN = dt.date(2012, 3, 4)
TERMS = ConsentTerms(
    holder=HOLDER.organization_id,
    agreement_id="A-1",
    elements=(Element.DAILY_ATTENDANCE,),
    purposes=("direct_service",),
    signer_relation=SignerRelation.PARENT,
    form=ConsentForm.WRITTEN,
    sign_date=NOW.date(),
    start_date=NOW.date(),
    end_date=NOW.date(),
)
CLAIM = IdentityClaim(
    given_name="Iván", family_name="Rivera", birth_date=BORN, sex="M", school_id="elm"
)


@pytest.fixture(scope="module")
def records_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A roster of two."""
    url = f"sqlite:///{tmp_path_factory.mktemp('records') / 'records.db'}"
    bring_up_to_date(url, RECORDS, RECORDS_VERSION_TABLE)
    records = RecordStore(url)
    enroll(records, "s1", "Iván")
    enroll(records, "s2", "Ivana")
    records.close()
    return url


@pytest.fixture
def roster(records_url: str) -> Iterator[RosterKeeper]:
    engine = open_database(records_url)
    yield RosterKeeper(engine)
    engine.dispose()


@pytest.fixture
async def beside(records_url: str) -> AsyncIterator[ReadBeside]:
    readers = readers_for(HOLDER.organization_id, [HOLDER.sealing], records_url, lambda: True)
    yield readers
    await readers.close()


def here() -> ReadHere:
    return ReadHere(ConsentReading(HOLDER.organization_id, HOLDER.sealing))


def enroll(records: RecordStore, student_id: str, given: str) -> None:
    row = {
        "student_id": student_id,
        "given_name": given,
        "family_name": "Rivera",
        "birth_date": BORN,
        "gender": "male",
        "school_id": "elm",
    }
    with records.intake() as run:
        run.load("student", list(row), [list(row.values())])
        run.keep_report("made_up", None, "{}")


def page(*, forged: bool = False) -> pb.ConsentChanges:
    """A form with a claim, one with a code, and a withdrawal."""
    author = Member.new(RECORDER.organization_id) if forged else RECORDER
    refs = {RECORDER.organization_id: "ref"}
    said = {"recorder": RECORDER.organization_id, "terms": TERMS, "subject_refs": refs}
    consents = [
        OpenedConsent(consent_id="ab" * 16, claim=CLAIM, **said),  # type: ignore[arg-type]  # of three kinds
        OpenedConsent(consent_id="cd" * 16, link_code=b"code", **said),  # type: ignore[arg-type]  # the same
    ]
    keys = {one.organization_id: one.sealing.public for one in (HOLDER, RECORDER)}
    made = make_consents(consents, author.signing, keys)
    recorded = [
        pb.ConsentChange(sequence=number, previous_sequence=number - 1, recorded=one)
        for number, one in enumerate(made, start=1)
    ]
    return pb.ConsentChanges(changes=[*recorded, *withdrawals().changes])


def withdrawals() -> pb.ConsentChanges:
    revocation = pb.Revocation(consent_id="ef" * 16, organization_id=RECORDER.organization_id)
    revocation.revoke_time.FromDatetime(NOW)
    evidence = signed(
        Domain.REVOCATION,
        revocation.SerializeToString(deterministic=True),
        RECORDER.organization_id,
        RECORDER.signing,
    )
    change = pb.ConsentChange(sequence=3, previous_sequence=2, revoked=evidence)
    return pb.ConsentChanges(changes=[change])


def without_near(changes: Sequence[Change]) -> Sequence[object]:
    return [
        (one.consent_id, one.recorder, one.evidence, one.opened, one.problem)
        if isinstance(one, Arrived)
        else one
        for one in changes
    ]


def process_of(readers: ReadBeside) -> asyncio.subprocess.Process:
    """The process that reads."""
    process = readers._process
    assert process is not None
    return process


def environment_of(process: asyncio.subprocess.Process) -> bytes:
    return Path(f"/proc/{process.pid}/environ").read_bytes()


async def test_a_key_that_was_exchanged_proves_what_was_taken_before_and_nothing_after() -> None:
    """The consent service says when it took a consent; of what nobody dates, it proves nothing."""
    until = {**KEYS, "helpers": ((bytes(32), None), (RECORDER.signing.public, NOW))}
    moment = dt.timedelta(seconds=1)
    for taken_at, counts in ((NOW - moment, True), (NOW, False), (None, False)):
        sent = page()
        for change in sent.changes:
            if taken_at is not None:
                change.take_time.FromDatetime(taken_at)
        (claimed, *_) = await here().changes(sent, until, NOW)
        assert isinstance(claimed, Arrived)
        assert (claimed.opened is not None) is counts
        assert claimed.taken_at == (taken_at or NOW)
        (again,) = await here().again([claimed], until, NOW + 9 * moment)
        assert (again.opened is not None) is counts
        assert again.taken_at == claimed.taken_at


async def test_what_was_sealed_to_a_former_key_opens_with_it() -> None:
    """Consents were on their way when the holder's sealing key was changed."""
    now = SealingKey.generate()
    without = ReadHere(ConsentReading(HOLDER.organization_id, now))
    beside = ReadHere(ConsentReading(HOLDER.organization_id, now, HOLDER.sealing))

    (lost, *_) = await without.changes(page(), KEYS, NOW)
    (claimed, *_) = await beside.changes(page(), KEYS, NOW)

    assert isinstance(lost, Arrived)
    assert lost.problem is ConsentProblem.EVIDENCE_INVALID
    assert isinstance(claimed, Arrived)
    assert claimed.opened is not None


async def test_what_is_read_beside_is_what_is_read_here(
    beside: ReadBeside, roster: RosterKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it comes with who is near each claim; the process knows no setting of the node's."""
    monkeypatch.setenv("HOMEROOM_NODE_SIGNING_KEY", "not for the reader")
    for sent in (page(), page(forged=True), withdrawals()):
        read = await beside.changes(sent, KEYS, NOW)
        assert without_near(read) == without_near(await here().changes(sent, KEYS, NOW))
    environment = environment_of(process_of(beside))
    assert b"PYTHONPATH" in environment
    assert b"HOMEROOM" not in environment

    claimed, coded, _ = await beside.changes(page(), KEYS, NOW)

    index, run = roster.current()
    assert isinstance(claimed, Arrived)
    assert claimed.nearby is not None
    assert claimed.nearby.found == surroundings(person_of(identity_of(CLAIM)), index)
    assert len(claimed.nearby.found.candidates) > 0
    assert (claimed.nearby.run, claimed.nearby.given_names) == (run, {"ivan", "ivana"})
    assert isinstance(coded, Arrived)
    assert coded.nearby is not None
    assert coded.nearby.found == NOBODY

    # Read once more, as it was kept, by a key that is no longer the recorder's.
    kept = Arrived(claimed.consent_id, claimed.recorder, claimed.evidence, None, taken_at=NOW)
    (again,) = await beside.again([kept], KEYS, NOW)
    assert again == claimed
    (refused,) = await beside.again([kept], {**KEYS, "helpers": ((bytes(32), None),)}, NOW)
    assert (refused.opened, refused.problem) == (None, ConsentProblem.EVIDENCE_INVALID)


async def test_whoever_kills_it_gets_nothing_settled_and_the_next_reads_on(
    beside: ReadBeside,
) -> None:
    await beside.begin()
    number = process_of(beside).pid
    os.kill(number, signal.SIGSTOP)
    asked = asyncio.ensure_future(beside.changes(page(), KEYS, NOW))
    # It is asked by then; had it ended before, another one would be.
    await asyncio.sleep(0.5)
    os.kill(number, signal.SIGKILL)

    with pytest.raises(ServiceUnreachableError):
        await asked
    assert len(await beside.changes(page(), KEYS, NOW)) == 3
    assert process_of(beside).pid != number


async def test_withdrawals_alone_wait_for_no_process(beside: ReadBeside) -> None:
    (read,) = await beside.changes(withdrawals(), KEYS, NOW)

    assert read == Revoked("ef" * 16, NOW)
    assert beside._process is None


async def test_it_ends_with_its_node(beside: ReadBeside) -> None:
    """However the node ends: its end of the pipe is closed by the system at the latest."""
    await beside.begin()
    process = process_of(beside)
    assert process.stdin is not None

    process.stdin.close()

    async with asyncio.timeout(60):
        assert await process.wait() == 0
