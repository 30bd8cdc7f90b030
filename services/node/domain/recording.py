"""Writes down what was asked and decided: the log's entry, and the disclosure record beside it."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from homeroom.checks import ORDER_OF_CHECKS
from homeroom.errors import HomeroomError, Reason
from homeroom.federation import Organization
from homeroom.matters import OrderFacts
from homeroom.question import NO_GROUND, Level
from homeroom.signing import digest_of, key_id_of
from homeroom.users import User
from homeroom.vocabulary import Basis, Element, ReasonCode
from services.node.domain.decision_record import DecisionRecord
from services.node.domain.log import Disclosed, Note
from services.node.domain.on_file import Waiting
from services.node.domain.register import (
    Decided,
    Interest,
    Releaser,
    Requested,
    record_of,
)
from services.node.domain.ruling import Asked, Holder, Ruling
from services.node.domain.selection import Coverage
from services.node.domain.unnamed import Unnamed


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks something that could not be read, and the digest of its bytes."""

    requester: Organization
    user: User
    digest: bytes


def who_came(asker: "Asker | Asked") -> dict[str, Any]:
    """Who asks, as an entry of the log tells it."""
    return {
        "requester": asker.requester.organization_id,
        "user": asker.user.user_id,
        "role": asker.user.role,
    }


def who_asked(asked: Asked) -> dict[str, Any]:
    """Who asked for what, as an entry of the log tells it; no student."""
    question = asked.question
    return {
        **who_came(asked),
        "agreement": question.agreement_id,
        "purpose": question.purpose,
        "basis": question.ground,
        "dataset": question.dataset,
        "elements": sorted(question.elements),
        "validate_only": question.validate_only,
    }


def what_was_decided(asked: Asked, ruling: Ruling) -> dict[str, Any]:
    """The same, and what both policies decided by which evidence."""
    decision = ruling.decision
    return {
        **who_asked(asked),
        "allow": decision.allow,
        "reasons": sorted(decision.reasons),
        "withheld": {entry.element: entry.reason for entry in sorted(decision.withheld)},
        "released": sorted(ruling.selection.elements) if ruling.selection else [],
        "decision_digest": digest_of(decision.encode()).hex(),
        "federation_revision": decision.revisions.federation,
        "local_revision": decision.revisions.local,
        "matter": matter_of(asked, ruling),
        "agreement_version": ruling.agreement.document.version if ruling.agreement else 0,
        "registry_sequence": ruling.evidence.registry.sequence,
        "consent_sequence": ruling.evidence.consent.sequence,
    }


def notes_on_decided(
    holder: Holder,
    asked: Asked,
    ruling: Ruling,
    coverage: Coverage,
    named: Mapping[str, int],
    unnamed: Unnamed | None = None,
) -> list[Note]:
    """Whose records the answer may hold, what was decided from, and the disclosure record.

    Args:
        holder: who answers, and which laws ask it for a record.
        asked: what was asked.
        ruling: what was decided of it.
        coverage: who is covered.
        named: the key of each student whom the question names, by the requester's name for them.
        unnamed: what is told without names, where that is what was asked for.
    """
    decision = ruling.decision
    released = _released(ruling, unnamed)
    refused = _refused(asked, coverage, named)
    # Asked for the decision alone, nobody looks whom it covers.
    may_leave = coverage.students or not named or asked.question.validate_only
    decided = Decided(
        released=released if may_leave else frozenset(),
        whole=released >= set(asked.question.elements) and not refused,
        reasons=_reasons(ruling, unnamed),
        obligations=tuple(sorted(decision.grant.obligations)) if decision.grant else (),
        secret=_is_secret(asked, ruling),
        secret_until=_secret_until(asked, ruling),
        withheld={entry.element: entry.reason for entry in decision.withheld},
        revisions=(decision.revisions.federation, decision.revisions.local),
        released_by=_releaser(holder, asked),
    )
    requested = _requested(asked, matter_of(asked, ruling), ruling)
    notes: list[Note] = [
        Disclosed(coverage.students, coverage.consents),
        DecisionRecord.of(ruling.facts, decision),
        record_of(holder.keeping, requested, decided, refused),
    ]
    if decision.waiting:
        question, requester = asked.question, asked.requester.organization_id
        use = (requester, question.agreement_id, question.purpose)
        notes.append(Waiting(*use, decision.waiting))
    return notes


def _released(ruling: Ruling, unnamed: Unnamed | None) -> frozenset[Element]:
    """The elements of which something may leave."""
    if unnamed is None:
        return ruling.selection.elements if ruling.selection else frozenset()
    return unnamed.elements if unnamed.rows is not None else frozenset()


def _reasons(ruling: Ruling, unnamed: Unnamed | None) -> tuple[ReasonCode, ...]:
    """The grounds, and why the rest is withheld; of counts that may not be told, only that."""
    decision = ruling.decision
    withheld = {entry.reason for entry in decision.withheld}
    beside = frozenset[ReasonCode]() if unnamed is None else unnamed.reasons
    untold = beside and unnamed is not None and unnamed.rows is None
    return tuple(sorted(withheld | beside | (frozenset() if untold else decision.reasons)))


