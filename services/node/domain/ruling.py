"""Rules on one question: the holder's facts, the policies' decision, and what may leave by it."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from homeroom.agreement import Period as AgreedPeriod
from homeroom.catalog import COMPUTED_FROM, dataset_named
from homeroom.checks import RowCondition
from homeroom.facts import Facts, moment, question_facts
from homeroom.federation import Agreement, FederationState, Organization, Standing
from homeroom.held_keys import HeldKeys
from homeroom.key_history import KeyHistory, KeySet, sole_period
from homeroom.matters import AccessFacts
from homeroom.question import Level, Period, Question
from homeroom.users import Reach, User
from homeroom.vocabulary import Element
from services.node.domain.decision import Decision, Schools
from services.node.domain.holder_facts import HolderFacts
from services.node.domain.on_file import (
    NOTHING_ON_FILE,
    Files,
    Matter,
    OnFile,
    keys_digest,
    looked_for,
)
from services.node.domain.register import Keeping
from services.node.domain.replica import Evidence
from services.node.domain.selection import Relation, RightsClaim, Selection

_WITHOUT_NAMES = {RowCondition.AGGREGATED, RowCondition.DEIDENTIFIED}


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, with who asks it already proved.

    Attributes:
        digest: the SHA-256 digest of the signed query's exact bytes.
        entered_by: the steward of the holder who asks for a party outside, on paper or by
            telephone; then the answer is sealed to the holder's own key.
    """

    question: Question
    requester: Organization
    user: User
    digest: bytes
    entered_by: User | None = None

    @property
    def outside(self) -> bool:
        """Whether a steward of the holder asks for a party outside."""
        return self.entered_by is not None


