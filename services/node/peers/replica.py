"""Joins the registry's state and the consents that are known: the node's replica."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from homeroom.errors import StateBehindError
from homeroom.federation import FederationState
from services.node.domain.agreement_memory import (
    Remembered,
    grown,
    seen_content,
    without_forgotten,
)
from services.node.domain.replica import Evidence, Freshness
from services.node.peers.consent_feed import ConsentFeed
from services.runtime.registry_feed import RegistryFeed

_BEHIND_SECONDS = 2.0


class AgreementShelf(Protocol):
    """Where a node remembers how far it has seen agreements' histories."""

    def remembered(self) -> Mapping[str, Remembered]: ...

    def remember(
        self, seen: Mapping[str, Remembered], entries: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        """Remembers how far histories were seen, and what the log tells of that."""
        ...


class NodeReplica:
    """The node's own copy of registry and consent state; implements `Replica`.

    What a party has said of an agreement stays said here, even if the registry forgets it.
    """

    def __init__(
        self, registry: RegistryFeed, consents: ConsentFeed, shelf: AgreementShelf
    ) -> None:
        self._registry = registry
        self._consents = consents
        self._shelf = shelf
        self._remembered = dict(shelf.remembered())
        self._known: FederationState | None = None
        self._seen: FederationState | None = None

    def evidence(self) -> Evidence:
        state = self._registry.state()
        if state is not self._seen or self._known is None:
            self._known = self._remembering(state)
            self._seen = state
        return Evidence(
            federation=self._known,
            registry=Freshness(state.sequence, self._registry.confirmed_at),
            consent=self._consents.freshness,
            epoch=(state.sequence, self._consents.epoch),
            consent_log=self._consents.seen_log,
        )

    async def wait_for(self, registry_sequence: int, consent_sequence: int) -> None:
        if not await self._registry.wait_for(registry_sequence, _BEHIND_SECONDS):
            raise StateBehindError("the registry's change has not arrived", state="registry")
        if not await self._consents.wait_for(consent_sequence, _BEHIND_SECONDS):
            raise StateBehindError("the change of consents has not arrived", state="consent")

    def _remembering(self, state: FederationState) -> FederationState:
        new = grown(state, self._remembered)
        if new:
            entries = [seen_content(state.known[name].history) for name in sorted(new)]
            self._shelf.remember(new, entries)
            self._remembered |= new
        return without_forgotten(state, self._remembered)
