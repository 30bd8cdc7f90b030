"""The words everyone shares: organizations, elements, purposes, bases and reason codes.

Labels of the law are cited where they come from: sections of 34 CFR Part 99 (FERPA) unless another
source is named.
"""

from enum import StrEnum


class OrganizationKind(StrEnum):
    """What an organization is."""

    DISTRICT = "district"
    CHARTER_SCHOOL = "charter_school"
    POSTSECONDARY = "postsecondary"
    STATE_EDUCATION_AUTHORITY = "state_education_authority"
    COMMUNITY_ORG = "community_org"
    SHELTER = "shelter"
    RESEARCH_ORG = "research_org"
    CHILD_WELFARE_AGENCY = "child_welfare_agency"
    TRIBAL_ORGANIZATION = "tribal_organization"
    HEALTH_PROVIDER = "health_provider"
    PUBLIC_HEALTH_AGENCY = "public_health_agency"
    LAW_ENFORCEMENT = "law_enforcement"
    COURT = "court"
    VENDOR = "vendor"
    VOCATIONAL_REHABILITATION_AGENCY = "vocational_rehabilitation_agency"
    HOUSING_AUTHORITY = "housing_authority"
    HOUSEHOLD = "household"


class Basis(StrEnum):
    """The ground on which a query claims to be permitted (99.30, 99.31)."""

    CONSENT = "consent"
    SCHOOL_OFFICIAL = "school_official"
    TRANSFER = "transfer"
    AUDIT_EVALUATION = "audit_evaluation"
    STUDIES = "studies"
    JUDICIAL_ORDER = "judicial_order"
    EMERGENCY = "emergency"
    DIRECTORY_INFORMATION = "directory_information"
    CHILD_WELFARE = "child_welfare"
    PARENT_OR_STUDENT_ACCESS = "parent_or_student_access"
    DEIDENTIFIED = "deidentified"
    AGGREGATE = "aggregate"
    PARTNER_RECORD = "partner_record"


class Element(StrEnum):
    """What can be shared about a student; agreements, consents and policies speak of these."""

    # identity
    NAME = "name"
    DATE_OF_BIRTH = "date_of_birth"
    STUDENT_NUMBER = "student_number"
    SSN = "ssn"
    PHOTO = "photo"
    ADDRESS = "address"
    PHONE = "phone"
    EMAIL = "email"
    EMERGENCY_CONTACTS = "emergency_contacts"
    # demographic
    GENDER = "gender"
    RACE_ETHNICITY = "race_ethnicity"
    GRADE_LEVEL = "grade_level"
    # status
    EL_STATUS = "el_status"
    SPED_STATUS = "sped_status"
    HOMELESS_STATUS = "homeless_status"
    LIVING_SITUATION = "living_situation"
    FOSTER_STATUS = "foster_status"
    FREE_REDUCED_LUNCH_STATUS = "free_reduced_lunch_status"
    HOUSEHOLD_INCOME = "household_income"
    # enrolment
    SCHOOL_OF_ENROLLMENT = "school_of_enrollment"
    ENROLLMENT_STATUS = "enrollment_status"
    DATES_OF_ATTENDANCE = "dates_of_attendance"
    GRADUATION_STATUS = "graduation_status"
    TRANSCRIPT = "transcript"
    # attendance
    DAILY_ATTENDANCE = "daily_attendance"
    ATTENDANCE_RATE = "attendance_rate"
    # behaviour
    SUSPENSIONS = "suspensions"
    EXPULSIONS = "expulsions"
    DISCIPLINE_INCIDENT_DETAIL = "discipline_incident_detail"
    # academic
    COURSE_ENROLLMENT = "course_enrollment"
    COURSE_GRADES = "course_grades"
    GPA = "gpa"
    TEST_SCORES = "test_scores"
    HONORS_AWARDS = "honors_awards"
    ACTIVITIES_SPORTS = "activities_sports"
    # special_education (Part B records)
    IEP = "iep"
    SPED_EVALUATION = "sped_evaluation"
    # health
    HEALTH_IMMUNIZATION = "health_immunization"
    HEALTH_CONDITIONS = "health_conditions"
    # derived
    EARLY_WARNING_FLAG = "early_warning_flag"
    # survey
    SURVEY_PROTECTED_RESPONSES = "survey_protected_responses"
    # not education records
    TEACHER_PRIVATE_NOTES = "teacher_private_notes"
    LAW_ENFORCEMENT_UNIT_RECORD = "law_enforcement_unit_record"
    # community-held
    PROGRAM_PARTICIPATION = "program_participation"
    PROGRAM_ATTENDANCE = "program_attendance"
    CASE_NOTES = "case_notes"
    # records about records
    DISCLOSURE_RECORD = "disclosure_record"


