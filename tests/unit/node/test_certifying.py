"""Whose certificate of destruction a node takes: told wrongly it is refused, always alike."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from homeroom.api.node.v1.destruction_service_pb2 import CertifyDestructionRequest
from homeroom.audit import AuditKind
from homeroom.destruction.certificate import (
    Certificate,
    CertificateReceipt,
    CertifiedAnswer,
    Method,
)
from homeroom.destruction.certificate_wire import (
    MAX_CERTIFICATE_BYTES,
    open_receipt,
    seal_certificate,
    sign_certificate,
    write_certificate,
)
from homeroom.errors import NotPermittedError, RequestInvalidError, TooMuchAskedError
from homeroom.federation import FederationState, Standing
from homeroom.held_keys import HeldKeys
from homeroom.signing import digest_of
from services.node.api import DestructionApi, OwnKeys
from services.node.domain.certifying import ArrivedCertificate, Certifying, GivenAnswer
from tests.fakes import FakeReplica
from tests.organizations import NOW, Member, organization_of
from tests.unit.node import federation as small

HOLDER, RECIPIENT, OTHER = small.HOLDER, small.REQUESTER, Member.new("other")
GIVEN = GivenAnswer(4, "A-1", 5, b"e" * 32, NOW.date())
CERTIFICATE = Certificate(
    certificate_id="ab" * 16,
    recipient=RECIPIENT.organization_id,
    holder=HOLDER.organization_id,
    agreement_id="A-1",
    method=Method.PURGED,
    destroyed_on=NOW.date(),
    role="data_steward",
    answers=(CertifiedAnswer(b"q" * 32, 5, b"e" * 32),),
    certified_at=NOW,
)


@dataclass
class Shelf:
    """Where certificates are kept, in memory; implements the ports of `Certifying`."""

    kept: list[ArrivedCertificate] = field(default_factory=list)

    def given(self, recipient: str, query_digests: Sequence[str]) -> Mapping[str, GivenAnswer]:
        own = recipient == RECIPIENT.organization_id
        return {digest: GIVEN for digest in query_digests if own}

    def keep(self, arrived: ArrivedCertificate) -> CertificateReceipt:
        self.kept.append(arrived)
        said = arrived.certificate
        return CertificateReceipt(arrived.digest, said.holder, said.recipient, 9, b"l" * 32, NOW)

    def note(self, kind: AuditKind, content: Mapping[str, Any], digest: bytes = b"") -> bool:
        raise AssertionError((kind, content, digest))


def api(shelf: Shelf, standing: Standing = Standing.ACTIVE) -> DestructionApi:
    replica = FakeReplica(small.evidence())
    organizations = {
        HOLDER.organization_id: organization_of(HOLDER),
        RECIPIENT.organization_id: organization_of(RECIPIENT, standing),
        OTHER.organization_id: organization_of(OTHER),
    }
    replica.learn(FederationState("test", 2, NOW, NOW, organizations, {}))
    certifying = Certifying(small.holder(), shelf, shelf, lambda: NOW)
    nobody: Any = None
    keys = OwnKeys(HOLDER.sealing, HeldKeys(HOLDER.signing))
    return DestructionApi(keys, replica, certifying, nobody, nobody)


def sent(
    certificate: Certificate = CERTIFICATE, signer: Member = RECIPIENT, **changed: Any
) -> CertifyDestructionRequest:
    own, to = certificate.recipient, certificate.holder
    evidence = sign_certificate(certificate, signer.signing)
    fields: dict[str, Any] = {
        "recipient": own,
        "sealed_certificate": seal_certificate(evidence, own, to, HOLDER.sealing.public),
        "request_id": certificate.certificate_id,
    }
    return CertifyDestructionRequest(**(fields | changed))


async def take(shelf: Shelf, request: CertifyDestructionRequest, standing: Standing) -> bytes:
    context: Any = None
    response = await api(shelf, standing).CertifyDestruction(request, context)
    return response.sealed_receipt


@pytest.mark.parametrize("standing", [Standing.ACTIVE, Standing.SUSPENDED, Standing.DEBARRED])
async def test_who_may_receive_nothing_any_more_certifies_all_the_same(standing: Standing) -> None:
    """And gets the holder's receipt, sealed to it alone."""
    shelf = Shelf()
    sealed = await take(shelf, sent(), standing)

    statement = write_certificate(CERTIFICATE)
    name = HOLDER.organization_id
    receipt, _ = open_receipt(sealed, statement, name, HOLDER.signing.public, RECIPIENT.sealing)
    assert (receipt.digest, receipt.log_index) == (digest_of(statement), 9)
    assert [one.answers for one in shelf.kept] == [[(4, CERTIFICATE.answers[0])]]


@pytest.mark.parametrize(
    ("request_sent", "standing"),
    [
        (sent(), Standing.PENDING),
        (sent(recipient="nobody"), Standing.ACTIVE),
        (sent(recipient="other"), Standing.ACTIVE),
        (sent(signer=OTHER), Standing.ACTIVE),
        (sent(replace(CERTIFICATE, recipient="other"), OTHER), Standing.ACTIVE),
        (sent(replace(CERTIFICATE, holder="other")), Standing.ACTIVE),
        (sent(replace(CERTIFICATE, agreement_id="A-2")), Standing.ACTIVE),
        (sent(sealed_certificate=b"sealed"), Standing.ACTIVE),
    ],
    ids=[
        *("not admitted", "unknown", "carried for another", "another's key", "another's answer"),
        *("for another holder", "another agreement", "not sealed"),
    ],
)
async def test_what_is_not_taken_is_refused_alike(
    request_sent: CertifyDestructionRequest, standing: Standing
) -> None:
    shelf = Shelf()
    with pytest.raises(NotPermittedError) as refused:
        await take(shelf, request_sent, standing)

    assert refused.value.message == "the certificate is not accepted"
    assert shelf.kept == []


async def test_a_certificate_is_not_too_large_and_names_its_own_request() -> None:
    large = sent(sealed_certificate=bytes(MAX_CERTIFICATE_BYTES + 1))
    with pytest.raises(TooMuchAskedError):
        await take(Shelf(), large, Standing.ACTIVE)
    with pytest.raises(RequestInvalidError):
        await take(Shelf(), sent(request_id="cd" * 16), Standing.ACTIVE)
    later = replace(CERTIFICATE, certified_at=NOW, destroyed_on=NOW.date() - dt.timedelta(days=1))
    with pytest.raises(RequestInvalidError):
        await take(Shelf(), sent(later), Standing.ACTIVE)
