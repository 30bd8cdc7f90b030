"""Builds the facts that the federation's policy decides a question by.

The gateway asks the policy with these; a node adds what only the holder knows. A fact that is not
known is left out and never null: the policy reads a missing fact as a no. Lists are sorted, so that
the same question has the same facts everywhere.
"""

import datetime as dt
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

from homeroom.federation import Agreement, Organization
from homeroom.users import User

if TYPE_CHECKING:
    from homeroom.question import Question

Facts: TypeAlias = dict[str, Any]

SCHEMA = 1
LEVEL = "student"
"""Rows about students: the only level that is asked for and answered."""


def question_facts(
    question: "Question",
    requester: Organization,
    user: User,
    agreement: Agreement | None,
    now: dt.datetime,
) -> Facts:
    """The facts about a question that every service knows.

    Args:
        question: what is asked.
        requester: the organization that asks.
        user: the person who asks for it.
        agreement: what the question relies on; None if there is none that the requester may use.
        now: the moment of the decision.
    """
    facts: Facts = {
        "schema": SCHEMA,
        "now": moment(now),
        "query": _query(question, requester),
        "requester": {
            "organization_id": requester.organization_id,
            "kind": str(requester.kind),
            "standing": str(requester.standing),
        },
        "user": _user(user),
    }
    if agreement is not None:
        facts["agreement"] = _agreement(agreement)
    return facts


def moment(time: dt.datetime) -> str:
    """A time as policies read it: RFC 3339, UTC, whole seconds."""
    return time.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _query(question: "Question", requester: Organization) -> Facts:
    return {
        "requester": requester.organization_id,
        "purpose": str(question.purpose),
        "basis": str(question.basis),
        "dataset": question.dataset,
        "elements": _sorted(question.elements),
        "level": LEVEL,
        "schools": _sorted(question.school_ids),
    }


def _user(user: User) -> Facts:
    facts: Facts = {"role": user.role}
    if user.training_valid_to is not None:
        facts["training_valid_to"] = user.training_valid_to.isoformat()
    return facts


def _agreement(agreement: Agreement) -> Facts:
    document = agreement.document
    facts: Facts = {
        "id": document.agreement_id,
        "version": document.version,
        "kind": str(document.kind),
        "state": str(agreement.state),
        "parties": _sorted(party.organization_id for party in document.parties),
        "signed_by": _sorted(agreement.signed_by),
        "disclosers": _sorted(p.organization_id for p in document.parties if p.discloses),
        "recipients": _sorted(p.organization_id for p in document.parties if p.receives),
        "legal_basis": _sorted(document.legal_basis),
        "purposes": _sorted(document.purposes),
        "elements": _sorted(document.elements),
        "elements_by_purpose": {
            purpose: _sorted(elements)
            for purpose, elements in sorted(document.elements_by_purpose.items())
        },
        "effective_from": document.effective_from.isoformat(),
        "effective_to": document.effective_to.isoformat(),
    }
    if document.authorized_roles is not None:
        facts["authorized_roles"] = _sorted(document.authorized_roles)
    return facts


def _sorted(words: Iterable[str]) -> list[str]:
    return sorted({str(word) for word in words})
