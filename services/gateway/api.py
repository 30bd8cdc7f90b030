"""Serves GatewayService: admits a question, asks its policy, and streams what nodes answer."""

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from structlog.contextvars import bind_contextvars

from homeroom.api.common.v1 import answer_pb2
from homeroom.api.gateway.v1 import account_service_pb2, destruction_service_pb2
from homeroom.api.gateway.v1 import gateway_service_pb2 as pb
from homeroom.api.gateway.v1.account_service_pb2_grpc import AccountServiceServicer
from homeroom.api.gateway.v1.destruction_service_pb2_grpc import DestructionServiceServicer
from homeroom.api.gateway.v1.gateway_service_pb2_grpc import GatewayServiceServicer
from homeroom.api.node.v1 import account_service_pb2 as node_account_pb2
from homeroom.api.node.v1 import destruction_service_pb2 as node_destruction_pb2
from homeroom.api.node.v1 import node_service_pb2
from homeroom.clock import Clock
from homeroom.destruction.certificate_wire import MAX_CERTIFICATE_BYTES
from homeroom.errors import HomeroomError, NotPermittedError, StateBehindError, TooMuchAskedError
from homeroom.federation import FederationState
from services.gateway.domain.fan_out import Ended, FanOut, Outcome, Passed
from services.gateway.domain.limits import Deadlines, RateLimit, require_fresh
from services.gateway.domain.permission import Verdict, require_permitted, require_version
from services.gateway.domain.plan import Holder, plan_holders
from services.gateway.domain.recording import Asked, Passage, QuestionLog
from services.gateway.domain.share import Share
from services.gateway.peers import Nodes
from services.gateway.policy import QuestionPolicy
from services.runtime.account_admission import admit_account_request
from services.runtime.admission import (
    MAX_QUERY_BYTES,
    MAX_TOKEN_BYTES,
    AdmittedQuery,
    admit_query,
)
from services.runtime.identity import ServicerContext, current_caller
from services.runtime.logs import log
from services.runtime.registry_feed import RegistryFeed
from services.runtime.turns import Turn, Turns

QUERY_METHOD = "/homeroom.api.gateway.v1.GatewayService/Query"
_MAX_REQUEST_BYTES = MAX_QUERY_BYTES + MAX_TOKEN_BYTES + 1024


@dataclass(frozen=True, slots=True)
class Tolerances:
    """How far the gateway waits for, and trusts, clocks and the registry's state."""

    max_state_age: dt.timedelta
    max_clock_skew: dt.timedelta
    state_wait_seconds: float


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

    async def admit(self, request: pb.QueryRequest, caller_id: str) -> "Admitted":
        """Proves who asks, and reads the question.

        Raises:
            HomeroomError: as `admit_query` does; NotPermittedError for another's query.
        """
        admitted = self._admit(request, await self.fresh(), caller_id)
        asked_for = admitted.query.question.min_registry_sequence
        if asked_for > admitted.state.sequence:
            admitted = self._admit(request, await self.fresh(asked_for), caller_id)
        return admitted

    def _admit(
        self, request: pb.QueryRequest, state: FederationState, caller_id: str
    ) -> "Admitted":
        # To its bearer, a query of another organization looks like one that nobody signed.
        organization = state.organizations.get(caller_id)
        own = replace(state, organizations={caller_id: organization} if organization else {})
        skew = self._tolerances.max_clock_skew
        query = admit_query(request.query, request.user_token, own, self.clock(), skew)
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


