"""Decides each change of the registry from what stands in its ledger."""

import datetime as dt
from typing import TypeAlias

from homeroom.agreement import AgreementDocument
from homeroom.federation import ClassMembership, Organization, Standing
from services.registry.domain import agreements, organizations
from services.registry.domain.agreements import Ending, RegisteredAgreement
from services.registry.domain.ledger import Decision, Ledger
from services.registry.domain.organizations import RegisteredOrganization
from services.registry.domain.statements import Signature, Statement

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
    ledger: Ledger, organization_id: str, standing: Standing, now: dt.datetime
) -> OnOrganization:
    """The operator gave an organization a standing."""
    known = ledger.organization(organization_id)
    changed = organizations.set_standing(known, standing, now)
    return Decision(changed, () if changed is known else (changed,))


def set_classes(
    ledger: Ledger, organization_id: str, classes: tuple[ClassMembership, ...]
) -> OnOrganization:
    """The operator said in which classes of recipients an organization is."""
    known = ledger.organization(organization_id)
    changed = organizations.set_classes(known, classes)
    return Decision(changed, () if changed is known else (changed,))


def propose(
    ledger: Ledger, document: AgreementDocument, proposal: Statement, caller: str
) -> OnAgreement:
    """A party proposed a document."""
    versions = ledger.versions(document.agreement_id)
    parties = [ledger.organization(party.organization_id) for party in document.parties]
    proposed, new = agreements.propose(versions, document, proposal, parties, caller)
    return Decision(proposed, (proposed,) if new else ())


def sign(
    ledger: Ledger, agreement_id: str, version: int, signature: Signature, caller: str
) -> OnAgreement:
    """A party signed a version."""
    versions = ledger.versions(agreement_id) if agreements.well_formed(agreement_id) else ()
    signer = ledger.organization(caller)
    signed, changed = agreements.sign(versions, version, signature, signer, caller)
    return Decision(signed, changed)


def end(ledger: Ledger, ending: Ending, caller: str) -> OnAgreement:
    """A party ended a version."""
    found = agreements.well_formed(ending.agreement_id)
    versions = ledger.versions(ending.agreement_id) if found else ()
    ended, new = agreements.end(versions, ending, ledger.organization(caller), caller)
    return Decision(ended, (ended,) if new else ())
