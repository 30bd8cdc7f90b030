"""Writes an organization's record anew with other keys, and what of the past it stands by."""

from collections.abc import Mapping

from homeroom.api.common.v1.evidence_pb2 import SignedStatement
from homeroom.api.registry.v1 import registry_service_pb2 as pb
from homeroom.errors import EvidenceInvalidError
from homeroom.evidence import decode, signed
from homeroom.federation import Organization
from homeroom.key_history import KeySet
from homeroom.signing import Domain, SigningKey, digest_of
from homeroom.snapshot import read_organization


def record_of(
    known: Organization, keys: KeySet, heads: Mapping[str, bytes] | None = None
) -> pb.OrganizationRecord:
    """The next record of an organization, which differs from what is registered in keys alone."""
    return pb.OrganizationRecord(
        organization_id=known.organization_id,
        display_name=known.display_name,
        kind=known.kind,
        node_address=known.node_address,
        datasets=sorted(known.datasets),
        signing_key=keys.signing,
        sealing_key=keys.sealing,
        checkpoint_key=keys.checkpoint,
        recovery_key=keys.recovery,
        user_issuer=known.issuer.name,
        user_keys=known.issuer.keys,
        record_version=known.record_version + 1,
        agreement_heads=[
            pb.AgreementHead(agreement_id=name, statement_digest=digest)
            for name, digest in sorted((heads or {}).items())
        ],
    )


def sign_record(record: pb.OrganizationRecord, key: SigningKey) -> SignedStatement:
    """A record as its organization signs it."""
    statement = record.SerializeToString(deterministic=True)
    return signed(Domain.ORGANIZATION, statement, record.organization_id, key)


def heads_in(kept: bytes, organization_id: str) -> Mapping[str, bytes]:
    """The last statement of every agreement in a snapshot in which an organization has spoken.

    Raises:
        EvidenceInvalidError: if it is no snapshot.
    """
    snapshot = decode(pb.Snapshot, decode(SignedStatement, kept).statement)
    return {
        agreement.agreement_id: digest_of(agreement.statements[-1].statement)
        for agreement in snapshot.agreements
        if any(
            signature.organization_id == organization_id
            for statement in agreement.statements
            for signature in statement.signatures
        )
    }


def record_in(kept: bytes, organization_id: str) -> Organization:
    """How an organization had described itself in a snapshot.

    Raises:
        EvidenceInvalidError: if it is no snapshot, or the organization is not in it.
    """
    snapshot = decode(pb.Snapshot, decode(SignedStatement, kept).statement)
    for message in snapshot.organizations:
        if message.organization_id == organization_id:
            return read_organization(message)
    raise EvidenceInvalidError("the organization is not in what was kept")
