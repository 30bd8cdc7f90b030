"""Answers queries, and says how the node is."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from homeroom.api.common.v1 import answer_pb2, query_pb2
from homeroom.api.node.v1 import node_service_pb2 as pb
from homeroom.api.node.v1.node_service_pb2_grpc import NodeServiceServicer
from homeroom.errors import (
    CallerUnknownError,
    ClockSkewedError,
    NotPermittedError,
    RequestInvalidError,
    TooMuchAskedError,
)
from homeroom.evidence import decode, signed
from homeroom.held_keys import HeldKeys
from homeroom.query import read_question
from homeroom.signing import Domain
from services.node.api.intakes import tell_intakes
from services.node.api.partner_logs import tell_contradictions
from services.node.domain.admissions import Admissions
from services.node.domain.answer import Answerer
from services.node.domain.consent_problems import ConsentProblem
from services.node.domain.ending import Closing, Ending, SealedRows
from services.node.domain.intake_history import Intakes
from services.node.domain.partner_logs import PartnerLog
from services.node.domain.recording import Asker
from services.node.domain.replica import Evidence, Replica
from services.node.domain.resuming import Whence
from services.node.domain.ruling import Asked, Holder
from services.runtime.admission import ProvedQuery, Tolerated, prove_query
from services.runtime.audit.standing import LogStanding
from services.runtime.identity import ServicerContext, current_caller
from services.runtime.policy import PolicyState
from services.runtime.turns import Turn, Turns

_OUTCOME = {
    Ending.ANSWERED: answer_pb2.OUTCOME_ANSWERED,
    Ending.NO_PERMITTED_ANSWER: answer_pb2.OUTCOME_NO_PERMITTED_ANSWER,
}


class NodeCounts(Protocol):
    """What a node's status counts; no record."""

    def datasets(self) -> Mapping[str, int]: ...

    def views(self) -> Collection[str]:
        """The datasets that come from views, whose rows are not counted."""
        ...

    def intakes(self) -> Intakes:
        """What is told of intakes."""
        ...

    def active_consents(self, now: dt.datetime) -> int: ...

    def problems(self) -> Mapping[ConsentProblem, int]: ...

    def log_size(self) -> int: ...

    def log_standing(self) -> LogStanding: ...

    def partner_logs(self) -> Mapping[str, PartnerLog]:
        """What is known of partners' logs, by organization."""
        ...

    def overdue_certificates(self) -> int:
        """How many answers lack a certificate of destruction whose day has passed."""
        ...

    def engine(self) -> str:
        """The policy engine."""
        ...

    def policies(self) -> tuple[PolicyState, PolicyState]:
        """The federation's policy, and the organization's own."""
        ...


@dataclass(frozen=True, slots=True)
class Door:
    """What stands before the questions of others: who is let in, and when it is their turn."""

    admissions: Admissions
    turns: Turns


