"""Counts the day by which a recipient destroys what one answer told it.

Where something says nothing or cannot be read, the earliest day counts that law and agreement
allow: never none. What is added can only move a day forward: an earlier end, a stricter clause, a
later version, a revoked consent.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from homeroom.agreement import AgreementDocument
from homeroom.federation import KnownAgreement
from homeroom.lifecycle import AgreementHistory, Ending
from homeroom.vocabulary import Basis

_KEEP = "keep_until_deadline"

_NOTHING_OWED = frozenset(
    {
        Basis.TRANSFER,  # it becomes the new school's own education record (99.31(a)(2), 99.34)
        Basis.PARENT_OR_STUDENT_ACCESS,  # it is the family's
        Basis.DIRECTORY_INFORMATION,  # it is public
        Basis.DEIDENTIFIED,  # it is about nobody
        Basis.AGGREGATE,
    }
)
"""The grounds whose answers stay with their recipient, unless an agreement says otherwise."""


class DueRule(StrEnum):
    """By what a day was found."""

    DEADLINE = "deadline"  # the agreement's clause names the day
    DAYS_AFTER_END = "days_after_end"  # the clause names days after the end
    AGREEMENT_END = "agreement_end"  # no day is agreed: the purpose ends with the agreement
    TERMS_UNKNOWN = "terms_unknown"  # the agreement cannot be read here: at once
    NO_AGREEMENT = "no_agreement"  # nothing lets it be kept beyond its purpose: at once
    CONSENT_REVOKED = "consent_revoked"  # the family took back what let it leave


@dataclass(frozen=True, slots=True, order=True)
class Due:
    """The day by which it is destroyed, in UTC, and how that was found.

    Attributes:
        certificate_by: the day by which the holder is told; with `day` where nothing is agreed.
    """

    day: dt.date
    certificate_by: dt.date
    rule: DueRule


@dataclass(frozen=True, slots=True)
class Received:
    """One answer about students, as far as its day depends on it.

    Attributes:
        agreement_id, agreement_version: what was relied on; empty and 0 for none.
        basis: the ground it was given on; empty where that is not known any more.
        on: the day it was given, in UTC by the holder's clock.
    """

    holder: str
    recipient: str
    agreement_id: str
    agreement_version: int
    basis: str
    on: dt.date


@dataclass(frozen=True, slots=True)
class DestructionTerms:
    """What one version of an agreement means for what it let leave.

    Attributes:
        ends_on: the earliest of its last day, its study's last day, and the day it was ended.
        has_clause: whether it has a clause on destruction at all.
        certificate_within_days: of the destruction; None where nothing is agreed.
    """

    ends_on: dt.date
    has_clause: bool = False
    deadline: dt.date | None = None
    within_days_of_end: int | None = None
    certificate_within_days: int | None = None
    on_revocation: str | None = None

    def due(self) -> Due:
        """The day by this version alone."""
        days = [(self.ends_on, DueRule.AGREEMENT_END)]
        if self.deadline is not None or self.within_days_of_end is not None:
            days = []
        if self.deadline is not None:
            days.append((self.deadline, DueRule.DEADLINE))
        if self.within_days_of_end is not None:
            after = _later(self.ends_on, self.within_days_of_end)
            days.append((after, DueRule.DAYS_AFTER_END))
        day, rule = min(days)
        return Due(day, _later(day, self.certificate_within_days or 0), rule)


def terms_of_answer(
    received: Received, agreement: KnownAgreement | None
) -> Sequence[DestructionTerms]:
    """The terms of the version that was relied on, and of each that all parties signed since.

    A later version counts for what it lets leave itself; of what left before, it can only shorten
    the time. None where the agreement is not known, or never had that version.
    """
    version = received.agreement_version
    if agreement is None or agreement.history.agreement_id != received.agreement_id:
        return ()
    agreed = [one for one in agreement.history.agreed if one.terms.version >= version]
    if not agreed or agreed[0].terms.version != version:
        return ()
    ended = _ended_on(agreement.history, version, {received.holder, received.recipient})
    return [_terms(agreement.document(one), ended) for one in agreed]


def due_of_answer(received: Received, terms: Sequence[DestructionTerms]) -> Due | None:
    """The day for the whole of one answer; None where its ground leaves it with its recipient."""
    if received.basis in _NOTHING_OWED and not any(one.has_clause for one in terms):
        return None
    on = received.on
    if not terms:
        unknown = DueRule.TERMS_UNKNOWN if received.agreement_id else DueRule.NO_AGREEMENT
        return Due(on, on, unknown)
    strictest = min(one.due() for one in terms)
    by = min(one.due().certificate_by for one in terms)
    return Due(max(strictest.day, on), max(by, on), strictest.rule)


def due_of_consent(
    received: Received, whole: Due, terms: Sequence[DestructionTerms], revoked_on: dt.date
) -> Due:
    """The day for what an answer told by a consent that was revoked since.

    It is destroyed at once, unless every version agrees to keep it as long as the rest.
    """
    if terms and all(one.on_revocation == _KEEP for one in terms):
        return whole
    day = max(revoked_on, received.on)
    if day >= whole.day:
        return whole
    within = min((one.certificate_within_days or 0 for one in terms), default=0)
    return Due(day, min(_later(day, within), whole.certificate_by), DueRule.CONSENT_REVOKED)


def _terms(document: AgreementDocument, ended: dt.date | None) -> DestructionTerms:
    clause, study = document.clauses.destruction, document.clauses.study
    ends = [document.effective_to]
    if study is not None:
        ends.append(study.ends_on)
    if ended is not None:
        ends.append(ended)
    if clause is None:
        return DestructionTerms(min(ends))
    return DestructionTerms(
        ends_on=min(ends),
        has_clause=True,
        deadline=clause.deadline,
        within_days_of_end=clause.within_days_of_end,
        certificate_within_days=clause.certificate_within_days,
        on_revocation=clause.on_revocation,
    )


def _ended_on(history: AgreementHistory, version: int, between: set[str]) -> dt.date | None:
    """The day on which one of both ended its part of it, or anyone the whole."""
    ends = [
        said.time.astimezone(dt.UTC).date()
        for said in history.statements
        if isinstance(said.action, Ending)
        and said.version >= version
        and (said.action.whole or said.organization_id in between)
    ]
    return min(ends, default=None)


def _later(day: dt.date, days: int) -> dt.date:
    """So many days later, or the last day there is."""
    return day + dt.timedelta(days=min(days, (dt.date.max - day).days))
