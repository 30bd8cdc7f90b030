"""Following consents: what was read ahead counts by the registry's state in which it is settled."""

import asyncio
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import pytest

from homeroom.api.consent.v1 import consent_service_pb2 as pb
from homeroom.consent import make_consents
from homeroom.consent_terms import ConsentTerms, OpenedConsent
from homeroom.evidence import signed
from homeroom.federation import FederationState
from homeroom.identity import Identity, Role
from homeroom.key_history import OVERLAP, KeyHistory, KeyPeriod, KeySet, Succession
from homeroom.signing import Domain
from homeroom.vocabulary import ConsentForm, Element, SignerRelation
from services.node.domain.consent_book import (
    Arrived,
    Change,
    ConsentBook,
    Narrowed,
    Progress,
    Revoked,
    Step,
)
from services.node.domain.consent_problems import ConsentProblem
from services.node.domain.consents import Withdrawn
from services.node.peers import ConsentFeed, ConsentReading, ReadHere, consent_feed
from services.runtime.registry_feed import RegistryFeed
from tests.fakes import FakeClock
from tests.organizations import NOW, Member
from tests.unit.node.federation import HOLDER, REQUESTER, federation, organization

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


@dataclass
class Registry:
    """The registry's state as the feed is told it."""

    now: FederationState = field(default_factory=federation)

    def state(self) -> FederationState:
        return self.now


@dataclass
class Shelf:
    """Starts at nothing, and keeps nothing."""

    def progress(self) -> Progress:
        return Progress(0, 0, None)

    def confirm(self, progress: Progress) -> None: ...

    def apply(self, steps: Sequence[Step], progress: Progress | None) -> None: ...

    def due(self, most: int) -> Sequence[Arrived]:
        return []


@dataclass
class Book:
    """Notes what it is to settle, and by which state."""

    shelf: Shelf = field(default_factory=Shelf)
    taken: list[Arrived] = field(default_factory=list)
    by: list[FederationState] = field(default_factory=list)

    async def take(
        self, changes: Sequence[Arrived], _progress: Progress, state: FederationState, _now: object
    ) -> None:
        self.taken += changes
        self.by.append(state)


def following(registry: Registry, book: Book) -> ConsentFeed:
    reading = ConsentReading(HOLDER.organization_id, HOLDER.sealing)
    return ConsentFeed(
        Identity("test.example", HOLDER.organization_id, Role.NODE),
        Member.new("hub").signing.public,
        ReadHere(reading),
        cast("ConsentBook", book),
        cast("RegistryFeed", registry),
        FakeClock(NOW),
    )


def recorded() -> pb.WatchConsentsResponse:
    consent = OpenedConsent(
        consent_id="ab" * 16,
        recorder=REQUESTER.organization_id,
        terms=TERMS,
        link_code=b"code",
        subject_refs={REQUESTER.organization_id: "ref"},
    )
    keys = {one.organization_id: one.sealing.public for one in (HOLDER, REQUESTER)}
    (made,) = make_consents([consent], REQUESTER.signing, keys)
    change = pb.ConsentChange(sequence=1, previous_sequence=0, recorded=made)
    return pb.WatchConsentsResponse(changes=pb.ConsentChanges(changes=[change]))


async def test_what_was_read_ahead_is_settled_as_it_was_read() -> None:
    registry, book = Registry(), Book()
    feed = following(registry, book)

    await feed._take([await feed._read(recorded())])

    assert [one.problem for one in book.taken] == [None]
    assert book.taken[0].opened is not None


async def test_a_recorder_whose_key_was_replaced_meanwhile_is_not_believed_any_more() -> None:
    """A consent is read before those that came first are settled; its turn may come later."""
    registry, book = Registry(), Book()
    feed = following(registry, book)
    ahead = await feed._read(recorded())
    stolen = organization(REQUESTER, signing_key=Member.new("helpers").signing.public)
    registry.now = replace(federation(organization(HOLDER), stolen), sequence=2)

    await feed._take([ahead])

    assert [one.problem for one in book.taken] == [ConsentProblem.EVIDENCE_INVALID]
    assert book.by == [registry.now]


async def test_a_consent_service_gives_no_stolen_key_its_word_back() -> None:
    """What it says was taken before its own last heartbeat was taken no earlier than that."""
    registry, book = Registry(), Book()
    feed = following(registry, book)
    former, new = KeySet(REQUESTER.signing.public, b""), KeySet(b"\2" * 32, b"")
    exchanged = KeyPeriod(new, Succession.EXCHANGED, NOW - OVERLAP)
    keys = KeyHistory((KeyPeriod(former), exchanged))
    recorder = organization(REQUESTER, known_keys=keys)
    registry.now = replace(federation(organization(HOLDER), recorder), sequence=2)
    dated_back = recorded()
    dated_back.changes.changes[0].take_time.FromDatetime(NOW - OVERLAP)

    await feed._take([await feed._read(dated_back)])
    assert [one.problem for one in book.taken] == [None]

    feed = following(registry, book)
    feed._progress = replace(feed._progress, confirmed_at=NOW)
    await feed._take([await feed._read(dated_back)])
    assert [one.problem for one in book.taken] == [None, ConsentProblem.EVIDENCE_INVALID]


async def test_what_is_told_waits_while_consents_arrive_by_the_hundred(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And no longer than it is told to: a verdict is late, never lost."""
    monkeypatch.setattr(consent_feed, "_LULL_SECONDS", 3_600.0)
    feed = following(Registry(), Book())
    await feed._take([await feed._read(recorded())])
    await feed.lull(3_600.0)

    await feed._take([await feed._read(withdrawn(2, 400))])

    waiting = asyncio.ensure_future(feed.lull(3_600.0))
    await feed.lull(0.05)
    assert not waiting.done()
    waiting.cancel()


def withdrawn(first: int, count: int) -> pb.WatchConsentsResponse:
    revocation = pb.Revocation(consent_id="ab" * 16, organization_id=REQUESTER.organization_id)
    revocation.revoke_time.FromDatetime(NOW)
    statement = revocation.SerializeToString(deterministic=True)
    evidence = signed(Domain.REVOCATION, statement, REQUESTER.organization_id, REQUESTER.signing)
    return pb.WatchConsentsResponse(
        changes=pb.ConsentChanges(
            changes=[
                pb.ConsentChange(sequence=number, previous_sequence=number - 1, revoked=evidence)
                for number in range(first, first + count)
            ]
        )
    )


async def test_of_each_withdrawal_it_is_told_how_long_it_took_to_count() -> None:
    """Not of those that were older than what was confirmed: nobody was waiting for them."""
    feed, lags = following(Registry(), Book()), list[float]()
    feed.on_taken_back = lambda lag: lags.append(lag.total_seconds())
    second = dt.timedelta(seconds=1)
    taken_back: list[Change] = [
        Revoked("c1", NOW - 3 * second),
        Narrowed("c2", Withdrawn(frozenset(), frozenset()), NOW - 2 * second),
        Revoked("c3", NOW - 60 * second),
    ]

    feed._tell_taken_back(taken_back)
    assert lags == []
    feed._progress = replace(feed._progress, confirmed_at=NOW - 5 * second)
    feed._tell_taken_back(taken_back)

    assert lags == [3, 2]
