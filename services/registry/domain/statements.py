"""Statements as their signers made them: exact bytes, and signatures over them."""

from dataclasses import dataclass

from homeroom.errors import EvidenceInvalidError
from homeroom.signing import Domain, key_id_of, verify


@dataclass(frozen=True, slots=True)
class Signature:
    """One organization's signature, made with the key of that fingerprint."""

    organization_id: str
    key_id: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Statement:
    """Exact bytes and the signatures on them."""

    content: bytes
    signatures: tuple[Signature, ...]


def require_signature(
    domain: Domain, content: bytes, signature: Signature, organization_id: str, public_key: bytes
) -> None:
    """Lets a signature pass that the organization made with its registered key.

    Raises:
        EvidenceInvalidError: if another made it, with another key or over other bytes.
    """
    if signature.organization_id != organization_id or signature.key_id != key_id_of(public_key):
        raise EvidenceInvalidError("not signed with the organization's key", kind=str(domain))
    verify(domain, content, signature.value, public_key)


def require_sole_signature(
    domain: Domain, statement: Statement, organization_id: str, public_key: bytes
) -> None:
    """Lets a statement pass that one organization signed, and nobody else.

    Raises:
        EvidenceInvalidError: if it is not signed exactly so.
    """
    if len(statement.signatures) != 1:
        raise EvidenceInvalidError("one organization signs here, alone", kind=str(domain))
    signature = statement.signatures[0]
    require_signature(domain, statement.content, signature, organization_id, public_key)
