"""How an organization registers, and how the federation's operator changes its standing."""

import datetime as dt
from dataclasses import dataclass, replace

from homeroom.errors import (
    AlreadyRecordedError,
    ChangedMeanwhileError,
    EvidenceInvalidError,
    NotPermittedError,
    RequestInvalidError,
    TooMuchAskedError,
)
from homeroom.federation import ClassMembership, Organization, Standing
from homeroom.signing import Domain
from services.registry.domain.statements import Statement, require_sole_signature

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
) -> RegisteredOrganization:
    """What an organization is after it sent a record; `known` itself if nothing changes.

    Args:
        known: what stands of it so far.
        described: what the record says.
        record: the record as signed.
        now: the standing's time of an organization that was not known.

    Raises:
        EvidenceInvalidError: if it did not sign the record, alone, with the key of the one before.
        AlreadyRecordedError: if this version was recorded with other content.
        ChangedMeanwhileError: if a newer record stands.
    """
    if described.record_version > _MAX_VERSION:
        raise RequestInvalidError("a record's version is too large", field="record_version")
    require_sole_signature(
        Domain.ORGANIZATION, record, described.organization_id, described.signing_key
    )
    if known is None:
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
        )
    if known.record.content == record.content:
        return known
    _require_successor(known, described)
    return replace(
        known,
        record=record,
        record_version=described.record_version,
        kind=str(described.kind),
        sealing_key=described.sealing_key,
        checkpoint_key=described.checkpoint_key,
    )


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
    if described.signing_key != known.signing_key:
        # Else whoever gets hold of a certificate could put keys of its own in place.
        raise EvidenceInvalidError("a new record is signed with the key of the record before")
    if described.record_version == known.record_version:
        raise AlreadyRecordedError(
            "this version of the record was recorded with other content", field="record_version"
        )
    if described.record_version < known.record_version:
        raise ChangedMeanwhileError("a newer record stands", field="record_version")
