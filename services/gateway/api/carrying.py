"""Carries between apps and holders what is not a question; all of it is sealed to one of them."""

from collections.abc import Iterator
from contextlib import contextmanager

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


class _Carrying:
    """What is the same whatever is carried: who calls, how often, and for how long."""

    def __init__(
        self, view: FederationView, nodes: Nodes, limits: Limits, log: QuestionLog
    ) -> None:
        self._view = view
        self._nodes = nodes
        self._limits = limits
        self._log = log

    @contextmanager
    def _admission(self) -> Iterator[str]:
        """The caller's organization; whoever is refused within it is noted as turned away."""
        caller_id = current_caller().organization_id
        bind_contextvars(caller=caller_id)
        try:
            self._limits.rate.take(caller_id)
            yield caller_id
        except HomeroomError as refusal:
            self._log.turned_away(caller_id, refusal.reason)
            raise

    def _seconds(self, context: ServicerContext) -> float:
        return self._limits.deadlines.for_nodes(context.time_remaining())


class AccountServicer(_Carrying, AccountServiceServicer):
    """Carries requests for accounts of holders' logs; what comes back is sealed to who asked."""

    async def GetAccount(
        self, request: account_service_pb2.GetAccountRequest, context: ServicerContext
    ) -> account_service_pb2.GetAccountResponse:
        with self._admission() as caller_id:
            state = await self._view.fresh()
            asked, _ = admit_account_request(request.request, state, self._view.clock(), caller_id)
            holder = _node_of(asked.holder, state)
        carried = node_account_pb2.GetAccountRequest(request=request.request)
        sealed = await self._nodes.account(holder, carried, self._seconds(context))
        return account_service_pb2.GetAccountResponse(sealed_account=sealed)


class DestructionServicer(_Carrying, DestructionServiceServicer):
    """Carries certificates of destruction to holders; it can open none of them."""

    async def CertifyDestruction(
        self,
        request: destruction_service_pb2.CertifyDestructionRequest,
        context: ServicerContext,
    ) -> destruction_service_pb2.CertifyDestructionResponse:
        with self._admission() as caller_id:
            if request.ByteSize() > MAX_CERTIFICATE_BYTES:
                limit = f"{MAX_CERTIFICATE_BYTES} bytes"
                raise TooMuchAskedError("the certificate is too large", limit=limit)
            holder = _node_of(request.holder, await self._view.fresh())
        carried = node_destruction_pb2.CertifyDestructionRequest(
            recipient=caller_id,
            sealed_certificate=request.sealed_certificate,
            request_id=request.request_id,
        )
        sealed = await self._nodes.certify(holder, carried, self._seconds(context))
        return destruction_service_pb2.CertifyDestructionResponse(sealed_receipt=sealed)


def _node_of(organization_id: str, state: FederationState) -> Holder:
    """Where an organization's node is.

    Raises:
        NotPermittedError: if it is not known, or runs none.
    """
    organization = state.organizations.get(organization_id)
    if organization is None or not organization.node_address:
        raise NotPermittedError("no such holder is known here")
    return Holder(organization.organization_id, organization.node_address)
