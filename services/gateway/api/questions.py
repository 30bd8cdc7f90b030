"""Serves GatewayService: admits a question, asks its policy, and streams what nodes answer."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from random import SystemRandom

from structlog.contextvars import bind_contextvars

from homeroom.api.common.v1 import answer_pb2
from homeroom.api.gateway.v1 import gateway_service_pb2 as pb
from homeroom.api.gateway.v1.gateway_service_pb2_grpc import GatewayServiceServicer
from homeroom.api.node.v1 import node_service_pb2
from homeroom.errors import HomeroomError, RequestInvalidError, TooMuchAskedError
from services.gateway.api.view import Admitted, FederationView, Limits, QueryToAdmit
from services.gateway.domain.fan_out import Ended, FanOut, Outcome, Passed
from services.gateway.domain.permission import Verdict, require_permitted, require_version
from services.gateway.domain.plan import Holder, plan_holders
from services.gateway.domain.recording import Asked, Passage, QuestionLog
from services.gateway.domain.share import Share
from services.gateway.peers import Nodes
from services.gateway.policy import QuestionPolicy
from services.runtime.admission import MAX_QUERY_BYTES, MAX_TOKEN_BYTES
from services.runtime.identity import ServicerContext, current_caller
from services.runtime.logs import log
from services.runtime.turns import Turn

QUERY_METHOD = "/homeroom.api.gateway.v1.GatewayService/Query"
RESUME_METHOD = "/homeroom.api.gateway.v1.GatewayService/ResumeQuery"
_CHANCE = SystemRandom().random
_MAX_REQUEST_BYTES = MAX_QUERY_BYTES + MAX_TOKEN_BYTES + 1024


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
        admitted = await self._admit(request)
        with await self._turn(admitted, admitted.sources, context) as turn:
            asked, holders = await self._plan(admitted)
            passage = await self._log.passed(asked, holders)
            calls = self._nodes.asked(
                node_service_pb2.AnswerRequest(query=request.query, user_token=request.user_token)
            )
            fan_out = FanOut(calls, holders, self._seconds(context), chance=_CHANCE)
            share = Share(turn, len(holders))
            async for response in _streamed(fan_out, passage, share, context):
                yield response

    async def ResumeQuery(
        self, request: pb.ResumeQueryRequest, context: ServicerContext
    ) -> AsyncIterator[pb.ResumeQueryResponse]:
        admitted = await self._admit(request)
        positions = _positions(request)
        with await self._turn(admitted, len(positions), context) as turn:
            asked, planned = await self._plan(admitted)
            holders = [holder for holder in planned if holder.organization_id in positions]
            passage = await self._log.resumed(asked, holders)
            calls = self._nodes.resumed(_requests(request))
            came = {name: position.next_sequence for name, position in positions.items()}
            fan_out = FanOut(calls, holders, self._seconds(context), came, chance=_CHANCE)
            share = Share(turn, len(holders), learns=False)
            async for response in _streamed(fan_out, passage, share, context):
                yield pb.ResumeQueryResponse(event=response)

    def _seconds(self, context: ServicerContext) -> float:
        return self._limits.deadlines.for_nodes(context.time_remaining())

    async def _turn(self, admitted: Admitted, sources: int, context: ServicerContext) -> Turn:
        """Waits until this question's turn has come; until then nobody is asked.

        Raises:
            TooMuchAskedError: if it does not come in time.
        """
        question, seconds = admitted.query.question, self._seconds(context)
        caller_id = admitted.query.requester.organization_id
        try:
            turn = await self._limits.turns.take(caller_id, question, seconds, sources)
        except TooMuchAskedError as refusal:
            self._log.turned_away(caller_id, refusal.reason)
            raise
        context.add_done_callback(lambda _context: turn.leave())  # type: ignore[arg-type]  # any callable
        return turn

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

    async def _admit(self, request: QueryToAdmit) -> Admitted:
        caller_id = current_caller().organization_id
        bind_contextvars(caller=caller_id)
        try:
            self._limits.rate.take(caller_id)
            if request.ByteSize() > _MAX_REQUEST_BYTES:
                raise TooMuchAskedError("the query is too large", limit=f"{MAX_QUERY_BYTES} bytes")
            return await self._view.admit(request, caller_id)
        except HomeroomError as refusal:
            self._log.turned_away(caller_id, refusal.reason)
            raise


def _holders(asked: Asked, verdict: Verdict) -> Sequence[Holder]:
    """Whom to ask.

    Raises:
        HomeroomError: if the question is not to be asked.
    """
    question, agreement = asked.question, asked.agreement
    require_permitted(verdict, told=agreement is not None or not question.agreement_id)
    require_version(question, agreement)
    return plan_holders(question, asked.requester, agreement, asked.state.organizations)


def _positions(request: pb.ResumeQueryRequest) -> Mapping[str, pb.SourcePosition]:
    """How much came of each holder's answer that is to go on.

    Raises:
        RequestInvalidError: if there is none, or two of one holder.
    """
    positions = {position.holder: position for position in request.positions}
    if not positions or len(positions) != len(request.positions):
        raise RequestInvalidError("each holder has one position, of one at least", field="holder")
    return positions


def _requests(
    request: pb.ResumeQueryRequest,
) -> Mapping[str, node_service_pb2.ResumeAnswerRequest]:
    """What each holder is told."""
    return {
        position.holder: node_service_pb2.ResumeAnswerRequest(
            query=request.query,
            user_token=request.user_token,
            next_sequence=position.next_sequence,
            frames_digest=position.frames_digest,
        )
        for position in request.positions
    }


async def _streamed(
    fan_out: FanOut[answer_pb2.AnswerFrame],
    passage: Passage,
    share: Share,
    context: ServicerContext,
) -> AsyncIterator[pb.QueryResponse]:
    """Whom the caller is told of first, then what comes of them."""
    # A caller that goes away while a frame is being sent does not wake the generator below.
    context.add_done_callback(
        lambda _context: _leave(fan_out, passage)  # type: ignore[arg-type]  # any callable
    )
    yield pb.QueryResponse(plan=pb.Plan(holders=passage.holders))
    async for response in _told(fan_out, passage, share):
        yield response


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
