"""Reads queries by the registry's state, as far as this gateway may rely on it now."""

import datetime as dt
from dataclasses import dataclass, replace

from homeroom.api.gateway.v1 import gateway_service_pb2 as pb
from homeroom.clock import Clock
from homeroom.errors import StateBehindError
from homeroom.federation import FederationState
from services.gateway.domain.limits import Deadlines, RateLimit, require_fresh
from services.runtime.admission import AdmittedQuery, Tolerated, admit_query
from services.runtime.registry_feed import RegistryFeed
from services.runtime.turns import Turns

QueryToAdmit = pb.QueryRequest | pb.ResumeQueryRequest


@dataclass(frozen=True, slots=True)
class Tolerances:
    """How far the gateway waits for, and trusts, clocks and the registry's state.

    Attributes:
        query_life: how long after it was asked an answer that broke off may be gone on with.
    """

    max_state_age: dt.timedelta
    max_clock_skew: dt.timedelta
    state_wait_seconds: float
    query_life: dt.timedelta = dt.timedelta()


class FederationView:
    """The registry's state as this gateway may rely on it now."""

    def __init__(self, feed: RegistryFeed, tolerances: Tolerances, clock: Clock) -> None:
        self._feed = feed
        self._tolerances = tolerances
        self.clock = clock

    async def fresh(self, min_sequence: int = 0) -> FederationState:
        """The state, which has at least a sequence and was confirmed lately.

        Raises:
            StateBehindError: if the sequence has not been seen in time.
            StateStaleError: if there is no state, or it was not confirmed lately.
        """
        # A gateway that has just started waits for its first state.
        seen = await self._feed.wait_for(max(min_sequence, 1), self._tolerances.state_wait_seconds)
        state = self._feed.state()
        require_fresh(self._feed.confirmed_at, self.clock(), self._tolerances.max_state_age)
        if not seen:
            raise StateBehindError("the asked-for state has not been seen here", state="registry")
        return state

    async def admit(self, request: QueryToAdmit, caller_id: str) -> "Admitted":
        """Proves who asks, and reads the question.

        Raises:
            HomeroomError: as `admit_query` does; NotPermittedError for another's query.
        """
        admitted = self._admit(request, await self.fresh(), caller_id)
        asked_for = admitted.query.question.min_registry_sequence
        if asked_for > admitted.state.sequence:
            admitted = self._admit(request, await self.fresh(asked_for), caller_id)
        return admitted

    def _admit(self, request: QueryToAdmit, state: FederationState, caller_id: str) -> "Admitted":
        # To its bearer, a query of another organization looks like one that nobody signed.
        organization = state.organizations.get(caller_id)
        own = replace(state, organizations={caller_id: organization} if organization else {})
        resumed = isinstance(request, pb.ResumeQueryRequest)
        life = self._tolerances.query_life if resumed else dt.timedelta()
        tolerated = Tolerated.skew(self._tolerances.max_clock_skew, life)
        query = admit_query(request.query, request.user_token, own, self.clock(), tolerated)
        return Admitted(query, state)


@dataclass(frozen=True, slots=True)
class Limits:
    """How often an organization may ask, how long nodes may take, and how much is passed on."""

    rate: RateLimit
    deadlines: Deadlines
    turns: Turns


@dataclass(frozen=True, slots=True)
class Admitted:
    """An admitted query, and the state it was admitted by."""

    query: AdmittedQuery
    state: FederationState

    @property
    def sources(self) -> int:
        """How many are asked, about."""
        question, requester = self.query.question, self.query.requester.organization_id
        agreement = self.state.agreement_of_parties(question.agreement_id, requester)
        parties = len(agreement.document.parties) - 1 if agreement else 1
        return len(question.holders) or parties
