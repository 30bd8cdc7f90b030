"""The agreement of a case: the document, and what its parties have said of it, signed."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from homeroom.agreement import AgreementDocument
from homeroom.agreement.rendering import rendering_digest_of
from homeroom.agreement_statements import write_statement
from homeroom.api.registry.v1 import registry_service_pb2 as pb
from homeroom.lifecycle import Action, Ending, Proposal, Signature, Suspension
from homeroom.signing import Domain, digest_of
from homeroom.vocabulary import AgreementKind, Basis, Element
from tools.law.case import Case, Facts, begins, ends, organization_named
from tools.law.members import Member, Members

_WORDS = "As the parties agreed."
_UNFINISHED = frozenset({"draft", "proposed", "negotiation", "pending"})
_OVER = frozenset({"terminated", "ended", "revoked", "superseded"})


def agreement_of(case: Case, members: Members) -> pb.Agreement | None:
    """The agreement's history, as far as the case says it went; None if there is none."""
    facts = case.facts["agreement"]
    if facts is None:
        return None
    parties = {name: members.of(name) for name in facts["parties"]}
    document = _document(case, facts, parties)
    if document is None:
        return None
    signers = [members.of(name) for name in facts["signed_by"]]
    if facts["status"] in _UNFINISHED and len(signers) == len(parties):
        signers.pop()
    if not signers:
        return None
    history = pb.Agreement(agreement_id=document.agreement_id, documents=[document.encode()])
    digests = digest_of(document.encode()), rendering_digest_of(document)
    _say(case, history, signers[0], Proposal(*digests))
    for signer in signers[1:]:
        _say(case, history, signer, Signature(*digests))
    if len(signers) == len(parties) and (stopped := _stopped(facts["status"])):
        _say(case, history, signers[0], stopped)
    return history


def _stopped(status: str) -> Action | None:
    if status == "suspended":
        return Suspension(reason="incident")
    return Ending() if status in _OVER else None


def _say(case: Case, history: pb.Agreement, signer: Member, action: Action) -> None:
    head = digest_of(history.statements[-1].statement) if history.statements else b""
    name = signer.organization_id
    statement = write_statement(history.agreement_id, 1, name, case.now, head, action)
    history.statements.append(signer.signs(Domain.AGREEMENT_STATEMENT, statement))


def _document(case: Case, facts: Facts, parties: Mapping[str, Member]) -> AgreementDocument | None:
    holder = organization_named(case.holder["org"])
    names = [member.organization_id for member in parties.values()]
    content = {
        "agreement_id": facts["id"],
        "version": 1,
        "title": facts["id"],
        "kind": facts["kind"],
        "parties": [member.party() for member in parties.values()],
        "legal_basis": [_ground(case)],
        "schedules": [_schedule(facts, purpose) for purpose in facts["purposes"]],
        "schools": {holder: facts["schools"]} if holder in names else {},
        "authorized_roles": facts["authorized_roles"],
        "effective_from": begins(facts["effective_from"], case.now),
        "effective_to": ends(facts["effective_to"], case.now),
        "clauses": _clauses(case, facts, names),
    }
    try:
        return AgreementDocument.model_validate(content)
    except ValidationError:
        # What cannot be written down as an agreement is none.
        return None


def _ground(case: Case) -> str:
    claimed = case.facts["basis_claimed"]
    return claimed if claimed in set(Basis) else Basis.CONSENT


def _schedule(facts: Facts, purpose: str) -> dict[str, Any]:
    own: Mapping[str, list[str]] = facts["elements_by_purpose"] or {}
    described = "activity_description" in facts["terms"]
    # The term is a condition of studies and audits alone: others say it by listing elements.
    asked_for = facts["kind"] in {AgreementKind.STUDY, AgreementKind.AUDIT}
    said = "information_to_be_disclosed" in facts["terms"] or not asked_for
    return {
        "purpose": purpose,
        "text": _WORDS,
        "activity": _WORDS if described else None,
        # One that does not say what is disclosed has nothing of what is asked for.
        "elements": own.get(purpose, facts["elements"]) if said else [Element.PHOTO],
    }


def _clauses(case: Case, facts: Facts, names: list[str]) -> dict[str, Any]:
    """The clauses by which the document has the terms that the case lists."""
    terms = set(facts["terms"])
    onward = [organization_named(name) for name in facts["redisclosure_to"] or ()]
    clauses: dict[str, Any] = {
        "use_only_for_purpose": {"text": _WORDS} if "use_only_for_study" in terms else None,
        "no_identification_by_others": (
            {"text": _WORDS} if "no_identification_by_others" in terms else None
        ),
        "safeguards": {"policies": [_WORDS]} if "safeguard_policies" in terms else None,
        "breach_notice": {"within_hours": 72} if "breach_notice" in terms else None,
        "audit_right": ({"notice_days": 10, "scope": _WORDS} if "audit_right" in terms else None),
        "destruction": _destruction(case, facts),
    }
    if onward or "no_redisclosure" in terms:
        to = [{"organization_id": name, "interest": "as agreed"} for name in onward]
        clauses["redisclosure"] = {"to": to}
    if facts["kind"] == "study" and "purpose_scope_duration" in terms:
        clauses["study"] = _study(case, facts, names)
    if facts["kind"] == "audit":
        clauses["audit"] = _audit(case, terms, names)
    return clauses


def _destruction(case: Case, facts: Facts) -> dict[str, Any] | None:
    when_over = "destroy_when_no_longer_needed" in facts["terms"]
    by_day = "destruction_deadline" in facts["terms"]
    if not when_over and not by_day:
        return None
    deadline = ends(facts["effective_to"], case.now) if by_day else None
    return {"when_no_longer_needed": when_over, "deadline": deadline}


def _study(case: Case, facts: Facts, names: list[str]) -> dict[str, Any]:
    stated = (case.special.get("study") or {}).get("aim") or "other"
    return {
        "scope": _WORDS,
        "aim": stated,
        "on_behalf_of": names[0],
        "ends_on": ends(facts["effective_to"], case.now),
    }


def _audit(case: Case, terms: set[str], names: list[str]) -> dict[str, Any]:
    asks = organization_named(case.requester["org"])
    designated = "designates_authorized_representative" in terms and asks in names
    return {
        "authority": names[0],
        "representative": asks if designated else None,
        "program": _WORDS,
        "program_support": "federal",
        "purpose": _WORDS if "audit_purpose_stated" in terms else None,
    }
