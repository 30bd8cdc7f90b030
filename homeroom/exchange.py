"""One signed query at the gateway: asks it, and tells what the gateway sends until it ends."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from random import SystemRandom
from typing import Any

import grpc

from homeroom.api.gateway.v1 import gateway_service_pb2 as pb
from homeroom.asking_again import pause_before_asking_again
from homeroom.clock import utc_now
from homeroom.errors import (
    ChangedMeanwhileError,
    DeadlinePassedError,
    EvidenceInvalidError,
    HomeroomError,
    NotPermittedError,
    ServiceUnreachableError,
    TooMuchAskedError,
)
from homeroom.evidence import signed
from homeroom.federation import FederationState
from homeroom.opening import Asking
from homeroom.query import to_query
from homeroom.question import Question
from homeroom.remote import error_of
from homeroom.session import Session, while_unreachable
from homeroom.signing import Domain, digest_of

_LEAST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0
_PASSING = (ServiceUnreachableError, TooMuchAskedError)
"""What keeps an answer from going on for a while only."""


@dataclass(slots=True)
class Exchange:
    """A query that the gateway has taken on.

    Attributes:
        request: as it was signed.
        planned: the holders it asks.
        asked_at: when it was asked, by the event loop's clock.
        deadline: until when, by the same clock.
        first: the first event after the plan.
        failure: why its events stopped early; None while they did not.
    """

    session: Session
    asking: Asking
    request: pb.QueryRequest
    planned: tuple[str, ...]
    asked_at: float
    deadline: float
    call: Any
    first: pb.QueryResponse | None = None
    failure: HomeroomError | None = None

    async def events(self) -> AsyncIterator[pb.QueryResponse]:
        """What follows the plan, until the gateway ends or fails."""
        event = self.first
        try:
            while event is not None:
                yield event
                event = await read_event(self.call)
        except HomeroomError as failure:
            self.failure = failure
        finally:
            self.call.cancel()

    def prolong(self, seconds: float) -> None:
        """Has it go on for some seconds from now, if it can."""
        self.deadline = asyncio.get_running_loop().time() + seconds
        if isinstance(self.failure, DeadlinePassedError):
            self.failure = None

    async def resume(self, positions: Sequence[pb.SourcePosition], tries: int = 0) -> bool:
        """Has holders go on, as soon as the gateway is there again; whether their events follow.

        Args:
            positions: how much came of each answer that broke off.
            tries: how often that was in vain by now.
        """
        if self.failure is not None and not isinstance(self.failure, ServiceUnreachableError):
            return False
        clock = asyncio.get_running_loop().time
        failure: HomeroomError | None = None
        while True:
            pause = _pause_before_try(tries, failure)
            if pause is None or clock() + pause >= self.deadline:
                return False
            await asyncio.sleep(pause)
            failure = await self._resumed_once(positions)
            if failure is None:
                self.failure = None
                return True
            if isinstance(failure, NotPermittedError):
                self.failure = failure
            if not isinstance(failure, _PASSING):
                return False
            tries += 1

    async def _resumed_once(self, positions: Sequence[pb.SourcePosition]) -> HomeroomError | None:
        """Asks the gateway; why it did not begin, if it did not."""
        request = pb.ResumeQueryRequest(
            query=self.request.query, user_token=self.request.user_token, positions=positions
        )
        seconds = self.deadline - asyncio.get_running_loop().time()
        self.call = self.session.gateway.ResumeQuery(request, timeout=seconds)
        try:
            await _plan(self.call)
            self.first = await read_event(self.call)
        except HomeroomError as failure:
            self.call.cancel()
            return failure
        except BaseException:
            self.call.cancel()
            raise
        return None


def _pause_before_try(tries: int, failure: HomeroomError | None) -> float | None:
    """The seconds to wait; None where what was refused is refused for good."""
    chance = SystemRandom().random()
    if isinstance(failure, TooMuchAskedError):
        return pause_before_asking_again(failure, chance)
    # A node or a gateway that is being restarted is back after seconds.
    return min(_LEAST_PAUSE * 2**tries, _LONGEST_PAUSE) * (1 + chance) if tries else 0.0


async def open_exchange(session: Session, question: Question, timeout: float) -> Exchange:
    """Asks the gateway; returns when the first source says something.

    It relies on the version of the agreement that is in force; if that has just changed, it reads
    the registry again and asks once more. While nobody answers, and where the gateway has no place
    now, it asks again, each time with a new query id: a holder answers an id once.

    Raises:
        HomeroomError: what the question was refused for, or why it could not be asked.
    """
    deadline = asyncio.get_running_loop().time() + timeout
    state = await session.registry_view.state(session.seen.registry)
    try:
        return await _open(session, _relying_on(state, session, question), deadline)
    except ChangedMeanwhileError:
        state = await session.registry_view.refreshed()
    newest = replace(question, min_registry_sequence=state.sequence)
    return await _open(session, _relying_on(state, session, newest), deadline)


async def _open(session: Session, question: Question, deadline: float) -> Exchange:
    """Asks, and later again where the gateway has no place now and says when to come.

    With less than half of its time left a question is not asked again. A gateway that is asked too
    much would refuse it once more: nobody's turn comes later than after half of their time.

    Raises:
        HomeroomError: what the last try raised.
    """
    clock = asyncio.get_running_loop().time
    last = (clock() + deadline) / 2
    while True:
        try:
            return await while_unreachable(lambda: _ask_once(session, question, deadline))
        except TooMuchAskedError as refused:
            pause = pause_before_asking_again(refused, SystemRandom().random())
            if pause is None or clock() + pause >= last:
                raise
        await asyncio.sleep(pause)


def _relying_on(state: FederationState, session: Session, question: Question) -> Question:
    if not question.agreement_id:
        return question
    agreement = state.agreement_of_parties(question.agreement_id, session.organization_id)
    # Without an agreement the question is refused; asking tells what for.
    version = agreement.document.version if agreement else 1
    return replace(question, agreement_version=version)


async def _ask_once(session: Session, question: Question, deadline: float) -> Exchange:
    asked_at = asyncio.get_running_loop().time()
    if asked_at >= deadline:
        raise DeadlinePassedError("the deadline passed")
    asking, request = _signed_request(session, question)
    if session.receipts is not None:
        session.receipts.note_asked(asking)
    call = session.gateway.Query(request, timeout=deadline - asked_at)
    try:
        planned = await _plan(call)
    except BaseException:
        call.cancel()
        raise
    exchange = Exchange(session, asking, request, planned, asked_at, deadline, call)
    try:
        exchange.first = await read_event(call)
    except ServiceUnreachableError:
        raise
    except HomeroomError as failure:
        exchange.failure = failure
    return exchange


def _signed_request(session: Session, question: Question) -> tuple[Asking, pb.QueryRequest]:
    token = session.profile.read_user_token()
    query = to_query(question, session.organization_id, token, utc_now(), secrets.token_hex(16))
    statement = query.SerializeToString(deterministic=True)
    asking = Asking(
        question=question,
        requester=session.organization_id,
        query_digest=digest_of(statement),
        sealing_key=session.sealing_key,
    )
    evidence = signed(Domain.QUERY, statement, session.organization_id, session.asking_key)
    return asking, pb.QueryRequest(query=evidence, user_token=token)


async def _plan(call: Any) -> tuple[str, ...]:
    event = await read_event(call)
    if event is None or not event.HasField("plan"):
        raise EvidenceInvalidError("the gateway did not say whom it asks")
    return tuple(dict.fromkeys(event.plan.holders))


async def read_event(call: Any) -> pb.QueryResponse | None:
    """The gateway's next event; None after its last.

    Raises:
        HomeroomError: if the call failed.
    """
    try:
        event = await call.read()
    except grpc.aio.AioRpcError as failure:
        raise error_of(failure) from None
    if isinstance(event, pb.ResumeQueryResponse):
        return event.event
    return event if isinstance(event, pb.QueryResponse) else None
