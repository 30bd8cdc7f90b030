"""Lets the holder's own stewards decide about elements that wait for approval."""

from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.node.v1 import approval_service_pb2 as pb
from homeroom.api.node.v1.approval_service_pb2_grpc import ApprovalServiceServicer
from homeroom.approvals import read_approval
from homeroom.errors import RequestInvalidError
from services.node.api.stewards import Stewards, page_size
from services.node.domain.approving import ApprovalRequest, Approved, Approving
from services.node.domain.on_file import ApprovalState
from services.node.domain.ruling import Holder
from services.runtime.identity import ServicerContext
from services.runtime.pages import number_of

_STATE = {
    ApprovalState.PENDING: pb.APPROVAL_STATE_PENDING,
    ApprovalState.GRANTED: pb.APPROVAL_STATE_GRANTED,
    ApprovalState.DENIED: pb.APPROVAL_STATE_DENIED,
}


class ApprovalApi(ApprovalServiceServicer):
    """The RPCs about approvals; for the holder's own stewards, each named by a token."""

    def __init__(self, holder: Holder, stewards: Stewards, approving: Approving) -> None:
        self._holder = holder
        self._stewards = stewards
        self._approving = approving

    async def ListApprovals(
        self, request: pb.ListApprovalsRequest, context: ServicerContext
    ) -> pb.ListApprovalsResponse:
        del context
        self._stewards.user(request.user_token)
        size = page_size(request.page_size)
        found = await self._approving.page(number_of(request.page_token), size, every=request.all)
        return pb.ListApprovalsResponse(
            approvals=map(_message, found),
            next_page_token=str(found[-1].key) if len(found) == size else "",
        )

    async def DecideApproval(
        self, request: pb.DecideApprovalRequest, context: ServicerContext
    ) -> pb.DecideApprovalResponse:
        del context
        act = self._stewards.act(request)
        match request.WhichOneof("decision"):
            case "approved":
                approved = self._approved(request.approved)
                decided = await self._approving.approve(act, request.approval_id, approved)
            case "denied" if request.denied:
                decided = await self._approving.deny(act, request.approval_id)
            case _:
                raise RequestInvalidError("a decision approves or denies", field="decision")
        return pb.DecideApprovalResponse(approval=_message(decided))

    def _approved(self, statement: evidence_pb2.SignedStatement) -> Approved:
        holder = self._holder
        terms = read_approval(statement, holder.organization_id, self._stewards.key_of(statement))
        use = (terms.requester, terms.agreement_id, terms.purpose)
        return Approved(
            (terms.approval_id, *use, terms.element),
            terms.valid_from,
            terms.valid_to,
            statement.SerializeToString(deterministic=True),
        )


def _message(request: ApprovalRequest) -> pb.Approval:
    message = pb.Approval(
        approval_id=request.approval_id,
        requester=request.requester,
        agreement_id=request.agreement_id,
        purpose=request.purpose,
        element=request.element,
        state=_STATE[request.state],
        decided_by=request.decided_by,
    )
    message.open_time.FromDatetime(request.opened_at)
    for written, at in (
        (message.decide_time, request.decided_at),
        (message.valid_from, request.valid_from),
        (message.valid_to, request.valid_to),
    ):
        if at is not None:
            written.FromDatetime(at)
    return message
