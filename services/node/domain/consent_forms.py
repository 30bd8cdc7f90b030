"""What the policy is told of consents: what forms say alike is one paper, or one scope."""

import datetime as dt
from dataclasses import dataclass
from functools import lru_cache

from homeroom.consent_terms import ConsentTerms, OpenedConsent
from homeroom.facts import Facts
from homeroom.federation import FederationState
from homeroom.vocabulary import ConsentForm, SignerRelation
from services.node.domain.signers import SignerRights

CLASS = "class:"
"""Stands before the name of a class where a recipient is meant."""


@dataclass(frozen=True, slots=True)
class Paper:
    """What the policy is told of a form, and of the rights of who signed it."""

    form: ConsentForm
    authenticated: bool
    signed_on: dt.date
    valid_from: dt.date
    valid_to: dt.date
    relation: SignerRelation
    rights: SignerRights
    postsecondary_from: dt.date | None

    @classmethod
    def of(
        cls, terms: ConsentTerms, rights: SignerRights, postsecondary_from: dt.date | None
    ) -> "Paper":
        return cls(
            terms.form,
            terms.authentication is not None,
            terms.sign_date,
            terms.start_date,
            terms.end_date,
            terms.signer_relation,
            rights,
            postsecondary_from,
        )

    def facts(self) -> Facts:
        facts: Facts = {
            "form": str(self.form),
            "authenticated": self.authenticated,
            "signed_on": self.signed_on.isoformat(),
            "valid_from": self.valid_from.isoformat(),
            "valid_to": self.valid_to.isoformat(),
            "signer_relation": str(self.relation),
            "signer_rights": str(self.rights),
            "postsecondary": self.postsecondary_from is not None,
        }
        if self.postsecondary_from is not None:
            facts["postsecondary_from"] = self.postsecondary_from.isoformat()
        return facts


@dataclass(frozen=True, slots=True)
class Scope:
    """What the policy is told of what a consent releases, why, to whom, and by which agreements."""

    agreements: tuple[str, ...]
    all_education_records: bool
    elements: tuple[str, ...]
    purposes: tuple[str, ...]
    recipients: tuple[str, ...]

    def facts(self) -> Facts:
        return {
            "agreements": sorted(self.agreements),
            "all_education_records": self.all_education_records,
            "elements": sorted(self.elements),
            "purposes": sorted(self.purposes),
            "recipients": sorted(self.recipients),
        }


def scope_of(consent: OpenedConsent, agreements: tuple[str, ...]) -> Scope:
    """What a consent releases, and the agreements under which it counts."""
    return _scope(consent.terms, recipients_of(consent), agreements)


def recipients_of(consent: OpenedConsent) -> tuple[str, ...]:
    """Who may receive: organizations, then classes of them."""
    return (*consent.subject_refs, *[CLASS + name for name in consent.terms.classes])


# Thousands of forms say the same.
@lru_cache(maxsize=1_024)
def _scope(terms: ConsentTerms, recipients: tuple[str, ...], agreements: tuple[str, ...]) -> Scope:
    return Scope(
        agreements,
        terms.all_education_records,
        tuple(sorted({*terms.elements, *terms.specific_elements})),
        tuple(sorted(terms.purposes)),
        tuple(sorted(recipients)),
    )


def agreement_facts(federation: FederationState, agreement_id: str, day: dt.date) -> Facts:
    """What an agreement covers, and who may receive under it: parties, and classes they are in."""
    agreement = federation.agreements[agreement_id]
    document = agreement.document
    recipients = [party.organization_id for party in document.parties if party.receives]
    recipients += [one.organization_id for one in agreement.joined]
    classes = {CLASS + name for one in recipients for name in federation.classes_of(one, day)}
    elements = {element for one in document.purposes for element in document.elements_for(one)}
    return {
        "elements": sorted(elements),
        "purposes": sorted(set(document.purposes)),
        "recipients": sorted({*recipients, *classes}),
    }


def agreements_of(
    federation: FederationState, holder: str, recorder: str, agreement_id: str
) -> tuple[str, ...]:
    """The agreements that recorder and holder have: the one named, or each if none is."""
    named = (agreement_id,) if agreement_id else sorted(federation.agreements)
    found = {name: federation.agreement_of_parties(name, recorder) for name in named}
    return tuple(
        name
        for name, agreement in found.items()
        if agreement is not None and agreement.document.party(holder) is not None
    )
