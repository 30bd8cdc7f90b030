"""What decisions check: conditions on each student's own record, and the order of all checks."""

from collections.abc import Mapping
from enum import StrEnum

from homeroom.vocabulary import ReasonCode


class RowCondition(StrEnum):
    """What a student's own facts must say before an element of theirs may go.

    Policies see no student. They name these words, and the node that holds the records decides
    each for each student at the instant of the answer.
    """

    CONSENTED = "consented"
    """A consent covers student, element, recipient, purpose and period (99.30)."""
    SPECIFICALLY_CONSENTED = "specifically_consented"
    """That consent names the element itself, no general release (42 USC 1758(b)(6))."""
    ONWARD_CONSENTED = "onward_consented"
    """That consent names each onward party too (99.30(b)(3), 99.33(a))."""
    SOURCES_CONSENTED = "sources_consented"
    """That consent covers every element that a computed one was computed from (99.30(b)(1))."""
    SURVEY_CONSENTED = "survey_consented"
    """The answers were gathered with the prior consent that 20 USC 1232h(b) asks for."""
    PART_B_CONSENTED = "part_b_consented"
    """A consent covers it where it is a record under IDEA Part B (34 CFR 300.622(b))."""
    ON_CASELOAD = "on_caseload"
    """The user works with the student (99.31(a)(1)(ii))."""
    NAMED_IN_MATTER = "named_in_matter"
    """The matter on file names the student."""
    DIRECTORY_NOT_OPTED_OUT = "directory_not_opted_out"
    """Nobody opted out of this kind of directory information for the student (99.37(a)(2), (b))."""
    LIVING_SITUATION_HIDDEN = "living_situation_hidden"
    """It would not tell where a homeless student lives (42 USC 11432(g)(3)(G))."""
    SINGLE_SUBJECT = "single_subject"
    """The record concerns no other student (99.12(a))."""
    RIGHTS_HELD = "rights_held"
    """Whoever asks holds the right today: a parent until it moved, or the student (99.4, 99.5)."""
    AGGREGATED = "aggregated"
    """It goes only into counts that passed disclosure control (99.31(b)(1))."""
    DEIDENTIFIED = "deidentified"
    """It goes only without what identifies, in groups that are large enough (99.31(b))."""


CONDITION_TEXT: Mapping[RowCondition, str] = {
    RowCondition.CONSENTED: "a consent of that moment covers the student, the element, the"
    " recipient, the purpose and the period (34 CFR 99.30)",
    RowCondition.SPECIFICALLY_CONSENTED: "that consent names the element itself, and is no general"
    " release (42 USC 1758(b)(6))",
    RowCondition.ONWARD_CONSENTED: "that consent names each party that it goes on to"
    " (34 CFR 99.30(b)(3), 99.33(a))",
    RowCondition.SOURCES_CONSENTED: "that consent covers every element that the value was computed"
    " from (34 CFR 99.30(b)(1))",
    RowCondition.SURVEY_CONSENTED: "the answers were gathered with prior consent (20 USC 1232h(b))",
    RowCondition.PART_B_CONSENTED: "a consent covers it where it is a record under IDEA Part B"
    " (34 CFR 300.622(b))",
    RowCondition.ON_CASELOAD: "the user works with the student (34 CFR 99.31(a)(1)(ii))",
    RowCondition.NAMED_IN_MATTER: "the matter on file names the student",
    RowCondition.DIRECTORY_NOT_OPTED_OUT: "nobody opted out of such directory information for the"
    " student (34 CFR 99.37)",
    RowCondition.LIVING_SITUATION_HIDDEN: "it does not tell where a homeless student lives"
    " (42 USC 11432(g)(3)(G))",
    RowCondition.SINGLE_SUBJECT: "the record concerns no other student (34 CFR 99.12(a))",
    RowCondition.RIGHTS_HELD: "whoever asks holds the rights that day: a parent until they moved,"
    " or the student (34 CFR 99.4, 99.5)",
    RowCondition.AGGREGATED: "it goes only into counts that passed disclosure control"
    " (34 CFR 99.31(b)(1))",
    RowCondition.DEIDENTIFIED: "it goes without what identifies, in groups that are large enough"
    " (34 CFR 99.31(b))",
}
"""Each row condition for a person who asks why."""

