"""The node's replica: what was said of an agreement stays said, whatever the registry says."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from homeroom.errors import StateStaleError
from homeroom.federation import FederationState, KnownAgreement
from homeroom.lifecycle import (
    Action,
    AgreementHistory,
    Ending,
    Proposal,
    Resumption,
    Signature,
    Statement,
    Suspension,
)
from homeroom.signing import digest_of
from services.node.domain.agreement_memory import Remembered
from services.node.domain.replica import Freshness, SeenLog
from services.node.peers import NodeReplica
from tests.organizations import NOW
from tests.unit.node import federation as small


@dataclass
class Feeds:
    """The registry's and the consent service's word, as a test says it."""

    known: FederationState = field(default_factory=small.federation)
    epoch: int = 0
    confirmed_at: dt.datetime = NOW
    freshness: Freshness = field(default_factory=lambda: Freshness(5, NOW))
    seen_log: SeenLog = field(default_factory=lambda: SeenLog(7, b"root"))

    def state(self) -> FederationState:
        return self.known


@dataclass
class Shelf:
    """Remembers over a restart."""

    kept: dict[str, Remembered] = field(default_factory=dict)

    def remembered(self) -> Mapping[str, Remembered]:
        return dict(self.kept)

    def remember(
        self, seen: Mapping[str, Remembered], entries: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        self.kept.update(seen)


def replica(feeds: Feeds, shelf: Shelf) -> NodeReplica:
    return NodeReplica(cast("Any", feeds), cast("Any", feeds), shelf)


def history(*actions: Action) -> AgreementHistory:
    """Statements in a row; whether they may follow is not asked here."""
    said: list[Statement] = []
    for action in actions:
        head = said[-1].digest if said else b""
        digest = digest_of(head + repr(action).encode())
        said.append(Statement("A-1", 1, "anytown", NOW, head, action, digest))
    return AgreementHistory("A-1", statements=tuple(said))


def told(*actions: Action) -> FederationState:
    """The federation with an agreement of that history."""
    return replace(small.federation(), known={"A-1": KnownAgreement(history(*actions), {})})


def knows(of: NodeReplica) -> bool:
    state = of.evidence().federation
    assert ("A-1" in state.agreements) == ("A-1" in state.known)
    return "A-1" in state.known


BEGUN = (Proposal(b"d", b"r"), Signature(b"d", b"r"))
SUSPENDED = (*BEGUN, Suspension("breach"))


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize(
    "forgetful",
    [
        BEGUN,
        (),
        (*BEGUN, Ending()),
        (BEGUN[0], *SUSPENDED[2:], BEGUN[1]),
        (*BEGUN, Resumption(), Suspension("breach")),
    ],
    ids=["without it", "without all", "another instead", "in another order", "with one put before"],
)
def test_an_agreement_whose_history_lacks_what_was_seen_is_not_believed(
    forgetful: tuple[Action, ...], restarted: bool
) -> None:
    """No registry can forget a suspension, nor put another history in its place."""
    feeds, shelf = Feeds(told(*SUSPENDED)), Shelf()
    known = replica(feeds, shelf)
    assert knows(known)
    feeds.known = told(*forgetful)
    known = replica(feeds, shelf) if restarted else known

    assert not knows(known)
    feeds.known = told(*SUSPENDED, Resumption())
    assert knows(known)  # what goes on from there is believed again


def test_what_an_agreement_lacked_is_not_taken_for_what_was_seen() -> None:
    """A history that is not believed changes nothing in what is remembered."""
    feeds, shelf = Feeds(told(*SUSPENDED)), Shelf()
    known = replica(feeds, shelf)
    knows(known)
    before = dict(shelf.kept)
    feeds.known = told(*BEGUN, Ending(), Resumption())
    knows(known)

    assert shelf.kept == before


def test_the_log_of_consents_is_told_as_it_was_seen_last() -> None:
    feeds = Feeds()
    known = replica(feeds, Shelf())
    before = known.evidence().consent_log
    feeds.seen_log = SeenLog(8, b"another root")

    assert (before, known.evidence().consent_log) == (SeenLog(7, b"root"), feeds.seen_log)


def test_the_epoch_moves_with_agreements_and_with_consents() -> None:
    feeds = Feeds()
    known = replica(feeds, Shelf())
    epochs = {known.evidence().epoch}
    feeds.epoch = 1
    epochs.add(known.evidence().epoch)
    feeds.known = replace(feeds.known, sequence=2)
    epochs.add(known.evidence().epoch)

    assert len(epochs) == 3


@pytest.mark.parametrize("confirmed_at", [None, NOW - dt.timedelta(seconds=31)])
@pytest.mark.parametrize("state", ["registry", "consent"])
def test_a_state_that_was_not_confirmed_lately_is_named(
    state: str, confirmed_at: dt.datetime | None
) -> None:
    evidence = small.evidence()
    stale = replace(evidence, **cast("Any", {state: Freshness(1, confirmed_at)}))
    limit = dt.timedelta(seconds=30)
    evidence.require_fresh(NOW + limit, limit)

    with pytest.raises(StateStaleError) as refused:
        stale.require_fresh(NOW, limit)
    assert refused.value.metadata == {"state": state}
