"""How an organization registers, and how the federation's operator changes its standing."""

import datetime as dt
from dataclasses import dataclass, replace

from homeroom.errors import (
    AlreadyRecordedError,
    ChangedMeanwhileError,
    NotPermittedError,
    RequestInvalidError,
    TooMuchAskedError,
)
from homeroom.federation import ClassMembership, Organization, Standing
from homeroom.key_history import (
    KeyHistory,
    KeyPeriod,
    KeySet,
    Succession,
    sole_period,
    succession_of,
)
from homeroom.signing import digest_of
from services.registry.domain.key_records import KeyRecord, own_signatures, require_room
from services.registry.domain.statements import Statement

MAX_RECORD_BYTES = 64 * 1024
MAX_CLASSES = 200
_MAX_VERSION = 2**63 - 1
_SETTABLE = frozenset({Standing.ACTIVE, Standing.SUSPENDED, Standing.DEBARRED})


@dataclass(frozen=True, slots=True)
class RegisteredOrganization:
    """An organization's newest record and what the federation says of it.

    Attributes:
        record: the organization's own signed description of itself.
        kind: a word of the vocabulary, by its own record.
        classes: the classes of recipients that the operator has put it in; sorted.
        debarred_until: the last day of a bar; None while none is set.
        key_records: the records that brought other keys, oldest first; the first record too.
    """

    organization_id: str
    record: Statement
    record_version: int
    kind: str
    signing_key: bytes
    sealing_key: bytes
    checkpoint_key: bytes
    standing: Standing
    standing_time: dt.datetime
    classes: tuple[ClassMembership, ...] = ()
    debarred_until: dt.date | None = None
    recovery_key: bytes = b""
    key_records: tuple[KeyRecord, ...] = ()

    @property
    def keys(self) -> KeyHistory:
        """The keys that it had, the present ones included."""
        if not self.key_records:
            return sole_period(
                KeySet(self.signing_key, self.sealing_key, self.checkpoint_key, self.recovery_key)
            )
        return KeyHistory(tuple(one.period for one in self.key_records))

    @property
    def anchored_key_ids(self) -> frozenset[str]:
        """The fingerprints of the signing keys that lead to the present one."""
        return self.keys.anchored


def require_record_size(content: bytes) -> None:
    """Lets a record pass that everyone can be asked to keep a copy of.

    Raises:
        TooMuchAskedError: if it is larger.
    """
    if len(content) > MAX_RECORD_BYTES:
        raise TooMuchAskedError("a record is too large", limit=f"{MAX_RECORD_BYTES} bytes")


def register(
    known: RegisteredOrganization | None,
    described: Organization,
    record: Statement,
    now: dt.datetime,
    sequence: int = 0,
) -> RegisteredOrganization:
    """What an organization is after it sent a record; `known` itself if nothing changes.

    Args:
        known: what stands of it so far.
        described: what the record says.
        record: the record as signed.
        now: the standing's time of an organization that was not known; from when on its keys stand.
        sequence: the registry's, with this change.

    Raises:
        EvidenceInvalidError: if it did not sign the record, alone, with its own key and, where that
            is another, with the key of the one before, or with the recovery key.
        AlreadyRecordedError: if this version was recorded with other content.
        ChangedMeanwhileError: if a newer record stands.
        NotPermittedError: if the key that stands is marked as compromised, and this is no recovery.
        TooMuchAskedError: if it exchanged its keys too often.
    """
    if described.record_version > _MAX_VERSION:
        raise RequestInvalidError("a record's version is too large", field="record_version")
    if known is not None and known.record.content == record.content:
        _brought(_keys_before(known), described, record)
        return known
    before = known.keys if known else None
    brought = replace(_brought(before, described, record), since=now, sequence=sequence)
    if known is None:
        return _first(described, record, now, KeyRecord(record, brought))
    _require_successor(known, described)
    if brought.succession is not Succession.RECOVERED and not known.keys.sound:
        # Whoever stole the key would describe the organization, its issuer and its other keys too.
        raise NotPermittedError("after a theft only the recovery key brings a new record")
    records = known.key_records
    if brought.keys != known.keys.present.keys:
        require_room(records, record, brought.succession)
        records = (*records, KeyRecord(record, brought))
    return replace(
        known,
        record=record,
        record_version=described.record_version,
        kind=str(described.kind),
        signing_key=described.signing_key,
        sealing_key=described.sealing_key,
        checkpoint_key=described.checkpoint_key,
        recovery_key=described.recovery_key,
        key_records=records,
    )


