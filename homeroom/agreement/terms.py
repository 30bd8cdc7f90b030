"""The terms that law and practice ask of a written agreement, as far as a document has them.

A document never says which terms it has: they follow from its clauses, so that nobody can tick a
box for a promise that is not there.
"""

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from homeroom.agreement.document import AgreementDocument


class AgreementTerm(StrEnum):
    """What a written agreement settles that law or practice asks for."""

    # what 34 CFR 99.31(a)(6)(iii)(C) asks of studies
    PURPOSE_SCOPE_DURATION = "purpose_scope_duration"
    USE_ONLY_FOR_STUDY = "use_only_for_study"
    NO_IDENTIFICATION_BY_OTHERS = "no_identification_by_others"
    # what 34 CFR 99.35(a)(3) asks of audits and evaluations
    DESIGNATES_AUTHORIZED_REPRESENTATIVE = "designates_authorized_representative"
    AUDIT_PURPOSE_STATED = "audit_purpose_stated"
    ACTIVITY_DESCRIPTION = "activity_description"
    # both
    INFORMATION_TO_BE_DISCLOSED = "information_to_be_disclosed"
    DESTROY_WHEN_NO_LONGER_NEEDED = "destroy_when_no_longer_needed"
    DESTRUCTION_DEADLINE = "destruction_deadline"
    SAFEGUARD_POLICIES = "safeguard_policies"
    # practice
    PURPOSES = "purposes"
    SCHOOLS = "schools"
    AUTHORIZED_USERS = "authorized_users"
    NO_REDISCLOSURE = "no_redisclosure"
    BREACH_NOTICE = "breach_notice"
    AUDIT_RIGHT = "audit_right"


def terms_of(document: "AgreementDocument") -> frozenset[AgreementTerm]:
    """The terms that a document has."""
    return frozenset(term for term, present in _presence(document).items() if present)


def _presence(document: "AgreementDocument") -> dict[AgreementTerm, bool]:
    clauses = document.clauses
    destruction = clauses.destruction
    by_day = destruction is not None and (
        destruction.deadline is not None or destruction.within_days_of_end is not None
    )
    return {
        AgreementTerm.PURPOSES: True,
        AgreementTerm.INFORMATION_TO_BE_DISCLOSED: True,
        AgreementTerm.SCHOOLS: any(document.schools.values()),
        AgreementTerm.AUTHORIZED_USERS: (
            document.authorized_roles is not None or bool(document.named_users)
        ),
        AgreementTerm.NO_REDISCLOSURE: clauses.redisclosure is not None,
        AgreementTerm.SAFEGUARD_POLICIES: clauses.safeguards is not None,
        AgreementTerm.BREACH_NOTICE: clauses.breach_notice is not None,
        AgreementTerm.AUDIT_RIGHT: clauses.audit_right is not None,
        AgreementTerm.DESTROY_WHEN_NO_LONGER_NEEDED: (
            destruction is not None and destruction.when_no_longer_needed
        ),
        AgreementTerm.DESTRUCTION_DEADLINE: by_day,
        AgreementTerm.PURPOSE_SCOPE_DURATION: clauses.study is not None,
        AgreementTerm.USE_ONLY_FOR_STUDY: clauses.use_only_for_purpose is not None,
        AgreementTerm.NO_IDENTIFICATION_BY_OTHERS: (
            clauses.no_identification_by_others is not None
        ),
        AgreementTerm.DESIGNATES_AUTHORIZED_REPRESENTATIVE: (
            clauses.audit is not None and clauses.audit.representative is not None
        ),
        AgreementTerm.AUDIT_PURPOSE_STATED: (
            clauses.audit is not None and clauses.audit.purpose is not None
        ),
        AgreementTerm.ACTIVITY_DESCRIPTION: all(s.activity for s in document.schedules),
    }
