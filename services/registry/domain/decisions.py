"""Decides each change of the registry from what stands in its ledger."""

import datetime as dt
from typing import TypeAlias

from homeroom.federation import ClassMembership, Organization, Standing
from services.registry.domain import agreements, organizations
from services.registry.domain.agreements import Read, RegisteredAgreement, Submission
from services.registry.domain.ledger import Decision, Ledger
from services.registry.domain.organizations import RegisteredOrganization
from services.registry.domain.statements import Statement

OnOrganization: TypeAlias = Decision[RegisteredOrganization]
OnAgreement: TypeAlias = Decision[RegisteredAgreement]


def register(
    ledger: Ledger, described: Organization, record: Statement, now: dt.datetime
) -> OnOrganization:
    """An organization sent a record that it signed."""
    name = described.organization_id
    known = ledger.organization(name)
    registered = organizations.register(known, described, record, now, ledger.sequence() + 1)
    if known is not None and organizations.exchanges(known, registered):
        heads = registered.keys.present.heads
        for agreement in ledger.agreements_of(name):
            agreements.require_heads(known.keys, heads, agreement, name)
    return Decision(registered, () if registered is known else (registered,))


def mark_compromised(
    ledger: Ledger, organization_id: str, key_id: str, since: dt.datetime
) -> OnOrganization:
    """The operator knows of a signing key that somebody else may hold it, since a time."""
    known = ledger.organization(organization_id)
    changed = organizations.mark_compromised(known, key_id, since)
    return Decision(changed, () if changed is known else (changed,))


def set_standing(
    ledger: Ledger,
    organization_id: str,
    standing: Standing,
    now: dt.datetime,
    debarred_until: dt.date | None = None,
) -> OnOrganization:
    """The operator gave an organization a standing; a bar may have a last day."""
    known = ledger.organization(organization_id)
    changed = organizations.set_standing(known, standing, now, debarred_until)
    return Decision(changed, () if changed is known else (changed,))


def set_classes(
    ledger: Ledger, organization_id: str, classes: tuple[ClassMembership, ...]
) -> OnOrganization:
    """The operator said in which classes of recipients an organization is."""
    known = ledger.organization(organization_id)
    changed = organizations.set_classes(known, classes)
    return Decision(changed, () if changed is known else (changed,))


def submit(ledger: Ledger, submission: Submission, read: Read) -> OnAgreement:
    """An organization said something in an agreement."""
    agreement_id = submission.said.agreement_id
    found = ledger.agreement(agreement_id) if agreements.well_formed(agreement_id) else None
    known = found or RegisteredAgreement(agreement_id)
    grown = agreements.submit(known, submission, ledger.organization, read)
    return Decision(grown, (grown,))