class Obligation(StrEnum):
    """What a recipient or holder has to do with an answer."""

    INFORM_REDISCLOSURE_LIMITS = "inform_redisclosure_limits"  # 99.33(d)
    OFFER_COPY_TO_PARENT = "offer_copy_to_parent"  # 99.30(c), 99.34(a)(2)
    OFFER_HEARING = "offer_hearing"  # 99.34(a)(3)
    ATTACH_CONTESTED_STATEMENT = "attach_contested_statement"  # 99.21(c)(2)
    RECORD_THREAT_AND_PARTIES = "record_threat_and_parties"  # 99.32(a)(5)
    RECORD_ONWARD_PARTIES = "record_onward_parties"  # 99.32(b)
    ENROLL_WITHOUT_WAITING = "enroll_without_waiting"  # 42 USC 11432(g)(3)(C)
    DESTROY_BY_DEADLINE = "destroy_by_deadline"  # 99.31(a)(6)(iii), 99.35(b)(2)


class SignerRelation(StrEnum):
    """How the person who signed a consent stands to the student (99.3, 99.5)."""

    PARENT = "parent"
    GUARDIAN = "guardian"
    ACTING_AS_PARENT = "acting_as_parent"
    RELATIVE_NOT_ACTING_AS_PARENT = "relative_not_acting_as_parent"
    MINOR_STUDENT = "minor_student"
    ELIGIBLE_STUDENT = "eligible_student"


class ConsentForm(StrEnum):
    """How a consent was given (99.30(a), (d))."""

    WRITTEN = "written"
    ELECTRONIC = "electronic"
    ORAL = "oral"


class AgreementKind(StrEnum):
    """What kind of agreement it is; each has its mandatory terms."""

    CONSENTED_SHARING = "consented_sharing"
    STUDY = "study"
    AUDIT = "audit"
    SERVICE = "service"
    TRANSFER_MOU = "transfer_mou"