class NodeApi(NodeServiceServicer):
    """The node's RPCs."""

    def __init__(
        self,
        holder: Holder,
        keys: HeldKeys,
        replica: Replica,
        answerer: Answerer,
        counts: NodeCounts,
        door: Door,
    ) -> None:
        self._holder = holder
        self._keys = keys
        self._replica = replica
        self._answerer = answerer
        self._counts = counts
        self._admissions = door.admissions
        self._turns = door.turns
        self._clock = door.admissions.clock

    async def Answer(
        self, request: pb.AnswerRequest, context: ServicerContext
    ) -> AsyncIterator[pb.AnswerResponse]:
        asked = await self._asked(request)
        with await self.turn(asked, context.time_remaining()) as turn:
            # A caller that goes away while a frame is being sent does not wake this generator.
            context.add_done_callback(lambda _context: turn.leave())  # type: ignore[arg-type]  # any callable
            async for frame in self.frames(asked):
                yield pb.AnswerResponse(frame=frame)
                if frame.outcome == answer_pb2.OUTCOME_ANSWERED:
                    turn.answered(frame.sequence)

    async def ResumeAnswer(
        self, request: pb.ResumeAnswerRequest, context: ServicerContext
    ) -> AsyncIterator[pb.ResumeAnswerResponse]:
        asked = await self._asked(request, self._holder.query_life)
        whence = Whence(request.next_sequence, request.frames_digest)
        with await self.turn(asked, context.time_remaining()) as turn:
            context.add_done_callback(lambda _context: turn.leave())  # type: ignore[arg-type]  # any callable
            async for frame in self.frames(asked, whence):
                yield pb.ResumeAnswerResponse(frame=frame)

    async def frames(
        self, asked: Asked, whence: Whence | None = None
    ) -> AsyncIterator[answer_pb2.AnswerFrame]:
        """The answer to a question, piece by piece, as it travels: from its begin, or gone on."""
        answerer = self._answerer
        pieces = answerer.resume(asked, whence) if whence else answerer.answer(asked)
        async for piece in pieces:
            if isinstance(piece, SealedRows):
                yield answer_pb2.AnswerFrame(
                    sequence=piece.sequence,
                    sealed_key=piece.sealed_key,
                    sealed_rows=piece.rows,
                )
            else:
                yield self._last_frame(asked, piece)

    async def GetNodeStatus(
        self, request: pb.GetNodeStatusRequest, context: ServicerContext
    ) -> pb.GetNodeStatusResponse:
        del request, context
        if current_caller().organization_id != self._holder.organization_id:
            raise NotPermittedError("only the node's own organization may see its status")
        return await asyncio.to_thread(self._status)

    async def _asked(
        self,
        request: pb.AnswerRequest | pb.ResumeAnswerRequest,
        life: dt.timedelta = dt.timedelta(),
    ) -> Asked:
        proved = self._proved(request, Tolerated.skew(self._holder.max_clock_skew, life))
        try:
            question = read_question(proved.query)
        except RequestInvalidError as malformed:
            asker = Asker(proved.requester, proved.user, proved.digest)
            await self._answerer.refuse_unread(asker, malformed)
            raise
        return Asked(question, proved.requester, proved.user, proved.digest)

    async def turn(self, asked: Asked, seconds: float | None) -> Turn:
        """Waits until this question's turn has come; until then nothing of it is decided.

        What a steward enters for somebody outside stands in the line of the own organization.

        Raises:
            TooMuchAskedError: if it does not come in time.
        """
        own = self._holder.organization_id
        requester = own if asked.outside else asked.requester.organization_id
        try:
            return await self._turns.take(requester, asked.question, seconds)
        except TooMuchAskedError as refused:
            self._admissions.refused(requester, refused.reason)
            raise

    def _proved(
        self, request: pb.AnswerRequest | pb.ResumeAnswerRequest, tolerated: Tolerated
    ) -> ProvedQuery:
        now = self._clock()
        evidence = self._replica.evidence()
        evidence.registry.require("registry", now, self._holder.max_state_age)
        try:
            proved = prove_query(
                request.query, request.user_token, evidence.federation, now, tolerated
            )
        except (CallerUnknownError, ClockSkewedError) as refused:
            # Its organization is proved by then.
            signer = decode(query_pb2.Query, request.query.statement).requester
            self._admissions.refused(signer, refused.reason)
            raise
        self._admissions.admitted(
            proved.requester.organization_id, proved.user, proved.query.user_token_digest
        )
        return proved

    def _last_frame(self, asked: Asked, closing: Closing) -> answer_pb2.AnswerFrame:
        receipt = signed(
            Domain.RECEIPT,
            self._receipt(asked, closing).SerializeToString(deterministic=True),
            self._holder.organization_id,
            self._keys.signer,
        )
        return answer_pb2.AnswerFrame(
            sequence=closing.last.sequence,
            sealed_key=closing.last.sealed_key,
            sealed_rows=closing.last.rows,
            sealed_receipt=closing.sealer.seal_receipt(
                closing.last.sequence, receipt.SerializeToString()
            ),
            outcome=_OUTCOME[closing.ending],
        )

    def _receipt(self, asked: Asked, closing: Closing) -> answer_pb2.Receipt:
        receipt = answer_pb2.Receipt(
            query_digest=asked.digest,
            holder=self._holder.organization_id,
            requester=asked.requester.organization_id,
            outcome=_OUTCOME[closing.ending],
            reason_codes=closing.reasons,
            released_elements=closing.released,
            withheld_elements=[
                answer_pb2.WithheldElement(element=element, reason_code=reason)
                for element, reason in closing.withheld.items()
            ],
            obligations=closing.obligations,
            row_count=closing.row_count,
            agreement_version=closing.agreement_version,
            agreement_length=closing.history.length if closing.history else 0,
            agreement_head=closing.history.head if closing.history else b"",
            registry_sequence=closing.evidence.registry.sequence,
            consent_sequence=closing.evidence.consent.sequence,
            consent_log_size=closing.evidence.consent_log.size,
            consent_log_root=closing.evidence.consent_log.root,
            decision_digest=closing.decision_digest,
            frames_digest=closing.sealer.frames_digest(),
            log_index=closing.position.log_index,
            log_entry_digest=bytes.fromhex(closing.position.digest),
        )
        receipt.answer_time.FromDatetime(closing.at)
        return receipt

    def _status(self) -> pb.GetNodeStatusResponse:
        evidence = self._replica.evidence()
        federation, local = self._counts.policies()
        views = self._counts.views()
        status = pb.GetNodeStatusResponse(
            organization_id=self._holder.organization_id,
            datasets=[
                pb.DatasetCount(dataset=name, record_count=count, from_view=name in views)
                for name, count in self._counts.datasets().items()
            ],
            registry_sequence=evidence.registry.sequence,
            consent_sequence=evidence.consent.sequence,
            active_consents=self._counts.active_consents(self._clock()),
            consent_problems=[
                pb.ConsentProblem(reason_code=problem, consent_count=count)
                for problem, count in self._counts.problems().items()
            ],
            policy_engine=self._counts.engine(),
            federation_policy=_policy(federation),
            local_policy=_policy(local),
            log_size=self._counts.log_size(),
            overdue_certificate_count=self._counts.overdue_certificates(),
        )
        _confirm(status, evidence)
        _tell_witnessed(status, self._counts.log_standing())
        tell_contradictions(status, self._counts.partner_logs())
        tell_intakes(status, self._counts.intakes())
        return status


def _tell_witnessed(status: pb.GetNodeStatusResponse, standing: LogStanding) -> None:
    status.log_contradiction = standing.contradiction or ""
    if standing.witnessed is not None:
        status.witnessed_size = standing.witnessed.checkpoint.size
        status.witness_time.FromDatetime(standing.witnessed.at)


def _policy(state: PolicyState) -> pb.PolicyStatus:
    status = pb.PolicyStatus(revision=state.revision, problem=state.problem)
    if state.release is not None:
        status.sequence = state.release.sequence
        status.expire_time.FromDatetime(state.release.expires)
    return status


def _confirm(status: pb.GetNodeStatusResponse, evidence: Evidence) -> None:
    if evidence.registry.confirmed_at is not None:
        status.registry_confirm_time.FromDatetime(evidence.registry.confirmed_at)
    if evidence.consent.confirmed_at is not None:
        status.consent_confirm_time.FromDatetime(evidence.consent.confirmed_at)
