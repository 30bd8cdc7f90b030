"""Makes and opens signed statements, the form in which evidence travels and is kept."""

import datetime as dt
from collections.abc import Mapping
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from homeroom.api.common.v1 import evidence_pb2
from homeroom.errors import EvidenceInvalidError
from homeroom.key_history import KeyHistory
from homeroom.signing import Domain, SigningKey, key_id_of, verify

M = TypeVar("M", bound=Message)


def signed(
    domain: Domain, statement: bytes, organization_id: str, key: SigningKey
) -> evidence_pb2.SignedStatement:
    """A statement with one signature."""
    return evidence_pb2.SignedStatement(
        statement=statement, signatures=[signature_on(domain, statement, organization_id, key)]
    )


def signature_on(
    domain: Domain, statement: bytes, organization_id: str, key: SigningKey
) -> evidence_pb2.Signature:
    """One organization's signature on a statement."""
    return evidence_pb2.Signature(
        organization_id=organization_id,
        key_id=key.key_id,
        signature=key.sign(domain, statement),
    )


def check_signature(
    domain: Domain,
    statement: bytes,
    signature: evidence_pb2.Signature,
    public_key: bytes,
) -> None:
    """Checks one signature against the key it must have been made with.

    Raises:
        EvidenceInvalidError: if it was made with another key or over other bytes.
    """
    if signature.key_id != key_id_of(public_key):
        raise EvidenceInvalidError("signed with another key than expected", kind=str(domain))
    verify(domain, statement, signature.signature, public_key)


def check_signed_by(
    domain: Domain,
    evidence: evidence_pb2.SignedStatement,
    organization_id: str,
    *public_keys: bytes,
) -> bytes:
    """Returns the statement's bytes if the organization signed them with one of the keys.

    Raises:
        EvidenceInvalidError: if it did not.
    """
    for signature in evidence.signatures:
        if signature.organization_id == organization_id:
            named = (key for key in public_keys if key_id_of(key) == signature.key_id)
            check_signature(domain, evidence.statement, signature, next(named, b""))
            return evidence.statement
    raise EvidenceInvalidError("not signed by the expected organization", kind=str(domain))


def key_that_signed(
    evidence: evidence_pb2.SignedStatement,
    organization_id: str,
    keys: KeyHistory,
    at: dt.datetime,
) -> bytes:
    """The key by which an organization's signature is to be checked; empty if none counts.

    Args:
        evidence: what was signed.
        organization_id: who is said to have signed.
        keys: the organization's.
        at: when somebody saw it who can be believed; of what is new, now.
    """
    named = (one.key_id for one in evidence.signatures if one.organization_id == organization_id)
    return keys.signer_at(next(named, ""), at)


def check_signed_by_all(
    domain: Domain, evidence: evidence_pb2.SignedStatement, public_keys: Mapping[str, bytes]
) -> bytes:
    """Returns the statement's bytes if every organization signed them, each with its key.

    Raises:
        EvidenceInvalidError: if one did not.
    """
    for organization_id, public_key in public_keys.items():
        check_signed_by(domain, evidence, organization_id, public_key)
    return evidence.statement


def decode(kind: type[M], statement: bytes) -> M:
    """Reads a statement's bytes as one kind of message.

    Raises:
        EvidenceInvalidError: if they are not one.
    """
    try:
        return kind.FromString(statement)
    except DecodeError as wrong:
        raise EvidenceInvalidError("a statement cannot be read") from wrong
