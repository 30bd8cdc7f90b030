"""Reads an organization's records one after the other, and checks that each follows the one before.

Whatever a registry says, it swaps no key: every record is signed by the key of the record before
it, or by the recovery key that stood in that one.
"""

import datetime as dt
from collections.abc import Mapping

from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.registry.v1 import registry_service_pb2 as pb
from homeroom.errors import EvidenceInvalidError
from homeroom.evidence import decode
from homeroom.key_history import KeyHistory, KeyPeriod, KeySet, Succession, succession_of
from homeroom.signing import KEY_BYTES, digest_of, key_id_of

MAX_HEADS = 2_000


def keys_of(message: pb.Organization) -> KeyHistory:
    """The keys of an organization, each set proved by the one before.

    Raises:
        EvidenceInvalidError: if a record does not follow, or the newest is not of the last keys.
    """
    if not message.key_records:
        return _begun(message.organization_id, pb.KeyRecord(record=message.record))
    known: KeyHistory | None = None
    for one in message.key_records:
        known = _followed(message.organization_id, known, one)
    if known is None or not _is_of(known, message):
        raise EvidenceInvalidError("an organization's record does not follow its keys")
    return known


def read_record(evidence: evidence_pb2.SignedStatement, organization_id: str) -> KeySet:
    """The keys that a record of an organization names; who signed it is not looked at.

    Raises:
        EvidenceInvalidError: if it is another organization's, or its keys are not well formed.
    """
    record = decode(pb.OrganizationRecord, evidence.statement)
    keys = KeySet(
        record.signing_key, record.sealing_key, record.checkpoint_key, record.recovery_key
    )
    if record.organization_id != organization_id or not _well_formed(keys):
        raise EvidenceInvalidError("an organization's record is not well formed")
    return keys


def heads_of(statement: bytes) -> Mapping[str, bytes]:
    """What a record says its organization stands by, by agreement.

    Raises:
        EvidenceInvalidError: if it names one twice, or more than anybody has.
    """
    record = decode(pb.OrganizationRecord, statement)
    heads = {one.agreement_id: one.statement_digest for one in record.agreement_heads}
    if len(heads) != len(record.agreement_heads) or len(heads) > MAX_HEADS:
        raise EvidenceInvalidError("an organization's record is not well formed")
    return heads


def signatures_of(
    evidence: evidence_pb2.SignedStatement, organization_id: str
) -> Mapping[str, bytes]:
    """An organization's own signatures on a record, by the fingerprint of the key.

    Raises:
        EvidenceInvalidError: if one is another's, or a key signed twice.
    """
    found = {one.key_id: one.signature for one in evidence.signatures}
    if len(found) != len(evidence.signatures) or any(
        one.organization_id != organization_id for one in evidence.signatures
    ):
        raise EvidenceInvalidError("an organization signs its record, alone")
    return found


def _begun(organization_id: str, message: pb.KeyRecord) -> KeyHistory:
    """The history that begins with a record, however that itself came to be."""
    keys = read_record(message.record, organization_id)
    signatures = signatures_of(message.record, organization_id)
    own = {key_id: one for key_id, one in signatures.items() if key_id == key_id_of(keys.signing)}
    succession_of(None, keys, message.record.statement, own)
    return KeyHistory((_period(message, keys, Succession.FIRST),))


def _followed(organization_id: str, known: KeyHistory | None, message: pb.KeyRecord) -> KeyHistory:
    if known is None:
        return _begun(organization_id, message)
    keys = read_record(message.record, organization_id)
    signatures = signatures_of(message.record, organization_id)
    how = succession_of(known, keys, message.record.statement, signatures)
    period = _period(message, keys, how)
    if period.since < known.present.since or period.sequence < known.present.sequence:
        raise EvidenceInvalidError("an organization's records are not in their order")
    return KeyHistory((*known.periods, period))


def _period(message: pb.KeyRecord, keys: KeySet, how: Succession) -> KeyPeriod:
    stolen = message.HasField("compromise_time")
    try:
        return KeyPeriod(
            keys,
            how,
            # Without a time it always stood.
            message.take_time.ToDatetime(dt.UTC)
            if message.HasField("take_time")
            else KeyPeriod(keys).since,
            message.take_sequence,
            heads_of(message.record.statement),
            digest_of(message.record.statement),
            message.compromise_time.ToDatetime(dt.UTC) if stolen else None,
        )
    except (ValueError, OverflowError):
        raise EvidenceInvalidError("a time in an organization's records is none") from None


def _is_of(known: KeyHistory, message: pb.Organization) -> bool:
    """Whether the newest record names the last keys, by their own signature."""
    keys = read_record(message.record, message.organization_id)
    if keys != known.present.keys:
        return False
    if digest_of(message.record.statement) == known.present.record_digest:
        return True
    signatures = signatures_of(message.record, message.organization_id)
    return succession_of(known, keys, message.record.statement, signatures) is Succession.KEPT


def _well_formed(keys: KeySet) -> bool:
    own = [key for key in (keys.signing, keys.checkpoint, keys.recovery) if key]
    return (
        len(keys.signing) == KEY_BYTES
        and len(keys.sealing) == KEY_BYTES
        and len(keys.checkpoint) in (0, KEY_BYTES)
        and len(keys.recovery) in (0, KEY_BYTES)
        # One key for two uses would let a signature of one pass for the other's.
        and len(set(own)) == len(own)
    )
