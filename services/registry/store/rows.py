"""Turns the registry's rows into the domain's entries, and back."""

import datetime as dt
import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row

from homeroom.federation import ClassMembership, Standing
from homeroom.key_history import KeyPeriod, KeySet, Succession
from homeroom.signing import digest_of
from services.registry.domain.key_records import KeyRecord
from services.registry.domain.organizations import RegisteredOrganization
from services.registry.domain.statements import Signature, Statement

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


def organization_of(row: Row[Any], keys: Iterable[Row[Any]]) -> RegisteredOrganization:
    """The organization that a row keeps, with the rows of its keys in their order."""
    return RegisteredOrganization(
        organization_id=row.organization_id,
        record=_signed(row),
        record_version=row.record_version,
        kind=row.kind,
        signing_key=row.signing_key,
        sealing_key=row.sealing_key,
        checkpoint_key=row.checkpoint_key,
        standing=Standing(row.standing),
        standing_time=_instant(row.standing_time),
        classes=tuple(_class_of(*one) for one in json.loads(row.classes)),
        debarred_until=row.debarred_until,
        recovery_key=row.recovery_key,
        key_records=tuple(_key_record_of(one) for one in keys),
    )


def values_of_organization(organization: RegisteredOrganization) -> dict[str, Any]:
    """The row that keeps an organization."""
    return {
        "organization_id": organization.organization_id,
        "record": organization.record.content,
        "signatures": _signatures(organization.record),
        "record_version": organization.record_version,
        "kind": organization.kind,
        "signing_key": organization.signing_key,
        "sealing_key": organization.sealing_key,
        "checkpoint_key": organization.checkpoint_key,
        "recovery_key": organization.recovery_key,
        "standing": str(organization.standing),
        "standing_time": _microseconds(organization.standing_time),
        "classes": json.dumps([_words_of(one) for one in organization.classes]),
        "debarred_until": organization.debarred_until,
    }


def values_of_keys(organization: RegisteredOrganization) -> list[dict[str, Any]]:
    """The rows that keep the records which brought it other keys."""
    return [
        {
            "organization_id": organization.organization_id,
            "position": place,
            "record": one.record.content,
            "signatures": _signatures(one.record),
            "signing_key": one.period.keys.signing,
            "sealing_key": one.period.keys.sealing,
            "checkpoint_key": one.period.keys.checkpoint,
            "recovery_key": one.period.keys.recovery,
            "succession": str(one.period.succession),
            "taken_at": _microseconds(one.period.since),
            "sequence": one.period.sequence,
            "heads": json.dumps({name: head.hex() for name, head in one.period.heads.items()}),
            "compromised_since": _microseconds(stolen)
            if (stolen := one.period.compromised_since)
            else None,
        }
        for place, one in enumerate(organization.key_records)
    ]


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


def _key_record_of(row: Row[Any]) -> KeyRecord:
    stolen, heads = row.compromised_since, json.loads(row.heads)
    period = KeyPeriod(
        KeySet(row.signing_key, row.sealing_key, row.checkpoint_key, row.recovery_key),
        Succession(row.succession),
        _instant(row.taken_at),
        row.sequence,
        {name: bytes.fromhex(head) for name, head in heads.items()},
        digest_of(row.record),
        _instant(stolen) if stolen is not None else None,
    )
    return KeyRecord(_signed(row), period)


def _signed(row: Row[Any]) -> Statement:
    signatures = (
        Signature(row.organization_id, key_id, bytes.fromhex(value))
        for key_id, value in json.loads(row.signatures)
    )
    return Statement(row.record, tuple(signatures))


def _signatures(record: Statement) -> str:
    return json.dumps([[one.key_id, one.value.hex()] for one in record.signatures])


def _instant(microseconds: int) -> dt.datetime:
    return _EPOCH + microseconds * _MICROSECOND


def _microseconds(instant: dt.datetime) -> int:
    return (instant - _EPOCH) // _MICROSECOND


def _class_of(name: str, from_day: str, to_day: str | None) -> ClassMembership:
    last = dt.date.fromisoformat(to_day) if to_day else None
    return ClassMembership(name, dt.date.fromisoformat(from_day), last)


def _words_of(membership: ClassMembership) -> tuple[str, str, str | None]:
    to_day = membership.to_day.isoformat() if membership.to_day else None
    return membership.name, membership.from_day.isoformat(), to_day
