"""Puts a signed query to the gateway, and again where nobody answers or has a place for it."""

import asyncio
import secrets
from dataclasses import replace
from random import SystemRandom

from homeroom.api.gateway.v1 import gateway_service_pb2 as pb
from homeroom.asking_again import pause_before_asking_again
from homeroom.clock import utc_now
from homeroom.errors import ChangedMeanwhileError, DeadlinePassedError, TooMuchAskedError
from homeroom.evidence import signed
from homeroom.exchange import Exchange, begun
from homeroom.federation import FederationState
from homeroom.opening import Asking
from homeroom.query import to_query
from homeroom.question import Question
from homeroom.session import Session, while_unreachable
from homeroom.signing import Domain, digest_of


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
    call = await begun(session.gateway.Query(request, timeout=deadline - asked_at))
    return Exchange(session, asking, request, call, asked_at, deadline)


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
