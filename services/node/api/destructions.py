"""Takes certificates of destruction from the gateway, and shows stewards which are missing."""

import datetime as dt
from dataclasses import dataclass

from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.node.v1 import destruction_service_pb2 as pb
from homeroom.api.node.v1.destruction_service_pb2_grpc import DestructionServiceServicer
from homeroom.destruction.certificate import Certificate
from homeroom.destruction.certificate_wire import (
    MAX_CERTIFICATE_BYTES,
    check_certificate,
    check_receipt,
    open_certificate,
    read_certificate,
    seal_receipt,
)
from homeroom.errors import (
    EvidenceInvalidError,
    NotPermittedError,
    RequestInvalidError,
    TooMuchAskedError,
)
from homeroom.evidence import key_that_signed
from homeroom.federation import FederationState, Organization, Standing
from homeroom.held_keys import HeldKeys
from homeroom.sealing import SealingKey
from homeroom.signing import digest_of
from services.node.api.disclosures import reader_of
from services.node.api.stewards import Stewards
from services.node.domain.certifying import Certifying, not_accepted
from services.node.domain.outstanding import Outstanding, Overseeing
from services.node.domain.replica import Replica
from services.runtime.identity import ServicerContext, current_caller

_MAY_CERTIFY = frozenset({Standing.ACTIVE, Standing.SUSPENDED, Standing.DEBARRED})
"""Also who may receive nothing any more: what it has is destroyed all the same."""


@dataclass(frozen=True, slots=True)
class OwnKeys:
    """The holder's keys: it opens with one and signs with the other."""

    sealing: SealingKey
    held: HeldKeys


class DestructionApi(DestructionServiceServicer):
    """The RPCs about destruction."""

    def __init__(
        self,
        keys: OwnKeys,
        replica: Replica,
        certifying: Certifying,
        stewards: Stewards,
        overseeing: Overseeing,
    ) -> None:
        self._keys = keys
        self._replica = replica
        self._certifying = certifying
        self._stewards = stewards
        self._overseeing = overseeing

    async def CertifyDestruction(
        self, request: pb.CertifyDestructionRequest, context: ServicerContext
    ) -> pb.CertifyDestructionResponse:
        del context
        if len(request.sealed_certificate) > MAX_CERTIFICATE_BYTES:
            limit = f"{MAX_CERTIFICATE_BYTES} bytes"
            raise TooMuchAskedError("the certificate is too large", limit=limit)
        holder = self._certifying.holder
        evidence = self._replica.evidence()
        evidence.registry.require("registry", self._certifying.clock(), holder.max_state_age)
        certificate, recipient, proof = self._proved(request, evidence.federation)
        if request.request_id != certificate.certificate_id:
            raise RequestInvalidError("a certificate names its own request", field="request_id")
        receipt = await self._certifying.take(
            certificate, digest_of(proof.statement), proof.SerializeToString(deterministic=True)
        )
        sealed = seal_receipt(receipt, self._keys.held.signer, recipient.sealing_key)
        return pb.CertifyDestructionResponse(sealed_receipt=sealed)

    async def NoteCertified(
        self, request: pb.NoteCertifiedRequest, context: ServicerContext
    ) -> pb.NoteCertifiedResponse:
        del context
        own = self._certifying.holder.organization_id
        if current_caller().organization_id != own:
            raise NotPermittedError("only the node's own organization works here")
        known = self._replica.evidence().federation.organizations
        statement = request.certificate.statement
        holder, recipient = known.get(read_certificate(statement).holder), known.get(own)
        if holder is None or recipient is None:
            raise NotPermittedError("no such holder is known here")
        name = holder.organization_id
        key = self._key_of(request.certificate, recipient)
        certificate = check_certificate(request.certificate, own, name, key)
        if request.request_id != certificate.certificate_id:
            raise RequestInvalidError("a certificate names its own request", field="request_id")
        key = self._key_of(request.receipt, holder)
        receipt = check_receipt(request.receipt, statement, name, key)
        await self._certifying.note_sent(certificate, receipt)
        return pb.NoteCertifiedResponse()

    async def ListOutstanding(
        self, request: pb.ListOutstandingRequest, context: ServicerContext
    ) -> pb.ListOutstandingResponse:
        del context
        user = self._stewards.user(request.user_token)
        found, today = await self._overseeing.listed(user, reader_of(request.reader))
        return pb.ListOutstandingResponse(outstanding=[_told(one, today) for one in found])

    def _key_of(self, evidence: evidence_pb2.SignedStatement, signer: Organization) -> bytes:
        """The key that signed something new; empty if none that counts now did."""
        now = self._certifying.clock()
        return key_that_signed(evidence, signer.organization_id, signer.keys, now)

    def _proved(
        self, request: pb.CertifyDestructionRequest, federation: FederationState
    ) -> tuple[Certificate, Organization, evidence_pb2.SignedStatement]:
        """The certificate, and the organization that signed it.

        Raises:
            NotPermittedError: if no organization of this federation signed it for this holder.
        """
        own = self._certifying.holder.organization_id
        recipient = federation.organizations.get(request.recipient)
        if recipient is None or recipient.standing not in _MAY_CERTIFY:
            raise not_accepted()
        name = recipient.organization_id
        try:
            proof = open_certificate(request.sealed_certificate, name, own, self._keys.sealing)
            key = self._key_of(proof, recipient)
            return check_certificate(proof, name, own, key), recipient, proof
        except EvidenceInvalidError:
            raise not_accepted() from None


def _told(one: Outstanding, today: dt.date) -> pb.OutstandingDestruction:
    return pb.OutstandingDestruction(
        recipient=one.recipient,
        agreement_id=one.agreement_id,
        due_date=one.due.day.isoformat(),
        certificate_date=one.due.certificate_by.isoformat(),
        rule=one.due.rule,
        answer_count=one.count,
        first_given_date=one.first_given_on.isoformat(),
        kept_because=one.kept_because,
        overdue=one.overdue(today),
    )
