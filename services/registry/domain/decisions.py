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
    known = ledger.organization(described.organization_id)
    registered = organizations.register(known, described, record, now)
    return Decision(registered, () if registered is known else (registered,))


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
