"""Lets other organizations hold this node to its log."""

from homeroom.api.node.v1 import account_service_pb2 as pb
from homeroom.api.node.v1.account_service_pb2_grpc import AccountServiceServicer
from homeroom.audit.account_wire import seal_account
from homeroom.clock import Clock
from homeroom.held_keys import HeldKeys
from services.node.domain.accounting import Accounting
from services.node.domain.replica import Replica
from services.node.domain.ruling import Holder
from services.runtime.account_admission import admit_account_request
from services.runtime.identity import ServicerContext


class AccountApi(AccountServiceServicer):
    """The RPCs about the log."""

    def __init__(
        self,
        holder: Holder,
        keys: HeldKeys,
        replica: Replica,
        accounting: Accounting,
        clock: Clock,
    ) -> None:
        self._holder = holder
        self._keys = keys
        self._replica = replica
        self._accounting = accounting
        self._clock = clock

    async def GetAccount(
        self, request: pb.GetAccountRequest, context: ServicerContext
    ) -> pb.GetAccountResponse:
        del context
        now = self._clock()
        evidence = self._replica.evidence()
        evidence.registry.require("registry", now, self._holder.max_state_age)
        asked, requester = admit_account_request(request.request, evidence.federation, now)
        account = await self._accounting.account(asked, now)
        sealed = seal_account(
            account, request.request.statement, self._keys.signer, requester.sealing_key
        )
        return pb.GetAccountResponse(sealed_account=sealed)
