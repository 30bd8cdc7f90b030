"""What a node's log tells an organization of its own questions, on SQLite and PostgreSQL alike."""

import datetime as dt
import hashlib
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Engine

from homeroom.api.common.v1 import evidence_pb2
from homeroom.audit import AuditKind
from homeroom.audit.account_wire import NONCE_BYTES, sign_request
from homeroom.audit.accounts import AccountRequest
from homeroom.audit.checkpoint import Checkpoint, log_origin, open_checkpoint
from homeroom.audit.reconciling import proof_gaps
from homeroom.clock import utc_now
from homeroom.errors import ClockSkewedError, NotPermittedError, TooMuchAskedError
from homeroom.federation import FederationState, Organization, Standing
from homeroom.signing import SigningKey
from homeroom.users import Issuer
from homeroom.vocabulary import Element, OrganizationKind
from services.node.domain.accounting import Accounting
from services.node.domain.register import Decided, Keeping, Requested, record_of
from services.node.domain.ruling import Holder
from services.node.store.accounts import AccountStore
from services.node.store.log import LogStore
from services.runtime.account_admission import MAX_REQUEST_BYTES, admit_account_request
from services.runtime.database import open_database
from tests.contract.node_stores import Urls, urls
from tests.organizations import Member

__all__ = ["urls"]

HOLDER, ASKER, OTHER, FEDERATION = "harbor_ps", "initiative", "club", "test.homeroom"
NOW = dt.datetime.now(dt.UTC)
KEY = SigningKey.generate()


@pytest.fixture
def engine(urls: Urls) -> Iterator[Engine]:
    opened = open_database(urls.state)
    yield opened
    opened.dispose()


@pytest.fixture
def accounting(engine: Engine) -> Accounting:
    minute = dt.timedelta(minutes=1)
    holder = Holder(HOLDER, b"s" * 32, b"e" * 32, minute, minute)
    signer = LogStore(engine).signer(log_origin(FEDERATION, HOLDER), KEY)
    return Accounting(holder, AccountStore(engine), signer)


