"""Turns the registry's rows into the domain's entries, and back."""

import datetime as dt
import json
from typing import Any

from sqlalchemy import Row

from homeroom.federation import ClassMembership, Standing
from services.registry.domain.organizations import RegisteredOrganization
from services.registry.domain.statements import Signature, Statement

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


def organization_of(row: Row[Any]) -> RegisteredOrganization:
    """The organization that a row keeps."""
    return RegisteredOrganization(
        organization_id=row.organization_id,
        record=Statement(row.record, (Signature(row.organization_id, row.key_id, row.signature),)),
        record_version=row.record_version,
        kind=row.kind,
        signing_key=row.signing_key,
        sealing_key=row.sealing_key,
        checkpoint_key=row.checkpoint_key,
        standing=Standing(row.standing),
        standing_time=_EPOCH + row.standing_time * _MICROSECOND,
        classes=tuple(_class_of(*one) for one in json.loads(row.classes)),
        debarred_until=row.debarred_until,
    )


def values_of_organization(organization: RegisteredOrganization) -> dict[str, Any]:
    """The row that keeps an organization."""
    (signature,) = organization.record.signatures
    return {
        "organization_id": organization.organization_id,
        "record": organization.record.content,
        "key_id": signature.key_id,
        "signature": signature.value,
        "record_version": organization.record_version,
        "kind": organization.kind,
        "signing_key": organization.signing_key,
        "sealing_key": organization.sealing_key,
        "checkpoint_key": organization.checkpoint_key,
        "standing": str(organization.standing),
        "standing_time": (organization.standing_time - _EPOCH) // _MICROSECOND,
        "classes": json.dumps([_words_of(one) for one in organization.classes]),
        "debarred_until": organization.debarred_until,
    }


def statement_of(row: Row[Any]) -> Statement:
    """The statement that a row keeps."""
    return Statement(row.statement, (Signature(row.organization_id, row.key_id, row.signature),))


def values_of_statement(agreement_id: str, position: int, statement: Statement) -> dict[str, Any]:
    """The row that keeps a statement of an agreement."""
    (signature,) = statement.signatures
    return {
        "agreement_id": agreement_id,
        "position": position,
        "statement": statement.content,
        "organization_id": signature.organization_id,
        "key_id": signature.key_id,
        "signature": signature.value,
    }


def _class_of(name: str, from_day: str, to_day: str | None) -> ClassMembership:
    last = dt.date.fromisoformat(to_day) if to_day else None
    return ClassMembership(name, dt.date.fromisoformat(from_day), last)


def _words_of(membership: ClassMembership) -> tuple[str, str, str | None]:
    to_day = membership.to_day.isoformat() if membership.to_day else None
    return membership.name, membership.from_day.isoformat(), to_day
