"""Carries between apps and holders what is not a question; all of it is sealed to one of them."""

from structlog.contextvars import bind_contextvars

from homeroom.api.gateway.v1 import account_service_pb2, destruction_service_pb2
from homeroom.api.gateway.v1.account_service_pb2_grpc import AccountServiceServicer
from homeroom.api.gateway.v1.destruction_service_pb2_grpc import DestructionServiceServicer
from homeroom.api.node.v1 import account_service_pb2 as node_account_pb2
from homeroom.api.node.v1 import destruction_service_pb2 as node_destruction_pb2
from homeroom.destruction.certificate_wire import MAX_CERTIFICATE_BYTES
from homeroom.errors import HomeroomError, NotPermittedError, TooMuchAskedError
from homeroom.federation import FederationState
from services.gateway.api.view import FederationView, Limits
from services.gateway.domain.plan import Holder
from services.gateway.domain.recording import QuestionLog
from services.gateway.peers import Nodes
from services.runtime.account_admission import admit_account_request
from services.runtime.identity import ServicerContext, current_caller


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
