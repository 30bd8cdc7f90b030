"""Turns messages of the registry into its entries, and back."""

import datetime as dt

from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.registry.v1 import registry_service_pb2 as pb
from homeroom.federation import ClassMembership
from homeroom.snapshot import STANDINGS
from services.registry.domain.agreements import RegisteredAgreement
from services.registry.domain.key_records import KeyRecord
from services.registry.domain.organizations import RegisteredOrganization
from services.registry.domain.statements import Signature, Statement

_STANDING_MESSAGES = {word: number for number, word in STANDINGS.items()}


def signature_of(message: evidence_pb2.Signature) -> Signature:
    """The signature that a message carries."""
    return Signature(message.organization_id, message.key_id, message.signature)


def statement_of(message: evidence_pb2.SignedStatement) -> Statement:
    """The statement that a message carries."""
    return Statement(message.statement, tuple(signature_of(one) for one in message.signatures))


def statement_message(statement: Statement) -> evidence_pb2.SignedStatement:
    """The message that carries a statement."""
    return evidence_pb2.SignedStatement(
        statement=statement.content,
        signatures=[
            evidence_pb2.Signature(
                organization_id=one.organization_id, key_id=one.key_id, signature=one.value
            )
            for one in statement.signatures
        ],
    )


def organization_message(organization: RegisteredOrganization) -> pb.Organization:
    """The message that describes an organization."""
    message = pb.Organization(
        organization_id=organization.organization_id,
        record=statement_message(organization.record),
        standing=_STANDING_MESSAGES[organization.standing],
        classes=[class_message(one) for one in organization.classes],
        debarred_until=_written(organization.debarred_until),
    )
    message.standing_time.FromDatetime(organization.standing_time)
    records = organization.key_records
    # Of one set of keys that nobody else holds, the record itself tells all there is.
    if len(records) > 1 or any(one.period.compromised_since for one in records):
        message.key_records.extend(map(key_record_message, records))
    return message


def key_record_message(record: KeyRecord) -> pb.KeyRecord:
    """The message that carries a record which brought other keys."""
    message = pb.KeyRecord(
        record=statement_message(record.record), take_sequence=record.period.sequence
    )
    message.take_time.FromDatetime(record.period.since)
    if record.period.compromised_since is not None:
        message.compromise_time.FromDatetime(record.period.compromised_since)
    return message


def class_message(membership: ClassMembership) -> pb.ClassMembership:
    """The message that says from when to when an organization is in a class."""
    return pb.ClassMembership(
        name=membership.name,
        from_date=membership.from_day.isoformat(),
        to_date=_written(membership.to_day),
    )


def _written(day: dt.date | None) -> str:
    return day.isoformat() if day else ""


def agreement_message(agreement: RegisteredAgreement) -> pb.Agreement:
    """The message that carries an agreement's history."""
    return pb.Agreement(
        agreement_id=agreement.agreement_id,
        statements=[statement_message(one) for one in agreement.statements],
        documents=agreement.documents,
    )
