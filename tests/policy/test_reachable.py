"""Every reason code is given by some part: the policies, a student's row conditions, or counting.

What the policies say is read from the conformance vectors. What the node says of one student comes
from the row conditions; what disclosure control says comes from the counts of an answer.
"""

from homeroom.checks import RowCondition
from homeroom.vocabulary import ReasonCode
from tests.policy.conformance import GROUPS, read_group

OF_A_STUDENT = {
    RowCondition.CONSENTED: {
        ReasonCode.CONSENT_MISSING,
        ReasonCode.CONSENT_FORM_INVALID,
        ReasonCode.CONSENT_SIGNER_NOT_ENTITLED,
        ReasonCode.CONSENT_NOT_IN_EFFECT,
        ReasonCode.CONSENT_REVOKED,
        ReasonCode.CONSENT_RECIPIENT_MISMATCH,
        ReasonCode.CONSENT_PURPOSE_MISMATCH,
        ReasonCode.CONSENT_ELEMENT_OUT_OF_SCOPE,
    },
    RowCondition.SPECIFICALLY_CONSENTED: {ReasonCode.PROTECTED_MEAL_ELIGIBILITY},
    RowCondition.ONWARD_CONSENTED: {ReasonCode.REDISCLOSURE_NOT_PERMITTED},
    RowCondition.SOURCES_CONSENTED: {ReasonCode.CONSENT_ELEMENT_OUT_OF_SCOPE},
    RowCondition.SURVEY_CONSENTED: {ReasonCode.PPRA_CONSENT_REQUIRED},
    RowCondition.PART_B_CONSENTED: {ReasonCode.IDEA_CONSENT_REQUIRED},
    RowCondition.ON_CASELOAD: {ReasonCode.USER_NO_LEGITIMATE_INTEREST},
    RowCondition.NAMED_IN_MATTER: {ReasonCode.REQUEST_NOT_SPECIFIC},
    RowCondition.DIRECTORY_NOT_OPTED_OUT: {ReasonCode.DIRECTORY_OPT_OUT},
    RowCondition.LIVING_SITUATION_HIDDEN: {ReasonCode.PROTECTED_LIVING_SITUATION},
    RowCondition.SINGLE_SUBJECT: {ReasonCode.OTHER_STUDENT_INFORMATION_WITHHELD},
    RowCondition.RIGHTS_HELD: {ReasonCode.RIGHTS_NOT_HELD_BY_REQUESTER},
    RowCondition.DEIDENTIFIED: {ReasonCode.DEIDENTIFICATION_INSUFFICIENT},
    RowCondition.AGGREGATED: {
        ReasonCode.SMALL_CELL_SUPPRESSED,
        ReasonCode.HOMOGENEOUS_CELL_MASKED,
        ReasonCode.COMPLEMENTARY_SUPPRESSION,
        ReasonCode.DIFFERENCING_RISK,
    },
}


def said_by_the_policies() -> set[ReasonCode]:
    codes: set[str] = set()
    for group in GROUPS:
        for vector in read_group(group)["vectors"]:
            codes.update(vector["met"]["reasons"])
            codes.update(entry["reason"] for entry in vector["met"]["withheld"])
    return {ReasonCode(code) for code in codes}


def conditions_granted() -> set[RowCondition]:
    return {
        RowCondition(word)
        for group in GROUPS
        for vector in read_group(group)["vectors"]
        if vector["met"]["allow"]
        for words in vector["met"]["grant"]["elements"].values()
        for word in words
    }


def test_every_row_condition_is_asked_somewhere() -> None:
    """Each word of the closed vocabulary is in some vector's grant, and has its codes."""
    assert conditions_granted() == OF_A_STUDENT.keys() == set(RowCondition)


def test_every_reason_code_is_reachable() -> None:
    """All 65 are said: by the policies in some vector, or where a row condition fails."""
    of_students = {code for codes in OF_A_STUDENT.values() for code in codes}
    assert said_by_the_policies() | of_students == set(ReasonCode)


def test_what_is_about_a_question_is_said_by_the_policies() -> None:
    """Beside consents, opt-outs, joint records, surveys and counts, policy says every code."""
    only_of_students = set(ReasonCode) - said_by_the_policies()
    of_consents = OF_A_STUDENT[RowCondition.CONSENTED] | OF_A_STUDENT[RowCondition.AGGREGATED]
    assert only_of_students <= of_consents | {
        ReasonCode.DIRECTORY_OPT_OUT,
        ReasonCode.OTHER_STUDENT_INFORMATION_WITHHELD,
        ReasonCode.PPRA_CONSENT_REQUIRED,
    }