class GatewayServicer(GatewayServiceServicer):
    """Answers apps: one question in, every holder's sealed answer out."""

    def __init__(
        self,
        view: FederationView,
        policy: QuestionPolicy,
        nodes: Nodes,
        limits: Limits,
        log: QuestionLog,
    ) -> None:
        self._view = view
        self._policy = policy
        self._nodes = nodes
        self._limits = limits
        self._log = log

    async def Query(
        self, request: pb.QueryRequest, context: ServicerContext
    ) -> AsyncIterator[pb.QueryResponse]:
        caller_id = current_caller().organization_id
        bind_contextvars(caller=caller_id)
        admitted = await self._admit(request, caller_id)
        seconds = self._limits.deadlines.for_nodes(context.time_remaining())
        with await self._turn(admitted, caller_id, seconds) as turn:
            context.add_done_callback(lambda _context: turn.leave())  # type: ignore[arg-type]  # any callable
            async for response in self._answered(request, admitted, turn, context):
                yield response

    async def _answered(
        self, request: pb.QueryRequest, admitted: Admitted, turn: Turn, context: ServicerContext
    ) -> AsyncIterator[pb.QueryResponse]:
        asked, holders = await self._plan(admitted)
        passage = await self._log.passed(asked, holders)
        calls = self._nodes.asked(
            node_service_pb2.AnswerRequest(query=request.query, user_token=request.user_token)
        )
        seconds = self._limits.deadlines.for_nodes(context.time_remaining())
        fan_out = FanOut(calls, holders, seconds)
        # A caller that goes away while a frame is being sent does not wake the generator below.
        context.add_done_callback(
            lambda _context: _leave(fan_out, passage)  # type: ignore[arg-type]  # any callable
        )
        yield pb.QueryResponse(plan=pb.Plan(holders=[h.organization_id for h in holders]))
        async for response in _told(fan_out, passage, Share(turn, len(holders))):
            yield response

    async def _turn(self, admitted: Admitted, caller_id: str, seconds: float) -> Turn:
        """Waits until this question's turn has come; until then nobody is asked.

        Raises:
            TooMuchAskedError: if it does not come in time.
        """
        question = admitted.query.question
        agreement = admitted.state.agreement_of_parties(question.agreement_id, caller_id)
        parties = len(agreement.document.parties) - 1 if agreement else 1
        sources = len(question.holders) or parties
        try:
            return await self._limits.turns.take(caller_id, question, seconds, sources)
        except TooMuchAskedError as refusal:
            self._log.turned_away(caller_id, refusal.reason)
            raise

    async def _plan(self, admitted: Admitted) -> tuple[Asked, Sequence[Holder]]:
        """What is asked, and whom to ask.

        Raises:
            HomeroomError: if the question is not to be asked; the log has it by then.
        """
        query, state = admitted.query, admitted.state
        caller_id = query.requester.organization_id
        agreement = state.agreement_of_parties(query.question.agreement_id, caller_id)
        asked = Asked(query.question, caller_id, query.user.role, query.digest, agreement, state)
        codes: Sequence[str] = ()
        try:
            verdict = await self._policy.judge(query, agreement, self._view.clock())
            codes = verdict.reasons
            bind_contextvars(codes=",".join(codes))
            return asked, _holders(asked, verdict)
        except HomeroomError as refusal:
            await self._log.refused(asked, refusal.reason, codes)
            raise

    async def _admit(self, request: pb.QueryRequest, caller_id: str) -> Admitted:
        try:
            self._limits.rate.take(caller_id)
            if request.ByteSize() > _MAX_REQUEST_BYTES:
                raise TooMuchAskedError("the query is too large", limit=f"{MAX_QUERY_BYTES} bytes")
            return await self._view.admit(request, caller_id)
        except HomeroomError as refusal:
            self._log.turned_away(caller_id, refusal.reason)
            raise


class AccountServicer(AccountServiceServicer):
    """Carries requests for accounts of holders' logs; what comes back is sealed to who asked."""

    def __init__(
        self, view: FederationView, nodes: Nodes, limits: Limits, log: QuestionLog
    ) -> None:
        self._view = view
        self._nodes = nodes
        self._limits = limits
        self._log = log

    async def GetAccount(
        self, request: account_service_pb2.GetAccountRequest, context: ServicerContext
    ) -> account_service_pb2.GetAccountResponse:
        caller_id = current_caller().organization_id
        bind_contextvars(caller=caller_id)
        try:
            holder = await self._holder(request, caller_id)
        except HomeroomError as refusal:
            self._log.turned_away(caller_id, refusal.reason)
            raise
        seconds = self._limits.deadlines.for_nodes(context.time_remaining())
        sealed = await self._nodes.account(
            holder, node_account_pb2.GetAccountRequest(request=request.request), seconds
        )
        return account_service_pb2.GetAccountResponse(sealed_account=sealed)

    async def _holder(
        self, request: account_service_pb2.GetAccountRequest, caller_id: str
    ) -> Holder:
        """Whose log it is about.

        Raises:
            HomeroomError: if the request is not to be passed on.
        """
        self._limits.rate.take(caller_id)
        state = await self._view.fresh()
        asked, _ = admit_account_request(request.request, state, self._view.clock(), caller_id)
        return _node_of(asked.holder, state)


