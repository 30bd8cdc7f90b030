"""One holder, one requester and their agreement, as facts; and a question between them."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from homeroom.agreement import AgreementDocument
from homeroom.checks import RowCondition
from homeroom.facts import Facts
from homeroom.federation import (
    Agreement,
    AgreementState,
    FederationState,
    Organization,
    Standing,
    has_pinned_keys,
)
from homeroom.matters import FACTS_OF_KIND, MatterKind
from homeroom.question import Question
from homeroom.users import Issuer, User
from homeroom.vocabulary import Element, Obligation, OrganizationKind, ReasonCode
from services.node.domain.decision import Decision, Grant, Schools, Withheld
from services.node.domain.on_file import Matter
from services.node.domain.replica import Evidence, Freshness
from services.node.domain.ruling import Asked, Holder
from tests.organizations import NOW, Member, document_of, schedule_of

HOLDER = Member.new("anytown")
REQUESTER = Member.new("helpers")
USER = User("u1", "helpers", "case_worker", dt.date(2026, 12, 31))
DIGEST = bytes(range(32))
ATTENDANCE = (Element.DAILY_ATTENDANCE, Element.SCHOOL_OF_ENROLLMENT)

QUESTION = Question(
    agreement_version=1,
    agreement_id="A-1",
    purpose="direct_service",
    dataset="attendance",
    elements=ATTENDANCE,
    everyone=True,
)


def document(**changed: Any) -> AgreementDocument:
    """The agreement of the two."""
    schedules = (schedule_of("direct_service", *ATTENDANCE),)
    made = document_of((HOLDER, REQUESTER)).model_copy(update={"schedules": schedules})
    return made.model_copy(update=changed)


def organization(member: Member, **changed: Any) -> Organization:
    made = Organization(
        organization_id=member.organization_id,
        display_name=member.organization_id.title(),
        kind=OrganizationKind.DISTRICT,
        standing=Standing.ACTIVE,
        node_address="127.0.0.1:1",
        datasets=frozenset({"attendance"}),
        signing_key=member.signing.public,
        sealing_key=member.sealing.public,
        issuer=Issuer("https://issuer.example", "{}"),
        record_version=1,
    )
    return replace(made, **changed)


def federation(
    *organizations: Organization,
    state: AgreementState = AgreementState.ACTIVE,
    agreed: AgreementDocument | None = None,
) -> FederationState:
    """What a replica makes of a registry's word: only parties with their own keys have signed."""
    agreed = agreed or document()
    present = organizations or (organization(HOLDER), organization(REQUESTER))
    agreement = Agreement(
        document=agreed,
        signed_by=frozenset(o.organization_id for o in present if has_pinned_keys(agreed, o)),
        state=state,
        digest=b"",
    )
    return FederationState(
        federation="test.example",
        sequence=1,
        issue_time=NOW,
        expire_time=NOW + dt.timedelta(days=1),
        organizations={o.organization_id: o for o in present},
        agreements={agreed.agreement_id: agreement},
    )


def evidence(of: FederationState | None = None, confirmed_at: dt.datetime = NOW) -> Evidence:
    return Evidence(
        federation=of or federation(),
        registry=Freshness(1, confirmed_at),
        consent=Freshness(5, confirmed_at),
        epoch=(1, 0),
    )


def holder() -> Holder:
    return Holder(
        HOLDER.organization_id,
        HOLDER.signing.public,
        HOLDER.sealing.public,
        max_state_age=dt.timedelta(seconds=30),
        max_clock_skew=dt.timedelta(seconds=30),
    )


def asked(requester: Organization | None = None, **changed: Any) -> Asked:
    """The question as the node has admitted it."""
    return Asked(replace(QUESTION, **changed), requester or organization(REQUESTER), USER, DIGEST)


def matter(kind: MatterKind, **facts: Any) -> Matter:
    """A matter of the requester, on file for this year."""
    return Matter(
        key=1,
        matter_id="M-1",
        kind=kind,
        requester=REQUESTER.organization_id,
        valid_from=NOW - dt.timedelta(days=1),
        valid_to=NOW + dt.timedelta(days=300),
        facts=FACTS_OF_KIND[kind].model_validate(facts, strict=False),
        entered_by="s1",
        entered_at=NOW,
        evidence_digest="",
    )


def permission(
    elements: Iterable[Element] = ATTENDANCE,
    schools: Schools | None = None,
    withheld: Mapping[Element, ReasonCode] | None = None,
) -> Decision:
    """A decision that grants elements, each to students whose family allows it."""
    granted = frozenset(elements)
    return Decision(
        reasons=frozenset({ReasonCode.PERMITTED_BY_CONSENT}),
        withheld=frozenset(Withheld(e, code) for e, code in (withheld or {}).items()),
        grant=Grant(
            conditions={element: frozenset({RowCondition.CONSENTED}) for element in granted},
            schools=schools or Schools(),
            min_cell_size=10,
            obligations=frozenset({Obligation.INFORM_REDISCLOSURE_LIMITS}),
            row_obligations=frozenset(),
            not_after=NOW + dt.timedelta(seconds=25),
        ),
    )


def denial(*codes: ReasonCode) -> Decision:
    return Decision(reasons=frozenset(codes), withheld=frozenset(), grant=None)


def by_the_agreement(facts: Facts) -> Decision:
    """Permits what is asked if the agreement counts: active, and signed by every party."""
    agreement = facts.get("agreement")
    if agreement is None:
        return denial(ReasonCode.AGREEMENT_MISSING)
    if agreement["state"] != "active":
        return denial(ReasonCode.AGREEMENT_NOT_IN_EFFECT)
    if not set(agreement["parties"]) <= set(agreement["signed_by"]):
        return denial(ReasonCode.AGREEMENT_NOT_FULLY_SIGNED)
    return permission(Element(name) for name in facts["query"]["elements"])
