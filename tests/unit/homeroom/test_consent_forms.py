"""A line of a file of forms: what it says, which column is wrong, and its lasting identifier."""

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeroom.consent_forms import (
    OPTIONAL,
    REQUIRED,
    consent_id_of,
    consent_of_form,
    consent_of_row,
    form_of_row,
)
from homeroom.errors import RequestInvalidError
from homeroom.question import Period
from homeroom.vocabulary import ConsentForm, Element

ROW = {
    "holder": "bps",
    "link_code": "K7-code",
    "elements": "daily_attendance; free_reduced_lunch_status",
    "purposes": "direct_service",
    "signer_relation": "parent",
    "form": "written",
    "sign_date": "2026-01-05",
    "start_date": "2026-01-05",
    "end_date": "2026-06-30",
}
CLAIM = {"given_name": "Ana", "family_name": "Reyes", "birth_date": "2014-02-28"}
AUTHENTICATION = {
    "authentication_method": "portal_password",
    "authentication_level": "aal2",
    "authentication_evidence_sha256": "ee" * 32,
    "authentication_time": "2026-01-05T12:00:00Z",
}
EVERYTHING = (
    ROW
    | CLAIM
    | AUTHENTICATION
    | {
        "link_code": "",
        "form": "electronic",
        "agreement_id": "after-school",
        "recipients": "dsni;ymca",
        "classes": "homework_clubs",
        "subject_ref": "known-already",
        "reference": "case 17",
        "record_start_date": "2025-09-01",
        "record_end_date": "2026-06-30",
        "signer_name": "Lucía Reyes",
        "rights_evidence": "court order",
        "form_version": "3",
        "language": "es",
        "form_text_sha256": "aa" * 32,
        "scan_sha256": "bb" * 32,
        "specific_elements": "free_reduced_lunch_status",
        "copy_requested_by_parent": "yes",
        "copy_to_minor_student": "no",
        "not_required_for_service": "yes",
    }
)


def opened(row: dict[str, str]) -> Any:
    """The consent of a line, which is the same as that of the form it says."""
    consent = consent_of_row(row, "dsni", "ab" * 16)
    assert consent.terms == consent_of_form(form_of_row(row), "dsni", "ab" * 16).terms
    return consent


def test_the_shortest_line_is_for_the_recorder_itself() -> None:
    consent = opened(ROW)

    assert consent.recipients == ("dsni",)
    assert consent.link_code == b"K7-code"
    assert consent.terms.elements == (
        Element.DAILY_ATTENDANCE,
        Element.FREE_REDUCED_LUNCH_STATUS,
    )
    assert len(consent.subject_refs["dsni"]) == 32


def test_every_column_is_read() -> None:
    consent = opened(EVERYTHING)
    terms = consent.terms

    assert set(EVERYTHING) <= {*REQUIRED, *OPTIONAL}
    assert consent.claim is not None
    assert (consent.claim.given_name, consent.claim.birth_date) == ("Ana", dt.date(2014, 2, 28))
    assert consent.subject_refs["dsni"] == "known-already"
    assert consent.recipients == ("dsni", "ymca")
    assert (consent.signer_name, consent.rights_evidence) == ("Lucía Reyes", "court order")
    assert consent.reference == "case 17"
    assert terms.form is ConsentForm.ELECTRONIC
    assert terms.authentication is not None
    assert terms.authentication.evidence_digest == bytes.fromhex("ee" * 32)
    assert terms.record_period == Period(dt.date(2025, 9, 1), dt.date(2026, 6, 30))
    assert (consent.scan_digest, terms.form_text_digest) == (b"\xbb" * 32, b"\xaa" * 32)
    assert terms.specific_elements == (Element.FREE_REDUCED_LUNCH_STATUS,)
    assert (terms.copy_requested_by_parent, terms.copy_to_minor_student) == (True, False)
    assert (terms.form_version, terms.language, terms.not_required_for_service) == ("3", "es", True)
    assert terms.classes == ("homework_clubs",)


def test_all_records_and_a_class_alone_are_said_in_their_own_way() -> None:
    consent = opened(ROW | {"elements": "all_education_records", "classes": "homework_clubs"})

    assert consent.terms.all_education_records
    assert consent.terms.elements == ()
    assert consent.recipients == ()


WRONG: dict[str, tuple[dict[str, str], str]] = {
    "no holder": ({"holder": ""}, "holder"),
    "a holder that is no name": ({"holder": "Boston Public"}, "organization_id"),
    "neither code nor claim": ({"link_code": ""}, "student"),
    "code and claim": (CLAIM, "student"),
    "a claim without a given name": ({"link_code": "", "family_name": "Reyes"}, "claim"),
    "an odd birth date": (CLAIM | {"link_code": "", "birth_date": "28.2.2014"}, "birth_date"),
    "an unknown element": ({"elements": "shoe_size"}, "elements"),
    "an unknown relation": ({"signer_relation": "neighbour"}, "signer_relation"),
    "an unknown form": ({"form": "smoke"}, "form"),
    "an odd day": ({"sign_date": "1/5/2026"}, "sign_date"),
    "an end before the start": ({"end_date": "2025-01-01"}, "end_date"),
    "an electronic form without evidence": ({"form": "electronic"}, "authentication"),
    "half an authentication": (
        AUTHENTICATION | {"authentication_evidence_sha256": ""},
        "authentication_evidence_sha256",
    ),
    "an authentication without a zone": (
        AUTHENTICATION | {"authentication_time": "2026-01-05T12:00:00"},
        "authentication_time",
    ),
    "a digest that is none": ({"scan_sha256": "bb"}, "scan_sha256"),
    "half a period": ({"record_start_date": "2025-09-01"}, "record_end_date"),
    "maybe": ({"copy_to_minor_student": "maybe"}, "copy_to_minor_student"),
    "an odd subject_ref": ({"subject_ref": "two words"}, "subject_ref"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_line_names_its_column_and_repeats_nothing(what: str) -> None:
    changed, field = WRONG[what]
    with pytest.raises(RequestInvalidError) as refused:
        opened(ROW | changed)

    told = refused.value.message + str(refused.value.metadata)
    assert refused.value.metadata["field"] == field
    assert all(value not in told for value in changed.values() if len(value) > 4)


CELLS = st.dictionaries(st.sampled_from(OPTIONAL), st.text("ab;\\", max_size=3))


@given(CELLS, CELLS)
def test_other_content_has_another_identifier(one: dict[str, str], other: dict[str, str]) -> None:
    """An empty cell says nothing, and the recorder's own reference is no content."""

    def content(row: dict[str, str]) -> dict[str, str]:
        return {name: cell for name, cell in row.items() if cell and name != "reference"}

    same = consent_id_of(one, b"secret") == consent_id_of(other, b"secret")
    assert same is (content(one) == content(other))


def test_nobody_without_the_secret_foresees_an_identifier() -> None:
    assert consent_id_of(ROW, b"one") != consent_id_of(ROW, b"other")
    assert len(consent_id_of(ROW, b"one")) == 32
