"""The node's replica: what a party has ended stays ended, whatever the registry says later."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from homeroom.errors import StateStaleError
from homeroom.federation import AgreementState, FederationState
from services.node.domain.replica import Freshness
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

    def state(self) -> FederationState:
        return self.known


@dataclass
class Ended:
    """Remembers over a restart."""

    kept: set[tuple[str, int]] = field(default_factory=set)

    def ended_agreements(self) -> frozenset[tuple[str, int]]:
        return frozenset(self.kept)

    def note_ended(self, agreements: Sequence[tuple[str, int]]) -> None:
        self.kept |= set(agreements)


def replica(feeds: Feeds, ended: Ended) -> NodeReplica:
    return NodeReplica(cast("Any", feeds), cast("Any", feeds), ended)


def state_in(of: NodeReplica) -> AgreementState:
    return of.evidence().federation.agreements["A-1"].state


@pytest.mark.parametrize("restarted", [False, True])
def test_an_agreement_that_ended_stays_ended_if_the_registry_forgets_it(restarted: bool) -> None:
    feeds, ended = Feeds(small.federation(state=AgreementState.ENDED)), Ended()
    known = replica(feeds, ended)
    assert state_in(known) is AgreementState.ENDED
    feeds.known = small.federation()
    known = replica(feeds, ended) if restarted else known

    assert state_in(known) is AgreementState.ENDED


def test_a_new_version_is_another_agreement() -> None:
    feeds, ended = Feeds(), Ended({("A-1", 1)})
    feeds.known = small.federation(agreed=small.document(version=2))

    assert state_in(replica(feeds, ended)) is AgreementState.ACTIVE


def test_the_epoch_moves_with_agreements_and_with_consents() -> None:
    feeds = Feeds()
    known = replica(feeds, Ended())
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
