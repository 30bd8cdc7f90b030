"""Histories of agreements for a test: statements that any organization signs, in their order."""

from collections.abc import Sequence
from typing import TypeAlias

from homeroom.agreement import AgreementDocument
from homeroom.agreement.rendering import rendering_digest_of
from homeroom.agreement_statements import write_statement
from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.registry.v1 import registry_service_pb2 as pb
from homeroom.clock import utc_now
from homeroom.evidence import signed
from homeroom.lifecycle import Action, Proposal, Signature
from homeroom.signing import Domain, SigningKey, digest_of

Signer: TypeAlias = tuple[str, SigningKey]
"""An organization and the key it signs with."""


def says(
    signer: Signer, action: Action, after: bytes, agreement_id: str, version: int = 1
) -> evidence_pb2.SignedStatement:
    """A statement that follows the one with that digest."""
    name, key = signer
    statement = write_statement(agreement_id, version, name, utc_now(), after, action)
    return signed(Domain.AGREEMENT_STATEMENT, statement, name, key)


def digests_of(document: AgreementDocument) -> tuple[bytes, bytes]:
    """What a party signs of a document."""
    return digest_of(document.encode()), rendering_digest_of(document)


def head_of(history: pb.Agreement) -> bytes:
    """The digest that the next statement of a history names."""
    return digest_of(history.statements[-1].statement) if history.statements else b""


def add(history: pb.Agreement, signer: Signer, action: Action, version: int = 1) -> None:
    """Adds a statement at the end of a history."""
    history.statements.append(says(signer, action, head_of(history), history.agreement_id, version))


def signed_by_all(
    document: AgreementDocument, signers: Sequence[Signer], before: pb.Agreement | None = None
) -> pb.Agreement:
    """The history in which the first of them proposes a document and the others sign it."""
    history = pb.Agreement(agreement_id=document.agreement_id)
    if before is not None:
        history.CopyFrom(before)
    history.documents.append(document.encode())
    add(history, signers[0], Proposal(*digests_of(document)), document.version)
    for signer in signers[1:]:
        add(history, signer, Signature(*digests_of(document)), document.version)
    return history
