"""Keeps the registry's verified snapshot for an app, and asks again when it may have changed."""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable

from homeroom.api.common.v1 import evidence_pb2
from homeroom.errors import (
    EvidenceInvalidError,
    HomeroomError,
    StateBehindError,
    StateStaleError,
)
from homeroom.federation import Agreement, FederationState, Organization
from homeroom.histories import Histories
from homeroom.snapshot import open_snapshot

_REFRESH = dt.timedelta(seconds=60)
_TRY_AGAIN = dt.timedelta(seconds=5)

Fetch = Callable[[], Awaitable[evidence_pb2.SignedStatement]]
Clock = Callable[[], dt.datetime]


class RegistryView:
    """The federation as this process last verified it."""

    def __init__(self, federation: str, registry_key: bytes, fetch: Fetch, clock: Clock) -> None:
        self._federation = federation
        self._registry_key = registry_key
        self._fetch = fetch
        self._clock = clock
        self._lock = asyncio.Lock()
        self._state: FederationState | None = None
        self._histories = Histories()
        self._fetched_at = dt.datetime.min.replace(tzinfo=dt.UTC)

    async def state(self, at_least: int = 0) -> FederationState:
        """A state at most a minute old, or an older unexpired one while the registry is silent.

        Raises:
            StateStaleError: if the newest that can be had has expired.
            StateBehindError: if the registry itself has not the sequence that was seen before.
            HomeroomError: whatever else the first request for it failed with.
        """
        async with self._lock:
            old = self._clock() - self._fetched_at > _REFRESH or self._expired
            if old or self._sequence < at_least:
                await self._refresh_if_possible()
            return self._usable(at_least)

    async def refreshed(self) -> FederationState:
        """A state asked for now, because the one at hand lacks something."""
        async with self._lock:
            await self._refresh_if_possible()
            return self._usable(0)

    @property
    def latest(self) -> FederationState | None:
        """What was verified last, however old; None before the first."""
        return self._state

    @property
    def _sequence(self) -> int:
        return self._state.sequence if self._state else -1

    @property
    def _expired(self) -> bool:
        return self._state is None or self._clock() >= self._state.expire_time

    def _usable(self, at_least: int) -> FederationState:
        if self._state is None or self._expired:
            raise StateStaleError("the registry's state has expired", state="registry")
        if self._state.sequence < at_least:
            raise StateBehindError("the registry is behind what it said before", state="registry")
        return self._state

    async def _refresh_if_possible(self) -> None:
        try:
            await self._refresh()
        except EvidenceInvalidError:
            raise
        except HomeroomError:
            # A snapshot is good until it expires, whether or not the registry answers now.
            if self._state is None:
                raise
            self._fetched_at = self._clock() - _REFRESH + _TRY_AGAIN

    async def _refresh(self) -> None:
        evidence = await self._fetch()
        state = open_snapshot(evidence, self._registry_key, self._federation, self._histories)
        if state.sequence < self._sequence:
            raise EvidenceInvalidError("the registry went back to an older state")
        self._state = state
        self._fetched_at = self._clock()


def holder_of(state: FederationState, agreement_id: str, organization_id: str) -> Organization:
    """Who answers a question: a party of its agreement, with the keys that this names.

    To a question without an agreement: an organization, with the keys that the registry has.

    Raises:
        EvidenceInvalidError: if there is no such organization.
    """
    if agreement_id:
        return party_of(state, agreement_id, organization_id)[1]
    known = state.organizations.get(organization_id)
    if known is None:
        raise EvidenceInvalidError(
            "the organization is not of this federation", organization_id=organization_id
        )
    return known


def party_of(
    state: FederationState, agreement_id: str, organization_id: str
) -> tuple[Agreement, Organization]:
    """An agreement and a party of it, with exactly the keys that the agreement names.

    Raises:
        EvidenceInvalidError: if the organization is not such a party.
    """
    agreement = state.agreement_of_parties(agreement_id, organization_id)
    if agreement is None:
        raise EvidenceInvalidError(
            "the organization is no party of the agreement with the keys that it names",
            organization_id=organization_id,
            agreement_id=agreement_id,
        )
    return agreement, state.organizations[organization_id]