ORDER_OF_CHECKS: tuple[ReasonCode, ...] = (
    ReasonCode.IDENTITY_NOT_AUTHENTICATED,
    ReasonCode.ORG_NOT_REGISTERED,
    ReasonCode.ORG_SUSPENDED,
    ReasonCode.ORG_DEBARRED,
    ReasonCode.USER_UNTRAINED,
    ReasonCode.USER_DELEGATION_INVALID,
    ReasonCode.REQUEST_NOT_SPECIFIC,
    ReasonCode.NOT_AN_EDUCATION_RECORD,
    ReasonCode.RECORD_INSPECTION_NOT_PERMITTED,
    ReasonCode.PROTECTED_LIVING_SITUATION,
    ReasonCode.DIRECTORY_NOT_DESIGNATED,
    ReasonCode.DIRECTORY_CONDITIONS_NOT_MET,
    ReasonCode.DIRECTORY_OPT_OUT,
    ReasonCode.SCHOOL_OFFICIAL_CRITERIA_NOT_MET,
    ReasonCode.TRANSFER_NO_ENROLLMENT_INTENT,
    ReasonCode.ORDER_NOT_LAWFUL,
    ReasonCode.PRIOR_NOTICE_MISSING,
    ReasonCode.EMERGENCY_CONDITIONS_NOT_MET,
    ReasonCode.EMERGENCY_SCOPE_EXCEEDED,
    ReasonCode.CHILD_WELFARE_NOT_RESPONSIBLE,
    ReasonCode.RIGHTS_NOT_HELD_BY_REQUESTER,
    ReasonCode.OTHER_STUDENT_INFORMATION_WITHHELD,
    ReasonCode.DEIDENTIFICATION_INSUFFICIENT,
    ReasonCode.IDEA_CONSENT_REQUIRED,
    ReasonCode.PPRA_CONSENT_REQUIRED,
    ReasonCode.PROTECTED_MEAL_ELIGIBILITY,
    ReasonCode.PURPOSE_NOT_PERMITTED_BY_BASIS,
    ReasonCode.AGREEMENT_MISSING,
    ReasonCode.AGREEMENT_NOT_FULLY_SIGNED,
    ReasonCode.AGREEMENT_NOT_IN_EFFECT,
    ReasonCode.AUTHORIZATION_STATE_STALE,
    ReasonCode.AGREEMENT_PARTY_MISMATCH,
    ReasonCode.AGREEMENT_TERMS_INCOMPLETE,
    ReasonCode.AGREEMENT_PURPOSE_MISMATCH,
    ReasonCode.USER_NO_LEGITIMATE_INTEREST,
    ReasonCode.REDISCLOSURE_NOT_PERMITTED,
    ReasonCode.AGREEMENT_ELEMENT_OUT_OF_SCOPE,
    ReasonCode.AGREEMENT_SCHOOL_OUT_OF_SCOPE,
    ReasonCode.CONSENT_MISSING,
    ReasonCode.CONSENT_FORM_INVALID,
    ReasonCode.CONSENT_SIGNER_NOT_ENTITLED,
    ReasonCode.CONSENT_NOT_IN_EFFECT,
    ReasonCode.CONSENT_REVOKED,
    ReasonCode.CONSENT_RECIPIENT_MISMATCH,
    ReasonCode.CONSENT_PURPOSE_MISMATCH,
    ReasonCode.CONSENT_ELEMENT_OUT_OF_SCOPE,
    ReasonCode.LOCAL_RULE_WITHHELD,
    ReasonCode.APPROVAL_NOT_GRANTED,
    ReasonCode.DIFFERENCING_RISK,
    ReasonCode.HOMOGENEOUS_CELL_MASKED,
    ReasonCode.COMPLEMENTARY_SUPPRESSION,
    ReasonCode.SMALL_CELL_SUPPRESSED,
)
"""The refusals in the order of the checks: the first of several is the decisive one."""