def _refused(
    asked: Asked, coverage: Coverage, named: Mapping[str, int]
) -> Mapping[int, ReasonCode | None]:
    """Of whom not all that was asked may leave, and the first check that failed, if it is known."""
    failed: dict[int, ReasonCode] = {}
    for key, _element, reason in coverage.failures:
        earlier = failed.get(key, reason)
        failed[key] = min(reason, earlier, key=ORDER_OF_CHECKS.index)
    elements, nothing = set(asked.question.elements), frozenset[Element]()
    return {
        key: failed.get(key)
        for ref, key in named.items()
        # Whose family released some days only: whether those were asked for, each row says.
        if ref in coverage.windows or not coverage.elements.get(ref, nothing) >= elements
    }


def _is_secret(asked: Asked, ruling: Ruling) -> bool:
    """Whether the order that is relied on forbids telling the family (99.31(a)(9)(ii))."""
    order = _order(asked, ruling)
    return order is not None and order.nondisclosure_ordered is True


def _secret_until(asked: Asked, ruling: Ruling) -> dt.datetime | None:
    """The first instant at which the family may know, where the order says one."""
    order = _order(asked, ruling)
    if order is None or order.nondisclosure_until is None:
        return None
    after = order.nondisclosure_until + dt.timedelta(days=1)
    return dt.datetime.combine(after, dt.time(), dt.UTC)


def _order(asked: Asked, ruling: Ruling) -> OrderFacts | None:
    matter = ruling.on_file.of_ground(asked.question)
    facts = matter.facts if matter else None
    return facts if isinstance(facts, OrderFacts) else None


def _releaser(holder: Holder, asked: Asked) -> Releaser:
    """Who answers: the steward who entered the request, or the node by itself."""
    key_id = key_id_of(holder.present_key)
    steward = asked.entered_by
    return Releaser(steward.user_id, steward.role, key_id) if steward else Releaser(key_id=key_id)


def matter_of(asked: Asked, ruling: Ruling) -> str:
    """The matter that a question was decided by; empty if none was on file."""
    matter = ruling.on_file.of_ground(asked.question)
    return matter.matter_id if matter else ""


def notes_on_undecided(
    holder: Holder, asked: Asked, why: HomeroomError, named: Mapping[str, int]
) -> list[Note]:
    """The entry of the disclosure record for a request that could not be decided: refused."""
    stale = why.reason is Reason.STATE_STALE
    reasons = (ReasonCode.AUTHORIZATION_STATE_STALE,) if stale else ()
    refused = Decided(released=frozenset(), whole=False, reasons=reasons)
    requested = _requested(asked, asked.question.matter_id)
    return [record_of(holder.keeping, requested, refused, dict.fromkeys(named.values()))]


def notes_on_unread(holder: Holder, asker: Asker) -> list[Note]:
    """The entry of the disclosure record for what is no question; what it says is not repeated."""
    requested = Requested(
        requester=asker.requester.organization_id,
        user_id=asker.user.user_id,
        role=asker.user.role,
        purpose="",
        ground=NO_GROUND,
        elements=(),
        everyone=True,
        interest=Interest(affiliation=asker.requester.display_name),
    )
    refused = Decided(frozenset(), whole=False, reasons=(ReasonCode.REQUEST_NOT_SPECIFIC,))
    return [record_of(holder.keeping, requested, refused)]


def _requested(asked: Asked, matter_id: str, ruling: Ruling | None = None) -> Requested:
    question = asked.question
    selection = ruling.selection if ruling else None
    period = selection.period if selection else question.period
    return Requested(
        requester=asked.requester.organization_id,
        user_id=asked.user.user_id,
        role=asked.user.role,
        purpose=question.purpose,
        ground=question.ground,
        elements=question.elements,
        agreement_id=question.agreement_id,
        matter_id=matter_id,
        onward_to=question.onward_to,
        about_students=question.level is Level.STUDENT,
        everyone=question.everyone,
        decision_only=question.validate_only,
        dataset=question.dataset,
        first_day=period.start_date if period else None,
        last_day=period.end_date if period else None,
        interest=_interest(asked, ruling),
    )


def _interest(asked: Asked, ruling: Ruling | None) -> Interest:
    """Why the requester may have it, as far as agreement and file say so in words."""
    question, agreement = asked.question, ruling.agreement if ruling else None
    if agreement is None:
        return Interest(affiliation=asked.requester.display_name)
    document = agreement.document
    schedule, passing_on = document.schedule(question.purpose), document.clauses.redisclosure
    said = {one.organization_id: one.interest for one in passing_on.to} if passing_on else {}
    audit = document.clauses.audit if question.basis is Basis.AUDIT_EVALUATION else None
    named = {audit.authority, audit.representative or audit.authority} if audit else set()
    return Interest(
        affiliation=asked.requester.display_name,
        agreement_version=document.version,
        purpose=schedule.text if schedule else "",
        onward={to: said[to] for to in question.onward_to if to in said},
        authorities=tuple(sorted(named)),
    )
