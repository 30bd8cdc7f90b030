"""Reads the registry's signed snapshots and heartbeats into checked facts.

The registry vouches for standings and for completeness. What an organization is, and what it agreed
to, is believed only on that organization's own signature.
"""

import datetime as dt
import re
from collections.abc import Iterable, Mapping

from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.registry.v1 import registry_service_pb2 as pb
from homeroom.errors import EvidenceInvalidError, RequestInvalidError
from homeroom.evidence import check_signature, decode
from homeroom.federation import (
    ClassMembership,
    FederationState,
    Organization,
    Standing,
)
from homeroom.histories import Histories, agreement_of
from homeroom.key_records import keys_of
from homeroom.question import day_of
from homeroom.signing import Domain
from homeroom.users import Issuer
from homeroom.vocabulary import OrganizationKind

STANDINGS: "Mapping[pb.Standing.ValueType, Standing]" = {
    pb.STANDING_PENDING: Standing.PENDING,
    pb.STANDING_ACTIVE: Standing.ACTIVE,
    pb.STANDING_SUSPENDED: Standing.SUSPENDED,
    pb.STANDING_DEBARRED: Standing.DEBARRED,
}
"""What the registry's words for a standing mean; any other counts as none."""

_CLASS = re.compile(r"[a-z][a-z0-9_]{0,63}")


def open_snapshot(
    evidence: evidence_pb2.SignedStatement,
    registry_key: bytes,
    federation: str,
    histories: Histories | None = None,
) -> FederationState:
    """Checks a snapshot and everything in it.

    An organization whose own record does not check is left out, as if it had never registered; so
    is an agreement whose history does not.

    Args:
        evidence: the snapshot as signed.
        registry_key: the registry's public key.
        federation: whose snapshot it must be.
        histories: what was verified of the snapshot before: no organization's keys go back on it,
            and agreements that did not change need not be verified again; kept up to date.

    Raises:
        EvidenceInvalidError: if the registry did not sign it for this federation.
    """
    snapshot = decode(pb.Snapshot, _signed_by_registry(Domain.SNAPSHOT, evidence, registry_key))
    _require_federation(snapshot.federation, federation)
    histories = histories or Histories()
    organizations = histories.continued(_organizations(snapshot.organizations))
    known = histories.read(snapshot.agreements, organizations)
    agreements = {name: agreement_of(one, organizations) for name, one in known.items()}
    return FederationState(
        federation=federation,
        sequence=snapshot.sequence,
        issue_time=snapshot.issue_time.ToDatetime(dt.UTC),
        expire_time=snapshot.expire_time.ToDatetime(dt.UTC),
        organizations=organizations,
        agreements={name: one for name, one in agreements.items() if one is not None},
        known=known,
    )


def open_heartbeat(
    evidence: evidence_pb2.SignedStatement, registry_key: bytes, federation: str
) -> tuple[int, dt.datetime]:
    """Checks a heartbeat; returns the newest sequence and when that was confirmed.

    Raises:
        EvidenceInvalidError: if the registry did not sign it for this federation.
    """
    beat = decode(
        pb.Heartbeat, _signed_by_registry(Domain.REGISTRY_HEARTBEAT, evidence, registry_key)
    )
    _require_federation(beat.federation, federation)
    return beat.sequence, beat.beat_time.ToDatetime(dt.UTC)


def read_organization(message: pb.Organization) -> Organization:
    """Reads one organization and checks its records, each by the keys of the one before.

    One whose present key somebody else may hold counts as suspended, until it has recovered.

    Raises:
        EvidenceInvalidError: if the organization did not sign them, or one is not well formed.
    """
    keys = keys_of(message)
    record = decode(pb.OrganizationRecord, message.record.statement)
    try:
        kind = OrganizationKind(record.kind)
    except ValueError:
        raise EvidenceInvalidError("an organization's kind is not of the vocabulary") from None
    standing = STANDINGS.get(message.standing, Standing.UNKNOWN)
    return Organization(
        organization_id=record.organization_id,
        display_name=record.display_name,
        kind=kind,
        standing=standing if keys.sound else _without_its_key(standing),
        node_address=record.node_address,
        datasets=frozenset(record.datasets),
        signing_key=record.signing_key,
        sealing_key=record.sealing_key,
        issuer=Issuer(record.user_issuer, record.user_keys),
        record_version=record.record_version,
        classes=tuple(_classes_that_read(message.classes)),
        debarred_until=_last_day_of_bar(message),
        checkpoint_key=record.checkpoint_key,
        recovery_key=record.recovery_key,
        known_keys=keys,
    )


def _without_its_key(standing: Standing) -> Standing:
    return Standing.SUSPENDED if standing is Standing.ACTIVE else standing


def _last_day_of_bar(message: pb.Organization) -> dt.date | None:
    try:
        return day_of(message.debarred_until, "debarred_until") if message.debarred_until else None
    except RequestInvalidError:
        return None  # a bar without a day that can be read has no end


def read_classes(messages: Iterable[pb.ClassMembership]) -> tuple[ClassMembership, ...]:
    """Reads the classes that an organization is in; sorted.

    Raises:
        RequestInvalidError: if a name or a day is not well formed.
    """
    return tuple(sorted((_class_membership(message) for message in messages), key=_class_order))


def _classes_that_read(messages: Iterable[pb.ClassMembership]) -> Iterable[ClassMembership]:
    for message in messages:
        try:
            yield _class_membership(message)
        except RequestInvalidError:
            continue  # what cannot be read makes nobody a recipient


def _class_membership(message: pb.ClassMembership) -> ClassMembership:
    if not _CLASS.fullmatch(message.name):
        raise RequestInvalidError("a class is a word of small letters", field="classes.name")
    from_day = day_of(message.from_date, "classes.from_date")
    to_day = day_of(message.to_date, "classes.to_date") if message.to_date else None
    if to_day is not None and to_day < from_day:
        raise RequestInvalidError("it ends before it begins", field="classes.to_date")
    return ClassMembership(message.name, from_day, to_day)


def _class_order(membership: ClassMembership) -> tuple[str, dt.date, dt.date]:
    return membership.name, membership.from_day, membership.to_day or dt.date.max


def _organizations(messages: Iterable[pb.Organization]) -> Iterable[Organization]:
    for message in messages:
        try:
            yield read_organization(message)
        except EvidenceInvalidError:
            continue


def _signed_by_registry(
    domain: Domain, evidence: evidence_pb2.SignedStatement, registry_key: bytes
) -> bytes:
    if len(evidence.signatures) != 1:
        raise EvidenceInvalidError("the registry signs alone", kind=str(domain))
    check_signature(domain, evidence.statement, evidence.signatures[0], registry_key)
    return evidence.statement


def _require_federation(found: str, expected: str) -> None:
    if found != expected:
        raise EvidenceInvalidError("evidence of another federation")