@dataclass(frozen=True, slots=True)
class Ruling:
    """What was decided on one question, and by which evidence.

    Attributes:
        agreement: the one relied on; None if the requester is no party of one by that name.
        selection: which rows may leave; None if none may.
        facts: what the policies saw.
        on_file: what was on file for it.
        extract: which rows may leave without names; None if none may.
    """

    decision: Decision
    agreement: Agreement | None
    evidence: Evidence
    selection: Selection | None
    facts: Facts = field(default_factory=dict)
    on_file: OnFile = NOTHING_ON_FILE
    extract: Selection | None = None


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
        own: what its own file says of it.
        keeping: what decides which laws ask it for a disclosure record.
        held: the signing keys that it has, where one may take the other's place.
        query_life: how long after it was asked an answer that broke off may be gone on with.
    """

    organization_id: str
    signing_key: bytes
    sealing_key: bytes
    max_state_age: dt.timedelta
    max_clock_skew: dt.timedelta
    keeping: Keeping = field(default_factory=Keeping)
    own: HolderFacts = field(default_factory=HolderFacts)
    held: HeldKeys | None = None
    query_life: dt.timedelta = dt.timedelta()

    @property
    def present_key(self) -> bytes:
        """Its own public signing key, as it knows it: one whose private half it has."""
        return self.held.signer.public if self.held else self.signing_key

    def keys_in(self, federation: FederationState) -> KeyHistory:
        """Its own keys as they are registered; where others are, none but the one it has."""
        own = federation.organizations.get(self.organization_id)
        if own is not None and own.signing_key == self.present_key:
            return own.keys
        return sole_period(KeySet(self.present_key, self.sealing_key))


@dataclass(frozen=True, slots=True)
class Judge:
    """Rules on the questions to one holder, by the policies and by what is on file."""

    holder: Holder
    policies: Policies
    files: Files

    async def rule(self, asked: Asked, evidence: Evidence, now: dt.datetime) -> Ruling:
        """Decides on a question from evidence that is fresh.

        Raises:
            PolicyUnavailableError: if the policies gave no usable decision.
            LogUnavailableError: if what is on file cannot be read.
        """
        federation = evidence.federation
        asked = replace(asked, requester=_requester_now(asked, federation))
        agreement = _agreement_relied_on(asked, federation)
        looked = looked_for(asked.question, asked.requester, now, outside=asked.outside)
        looked = replace(looked, holder_keys=self.holder.keys_in(federation))
        on_file = await self.files.find(looked)
        facts = _facts(asked, agreement, self.holder, evidence, now)
        facts |= _on_file(on_file)
        facts["user"] |= _employed(asked, self.holder, on_file)
        decision = await self.policies.decide(facts)
        ruling = Ruling(decision, agreement, evidence, None, facts, on_file)
        selection = _selection(asked, ruling, self.holder, now)
        if asked.question.level is Level.DEIDENTIFIED_STUDENT:
            return replace(ruling, extract=selection)
        return replace(ruling, selection=selection)


def _requester_now(asked: Asked, federation: FederationState) -> Organization:
    """The requester as it stands by this evidence, which may be newer than the admission.

    With other keys it is not the organization that signed the question and opens the answer. It is
    not `unknown` then: a party outside the federation never signs, a steward asks for it.
    """
    requester = asked.requester
    known = federation.organizations.get(requester.organization_id)
    if asked.outside:
        return known or requester
    if known is None or keys_digest(known) != keys_digest(requester):
        return replace(requester, standing=Standing.PENDING)
    return replace(known, standing=_of_the_registry(known.standing))


def _of_the_registry(standing: Standing) -> Standing:
    # An organization that signs is of the federation, or has no standing in it.
    return Standing.PENDING if standing is Standing.UNKNOWN else standing


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
        and own.signing_key == holder.present_key
        and own.sealing_key == holder.sealing_key
    )
    return sorted(
        organization_id
        for organization_id in agreement.signed_by
        if genuine or organization_id != holder.organization_id
    )


def _holder(question: Question, holder: Holder, own: Organization) -> Facts:
    elements = dataset_named(question.dataset).elements
    sources = _sources(holder, elements)
    return {
        "organization_id": holder.organization_id,
        "kind": str(own.kind),
        "dataset_elements": sorted(elements),
        "max_state_age_seconds": int(holder.max_state_age.total_seconds()),
        "derived_from": {str(element): sorted(some) for element, some in sources.items()},
        **holder.own.told(),
    }


def _sources(holder: Holder, elements: Iterable[Element]) -> Mapping[Element, frozenset[Element]]:
    """What the computed ones of some elements were computed from: as the holder says, or always."""
    own = {element: frozenset(some) for element, some in holder.own.computed_from.items()}
    known = {**COMPUTED_FROM, **own}
    return {element: known[element] for element in elements if element in known}


def _on_file(on_file: OnFile) -> Facts:
    return {
        "matters": {str(kind): matter.told() for kind, matter in sorted(on_file.matters.items())},
        "approvals": [approval.told() for approval in on_file.approvals],
    }


def _employed(asked: Asked, holder: Holder, on_file: OnFile) -> Facts:
    """Whose employee the user is, which no token says."""
    return {
        "employee_of_holder": asked.requester.organization_id == holder.organization_id,
        "employee_of_authority": on_file.by_own_employees,
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


def _selection(asked: Asked, ruling: Ruling, holder: Holder, now: dt.datetime) -> Selection | None:
    """Which rows may leave by a decision; None if none may."""
    question, grant, agreement = asked.question, ruling.decision.grant, ruling.agreement
    if grant is None or question.level is Level.AGGREGATE:
        return None
    if agreement is None and question.agreement_id:
        # Whoever is no party of the agreement that it names gets nothing, on whatever ground.
        return None
    if question.level is Level.STUDENT and any(
        words & _WITHOUT_NAMES for words in grant.conditions.values()
    ):
        # What may only be counted, or told without names, has no rows about students.
        return None
    agreed = agreement.document.record_period_for(question.purpose) if agreement else None
    if agreed is not None and not _overlap(agreed, question.period):
        return None
    dataset = dataset_named(question.dataset)
    if dataset.row_element is not None and dataset.row_element not in grant.elements:
        return None
    user, requester = asked.user, asked.requester.organization_id
    matter = ruling.on_file.of_ground(question)
    return Selection(
        dataset=dataset,
        conditions=grant.conditions,
        recipient=requester,
        classes=ruling.evidence.federation.classes_of(requester, now.date()),
        agreement_id=question.agreement_id if agreement else "",
        purpose=question.purpose,
        schools=_narrowed(grant.schools, question.school_ids),
        subject_refs=None if question.everyone else question.subject_refs,
        period=_within(agreed, question.period),
        instant=now,
        min_ages=grant.min_ages,
        matter_key=matter.key if matter else None,
        onward_to=frozenset(question.onward_to),
        caseload=None if user.reach is Reach.ORGANIZATION else user.caseload,
        sources=_sources(holder, grant.elements),
        rights=_rights(matter),
        row_obligations=grant.row_obligations,
    )


def _rights(matter: Matter | None) -> RightsClaim | None:
    """Who claims a family's own right, as a steward noted it."""
    facts = matter.facts if matter else None
    if not isinstance(facts, AccessFacts) or facts.relation is None:
        return None
    return RightsClaim(
        Relation.PARENT if facts.relation == "parent" else Relation.STUDENT,
        bool(facts.dependent_for_tax),
        facts.person or "",
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
