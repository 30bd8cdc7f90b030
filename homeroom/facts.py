"""Builds the facts that the federation's policy decides a question by.

The gateway asks the policy with these; a node adds what only the holder knows. A fact that is not
known is left out and never null: the policy reads a missing fact as a no. Lists are sorted, so that
the same question has the same facts everywhere.
"""

import datetime as dt
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

from homeroom.agreement import AgreementDocument
from homeroom.federation import Agreement, Organization
from homeroom.users import User

if TYPE_CHECKING:
    from homeroom.question import Question

Facts: TypeAlias = dict[str, Any]

SCHEMA = 1


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
        "requester": _requester(requester),
        "user": _user(user),
    }
    if agreement is not None:
        facts["agreement"] = _agreement(agreement, question.purpose, requester.organization_id)
        if "named_users" in facts["agreement"]:
            # Only where it matters who asks: else the same question has the same facts for all.
            facts["user"]["user_id"] = user.user_id
        facts["agreement"]["state"] = str(agreement.state_between(requester.organization_id))
    return facts


def moment(time: dt.datetime) -> str:
    """A time as policies read it: RFC 3339, UTC, whole seconds."""
    return time.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _query(question: "Question", requester: Organization) -> Facts:
    facts: Facts = {
        "requester": requester.organization_id,
        "purpose": str(question.purpose),
        "basis": question.ground,
        "dataset": question.dataset,
        "elements": _sorted(question.elements),
        "level": str(question.level),
        "schools": _sorted(question.school_ids),
        "named_students": len(question.subject_refs),
        "onward_to": _sorted(question.onward_to),
    }
    if question.matter_id:
        facts["matter_id"] = question.matter_id
    return facts


def _requester(requester: Organization) -> Facts:
    facts: Facts = {
        "organization_id": requester.organization_id,
        "kind": str(requester.kind),
        "standing": str(requester.standing),
    }
    if requester.debarred_until is not None:
        facts["debarred_until"] = requester.debarred_until.isoformat()
    return facts


def _user(user: User) -> Facts:
    facts: Facts = {
        "authenticated": user.authenticated,
        "role": user.role,
        "capacity": "delegated" if user.delegation else "own",
        "reach": str(user.reach),
    }
    if user.delegation is not None:
        covers = user.delegation.covers
        facts["delegation"] = {
            "by": user.delegation.by,
            "valid_to": user.delegation.valid_to.isoformat(),
            "withdrawn": user.delegation.withdrawn,
            "covers": {"all": True} if covers is None else {"only": _sorted(covers)},
        }
    if user.training_valid_to is not None:
        facts["training_valid_to"] = user.training_valid_to.isoformat()
    return facts


def _agreement(agreement: Agreement, purpose: str, requester: str) -> Facts:
    """What the agreement says for the purpose that is asked; for another it says nothing."""
    document = agreement.document
    facts: Facts = {
        "id": document.agreement_id,
        "version": document.version,
        "kind": str(document.kind),
        "parties": _sorted(party.organization_id for party in document.parties),
        "signed_by": _sorted(agreement.signed_by),
        "disclosers": _sorted(p.organization_id for p in document.parties if p.discloses),
        "recipients": _sorted(p.organization_id for p in document.parties if p.receives),
        "purposes": _sorted(document.purposes),
        "legal_basis": _sorted(document.grounds_for(purpose)),
        "elements": _sorted(document.elements_for(purpose)),
        "terms": _sorted(document.terms),
        "redisclosure_to": _sorted(document.redisclosure_to),
        "effective_from": document.effective_from.isoformat(),
        "effective_to": document.effective_to.isoformat(),
    }
    facts |= _limits(document, purpose, requester)
    return facts


def _limits(document: AgreementDocument, purpose: str, requester: str) -> Facts:
    """What the agreement limits; where it sets no limit, there is no such fact."""
    facts: Facts = {}
    level = document.level_for(purpose)
    if level is not None:
        facts["level"] = level
    roles = document.roles_for(purpose)
    if roles is not None:
        facts["authorized_roles"] = _sorted(roles)
    if requester in document.named_users:
        facts["named_users"] = _sorted(document.named_users[requester])
    if document.min_cell_size is not None:
        facts["min_cell_size"] = document.min_cell_size
    return facts


def _sorted(words: Iterable[str]) -> list[str]:
    return sorted({str(word) for word in words})