def _brought(before: KeyHistory | None, described: Organization, record: Statement) -> KeyPeriod:
    """The keys that a record brings after those before it, once whoever must has signed it."""
    signatures = own_signatures(record, described.organization_id)
    how = succession_of(before, described.key_set, record.content, signatures)
    heads = described.keys.present.heads
    return KeyPeriod(described.key_set, how, heads=heads, record_digest=digest_of(record.content))


def exchanges(known: RegisteredOrganization | None, changed: RegisteredOrganization) -> bool:
    """Whether a record brought another signing key, by the word of the one before."""
    return (
        known is not None
        and len(changed.key_records) > len(known.key_records)
        and changed.key_records[-1].period.succession is Succession.EXCHANGED
    )


def _first(
    described: Organization, record: Statement, now: dt.datetime, brought: KeyRecord
) -> RegisteredOrganization:
    return RegisteredOrganization(
        organization_id=described.organization_id,
        record=record,
        record_version=described.record_version,
        kind=str(described.kind),
        signing_key=described.signing_key,
        sealing_key=described.sealing_key,
        checkpoint_key=described.checkpoint_key,
        standing=Standing.PENDING,
        standing_time=now,
        recovery_key=described.recovery_key,
        key_records=(brought,),
    )


def _keys_before(known: RegisteredOrganization) -> KeyHistory | None:
    """The keys before the record that stands: the present ones, unless that record brought them."""
    periods = known.keys.periods
    if periods[-1].record_digest != digest_of(known.record.content):
        return known.keys
    return KeyHistory(periods[:-1]) if periods[:-1] else None


def mark_compromised(
    known: RegisteredOrganization | None, key_id: str, since: dt.datetime
) -> RegisteredOrganization:
    """What an organization is once a key is known to be somebody else's too, since a time.

    Said again, it moves back and never forward: nobody makes what was refused count again.

    Raises:
        NotPermittedError: if the organization is not registered.
        RequestInvalidError: if it never had such a signing key.
    """
    if known is None:
        raise NotPermittedError("no such organization to this caller")
    marked = tuple(one.compromised(key_id, since) for one in known.key_records)
    if not any(one.is_of(key_id) for one in known.key_records):
        raise RequestInvalidError("it never had a signing key of that fingerprint", field="key_id")
    return known if marked == known.key_records else replace(known, key_records=marked)


def set_standing(
    known: RegisteredOrganization | None,
    standing: Standing,
    now: dt.datetime,
    debarred_until: dt.date | None = None,
) -> RegisteredOrganization:
    """What an organization is after the operator's word; `known` itself if nothing changes.

    Raises:
        RequestInvalidError: if nobody can be given that standing, or it has no last day.
        NotPermittedError: if the organization is not registered.
    """
    if standing not in _SETTABLE:
        raise RequestInvalidError("this standing cannot be set", field="standing")
    if debarred_until is not None and standing is not Standing.DEBARRED:
        raise RequestInvalidError("only a bar has a last day", field="debarred_until")
    if known is None:
        raise NotPermittedError("no such organization to this caller")
    if (known.standing, known.debarred_until) == (standing, debarred_until):
        return known
    return replace(known, standing=standing, standing_time=now, debarred_until=debarred_until)


def set_classes(
    known: RegisteredOrganization | None, classes: tuple[ClassMembership, ...]
) -> RegisteredOrganization:
    """What an organization is with these classes and no others; `known` itself if nothing changes.

    Raises:
        TooMuchAskedError: if there are too many of them.
        NotPermittedError: if the organization is not registered.
    """
    if known is None:
        raise NotPermittedError("no such organization to this caller")
    if len(classes) > MAX_CLASSES:
        raise TooMuchAskedError("too many classes", limit=str(MAX_CLASSES))
    return known if known.classes == classes else replace(known, classes=classes)


def _require_successor(known: RegisteredOrganization, described: Organization) -> None:
    if described.record_version == known.record_version:
        raise AlreadyRecordedError(
            "this version of the record was recorded with other content", field="record_version"
        )
    if described.record_version < known.record_version:
        raise ChangedMeanwhileError("a newer record stands", field="record_version")
