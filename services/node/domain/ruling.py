"""Rules on one question: the holder's facts, the policies' decision, and what may leave by it."""

import datetime as dt
from dataclasses import dataclass, field, replace
from typing import Protocol

from homeroom.agreement import Period as AgreedPeriod
from homeroom.catalog import dataset_named
from homeroom.facts import Facts, moment, question_facts
from homeroom.federation import Agreement, FederationState, Organization, Standing
from homeroom.question import Level, Period, Question
from homeroom.users import User
from services.node.domain.decision import Decision, Schools
from services.node.domain.register import Keeping
from services.node.domain.replica import Evidence
from services.node.domain.selection import Selection


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, with who asks it already proved.

    Attributes:
        digest: the SHA-256 digest of the signed query's exact bytes.
    """

    question: Question
    requester: Organization
    user: User
    digest: bytes


@dataclass(frozen=True, slots=True)
class Ruling:
    """What was decided on one question, and by which evidence.

    Attributes:
        agreement: the one relied on; None if the requester is no party of one by that name.
        selection: which rows may leave; None if none may.
        facts: what the policies saw.
    """

    decision: Decision
    agreement: Agreement | None
    evidence: Evidence
    selection: Selection | None
    facts: Facts = field(default_factory=dict)


class Policies(Protocol):
    """The federation's policy and the organization's own, met: either can only narrow."""

    async def decide(self, facts: Facts) -> Decision:
        """Decides on a question's facts.

        Raises:
            PolicyUnavailableError: if there is no usable decision.
        """
        ...


@dataclass(frozen=True, slots=True)
class Holder:
    """The organization whose node this is.

    Attributes:
        signing_key, sealing_key: its own public keys, known without the registry.
        keeping: what decides which laws ask it for a disclosure record.
    """

    organization_id: str
    signing_key: bytes
    sealing_key: bytes
    max_state_age: dt.timedelta
    max_clock_skew: dt.timedelta
    keeping: Keeping = field(default_factory=Keeping)


async def rule(
    asked: Asked, holder: Holder, evidence: Evidence, policies: Policies, now: dt.datetime
) -> Ruling:
    """Decides on a question from evidence that is fresh.

    Raises:
        PolicyUnavailableError: if the policies gave no usable decision.
    """
    asked = replace(asked, requester=_requester_now(asked, evidence.federation))
    agreement = _agreement_relied_on(asked, evidence.federation)
    facts = _facts(asked, agreement, holder, evidence, now)
    decision = await policies.decide(facts)
    selection = _selection(asked, decision, agreement, evidence.federation, now)
    return Ruling(decision, agreement, evidence, selection, facts)


def _requester_now(asked: Asked, federation: FederationState) -> Organization:
    """The requester as it stands by this evidence, which may be newer than the admission.

    With other keys it is not the organization that signed the question and opens the answer.
    """
    requester = asked.requester
    known = federation.organizations.get(requester.organization_id)
    if known is None or (known.signing_key, known.sealing_key) != (
        requester.signing_key,
        requester.sealing_key,
    ):
        return replace(requester, standing=Standing.UNKNOWN)
    return known


def _agreement_relied_on(asked: Asked, federation: FederationState) -> Agreement | None:
    # A requester that is no party must not learn whether there is such an agreement.
    return federation.agreement_of_parties(
        asked.question.agreement_id, asked.requester.organization_id
    )


def _facts(
    asked: Asked,
    agreement: Agreement | None,
    holder: Holder,
    evidence: Evidence,
    now: dt.datetime,
) -> Facts:
    facts = question_facts(asked.question, asked.requester, asked.user, agreement, now)
    if agreement is not None:
        facts["agreement"]["state"] = str(
            agreement.state_between(asked.requester.organization_id, holder.organization_id)
        )
        facts["agreement"]["schools"] = _schools(
            agreement, holder.organization_id, asked.question.purpose
        )
        facts["agreement"]["signed_by"] = _signed_by(agreement, holder, evidence.federation)
    own = evidence.federation.organizations.get(holder.organization_id)
    if own is not None:
        facts["holder"] = _holder(asked.question, holder, own)
    facts["state"] = _state(evidence)
    return facts


def _schools(agreement: Agreement, holder: str, purpose: str) -> Facts:
    schools = agreement.document.schools_of(holder, purpose)
    return {"all": True} if schools == "all" else {"only": sorted(set(schools))}


def _signed_by(agreement: Agreement, holder: Holder, federation: FederationState) -> list[str]:
    """Who signed; this holder only if with the key it knows to be its own.

    Without this a registry could register another key in the holder's name and sign with it.
    """
    own = federation.organizations.get(holder.organization_id)
    genuine = (
        own is not None
        and own.signing_key == holder.signing_key
        and own.sealing_key == holder.sealing_key
    )
    return sorted(
        organization_id
        for organization_id in agreement.signed_by
        if genuine or organization_id != holder.organization_id
    )


def _holder(question: Question, holder: Holder, own: Organization) -> Facts:
    return {
        "organization_id": holder.organization_id,
        "kind": str(own.kind),
        "dataset_elements": sorted(dataset_named(question.dataset).elements),
        "max_state_age_seconds": int(holder.max_state_age.total_seconds()),
    }


def _state(evidence: Evidence) -> Facts:
    facts: Facts = {
        "registry_sequence": evidence.registry.sequence,
        "consent_sequence": evidence.consent.sequence,
    }
    if evidence.registry.confirmed_at is not None:
        facts["registry_confirmed_at"] = moment(evidence.registry.confirmed_at)
    if evidence.consent.confirmed_at is not None:
        facts["consent_confirmed_at"] = moment(evidence.consent.confirmed_at)
    return facts


def _selection(
    asked: Asked,
    decision: Decision,
    agreement: Agreement | None,
    federation: FederationState,
    now: dt.datetime,
) -> Selection | None:
    question = asked.question
    if decision.grant is None or agreement is None or question.level is not Level.STUDENT:
        return None
    agreed = agreement.document.record_period_for(question.purpose)
    if agreed is not None and not _overlap(agreed, question.period):
        return None
    dataset = dataset_named(question.dataset)
    # Only what families must allow can be joined to what they allowed; nothing else leaves.
    elements = decision.grant.elements & decision.grant.consent_elements
    if not elements or (dataset.row_element is not None and dataset.row_element not in elements):
        return None
    return Selection(
        dataset=dataset,
        conditions={element: decision.grant.conditions[element] for element in elements},
        recipient=asked.requester.organization_id,
        classes=federation.classes_of(asked.requester.organization_id, now.date()),
        agreement_id=question.agreement_id,
        purpose=question.purpose,
        schools=_narrowed(decision.grant.schools, question.school_ids),
        subject_refs=None if question.everyone else question.subject_refs,
        period=_within(agreed, question.period),
        instant=now,
    )


def _overlap(agreed: AgreedPeriod, asked: Period | None) -> bool:
    return asked is None or (
        agreed.first_day <= asked.end_date and asked.start_date <= agreed.last_day
    )


def _within(agreed: AgreedPeriod | None, asked: Period | None) -> Period | None:
    """The days that are both asked for and agreed."""
    if agreed is None:
        return asked
    if asked is None:
        return Period(agreed.first_day, agreed.last_day)
    return Period(max(agreed.first_day, asked.start_date), min(agreed.last_day, asked.end_date))


def _narrowed(granted: Schools, asked: tuple[str, ...]) -> Schools:
    return granted & Schools(frozenset(asked)) if asked else granted