class ReasonCode(StrEnum):
    """Why a question is permitted or refused."""

    PERMITTED_BY_CONSENT = "permitted_by_consent"
    PERMITTED_SCHOOL_OFFICIAL = "permitted_school_official"
    PERMITTED_TRANSFER = "permitted_transfer"
    PERMITTED_AUDIT_EVALUATION = "permitted_audit_evaluation"
    PERMITTED_STUDIES = "permitted_studies"
    PERMITTED_JUDICIAL_ORDER = "permitted_judicial_order"
    PERMITTED_EMERGENCY = "permitted_emergency"
    PERMITTED_DIRECTORY_INFORMATION = "permitted_directory_information"
    PERMITTED_CHILD_WELFARE = "permitted_child_welfare"
    PERMITTED_PARENT_OR_STUDENT_ACCESS = "permitted_parent_or_student_access"
    PERMITTED_DEIDENTIFIED = "permitted_deidentified"
    PERMITTED_AGGREGATE = "permitted_aggregate"
    PERMITTED_PARTNER_RECORD = "permitted_partner_record"
    IDENTITY_NOT_AUTHENTICATED = "identity_not_authenticated"
    ORG_NOT_REGISTERED = "org_not_registered"
    ORG_SUSPENDED = "org_suspended"
    ORG_DEBARRED = "org_debarred"
    USER_UNTRAINED = "user_untrained"
    USER_DELEGATION_INVALID = "user_delegation_invalid"
    USER_NO_LEGITIMATE_INTEREST = "user_no_legitimate_interest"
    AGREEMENT_MISSING = "agreement_missing"
    AGREEMENT_NOT_FULLY_SIGNED = "agreement_not_fully_signed"
    AGREEMENT_NOT_IN_EFFECT = "agreement_not_in_effect"
    AGREEMENT_PARTY_MISMATCH = "agreement_party_mismatch"
    AGREEMENT_SCHOOL_OUT_OF_SCOPE = "agreement_school_out_of_scope"
    AGREEMENT_ELEMENT_OUT_OF_SCOPE = "agreement_element_out_of_scope"
    AGREEMENT_PURPOSE_MISMATCH = "agreement_purpose_mismatch"
    AGREEMENT_TERMS_INCOMPLETE = "agreement_terms_incomplete"
    CONSENT_MISSING = "consent_missing"
    CONSENT_FORM_INVALID = "consent_form_invalid"
    CONSENT_SIGNER_NOT_ENTITLED = "consent_signer_not_entitled"
    CONSENT_NOT_IN_EFFECT = "consent_not_in_effect"
    CONSENT_REVOKED = "consent_revoked"
    CONSENT_RECIPIENT_MISMATCH = "consent_recipient_mismatch"
    CONSENT_PURPOSE_MISMATCH = "consent_purpose_mismatch"
    CONSENT_ELEMENT_OUT_OF_SCOPE = "consent_element_out_of_scope"
    AUTHORIZATION_STATE_STALE = "authorization_state_stale"
    PURPOSE_NOT_PERMITTED_BY_BASIS = "purpose_not_permitted_by_basis"
    SCHOOL_OFFICIAL_CRITERIA_NOT_MET = "school_official_criteria_not_met"
    TRANSFER_NO_ENROLLMENT_INTENT = "transfer_no_enrollment_intent"
    PRIOR_NOTICE_MISSING = "prior_notice_missing"
    ORDER_NOT_LAWFUL = "order_not_lawful"
    EMERGENCY_CONDITIONS_NOT_MET = "emergency_conditions_not_met"
    EMERGENCY_SCOPE_EXCEEDED = "emergency_scope_exceeded"
    CHILD_WELFARE_NOT_RESPONSIBLE = "child_welfare_not_responsible"
    DIRECTORY_NOT_DESIGNATED = "directory_not_designated"
    DIRECTORY_OPT_OUT = "directory_opt_out"
    DIRECTORY_CONDITIONS_NOT_MET = "directory_conditions_not_met"
    PROTECTED_LIVING_SITUATION = "protected_living_situation"
    PROTECTED_MEAL_ELIGIBILITY = "protected_meal_eligibility"
    IDEA_CONSENT_REQUIRED = "idea_consent_required"
    PPRA_CONSENT_REQUIRED = "ppra_consent_required"
    NOT_AN_EDUCATION_RECORD = "not_an_education_record"
    OTHER_STUDENT_INFORMATION_WITHHELD = "other_student_information_withheld"
    RIGHTS_NOT_HELD_BY_REQUESTER = "rights_not_held_by_requester"
    RECORD_INSPECTION_NOT_PERMITTED = "record_inspection_not_permitted"
    LOCAL_RULE_WITHHELD = "local_rule_withheld"
    APPROVAL_NOT_GRANTED = "approval_not_granted"
    REDISCLOSURE_NOT_PERMITTED = "redisclosure_not_permitted"
    REQUEST_NOT_SPECIFIC = "request_not_specific"
    SMALL_CELL_SUPPRESSED = "small_cell_suppressed"
    HOMOGENEOUS_CELL_MASKED = "homogeneous_cell_masked"
    COMPLEMENTARY_SUPPRESSION = "complementary_suppression"
    DIFFERENCING_RISK = "differencing_risk"
    DEIDENTIFICATION_INSUFFICIENT = "deidentification_insufficient"


