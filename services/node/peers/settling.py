"""Has consents settled again, off every question's way, when what they rest on may have changed."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Protocol

from homeroom.errors import (
    LogUnavailableError,
    PolicyUnavailableError,
    ServiceUnreachableError,
    StateStaleError,
)
from homeroom.federation import FederationState
from services.node.domain.consent_book import Arrived
from services.node.domain.consent_problems import ABOUT_THE_FEDERATION, ConsentProblem
from services.node.peers.consent_feed import ConsentFeed
from services.runtime.registry_feed import RegistryFeed

_AT_ONCE = 500
_PASSING = (StateStaleError, PolicyUnavailableError, ServiceUnreachableError, LogUnavailableError)
_LOOK_SECONDS = 2.0
_LOOK_AT_RECORDS_SECONDS = 60.0


class DueConsents(Protocol):
    """The consents that are to be settled again."""

    def due(self, most: int) -> Sequence[Arrived]:
        """Some of them, as they came."""
        ...

    def note_rules(self, revision: str) -> None:
        """Everything is due once the rules are others than those it was settled by."""
        ...

    def note_problems(self, problems: Iterable[ConsentProblem]) -> None:
        """What has one of these problems is due."""
        ...

    def note_recorders(self, organization_ids: Iterable[str]) -> None:
        """What these recorded is due."""
        ...

    def note_consents(self, consent_keys: Iterable[int]) -> None:
        """These are due."""
        ...


class Settling:
    """Settles again what is due: by other rules, other records, another state of the registry."""

    def __init__(
        self,
        feed: ConsentFeed,
        consents: DueConsents,
        registry: RegistryFeed,
        changed_consents: Callable[[], Sequence[int]],
    ) -> None:
        self._feed = feed
        self._consents = consents
        self._registry = registry
        self._changed_consents = changed_consents

    async def run(self, revision: Callable[[], str]) -> None:
        """Looks for what is due for as long as the node runs.

        Args:
            revision: the digest of the rules by which consents are settled at the moment.
        """
        seen, looked_at, stolen = 0, 0.0, frozenset[tuple[str, bytes]]()
        while True:
            # Without one of these nothing can be settled; each will come, as will room on a full
            # disk.
            with suppress(*_PASSING):
                await self._feed.between_batches(self._consents.note_rules, revision())
                if self._registry.sequence > seen:
                    seen = self._registry.sequence
                    await asyncio.to_thread(self._consents.note_problems, ABOUT_THE_FEDERATION)
                    marked = _marked(self._registry.state())
                    new = {name for name, _ in marked - stolen}
                    await asyncio.to_thread(self._consents.note_recorders, new)
                    stolen = marked
                now = asyncio.get_running_loop().time()
                if not looked_at or now - looked_at >= _LOOK_AT_RECORDS_SECONDS:
                    looked_at = now
                    await self.look_at_records()
                await self.settle()
            await self._registry.wait_for(seen + 1, _LOOK_SECONDS)

    async def look_at_records(self) -> None:
        """Finds the consents whose students' birth dates have changed."""
        changed = await asyncio.to_thread(self._changed_consents)
        if changed:
            await asyncio.to_thread(self._consents.note_consents, changed)

    async def settle(self) -> None:
        """Settles what is due, some at a time, so that what arrives comes in between."""
        while due := await asyncio.to_thread(self._consents.due, _AT_ONCE):
            await self._feed.settle(due)


def _marked(state: FederationState) -> frozenset[tuple[str, bytes]]:
    """Whoever had a signing key that is known as stolen: what it recorded may count no more."""
    return frozenset(
        (name, one.keys.digest)
        for name, one in state.organizations.items()
        if any(period.compromised_since is not None for period in one.keys.periods)
    )
