"""Why a consent that arrived allows nothing at the node that holds the records."""

from enum import StrEnum


class ConsentProblem(StrEnum):
    """Why a consent allows nothing here; told to the organization's own steward.

    Those that begin with `consent_` are reason codes, and are told to the recorder too.
    """

    EVIDENCE_INVALID = "evidence_invalid"
    RECORDER_NOT_A_PARTY = "recorder_not_a_party"
    LINK_CODE_UNKNOWN = "link_code_unknown"
    STUDENT_NOT_FOUND = "student_not_found"
    AWAITS_REVIEW = "awaits_review"
    LINK_UNDONE = "link_undone"
    BIRTH_DATE_UNKNOWN = "birth_date_unknown"
    NOT_CHECKED = "not_checked"
    CONSENT_FORM_INVALID = "consent_form_invalid"
    CONSENT_NOT_IN_EFFECT = "consent_not_in_effect"
    CONSENT_SIGNER_NOT_ENTITLED = "consent_signer_not_entitled"
    CONSENT_ELEMENT_OUT_OF_SCOPE = "consent_element_out_of_scope"
    CONSENT_PURPOSE_MISMATCH = "consent_purpose_mismatch"
    CONSENT_RECIPIENT_MISMATCH = "consent_recipient_mismatch"

    @property
    def told(self) -> bool:
        """Whether the recorder is told: it is about the form, never about a student."""
        return self.startswith("consent_")


ABOUT_THE_FEDERATION = (
    ConsentProblem.EVIDENCE_INVALID,
    ConsentProblem.RECORDER_NOT_A_PARTY,
    ConsentProblem.CONSENT_ELEMENT_OUT_OF_SCOPE,
    ConsentProblem.CONSENT_PURPOSE_MISMATCH,
    ConsentProblem.CONSENT_RECIPIENT_MISMATCH,
)
"""What another state of the registry may mend."""
