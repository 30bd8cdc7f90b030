"""Decides what waits for approval at the organization's node, and enters requests from outside."""

import datetime as dt
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import grpc
import pyarrow as pa

from homeroom.answer import Outcome, Source
from homeroom.api.common.v1 import answer_pb2
from homeroom.api.node.v1 import approval_service_pb2 as pb
from homeroom.api.node.v1 import outside_service_pb2
from homeroom.approvals import ApprovalTerms, sign_approval
from homeroom.catalog import dataset_named
from homeroom.clock import utc_now
from homeroom.desk import Desk, new_request_id
from homeroom.errors import EvidenceInvalidError, NotPermittedError
from homeroom.opening import Asking, SourceOpening
from homeroom.outside import OutsideRequest, sign_request
from homeroom.remote import error_of
from homeroom.rows import read_rows
from homeroom.session import call
from homeroom.signing import digest_of

_PAGE = 100
_ANSWER_SECONDS = 60.0
_OUTCOME = {
    answer_pb2.OUTCOME_ANSWERED: Outcome.ANSWERED,
    answer_pb2.OUTCOME_NO_PERMITTED_ANSWER: Outcome.NO_PERMITTED_ANSWER,
}


@dataclass(frozen=True, slots=True)
class OutsideAnswer:
    """What may be handed over to someone outside.

    Attributes:
        source: what the node decided, and its signed receipt.
        table: the rows; their students by the names in `student_ids`.
        student_ids: the organization's own id of each student, by the name in the rows.
    """

    source: Source
    table: pa.Table = field(repr=False)
    student_ids: Mapping[str, str] = field(repr=False)


class RequestDesk(Desk):
    """One person who decides about requests, for the organization whose records they are about."""

    async def waiting(self, *, every: bool = False) -> AsyncIterator[pb.Approval]:
        """What waits for a steward, the oldest first.

        Args:
            every: what was decided too.
        """
        token = ""
        while True:
            page = await call(
                self._session.approvals.ListApprovals,
                pb.ListApprovalsRequest(
                    user_token=self._token, all=every, page_size=_PAGE, page_token=token
                ),
            )
            for one in page.approvals:
                yield one
            token = page.next_page_token
            if not token:
                return

    async def approve(
        self, approval_id: str, valid_from: dt.datetime, valid_to: dt.datetime
    ) -> pb.Approval:
        """Approves one request for a time, by the organization's signature.

        Raises:
            NotPermittedError: if there is no such request.
        """
        known = await self._known(approval_id)
        terms = ApprovalTerms(
            holder=self._session.organization_id,
            approval_id=known.approval_id,
            requester=known.requester,
            agreement_id=known.agreement_id,
            purpose=known.purpose,
            element=known.element,
            valid_from=valid_from.replace(microsecond=0),
            valid_to=valid_to.replace(microsecond=0),
        )
        return await self._decide(
            pb.DecideApprovalRequest(
                user_token=self._token,
                approval_id=approval_id,
                approved=sign_approval(terms, self._session.signing_key),
                request_id=new_request_id(),
            )
        )

    async def deny(self, approval_id: str) -> pb.Approval:
        """Denies a request, or takes an approval back at once."""
        return await self._decide(
            pb.DecideApprovalRequest(
                user_token=self._token,
                approval_id=approval_id,
                denied=True,
                request_id=new_request_id(),
            )
        )

    async def enter(self, request: OutsideRequest) -> OutsideAnswer:
        """Enters a request of someone outside; opens what may be handed over.

        Raises:
            EvidenceInvalidError: if the answer or its receipt does not check.
            HomeroomError: if the request cannot be decided or recorded.
        """
        session = self._session
        evidence = sign_request(
            request,
            session.organization_id,
            session.signing_key,
            self._token,
            utc_now(),
            new_request_id(),
        )
        asking = Asking(
            question=request.question,
            requester=request.requester,
            query_digest=digest_of(evidence.statement),
            sealing_key=session.sealing_key,
        )
        message = outside_service_pb2.AnswerOutsideRequest(user_token=self._token, request=evidence)
        opened = _Opened(SourceOpening(asking, session.organization_id))
        try:
            async for event in session.outside.AnswerOutside(message, timeout=_ANSWER_SECONDS):
                opened.take(event)
        except grpc.aio.AioRpcError as failure:
            raise error_of(failure) from None
        return opened.answer(asking, session.organization_id, session.signing_key.public)

    async def _known(self, approval_id: str) -> pb.Approval:
        async for one in self.waiting(every=True):
            if one.approval_id == approval_id:
                return one
        raise NotPermittedError("there is no such request")

    async def _decide(self, request: pb.DecideApprovalRequest) -> pb.Approval:
        return (await call(self._session.approvals.DecideApproval, request)).approval


@dataclass(slots=True)
class _Opened:
    """An answer as it comes in; its rows are read only when the receipt was checked."""

    opening: SourceOpening
    pieces: list[bytes] = field(default_factory=list)
    student_ids: dict[str, str] = field(default_factory=dict)
    outcome: "answer_pb2.Outcome.ValueType" = answer_pb2.OUTCOME_UNSPECIFIED

    def take(self, event: outside_service_pb2.AnswerOutsideResponse) -> None:
        if event.HasField("students"):
            self.student_ids = {one.subject_ref: one.student_id for one in event.students.students}
        if event.HasField("frame"):
            piece = self.opening.take(event.frame)
            self.pieces += [piece] if piece else []
            self.outcome = event.frame.outcome

    def answer(self, asking: Asking, holder: str, key: bytes) -> OutsideAnswer:
        if not self.opening.has_receipt or self.outcome not in _OUTCOME:
            raise EvidenceInvalidError("an answer came without its receipt")
        receipt = self.opening.check(self.outcome, key)
        source = Source(
            holder=holder,
            outcome=_OUTCOME[self.outcome],
            row_count=receipt.row_count,
            released_elements=tuple(receipt.released_elements),
            withheld={one.element: one.reason_code for one in receipt.withheld_elements},
            reason_codes=tuple(receipt.reason_codes),
            obligations=tuple(receipt.obligations),
            receipt=self.opening.receipt,
        )
        batches: list[pa.RecordBatch] = []
        if source.outcome is Outcome.ANSWERED:
            batches = list(read_rows(self.pieces, receipt, asking.question))
        dataset = dataset_named(asking.question.dataset)
        schema = batches[0].schema if batches else dataset.schema_of(receipt.released_elements)
        return OutsideAnswer(source, pa.Table.from_batches(batches, schema), self.student_ids)