REASON_TEXT: dict[ReasonCode, str] = {
    ReasonCode.PERMITTED_BY_CONSENT: (
        "valid written consent covers the request (99.30) and the agreement covers it too"
    ),
    ReasonCode.PERMITTED_SCHOOL_OFFICIAL: (
        "school official with legitimate educational interest (99.31(a)(1))"
    ),
    ReasonCode.PERMITTED_TRANSFER: (
        "school where the student seeks, intends or has enrolled (99.31(a)(2), 99.34)"
    ),
    ReasonCode.PERMITTED_AUDIT_EVALUATION: (
        "authorised representative, audit or evaluation of a Federal- or State-"
        "supported education program (99.31(a)(3), 99.35)"
    ),
    ReasonCode.PERMITTED_STUDIES: (
        "study for or on behalf of the agency under a complete written agreement (99.31(a)(6))"
    ),
    ReasonCode.PERMITTED_JUDICIAL_ORDER: (
        "judicial order or lawfully issued subpoena, notice rule met (99.31(a)(9))"
    ),
    ReasonCode.PERMITTED_EMERGENCY: (
        "articulable and significant threat, recipient needs to know (99.31(a)(10), 99.36)"
    ),
    ReasonCode.PERMITTED_DIRECTORY_INFORMATION: (
        "designated directory information, notice given, no opt-out (99.31(a)(11), 99.37)"
    ),
    ReasonCode.PERMITTED_CHILD_WELFARE: (
        "child welfare agency or tribal organisation legally responsible for the "
        "student (20 USC 1232g(b)(1)(L))"
    ),
    ReasonCode.PERMITTED_PARENT_OR_STUDENT_ACCESS: (
        "parent of a non-eligible student, or the student (99.10, 99.31(a)(12))"
    ),
    ReasonCode.PERMITTED_DEIDENTIFIED: "de-identified; reasonable determination made (99.31(b))",
    ReasonCode.PERMITTED_AGGREGATE: (
        "aggregate with no cell that identifies anyone, alone or with other releases"
    ),
    ReasonCode.PERMITTED_PARTNER_RECORD: (
        "record held by a community organisation as its own; agreement and client consent cover it"
    ),
    ReasonCode.IDENTITY_NOT_AUTHENTICATED: (
        "the caller is not identified and authenticated (99.31(c))"
    ),
    ReasonCode.ORG_NOT_REGISTERED: "the requesting organisation is not known to the registry",
    ReasonCode.ORG_SUSPENDED: "the requesting organisation is suspended",
    ReasonCode.ORG_DEBARRED: (
        "the recipient is barred (five-year rule, 99.67(c)-(e), 20 USC 1232g(b)(4)(B))"
    ),
    ReasonCode.USER_UNTRAINED: "the person has no current training or confidentiality undertaking",
    ReasonCode.USER_DELEGATION_INVALID: (
        "the person acts by delegation that has ended, was withdrawn or does not cover this"
    ),
    ReasonCode.USER_NO_LEGITIMATE_INTEREST: (
        "the person has no need for this student or this element (99.31(a)(1)(ii); need-to-know)"
    ),
    ReasonCode.AGREEMENT_MISSING: "no agreement between the parties",
    ReasonCode.AGREEMENT_NOT_FULLY_SIGNED: "a required party has not signed",
    ReasonCode.AGREEMENT_NOT_IN_EFFECT: "not yet effective, expired, suspended or terminated",
    ReasonCode.AGREEMENT_PARTY_MISMATCH: "the requester is not a party to the agreement relied on",
    ReasonCode.AGREEMENT_SCHOOL_OUT_OF_SCOPE: (
        "the student (or cell) is at a school the agreement does not list"
    ),
    ReasonCode.AGREEMENT_ELEMENT_OUT_OF_SCOPE: (
        "the element is not in the agreement, or not for this purpose"
    ),
    ReasonCode.AGREEMENT_PURPOSE_MISMATCH: "the stated purpose is not one of the agreement",
    ReasonCode.AGREEMENT_TERMS_INCOMPLETE: (
        "the agreement lacks a term that the law makes a condition"
    ),
    ReasonCode.CONSENT_MISSING: "no consent on file where consent is the only ground",
    ReasonCode.CONSENT_FORM_INVALID: (
        "not written, not signed, not dated, or the electronic signer is not identified"
        " and authenticated (99.30(a),(b),(d))"
    ),
    ReasonCode.CONSENT_SIGNER_NOT_ENTITLED: (
        "signed by someone who does not hold the right (99.3, 99.4, 99.5)"
    ),
    ReasonCode.CONSENT_NOT_IN_EFFECT: "before its start or after its end",
    ReasonCode.CONSENT_REVOKED: "revoked before the decision",
    ReasonCode.CONSENT_RECIPIENT_MISMATCH: (
        "names other parties or classes than this recipient (99.30(b)(3))"
    ),
    ReasonCode.CONSENT_PURPOSE_MISMATCH: "given for another purpose (99.30(b)(2))",
    ReasonCode.CONSENT_ELEMENT_OUT_OF_SCOPE: (
        "does not specify this record (99.30(b)(1)); includes values derived from "
        "records it does not specify"
    ),
    ReasonCode.AUTHORIZATION_STATE_STALE: (
        "the deciding node cannot confirm consent or agreement recently enough; fail closed"
    ),
    ReasonCode.PURPOSE_NOT_PERMITTED_BY_BASIS: "the exception claimed does not serve this purpose",
    ReasonCode.SCHOOL_OFFICIAL_CRITERIA_NOT_MET: (
        "outside party fails a test of 99.31(a)(1)(i)(B) or the published criteria "
        "(99.7(a)(3)(iii))"
    ),
    ReasonCode.TRANSFER_NO_ENROLLMENT_INTENT: (
        "the student neither seeks, intends nor has enrolled there"
    ),
    ReasonCode.PRIOR_NOTICE_MISSING: (
        "a notice that must precede the disclosure was not attempted (99.34(a)(1), 99.31(a)(9)(ii))"
    ),
    ReasonCode.ORDER_NOT_LAWFUL: "no judicial order or lawfully issued subpoena",
    ReasonCode.EMERGENCY_CONDITIONS_NOT_MET: (
        "no articulable and significant threat, or the emergency has ended"
    ),
    ReasonCode.EMERGENCY_SCOPE_EXCEEDED: (
        "more was asked than is necessary to protect health or safety"
    ),
    ReasonCode.CHILD_WELFARE_NOT_RESPONSIBLE: (
        "the agency is not legally responsible for the care and protection of the student"
    ),
    ReasonCode.DIRECTORY_NOT_DESIGNATED: (
        "not designated, or can never be, directory information (99.3, 99.37(a))"
    ),
    ReasonCode.DIRECTORY_OPT_OUT: "parent or eligible student opted out (99.37(a)(2),(b))",
    ReasonCode.DIRECTORY_CONDITIONS_NOT_MET: (
        "no public notice, limited-policy recipient or purpose not met, or matched by "
        "SSN or other non-directory data (99.37(a),(d),(e))"
    ),
    ReasonCode.PROTECTED_LIVING_SITUATION: (
        "living situation of a homeless student, never directory information (42 USC "
        "11432(g)(3)(G))"
    ),
    ReasonCode.PROTECTED_MEAL_ELIGIBILITY: (
        "free/reduced-price meal data outside 42 USC 1758(b)(6) without specific parental consent"
    ),
    ReasonCode.IDEA_CONSENT_REQUIRED: (
        "IDEA asks for consent although FERPA alone might not (34 CFR 300.622(b)(2),(3))"
    ),
    ReasonCode.PPRA_CONSENT_REQUIRED: (
        "protected survey answers obtained without the prior consent PPRA requires (20 "
        "USC 1232h(b))"
    ),
    ReasonCode.NOT_AN_EDUCATION_RECORD: (
        "outside the education record (sole-possession note, law-enforcement-unit "
        "record); not served by the exchange"
    ),
    ReasonCode.OTHER_STUDENT_INFORMATION_WITHHELD: "concerns another student (99.12(a))",
    ReasonCode.RIGHTS_NOT_HELD_BY_REQUESTER: (
        "rights moved to the student, or a court order ended them (99.4, 99.5)"
    ),
    ReasonCode.RECORD_INSPECTION_NOT_PERMITTED: (
        "not one of those who may inspect the disclosure record (99.32(c))"
    ),
    ReasonCode.LOCAL_RULE_WITHHELD: "the data holder's own rule withholds the element",
    ReasonCode.APPROVAL_NOT_GRANTED: (
        "approval required by the holder is pending, denied or has lapsed"
    ),
    ReasonCode.REDISCLOSURE_NOT_PERMITTED: "onward disclosure not covered (99.33)",
    ReasonCode.REQUEST_NOT_SPECIFIC: (
        "open-ended request (no elements or students named); requests are tailored to "
        "purpose and user"
    ),
    ReasonCode.SMALL_CELL_SUPPRESSED: "cell below the minimum size",
    ReasonCode.HOMOGENEOUS_CELL_MASKED: (
        "all or none of a group share the outcome, so the exact rate tells it for each "
        "member; give a masked range"
    ),
    ReasonCode.COMPLEMENTARY_SUPPRESSION: (
        "further cells or totals withheld so that a small cell cannot be computed"
    ),
    ReasonCode.DIFFERENCING_RISK: (
        "this release and an earlier one (or what the requester itself contributed) "
        "give a small cell by subtraction"
    ),
    ReasonCode.DEIDENTIFICATION_INSUFFICIENT: (
        "still identifiable: derived code, unique combination, or targeted request "
        "(99.3 PII (f),(g); 99.31(b))"
    ),
}
"""What each reason code means, in a sentence for people."""
