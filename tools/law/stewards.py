"""What a steward of the holder does in a case: enters a request from outside, and approves."""

import datetime as dt
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import grpc

from homeroom.api.node.v1 import approval_service_pb2, outside_service_pb2
from homeroom.api.node.v1.approval_service_pb2_grpc import ApprovalServiceStub
from homeroom.api.node.v1.outside_service_pb2_grpc import OutsideServiceStub
from homeroom.approvals import ApprovalTerms, sign_approval
from homeroom.opening import Asking
from homeroom.outside import OutsideRequest, sign_request
from homeroom.question import Question
from homeroom.remote import error_of
from homeroom.signing import digest_of
from homeroom.users import User
from tools.law.asking import Got, codes_of, take_answer, user_of
from tools.law.case import Case
from tools.law.members import FEDERATION, Members

_SECONDS = 30.0
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Steward:
    """A steward of the holder, at the node."""

    case: Case
    members: Members
    channel: grpc.aio.Channel

    @property
    def token(self) -> str:
        """The token of the steward."""
        holder, now = self.members.holder, self.case.now
        trained = now.date() + _DAY
        user = User("steward", holder.organization_id, "steward", trained)
        return holder.issuer.token(user, FEDERATION, now)

    async def enter(self, question: Question, names: Mapping[str, str], got: Got) -> None:
        """Enters one question of someone who cannot sign it, and opens what may be handed over."""
        holder, token = self.members.holder, self.token
        evidence = sign_request(
            self._request(question, names),
            holder.organization_id,
            holder.signing,
            token,
            self.case.now,
            secrets.token_hex(16),
        )
        asking = Asking(
            question=question,
            requester=self.members.requester.organization_id,
            query_digest=digest_of(evidence.statement),
            sealing_key=holder.sealing,
        )
        request = outside_service_pb2.AnswerOutsideRequest(user_token=token, request=evidence)
        stub: Any = OutsideServiceStub(self.channel)
        try:
            events = [one async for one in stub.AnswerOutside(request, timeout=_SECONDS)]
        except grpc.aio.AioRpcError as failure:
            got.reasons |= codes_of(error_of(failure))
            return
        frames = [one.frame for one in events if one.HasField("frame")]
        take_answer(frames, asking, holder, got)

    def _request(self, question: Question, names: Mapping[str, str]) -> OutsideRequest:
        user, facts = user_of(self.case, names), self.case.requester
        known = facts["kind"] != "unknown"
        return OutsideRequest(
            requester=self.members.requester.organization_id,
            question=question,
            role=user.role,
            authenticated=user.authenticated,
            student_ids=tuple(self.case.request["students"]),
            requester_kind=facts["kind"] if known else "",
            training_valid_to=user.training_valid_to,
            works_with_students=facts["user"]["works_with_students"],
            delegation=user.delegation,
        )

    async def decide(self, *, granted: bool) -> None:
        """Approves, or denies, all that waits."""
        stub: Any = ApprovalServiceStub(self.channel)
        listed = await stub.ListApprovals(
            approval_service_pb2.ListApprovalsRequest(user_token=self.token), timeout=_SECONDS
        )
        for waiting in listed.approvals:
            request = approval_service_pb2.DecideApprovalRequest(
                user_token=self.token,
                approval_id=waiting.approval_id,
                request_id=secrets.token_hex(16),
            )
            if granted:
                request.approved.CopyFrom(self._signed(waiting))
            else:
                request.denied = True
            await stub.DecideApproval(request, timeout=_SECONDS)

    def _signed(self, waiting: approval_service_pb2.Approval) -> Any:
        terms = ApprovalTerms(
            holder=self.members.holder.organization_id,
            approval_id=waiting.approval_id,
            requester=waiting.requester,
            agreement_id=waiting.agreement_id,
            purpose=waiting.purpose,
            element=waiting.element,
            valid_from=self.case.now - _DAY,
            valid_to=self.case.now + _DAY,
        )
        return sign_approval(terms, self.members.holder.signing)
