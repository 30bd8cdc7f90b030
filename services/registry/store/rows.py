"""Turns the registry's rows into the domain's entries, and back."""

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row

from homeroom.federation import AgreementState, ClassMembership, Standing
from services.registry.domain.agreements import RegisteredAgreement
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
        signing_key=row.signing_key,
        sealing_key=row.sealing_key,
        standing=Standing(row.standing),
        standing_time=_EPOCH + row.standing_time * _MICROSECOND,
        classes=tuple(_class_of(*one) for one in json.loads(row.classes)),
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
        "signing_key": organization.signing_key,
        "sealing_key": organization.sealing_key,
        "standing": str(organization.standing),
        "standing_time": (organization.standing_time - _EPOCH) // _MICROSECOND,
        "classes": json.dumps([_words_of(one) for one in organization.classes]),
    }


def agreement_of(row: Row[Any], parties: Sequence[Row[Any]]) -> RegisteredAgreement:
    """The agreement that a row keeps, with the rows of its parties."""
    signatures = tuple(
        Signature(party.organization_id, party.key_id, party.signature)
        for party in sorted(parties, key=lambda one: one.organization_id)
        if party.signature is not None
    )
    return RegisteredAgreement(
        agreement_id=row.agreement_id,
        version=row.version,
        parties=frozenset(party.organization_id for party in parties),
        document=Statement(row.document, signatures),
        state=AgreementState(row.state),
        ending=_ending_of(row),
    )


def values_of_agreement(agreement: RegisteredAgreement) -> dict[str, Any]:
    """The row that keeps an agreement."""
    values: dict[str, Any] = {
        "agreement_id": agreement.agreement_id,
        "version": agreement.version,
        "document": agreement.document.content,
        "state": str(agreement.state),
    }
    if agreement.ending is not None:
        (signature,) = agreement.ending.signatures
        values |= {
            "ending": agreement.ending.content,
            "ended_by": signature.organization_id,
            "ending_key_id": signature.key_id,
            "ending_signature": signature.value,
        }
    return values


def values_of_parties(agreement: RegisteredAgreement) -> Iterable[dict[str, Any]]:
    """The rows that keep an agreement's parties."""
    signatures = {one.organization_id: one for one in agreement.document.signatures}
    for party in sorted(agreement.parties):
        signature = signatures.get(party)
        yield {
            "agreement_id": agreement.agreement_id,
            "version": agreement.version,
            "organization_id": party,
            "key_id": signature.key_id if signature else None,
            "signature": signature.value if signature else None,
        }


def _class_of(name: str, from_day: str, to_day: str | None) -> ClassMembership:
    last = dt.date.fromisoformat(to_day) if to_day else None
    return ClassMembership(name, dt.date.fromisoformat(from_day), last)


def _words_of(membership: ClassMembership) -> tuple[str, str, str | None]:
    to_day = membership.to_day.isoformat() if membership.to_day else None
    return membership.name, membership.from_day.isoformat(), to_day


def _ending_of(row: Row[Any]) -> Statement | None:
    if row.ending is None:
        return None
    return Statement(
        row.ending, (Signature(row.ended_by, row.ending_key_id, row.ending_signature),)
    )