def query(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


async def answered(log: LogStore, number: int, requester: str = ASKER) -> None:
    """One question, decided, recorded and ended."""
    requested = Requested(requester, "u1", "teacher", "p", "consent", (Element.DAILY_ATTENDANCE,))
    record = record_of(Keeping(), requested, Decided(frozenset(), whole=False, reasons=()))
    await log.append(AuditKind.DECIDED, query(number), {"requester": requester}, [record])
    await log.append(AuditKind.RELEASED, query(number), {"rows": number})


def organization_of(member: Member) -> Organization:
    return Organization(
        organization_id=member.organization_id,
        display_name=member.organization_id,
        kind=OrganizationKind.COMMUNITY_ORG,
        standing=Standing.ACTIVE,
        node_address="",
        datasets=frozenset(),
        signing_key=member.signing.public,
        sealing_key=member.sealing.public,
        issuer=Issuer("https://issuer", "{}"),
        record_version=1,
    )


def asked(**changed: object) -> AccountRequest:
    return replace(AccountRequest(ASKER, HOLDER, NOW), **changed)  # type: ignore[arg-type]  # by name


async def test_an_account_tells_ones_own_questions_and_proves_each(
    engine: Engine, accounting: Accounting
) -> None:
    """Between those of others, which it says nothing of."""
    log = LogStore(engine)
    for number, requester in enumerate((ASKER, OTHER, ASKER, OTHER, OTHER, ASKER)):
        await answered(log, number, requester)

    account = await accounting.account(asked(), NOW)

    state = open_checkpoint(account.note, log_origin(FEDERATION, HOLDER), KEY.public)
    assert [one.query_digest for one in account.questions] == [query(n) for n in (0, 2, 5)]
    assert (state.size, state.root) == (12, log.root(12))
    assert proof_gaps(account, state, []) == []
    ends = [one.ended for one in account.questions if one.ended]
    assert [end.read().said["rows"] for end in ends] == [0, 2, 5]
    assert account.next_index == 0
    assert not any(one.decided.entry for one in account.questions)


async def test_pages_follow_each_other_and_the_log_may_grow_between_them(
    engine: Engine, accounting: Accounting
) -> None:
    log = LogStore(engine)
    for number in range(5):
        await answered(log, number)
    first = await accounting.account(asked(page_size=2), NOW)
    known = open_checkpoint(first.note, log_origin(FEDERATION, HOLDER), KEY.public)
    await answered(log, 5)

    told, place = list(first.questions), first.next_index
    while place:
        request = asked(page_size=2, from_index=place, known_sizes=(known.size,))
        page = await accounting.account(request, NOW)
        state = open_checkpoint(page.note, log_origin(FEDERATION, HOLDER), KEY.public)
        assert proof_gaps(page, state, [known]) == []
        told += page.questions
        assert page.next_index == 0 or page.next_index > place
        place = page.next_index

    assert [one.query_digest for one in told] == [query(n) for n in range(6)]


async def test_a_log_that_lacks_what_was_seen_proves_no_growth(
    engine: Engine, accounting: Accounting
) -> None:
    """A shorter log, or one with another beginning, cannot answer for the known size."""
    log = LogStore(engine)
    await answered(log, 1)
    account = await accounting.account(asked(known_sizes=(2, 9)), NOW)
    state = open_checkpoint(account.note, log_origin(FEDERATION, HOLDER), KEY.public)
    before = Checkpoint(state.origin, 2, log.root(2))

    assert len(account.growth) == 2
    assert proof_gaps(account, state, [before]) == []
    assert len(proof_gaps(account, state, [before, replace(before, size=9)])) == 1
    assert len(proof_gaps(account, state, [replace(before, root=b"x" * 32)])) == 1


async def test_a_question_without_an_end_is_told_as_that(
    engine: Engine, accounting: Accounting
) -> None:
    log = LogStore(engine)
    requested = Requested(ASKER, "u1", "teacher", "p", "consent", (Element.DAILY_ATTENDANCE,))
    record = record_of(Keeping(), requested, Decided(frozenset(), whole=False, reasons=()))
    await log.append(AuditKind.UNDECIDED, query(1), {}, [record])
    await log.append(AuditKind.DECIDED, query(2), {}, [record])

    account = await accounting.account(asked(), NOW)

    assert [(one.decided.kind, one.ended) for one in account.questions] == [
        ("undecided", None),
        ("decided", None),
    ]


async def test_what_a_steward_entered_for_someone_outside_is_no_question_of_a_namesake(
    engine: Engine, accounting: Accounting
) -> None:
    log = LogStore(engine)
    await log.append(AuditKind.REQUEST_ENTERED, query(1), {"requester": ASKER})
    await answered(log, 1)

    assert (await accounting.account(asked(), NOW)).questions == ()


async def test_an_account_begins_where_it_was_asked_to(
    engine: Engine, accounting: Accounting
) -> None:
    await answered(LogStore(engine), 1)
    tomorrow = int((NOW + dt.timedelta(days=1)).timestamp())

    assert (await accounting.account(asked(since=tomorrow), NOW)).questions == ()
    assert (await accounting.account(asked(from_index=1), NOW)).questions == ()
    assert (await accounting.account(asked(page_size=10**6), NOW)).questions != ()


async def test_an_empty_log_gives_an_empty_account(accounting: Accounting) -> None:
    account = await accounting.account(asked(), NOW)

    state = open_checkpoint(account.note, log_origin(FEDERATION, HOLDER), KEY.public)
    assert (state.size, account.questions) == (0, ())


async def test_a_request_to_another_holder_or_of_another_time_is_refused(
    accounting: Accounting,
) -> None:
    with pytest.raises(NotPermittedError):
        await accounting.account(asked(holder=OTHER), NOW)
    for minutes in (-2, 2):
        with pytest.raises(ClockSkewedError):
            await accounting.account(asked(), NOW + dt.timedelta(minutes=minutes))


def test_only_who_signed_a_request_is_told() -> None:
    """An unknown organization, another's signature, another bearer: all look the same."""
    asker, other = Member.new(ASKER), Member.new(OTHER)
    members = {m.organization_id: organization_of(m) for m in (asker, other)}
    state = FederationState(FEDERATION, 1, NOW, NOW, members, {})
    nonce = b"n" * NONCE_BYTES
    right = sign_request(asked(), nonce, asker.signing)
    wrong = [
        (sign_request(asked(), nonce, other.signing), ""),
        (sign_request(asked(requester="nobody"), nonce, asker.signing), ""),
        (right, OTHER),
        (evidence_pb2.SignedStatement(statement=b"\xff"), ""),
    ]

    assert admit_account_request(right, state, utc_now())[0] == asked()
    assert admit_account_request(right, state, utc_now(), ASKER)[1].organization_id == ASKER
    told = set()
    for evidence, caller in wrong:
        with pytest.raises(NotPermittedError) as refusal:
            admit_account_request(evidence, state, utc_now(), caller)
        told.add(refusal.value.message)
    assert len(told) == 1
    large = evidence_pb2.SignedStatement(statement=b"\x00" * (MAX_REQUEST_BYTES + 1))
    with pytest.raises(TooMuchAskedError):
        admit_account_request(large, state, utc_now())