class DestructionServicer(DestructionServiceServicer):
    """Carries certificates of destruction to holders; it can open none of them."""

    def __init__(
        self, view: FederationView, nodes: Nodes, limits: Limits, log: QuestionLog
    ) -> None:
        self._view = view
        self._nodes = nodes
        self._limits = limits
        self._log = log

    async def CertifyDestruction(
        self,
        request: destruction_service_pb2.CertifyDestructionRequest,
        context: ServicerContext,
    ) -> destruction_service_pb2.CertifyDestructionResponse:
        caller_id = current_caller().organization_id
        bind_contextvars(caller=caller_id)
        try:
            holder = await self._holder(request, caller_id)
        except HomeroomError as refusal:
            self._log.turned_away(caller_id, refusal.reason)
            raise
        carried = node_destruction_pb2.CertifyDestructionRequest(
            recipient=caller_id,
            sealed_certificate=request.sealed_certificate,
            request_id=request.request_id,
        )
        seconds = self._limits.deadlines.for_nodes(context.time_remaining())
        sealed = await self._nodes.certify(holder, carried, seconds)
        return destruction_service_pb2.CertifyDestructionResponse(sealed_receipt=sealed)

    async def _holder(
        self, request: destruction_service_pb2.CertifyDestructionRequest, caller_id: str
    ) -> Holder:
        """Whom it is for.

        Raises:
            HomeroomError: if the certificate is not to be passed on.
        """
        self._limits.rate.take(caller_id)
        if request.ByteSize() > MAX_CERTIFICATE_BYTES:
            limit = f"{MAX_CERTIFICATE_BYTES} bytes"
            raise TooMuchAskedError("the certificate is too large", limit=limit)
        return _node_of(request.holder, await self._view.fresh())


def _node_of(organization_id: str, state: FederationState) -> Holder:
    """Where an organization's node is.

    Raises:
        NotPermittedError: if it is not known, or runs none.
    """
    organization = state.organizations.get(organization_id)
    if organization is None or not organization.node_address:
        raise NotPermittedError("no such holder is known here")
    return Holder(organization.organization_id, organization.node_address)


def _holders(asked: Asked, verdict: Verdict) -> Sequence[Holder]:
    """Whom to ask.

    Raises:
        HomeroomError: if the question is not to be asked.
    """
    question, agreement = asked.question, asked.agreement
    require_permitted(verdict, told=agreement is not None or not question.agreement_id)
    require_version(question, agreement)
    return plan_holders(question, asked.requester, agreement, asked.state.organizations)


def _leave(fan_out: FanOut[answer_pb2.AnswerFrame], passage: Passage) -> None:
    """Ends what is left of a question when its call is over."""
    fan_out.cancel()
    passage.leave()


async def _told(
    fan_out: FanOut[answer_pb2.AnswerFrame], passage: Passage, share: Share
) -> AsyncIterator[pb.QueryResponse]:
    """What the caller is told as answers come in, the last of it once the log has how all ended."""
    ended: Counter[str] = Counter()
    started = asyncio.get_running_loop().time()
    try:
        async for event in fan_out.events():
            if isinstance(event, Ended):
                ended[event.outcome] += 1
                share.ended(answered=event.outcome is Outcome.ANSWERED)
                _log_fault(event)
                passage.ended(event)
                if passage.is_over:
                    await passage.close()
            else:
                share.passed()
            yield _response(event)
    finally:
        share.over()
        log.info(
            "question asked",
            method=QUERY_METHOD,
            count=passage.count,
            state=" ".join(f"{outcome}={count}" for outcome, count in sorted(ended.items())),
            seconds=round(asyncio.get_running_loop().time() - started, 3),
        )


def _response(event: Passed[answer_pb2.AnswerFrame] | Ended) -> pb.QueryResponse:
    if isinstance(event, Passed):
        return pb.QueryResponse(frame=pb.SourceFrame(holder=event.holder, frame=event.frame))
    return pb.QueryResponse(
        outcome=pb.SourceOutcome(
            holder=event.holder,
            outcome=answer_pb2.Outcome.Value(f"OUTCOME_{event.outcome}"),
            error_reason=event.error_reason,
        )
    )


def _log_fault(ended: Ended) -> None:
    if ended.fault:
        log.error("a call to a node failed", method=QUERY_METHOD, error_type=ended.fault)
